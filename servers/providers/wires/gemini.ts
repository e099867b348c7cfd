import { allInput, allOutput, foldCounts } from '../counts.ts'
import type { Counts } from '../behaviour.ts'
import { argumentsOf, type Reply } from '../reply.ts'
import { finishWord, frame, type FakeWire, type Frame, type Refusal } from '../wire.ts'

const FINISH = { stop: 'STOP', length: 'MAX_TOKENS', tool: 'STOP', filtered: 'SAFETY' }
const STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_ARGUMENT',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  413: 'INVALID_ARGUMENT',
  429: 'RESOURCE_EXHAUSTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
}

/** Gemini, on the developer API and on Vertex. */
export const gemini: FakeWire = {
  usage: 'gemini',
  answer: (reply) => chunk(reply, parts(reply), { finish: true, counts: reply.counts }),
  stream: frames,
  errorBody,
  errorFrame: (refusal) => frame('error', errorBody(refusal)),
}

function errorBody({ status, message, code }: Refusal): object {
  const details = status === 429 ? [{ '@type': 'type.googleapis.com/google.rpc.RetryInfo', retryDelay: '12s' }] : []
  return { error: { code: status, message, status: code ?? STATUS[status] ?? 'INTERNAL', details } }
}

type Part = Readonly<Record<string, unknown>>

function parts(reply: Reply): Part[] {
  const said: Part[] = [
    ...thoughts(reply, [reply.reasoning.join('')]),
    ...[reply.text.join('')].filter(Boolean).map((text) => ({ text })),
  ]
  return [...said, ...calls(reply)]
}

function thoughts({ behaviour, signature }: Reply, pieces: readonly string[]): Part[] {
  const proof = behaviour.signature === undefined ? {} : { thoughtSignature: signature }
  return pieces.filter(Boolean).map((text) => ({ text, thought: true, ...proof }))
}

function calls({ calls: proposed, behaviour, signature }: Reply): Part[] {
  return proposed.map((call, index) => ({
    functionCall: { ...(behaviour.withoutIds === true ? {} : { id: call.id }), name: call.name, args: argumentsOf(call) },
    ...(index === 0 ? { thoughtSignature: signature } : {}),
  }))
}

function chunk(reply: Reply, content: readonly Part[], end: { readonly finish: boolean; readonly counts: Counts }): object {
  const finish = end.finish ? { finishReason: finishWord(FINISH, reply.finish) } : {}
  const isBlocked = reply.behaviour.empty === 'all'
  return {
    ...(isBlocked
      ? { promptFeedback: { blockReason: 'SAFETY' } }
      : { candidates: [{ index: 0, content: { role: 'model', parts: content }, ...finish }] }),
    modelVersion: reply.model,
    responseId: reply.id,
    ...(reply.usage === 'none' ? {} : { usageMetadata: usage(reply, end.counts) }),
  }
}

function usage({ usage: mode }: Reply, counts: Counts): object {
  if (mode === 'garbled') return { promptTokenCount: 'many', candidatesTokenCount: null, totalTokenCount: -1 }
  const prompt = allInput(counts)
  const out = counts.output + counts.outputAudio
  const modalities = (rows: readonly (readonly [string, number])[]) =>
    rows.filter(([, tokenCount]) => tokenCount > 0).map(([modality, tokenCount]) => ({ modality, tokenCount }))
  const text = prompt - counts.inputAudio - counts.inputImage
  const voiced =
    counts.outputAudio > 0
      ? {
          candidatesTokensDetails: modalities([
            ['TEXT', counts.output],
            ['AUDIO', counts.outputAudio],
          ]),
        }
      : {}
  return {
    promptTokenCount: prompt,
    ...(counts.cacheRead > 0 ? { cachedContentTokenCount: counts.cacheRead } : {}),
    candidatesTokenCount: out,
    ...(counts.reasoning > 0 ? { thoughtsTokenCount: counts.reasoning } : {}),
    totalTokenCount: prompt + allOutput(counts),
    promptTokensDetails: modalities([
      ['TEXT', text],
      ['AUDIO', counts.inputAudio],
      ['IMAGE', counts.inputImage],
    ]),
    ...voiced,
  }
}

function* frames(reply: Reply): Generator<Frame> {
  const told = reply.usage === 'told'
  const thinking = reply.reasoning.length === 0 ? 0 : reply.counts.reasoning
  const pieces: Part[] = [...thoughts(reply, reply.reasoning), ...reply.text.map((text) => ({ text })), ...calls(reply)]
  if (reply.behaviour.empty === 'first')
    yield frame('preamble', { candidates: [], modelVersion: reply.model, responseId: reply.id })
  if (reply.behaviour.empty !== 'all')
    for (const [index, part] of pieces.entries()) {
      // Totals so far, on every chunk: whoever adds them up is wrong.
      const output = Math.floor((reply.counts.output * index) / pieces.length)
      const counts = { ...reply.counts, output, outputAudio: 0, reasoning: thinking }
      yield frame('content', chunk(reply, [part], { finish: false, counts }), {
        says: told ? foldCounts('gemini', counts) : undefined,
      })
    }
  const end = chunk(reply, [{ text: '' }], { finish: true, counts: reply.counts })
  yield frame('end', end, { says: told ? foldCounts('gemini', reply.counts) : undefined })
}
