import { createHash } from 'node:crypto'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { parseObject } from '../loose-json.ts'
import { demoReply, demoTokens, type DemoReply } from './reply.ts'

/** An HTTP answer of the demo, in the pieces it is sent in. */
export interface DemoAnswer {
  readonly status: number
  readonly contentType: string
  readonly pieces: Iterable<string>
}

const MODEL = 'tollgate-demo'
/** The same for every answer: the demo has no clock. */
const CREATED_SECONDS = 1_767_225_600

/** Answers a request of the OpenAI shape; the same request always gets the same bytes. */
export function demoAnswer(path: string, bytes: Buffer): DemoAnswer {
  const body = parseObject(bytes.toString('utf8'))
  if (body === undefined) return refused(400, 'the body is not a JSON object')
  if (path.endsWith('/embeddings')) return whole(embeddings(body))
  if (!path.endsWith('/chat/completions')) return refused(404, 'the demo answers chat completions and embeddings')
  const id = `chatcmpl-demo-${createHash('sha256').update(bytes).digest('hex').slice(0, 16)}`
  const reply = demoReply(body)
  return body['stream'] === true
    ? { status: 200, contentType: 'text/event-stream; charset=utf-8', pieces: frames(id, body, reply) }
    : whole(completion(id, body, reply))
}

const whole = (value: object, status = 200): DemoAnswer => ({
  status,
  contentType: 'application/json',
  pieces: [JSON.stringify(value)],
})

function refused(status: number, message: string): DemoAnswer {
  return whole({ error: { message, type: 'invalid_request_error', param: null, code: null } }, status)
}

function completion(id: string, body: JsonObject, reply: DemoReply): object {
  const calls = callsOf(id, reply)
  const message = { role: 'assistant', content: reply.call === undefined ? reply.text : null, refusal: null, ...calls }
  const choice = { index: 0, message, logprobs: null, finish_reason: reply.finish }
  return { id, object: 'chat.completion', created: CREATED_SECONDS, model: MODEL, choices: [choice], usage: usageOf(body, reply) }
}

function callsOf(id: string, { call }: DemoReply): object {
  if (call === undefined) return {}
  return { tool_calls: [{ id: `call_${id.slice(-16)}`, type: 'function', function: call }] }
}

function usageOf(body: JsonObject, { text, call }: DemoReply): object {
  const { messages = [], tools = [] } = body
  const prompt =
    demoTokens(JSON.stringify(messages)) + (Array.isArray(tools) && tools.length > 0 ? demoTokens(JSON.stringify(tools)) : 0)
  const answer = demoTokens(text + (call?.name ?? '') + (call?.arguments ?? ''))
  return { prompt_tokens: prompt, completion_tokens: answer, total_tokens: prompt + answer }
}

function* frames(id: string, body: JsonObject, reply: DemoReply): Generator<string> {
  const options = body['stream_options']
  const wantsUsage = isJsonObject(options) && options['include_usage'] === true
  const head = { id, object: 'chat.completion.chunk', created: CREATED_SECONDS, model: MODEL }
  const open = wantsUsage ? { ...head, usage: null } : head
  const chunk = (delta: object, finish: string | null = null) =>
    frame({ ...open, choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }] })
  yield chunk({ role: 'assistant', content: reply.call === undefined ? '' : null, refusal: null })
  // Word by word, so that a stream looks like one.
  for (const word of reply.text.match(/\S+\s*|\s+/g) ?? []) yield chunk({ content: word })
  if (reply.call !== undefined) yield* callFrames(id, reply.call, chunk)
  yield chunk({}, reply.finish)
  if (wantsUsage) yield frame({ ...head, choices: [], usage: usageOf(body, reply) })
  yield 'data: [DONE]\n\n'
}

function* callFrames(
  id: string,
  call: { readonly name: string; readonly arguments: string },
  chunk: (delta: object) => string,
): Generator<string> {
  const opening = { id: `call_${id.slice(-16)}`, type: 'function', function: { name: call.name, arguments: '' } }
  yield chunk({ tool_calls: [{ index: 0, ...opening }] })
  yield chunk({ tool_calls: [{ index: 0, function: { arguments: call.arguments } }] })
}

const frame = (value: object) => `data: ${JSON.stringify(value)}\n\n`

const USUAL_DIMENSIONS = 64
const MOST_DIMENSIONS = 4096

function embeddings(body: JsonObject): object {
  const { input, dimensions } = body
  const inputs = isTexts(input) ? input : [typeof input === 'string' ? input : JSON.stringify(input ?? '')]
  const size =
    typeof dimensions === 'number' && dimensions >= 1 ? Math.min(Math.floor(dimensions), MOST_DIMENSIONS) : USUAL_DIMENSIONS
  const isBase64 = body['encoding_format'] === 'base64'
  const data = inputs.map((text, index) => {
    const vector = vectorOf(text, size)
    const embedding = isBase64 ? Buffer.from(vector.buffer).toString('base64') : [...vector]
    return { object: 'embedding', index, embedding }
  })
  const tokens = inputs.reduce((sum, text) => sum + demoTokens(text), 0)
  return { object: 'list', data, model: MODEL, usage: { prompt_tokens: tokens, total_tokens: tokens } }
}

function isTexts(input: unknown): input is readonly string[] {
  return Array.isArray(input) && input.length > 0 && input.every((one) => typeof one === 'string')
}

/** A direction of length one made from the hash of the text: equal texts are near, all others are far. */
function vectorOf(text: string, size: number): Float32Array {
  const bytes = createHash('shake256', { outputLength: size }).update(text).digest()
  const raw = Float32Array.from(bytes, (byte) => byte - 127.5)
  const length = Math.hypot(...raw)
  return raw.map((value) => value / length)
}
