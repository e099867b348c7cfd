import { allInput, allOutput, foldCounts } from '../counts.ts'
import { callSteps, type Reply } from '../reply.ts'
import { frame, GARBLED, type FakeWire, type Frame } from '../wire.ts'
import { openaiError } from './openai-errors.ts'

/** OpenAI Responses. */
export const responses: FakeWire = {
  usage: 'responses',
  answer: (reply) => whole(reply, endStatus(reply), reply.behaviour.empty === 'all' ? [] : items(reply, 'completed')),
  stream: frames,
  errorBody: (refusal) => ({ error: openaiError(refusal) }),
  errorFrame: (refusal, sequence) => {
    const { code, message, param } = openaiError(refusal)
    return frame('error', { type: 'error', sequence_number: sequence, code, message, param }, { event: 'error' })
  },
}

function endStatus({ finish }: Reply): 'completed' | 'incomplete' | 'failed' {
  if (finish === 'length' || finish === 'filtered') return 'incomplete'
  return finish === 'failed' ? 'failed' : 'completed'
}

function whole(reply: Reply, status: string, output: readonly object[]): object {
  const { asked } = reply
  const isOver = status !== 'in_progress'
  const reason = reply.finish === 'length' ? 'max_output_tokens' : 'content_filter'
  return {
    id: `resp_${reply.id}`,
    object: 'response',
    created_at: reply.created,
    status,
    model: reply.model,
    output,
    error: status === 'failed' ? { code: 'server_error', message: 'the fake model failed' } : null,
    incomplete_details: status === 'incomplete' ? { reason } : null,
    instructions: asked['instructions'] ?? null,
    metadata: asked['metadata'] ?? {},
    parallel_tool_calls: asked['parallel_tool_calls'] ?? true,
    previous_response_id: null,
    store: asked['store'] ?? true,
    temperature: asked['temperature'] ?? 1,
    tool_choice: asked['tool_choice'] ?? 'auto',
    tools: asked['tools'] ?? [],
    top_p: asked['top_p'] ?? 1,
    usage: isOver && reply.usage !== 'none' ? usage(reply) : null,
  }
}

function usage({ counts, usage: mode }: Reply): object {
  if (mode === 'garbled') return GARBLED
  const input = allInput(counts)
  const output = allOutput(counts)
  return {
    input_tokens: input,
    input_tokens_details: {
      cached_tokens: counts.cacheRead,
      cache_write_tokens: counts.cacheWrite5m + counts.cacheWrite1h,
    },
    output_tokens: output,
    output_tokens_details: {
      reasoning_tokens: counts.reasoning,
    },
    total_tokens: input + output,
  }
}

const hasThought = ({ reasoning, redacted }: Reply) => reasoning.length > 0 || redacted !== undefined
const hasMessage = ({ text, refusal }: Reply) => text.length > 0 || refusal.length > 0

function items(reply: Reply, status: string): object[] {
  const made: object[] = []
  if (hasThought(reply)) made.push(thought(reply, reply.reasoning.join('')))
  if (hasMessage(reply)) made.push(messageItem(reply, status, parts(reply)))
  for (const [index, { pieces }] of reply.calls.entries()) made.push(call(reply, index, status, pieces.join('')))
  return made
}

function thought(reply: Reply, text: string): object {
  const sealed = reply.redacted ?? (reply.behaviour.signature === undefined ? undefined : reply.signature)
  return {
    id: `rs_${reply.id}`,
    type: 'reasoning',
    summary: text === '' ? [] : [{ type: 'summary_text', text }],
    ...(sealed === undefined ? {} : { encrypted_content: sealed }),
  }
}

const textPart = (text: string) => ({ type: 'output_text', text, annotations: [], logprobs: [] })

function parts({ text, refusal }: Reply): object[] {
  const said = text.length > 0 ? [textPart(text.join(''))] : []
  return refusal.length > 0 ? [...said, { type: 'refusal', refusal: refusal.join('') }] : said
}

function messageItem({ id }: Reply, status: string, content: readonly object[]): object {
  return { id: `msg_${id}`, type: 'message', status, role: 'assistant', content }
}

