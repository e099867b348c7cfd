import { isRecord } from '../behaviour.ts'
import { allInput, allOutput, foldCounts } from '../counts.ts'
import { callSteps, type Reply } from '../reply.ts'
import { finishWord, frame, GARBLED, type FakeWire, type Frame } from '../wire.ts'
import { openaiError } from './openai-errors.ts'

const FINISH = { stop: 'stop', length: 'length', tool: 'tool_calls', filtered: 'content_filter' }

/** OpenAI Chat Completions. */
export const chat: FakeWire = {
  usage: 'openai',
  answer: (reply) => ({
    id: `chatcmpl-${reply.id}`,
    object: 'chat.completion',
    created: reply.created,
    model: reply.model,
    choices: reply.behaviour.empty === 'all' ? [] : indexes(reply).map((index) => choice(reply, index)),
    ...(reply.usage === 'none' ? {} : { usage: usage(reply) }),
    service_tier: 'default',
    system_fingerprint: 'fp_fake',
  }),
  stream: frames,
  errorBody: (refusal) => ({ error: openaiError(refusal) }),
  errorFrame: (refusal) => frame('error', { error: openaiError(refusal) }),
}

const indexes = ({ asked }: Reply) => Array.from({ length: typeof asked['n'] === 'number' ? asked['n'] : 1 }, (_, index) => index)
const hasLogprobs = ({ behaviour, asked }: Reply) => behaviour.logprobs ?? asked['logprobs'] === true

function choice(reply: Reply, index: number): object {
  const calls = reply.calls.map(({ id, name, pieces }) => ({
    id: `call_${id}`,
    type: 'function',
    function: { name, arguments: pieces.join('') },
  }))
  const message = {
    role: 'assistant',
    content: reply.text.length === 0 ? null : reply.text.join(''),
    refusal: reply.refusal.length === 0 ? null : reply.refusal.join(''),
    ...(reply.reasoning.length === 0 ? {} : { reasoning_content: reply.reasoning.join('') }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  }
  return {
    index,
    message,
    logprobs: hasLogprobs(reply) ? logprobs(reply.text) : null,
    finish_reason: finishWord(FINISH, reply.finish),
  }
}

function logprobs(pieces: readonly string[]): object {
  const content = pieces.map((token) => ({ token, logprob: -0.125, bytes: [...Buffer.from(token)], top_logprobs: [] }))
  return { content, refusal: null }
}

function usage({ counts, usage: mode }: Reply): object {
  if (mode === 'garbled') return GARBLED
  const prompt = allInput(counts)
  const completion = allOutput(counts)
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: counts.cacheRead,
      cache_write_tokens: counts.cacheWrite5m + counts.cacheWrite1h,
      audio_tokens: counts.inputAudio,
    },
    completion_tokens_details: {
      reasoning_tokens: counts.reasoning,
      audio_tokens: counts.outputAudio,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}

/** Where the stream says its usage: as OpenAI does, or as one of those that resemble it. */
function placeOf({ behaviour, asked, usage: mode }: Reply): 'none' | 'last' | 'finish' | 'every' | 'x_groq' {
  if (mode === 'none') return 'none'
  if (behaviour.usageOn !== undefined && behaviour.usageOn !== 'ask') return behaviour.usageOn
  const options = asked['stream_options']
  return isRecord(options) && options['include_usage'] === true ? 'last' : 'none'
}

function* frames(reply: Reply): Generator<Frame> {
  const place = placeOf(reply)
  const says = reply.usage === 'told' ? foldCounts('openai', reply.counts) : undefined
  const open = {
    ...head(reply),
    ...(place === 'last' ? { usage: null } : {}),
    ...(place === 'every' ? { usage: usage(reply) } : {}),
  }
  if (reply.behaviour.empty === 'first')
    yield frame('preamble', {
      ...open,
      id: '',
      choices: [],
      prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }],
    })
  const every = place === 'every' ? says : undefined
  if (reply.behaviour.empty !== 'all')
    for (const index of indexes(reply)) {
      yield frame(
        'preamble',
        { ...open, choices: [delta(index, { role: 'assistant', content: reply.text.length === 0 ? null : '', refusal: null })] },
        { says: every },
      )
      for (const piece of deltas(reply))
        yield frame('content', { ...open, choices: [delta(index, piece.delta, null, piece.logprobs)] }, { says: every })
      const end = { ...open, choices: [delta(index, {}, finishWord(FINISH, reply.finish))] }
      if (place === 'finish') yield frame('finish', { ...end, usage: usage(reply) }, { says })
      else if (place === 'x_groq') yield frame('finish', { ...end, x_groq: { id: 'req_fake', usage: usage(reply) } }, { says })
      else yield frame('finish', end, { says: every })
    }
  if (place === 'last') yield frame('usage', { ...open, choices: [], usage: usage(reply) }, { says })
  yield { event: '', data: '[DONE]', kind: 'end' }
}

function head({ id, created, model }: Reply): object {
  return { id: `chatcmpl-${id}`, object: 'chat.completion.chunk', created, model, system_fingerprint: 'fp_fake' }
}

function delta(index: number, part: object, finish: string | null = null, logprob: object | null = null): object {
  return { index, delta: part, logprobs: logprob, finish_reason: finish }
}

function* deltas(reply: Reply): Generator<{ readonly delta: object; readonly logprobs: object | null }> {
  for (const piece of reply.reasoning) yield { delta: { reasoning_content: piece }, logprobs: null }
  for (const piece of reply.text) yield { delta: { content: piece }, logprobs: hasLogprobs(reply) ? logprobs([piece]) : null }
  for (const piece of reply.refusal) yield { delta: { refusal: piece }, logprobs: null }
  for (const { type, index, call, piece } of callSteps(reply)) {
    if (type === 'end') continue
    const opening = { id: `call_${call.id}`, type: 'function', function: { name: call.name, arguments: '' } }
    const part = type === 'start' ? opening : { function: { arguments: piece } }
    yield { delta: { tool_calls: [{ index, ...part }] }, logprobs: null }
  }
}
