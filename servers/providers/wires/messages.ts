import { foldCounts } from '../counts.ts'
import { argumentsOf, callSteps, type Reply } from '../reply.ts'
import { finishWord, frame, GARBLED, type FakeWire, type Frame, type Refusal } from '../wire.ts'

const FINISH = { stop: 'end_turn', length: 'max_tokens', tool: 'tool_use', filtered: 'refusal' }
const TYPES: Readonly<Record<number, string>> = {
  400: 'invalid_request_error',
  401: 'authentication_error',
  402: 'billing_error',
  403: 'permission_error',
  404: 'not_found_error',
  413: 'request_too_large',
  429: 'rate_limit_error',
  504: 'timeout_error',
  529: 'overloaded_error',
}

/** Anthropic Messages. */
export const messages: FakeWire = {
  usage: 'messages',
  answer: (reply) => ({
    ...shell(reply),
    content: reply.behaviour.empty === 'all' ? [] : blocks(reply),
    stop_reason: finishWord(FINISH, reply.finish),
    ...(reply.usage === 'none' ? {} : { usage: usage(reply) }),
  }),
  stream: frames,
  errorBody: (refusal) => ({ ...errorEvent(refusal), request_id: 'req_fake' }),
  errorFrame: (refusal) => frame('error', errorEvent(refusal), { event: 'error' }),
  ping: frame('ping', { type: 'ping' }, { event: 'ping' }),
}

function errorEvent({ status, message, code }: Refusal): object {
  return { type: 'error', error: { type: code ?? TYPES[status] ?? 'api_error', message } }
}

function shell({ id, model }: Reply): object {
  return { id: `msg_${id}`, type: 'message', role: 'assistant', model, content: [], stop_reason: null, stop_sequence: null }
}

function usage({ counts, usage: mode }: Reply): object {
  if (mode === 'garbled') return GARBLED
  const { input, output, reasoning } = foldCounts('messages', counts)
  return {
    input_tokens: input,
    cache_creation_input_tokens: counts.cacheWrite5m + counts.cacheWrite1h,
    cache_read_input_tokens: counts.cacheRead,
    cache_creation: { ephemeral_5m_input_tokens: counts.cacheWrite5m, ephemeral_1h_input_tokens: counts.cacheWrite1h },
    output_tokens: output + reasoning,
    output_tokens_details: { thinking_tokens: reasoning },
    ...(counts.webSearches === 0 ? {} : { server_tool_use: { web_search_requests: counts.webSearches, web_fetch_requests: 0 } }),
    service_tier: 'standard',
  }
}

interface Block {
  /** How the block begins in a stream. */
  readonly start: object
  readonly deltas: readonly object[]
  readonly whole: object
}

function spoken(reply: Reply): Block[] {
  const made: Block[] = []
  if (reply.reasoning.length > 0 || reply.behaviour.signature !== undefined) {
    const thinking = { type: 'thinking', thinking: '', signature: '' }
    const deltas = reply.reasoning.map((piece) => ({ type: 'thinking_delta', thinking: piece }))
    const whole = { type: 'thinking', thinking: reply.reasoning.join(''), signature: reply.signature }
    made.push({ start: thinking, deltas: [...deltas, { type: 'signature_delta', signature: reply.signature }], whole })
  }
  if (reply.redacted !== undefined) {
    const block = { type: 'redacted_thinking', data: reply.redacted }
    made.push({ start: block, deltas: [], whole: block })
  }
  const said = [...reply.text, ...reply.refusal]
  if (said.length > 0)
    made.push({
      start: { type: 'text', text: '' },
      deltas: said.map((text) => ({ type: 'text_delta', text })),
      whole: { type: 'text', text: said.join('') },
    })
  return made
}

function blocks(reply: Reply): object[] {
  const calls = reply.calls.map((call) => ({
    type: 'tool_use',
    id: `toolu_${call.id}`,
    name: call.name,
    input: argumentsOf(call),
  }))
  return [...spoken(reply).map(({ whole }) => whole), ...calls]
}

function* frames(reply: Reply): Generator<Frame> {
  const told = reply.usage === 'told' ? foldCounts('messages', reply.counts) : undefined
  const output = reply.behaviour.firstOutput ?? Math.min(1, reply.counts.output)
  const first = { ...reply, counts: { ...reply.counts, output, reasoning: 0, outputAudio: 0 } }
  const usageAtStart = reply.usage === 'none' ? {} : { usage: usage(first) }
  yield event(
    'preamble',
    'message_start',
    { message: { ...shell(reply), ...usageAtStart } },
    told && { ...told, output, reasoning: 0 },
  )
  if (reply.behaviour.empty !== 'all') yield* blockFrames(reply)
  const delta = { stop_reason: finishWord(FINISH, reply.finish), stop_sequence: null }
  yield event('finish', 'message_delta', { delta, ...(reply.usage === 'none' ? {} : { usage: usage(reply) }) }, told)
  yield event('end', 'message_stop', {}, told)
}

function event(kind: Frame['kind'], type: string, rest: object, says?: Frame['says']): Frame {
  return frame(kind, { type, ...rest }, { event: type, says })
}

function* blockFrames(reply: Reply): Generator<Frame> {
  const before = spoken(reply)
  for (const [index, { start, deltas }] of before.entries()) {
    yield event('preamble', 'content_block_start', { index, content_block: start })
    for (const delta of deltas) yield event('content', 'content_block_delta', { index, delta })
    yield event('preamble', 'content_block_stop', { index })
  }
  for (const { type, index: place, call, piece } of callSteps(reply)) {
    const index = before.length + place
    const block = { type: 'tool_use', id: `toolu_${call.id}`, name: call.name, input: {} }
    if (type === 'start') yield event('content', 'content_block_start', { index, content_block: block })
    else if (type === 'end') yield event('preamble', 'content_block_stop', { index })
    // A call without arguments has no deltas at all.
    else if (piece !== '{}')
      yield event('content', 'content_block_delta', { index, delta: { type: 'input_json_delta', partial_json: piece } })
  }
}