function call({ id, calls }: Reply, index: number, status: string, text: string): object {
  const { id: callId, name } = calls[index] ?? { id: '', name: '' }
  return { id: `fc_${id}x${index}`, type: 'function_call', status, call_id: `call_${callId}`, name, arguments: text }
}

function* frames(reply: Reply): Generator<Frame> {
  let sequence = 0
  const number = (type: string, kind: Frame['kind'], rest: object) =>
    frame(kind, { type, sequence_number: sequence++, ...rest }, { event: type })
  for (const type of ['response.created', 'response.in_progress'])
    yield number(type, 'preamble', { response: whole(reply, 'in_progress', []) })
  if (reply.behaviour.empty !== 'all')
    for (const { type, ...rest } of steps(reply)) yield number(type, isContent(type) ? 'content' : 'preamble', rest)
  const status = endStatus(reply)
  const type = `response.${status}`
  const said = reply.behaviour.empty === 'all' ? [] : items(reply, 'completed')
  const end = { type, sequence_number: sequence, response: whole(reply, status, said) }
  yield frame('end', end, { event: type, says: reply.usage === 'told' ? foldCounts('responses', reply.counts) : undefined })
}

const isContent = (type: string) => type.endsWith('.delta')

interface Step {
  readonly type: string
  readonly [member: string]: unknown
}

function* steps(reply: Reply): Generator<Step> {
  let output = 0
  if (hasThought(reply)) yield* thoughtSteps(reply, output++)
  if (hasMessage(reply)) yield* messageSteps(reply, output++)
  for (const { type, index, call: proposed, piece } of callSteps(reply)) {
    const place = { output_index: output + index }
    const of = { item_id: `fc_${reply.id}x${index}`, ...place }
    const text = proposed.pieces.join('')
    if (type === 'start') yield { type: 'response.output_item.added', ...place, item: call(reply, index, 'in_progress', '') }
    if (type === 'piece') yield { type: 'response.function_call_arguments.delta', ...of, delta: piece }
    if (type !== 'end') continue
    yield { type: 'response.function_call_arguments.done', ...of, name: proposed.name, arguments: text }
    yield { type: 'response.output_item.done', ...place, item: call(reply, index, 'completed', text) }
  }
}

function* thoughtSteps(reply: Reply, output: number): Generator<Step> {
  const place = { output_index: output }
  const of = { item_id: `rs_${reply.id}`, ...place, summary_index: 0 }
  const text = reply.reasoning.join('')
  yield { type: 'response.output_item.added', ...place, item: thought({ ...reply, redacted: undefined }, '') }
  if (text !== '') {
    yield { type: 'response.reasoning_summary_part.added', ...of, part: { type: 'summary_text', text: '' } }
    for (const piece of reply.reasoning) yield { type: 'response.reasoning_summary_text.delta', ...of, delta: piece }
    yield { type: 'response.reasoning_summary_text.done', ...of, text }
    yield { type: 'response.reasoning_summary_part.done', ...of, part: { type: 'summary_text', text } }
  }
  yield { type: 'response.output_item.done', ...place, item: thought(reply, text) }
}

function* messageSteps(reply: Reply, output: number): Generator<Step> {
  const place = { output_index: output }
  yield { type: 'response.output_item.added', ...place, item: messageItem(reply, 'in_progress', []) }
  for (const [content, part] of parts(reply).entries()) {
    const isText = 'text' in part
    const of = { item_id: `msg_${reply.id}`, ...place, content_index: content }
    const word = isText ? 'output_text' : 'refusal'
    const pieces = isText ? reply.text : reply.refusal
    const extra = isText ? { logprobs: [] } : {}
    yield { type: 'response.content_part.added', ...of, part: isText ? textPart('') : { type: 'refusal', refusal: '' } }
    for (const piece of pieces) yield { type: `response.${word}.delta`, ...of, delta: piece, ...extra }
    yield { type: `response.${word}.done`, ...of, [isText ? 'text' : 'refusal']: pieces.join(''), ...extra }
    yield { type: 'response.content_part.done', ...of, part }
  }
  yield { type: 'response.output_item.done', ...place, item: messageItem(reply, 'completed', parts(reply)) }
}
