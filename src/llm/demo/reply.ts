import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { objectOf, objectsOf, parseObject } from '../loose-json.ts'
import { demoValue } from './value.ts'

/** What the demo says to a chat request. */
export interface DemoReply {
  readonly text: string
  readonly call?: { readonly name: string; readonly arguments: string }
  readonly finish: 'stop' | 'length' | 'tool_calls'
}

const BYTES_PER_TOKEN = 4
const ECHO_LETTERS = 400
const ECHO_RESULTS = 8
/** Every text of the demo begins so, that nobody takes it for a model's. */
const LABEL = '[demo] '

/** Decides the answer: a call of the tool that was named, the result that came back, or an echo. */
export function demoReply(body: JsonObject): DemoReply {
  const messages = objectsOf(body['messages'])
  const last = messages.at(-1)
  if (last?.['role'] === 'tool') return speak(body, resultsText(messages))
  const words = wordsOf(last?.['content'])
  const tool = last?.['role'] === 'user' ? toolToCall(body, words) : undefined
  if (tool !== undefined) {
    const name = nameOf(tool) ?? ''
    return { text: '', call: { name, arguments: argumentsFor(tool, words) }, finish: 'tool_calls' }
  }
  return speak(body, `You said: ${quote(words)}. This answer comes from the gateway itself; no model was asked.`)
}

/** A quarter of the bytes, rounded up: how the demo counts tokens. */
export function demoTokens(text: string): number {
  return Math.ceil(Buffer.byteLength(text) / BYTES_PER_TOKEN)
}

function speak(body: JsonObject, sentence: string): DemoReply {
  const format = objectOf(body['response_format'])
  const text = formatted(format, LABEL + sentence)
  const limit = body['max_completion_tokens'] ?? body['max_tokens']
  if (typeof limit !== 'number' || limit < 1 || demoTokens(text) <= limit) return { text, finish: 'stop' }
  // A character cut in half at the end of the last token is left out.
  const cut = Buffer.from(text).subarray(0, Math.floor(limit) * BYTES_PER_TOKEN)
  return { text: cut.toString('utf8').replace(/\uFFFD$/, ''), finish: 'length' }
}

function formatted(format: JsonObject, text: string): string {
  if (format['type'] === 'json_object') return JSON.stringify({ demo: text })
  const schema = isJsonObject(format['json_schema']) ? format['json_schema']['schema'] : undefined
  return format['type'] === 'json_schema' ? JSON.stringify(demoValue(schema)) : text
}

function toolToCall(body: JsonObject, words: string): JsonObject | undefined {
  const choice = body['tool_choice']
  const tools = objectsOf(body['tools']).filter((tool) => nameOf(tool) !== undefined)
  if (choice === 'none') return undefined
  const forced = isJsonObject(choice) ? nameOf(choice) : undefined
  if (forced !== undefined) return tools.find((tool) => nameOf(tool) === forced)
  const said = new Set(words.toLowerCase().match(/[a-z0-9_-]+/g))
  const named = tools.find((tool) => said.has(nameOf(tool)?.toLowerCase() ?? ''))
  return named ?? (choice === 'required' ? tools[0] : undefined)
}

function nameOf(tool: JsonObject): string | undefined {
  const name = isJsonObject(tool['function']) ? tool['function']['name'] : undefined
  return typeof name === 'string' ? name : undefined
}

/** The JSON object the user wrote behind the name, else a value the schema allows. */
function argumentsFor(tool: JsonObject, words: string): string {
  const written = words.slice(words.indexOf('{'), words.lastIndexOf('}') + 1)
  if (parseObject(written) !== undefined) return written
  const schema = isJsonObject(tool['function']) ? tool['function']['parameters'] : undefined
  const value = demoValue(schema)
  return JSON.stringify(objectOf(value))
}

function resultsText(messages: readonly JsonObject[]): string {
  const names = new Map<Json | undefined, string>()
  for (const message of messages)
    for (const call of objectsOf(message['tool_calls'])) names.set(call['id'], nameOf(call) ?? 'tool')
  const first = messages.findLastIndex(({ role }) => role !== 'tool') + 1
  const results = messages.slice(first, first + ECHO_RESULTS).map((result) => {
    const name = names.get(result['tool_call_id']) ?? 'the tool'
    return `${name} answered: ${quote(wordsOf(result['content']))}.`
  })
  return results.join(' ')
}

function wordsOf(content: Json | undefined): string {
  if (typeof content === 'string') return content
  const texts = objectsOf(content).map(({ text }) => (typeof text === 'string' ? text : ''))
  return texts.filter((text) => text !== '').join(' ')
}

function quote(text: string): string {
  const letters = Array.from(text.slice(0, 2 * ECHO_LETTERS))
  return `"${letters.length > ECHO_LETTERS || text.length > 2 * ECHO_LETTERS ? `${letters.slice(0, ECHO_LETTERS).join('')}...` : text}"`
}
