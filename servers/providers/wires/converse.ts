import { allInput, allOutput, foldCounts } from '../counts.ts'
import { argumentsOf, callSteps, type Reply } from '../reply.ts'
import { finishWord, frame, type FakeWire, type Frame, type Refusal } from '../wire.ts'

const FINISH = { stop: 'end_turn', length: 'max_tokens', tool: 'tool_use', filtered: 'content_filtered' }
const EXCEPTIONS: Readonly<Record<number, string>> = {
  400: 'ValidationException',
  401: 'UnrecognizedClientException',
  403: 'AccessDeniedException',
  404: 'ResourceNotFoundException',
  408: 'ModelTimeoutException',
  413: 'ValidationException',
  424: 'ModelErrorException',
  429: 'ThrottlingException',
  503: 'ServiceUnavailableException',
}

/** Amazon Bedrock Converse. */
export const converse: FakeWire = {
  usage: 'converse',
  answer: (reply) => ({
    output: { message: { role: 'assistant', content: reply.behaviour.empty === 'all' ? [] : content(reply) } },
    stopReason: finishWord(FINISH, reply.finish),
    ...(reply.usage === 'none' ? {} : { usage: usage(reply) }),
    metrics: { latencyMs: 12 },
  }),
  stream: frames,
  errorBody: ({ message }) => ({ message }),
  errorHeaders: (refusal) => ({ 'x-amzn-errortype': exceptionOf(refusal) }),
  errorFrame: (refusal) => {
    const name = exceptionOf(refusal)
    return frame('error', { message: refusal.message }, { event: `${name.charAt(0).toLowerCase()}${name.slice(1)}` })
  },
}

const exceptionOf = ({ code, status }: Refusal) => code ?? EXCEPTIONS[status] ?? 'InternalServerException'

function usage({ counts, usage: mode }: Reply): object {
  if (mode === 'garbled') return { inputTokens: 'many', outputTokens: null, totalTokens: -1 }
  const { input, output } = foldCounts('converse', counts)
  const writes = [['5m', counts.cacheWrite5m] as const, ['1h', counts.cacheWrite1h] as const].filter(([, tokens]) => tokens > 0)
  return {
    inputTokens: input,
    outputTokens: output,
    totalTokens: allInput(counts) + allOutput(counts),
    cacheReadInputTokens: counts.cacheRead,
    cacheWriteInputTokens: counts.cacheWrite5m + counts.cacheWrite1h,
    ...(writes.length === 0 ? {} : { cacheDetails: writes.map(([ttl, inputTokens]) => ({ ttl, inputTokens })) }),
  }
}

const said = ({ text, refusal }: Reply) => [...text, ...refusal]
const isThoughtful = ({ reasoning, behaviour }: Reply) => reasoning.length > 0 || behaviour.signature !== undefined

function content(reply: Reply): object[] {
  const { reasoning, signature, redacted, calls } = reply
  const made: object[] = []
  if (isThoughtful(reply)) made.push({ reasoningContent: { reasoningText: { text: reasoning.join(''), signature } } })
  if (redacted !== undefined) made.push({ reasoningContent: { redactedContent: redacted } })
  if (said(reply).length > 0) made.push({ text: said(reply).join('') })
  for (const call of calls) made.push({ toolUse: { toolUseId: `tooluse_${call.id}`, name: call.name, input: argumentsOf(call) } })
  return made
}

function* frames(reply: Reply): Generator<Frame> {
  yield event('preamble', 'messageStart', { role: 'assistant' })
  if (reply.behaviour.empty !== 'all') yield* blocks(reply)
  yield event('end', 'messageStop', { stopReason: finishWord(FINISH, reply.finish) })
  const metadata = { ...(reply.usage === 'none' ? {} : { usage: usage(reply) }), metrics: { latencyMs: 12 } }
  yield event('usage', 'metadata', metadata, reply.usage === 'told' ? foldCounts('converse', reply.counts) : undefined)
}

function event(kind: Frame['kind'], name: string, value: object, says?: Frame['says']): Frame {
  return frame(kind, value, { event: name, says })
}

function* blocks(reply: Reply): Generator<Frame> {
  let index = 0
  for (const deltas of deltasOf(reply)) {
    for (const delta of deltas) yield event('content', 'contentBlockDelta', { contentBlockIndex: index, delta })
    yield event('preamble', 'contentBlockStop', { contentBlockIndex: index })
    index += 1
  }
  for (const { type, index: place, call, piece } of callSteps(reply)) {
    const at = { contentBlockIndex: index + place }
    const start = { toolUse: { toolUseId: `tooluse_${call.id}`, name: call.name } }
    if (type === 'start') yield event('content', 'contentBlockStart', { ...at, start })
    else if (type === 'piece') yield event('content', 'contentBlockDelta', { ...at, delta: { toolUse: { input: piece } } })
    else yield event('preamble', 'contentBlockStop', at)
  }
}

function deltasOf(reply: Reply): object[][] {
  const thought = reply.reasoning.map((text) => ({ reasoningContent: { text } }))
  const proof = { reasoningContent: { signature: reply.signature } }
  return [
    ...(isThoughtful(reply) ? [[...thought, proof]] : []),
    ...(reply.redacted === undefined ? [] : [[{ reasoningContent: { redactedContent: reply.redacted } }]]),
    ...(said(reply).length === 0 ? [] : [said(reply).map((text) => ({ text }))]),
  ]
}
