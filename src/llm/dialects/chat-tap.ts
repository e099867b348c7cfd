// Looks at frames that are forwarded as they came. Until the first content every frame is parsed, since only that tells a preamble from words.
// After it a frame is parsed only when its bytes show what can matter: usage, an error or a finish reason that is not null, no choices, or no
// delta. Inside a string these words stand with escaped quotes, so what a model writes cannot mislead, and a hit costs no more than a parse.
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import { objectsOf, parseObject } from '../loose-json.ts'
import type { DialectError, Sighting, Tap } from '../wire.ts'
import { contentPieces, reasoningText } from '../wires/chat-answer.ts'
import { chatErrorFrame, failureOf, isFailureBody } from '../wires/chat-failure.ts'
import { usageOfChat } from '../wires/chat-usage.ts'

/** Makes a tap for one stream. */
export function createChatTap(options: { readonly includeUsage: boolean }): Tap {
  return new ChatTap(options.includeUsage)
}

const CONTENT: Sighting = { kind: 'content' }
const PING: Sighting = { kind: 'ping' }
const FINISH: Sighting = { kind: 'finish' }
const END: Sighting = { kind: 'end' }
const PREAMBLE: Sighting = { kind: 'preamble' }
const HIDDEN: Sighting = { kind: 'preamble', hide: true }
const HIDDEN_USAGE: Sighting = { kind: 'finish', hide: true }

class ChatTap implements Tap {
  readonly #includeUsage: boolean
  #hasContent = false
  #usage: Usage | undefined
  #model: string | undefined

  constructor(includeUsage: boolean) {
    this.#includeUsage = includeUsage
  }

  see(frame: Buffer): Sighting {
    if (this.#hasContent && frame[0] === LETTER_D && !isNotable(frame)) return CONTENT
    return this.#look(frame.toString('utf8'))
  }

  usage(): Usage | undefined {
    return this.#usage
  }

  model(): string | undefined {
    return this.#model
  }

  fail(error: DialectError, requestId: string): string {
    return chatErrorFrame(error, requestId)
  }

  #look(frame: string): Sighting {
    const { data, event } = dataOf(frame)
    if (data === undefined) return PING
    if (data.trim() === '[DONE]') return END
    const chunk = parseObject(data)
    if (chunk === undefined)
      return { kind: 'error', failure: { kind: 'invalid', message: 'a chunk of the stream is not a JSON object' } }
    if (event === 'error' || isFailureBody(chunk)) return { kind: 'error', failure: failureOf(chunk) }
    return this.#chunk(chunk)
  }

  #chunk(chunk: JsonObject): Sighting {
    const usage = usageOfChat(chunk)
    if (usage !== undefined) this.#usage = usage
    const model = chunk['model']
    if (this.#model === undefined && typeof model === 'string' && model !== '') this.#model = model
    const choices = objectsOf(chunk['choices'])
    const deltas = choices.map((choice) => choice['delta']).filter(isJsonObject)
    const isFinish = choices.some((choice) => choice['finish_reason'] !== undefined && choice['finish_reason'] !== null)
    const hasWords = deltas.some(saysSomething)
    if (hasWords) this.#hasContent = true
    if (isFinish) return FINISH
    if (hasWords) return CONTENT
    // frames without a choice, or with one without a delta, break clients: only the usage that was asked for is let through
    if (choices.length === 0 && usage !== undefined) return this.#includeUsage ? FINISH : HIDDEN_USAGE
    if (deltas.length === 0) return HIDDEN
    return this.#hasContent ? CONTENT : PREAMBLE
  }
}

/** Whether a delta holds anything a caller would miss. */
function saysSomething(delta: JsonObject): boolean {
  if (contentPieces(delta['content']).length > 0 || reasoningText(delta, undefined) !== '') return true
  if (objectsOf(delta['tool_calls']).length > 0 || isJsonObject(delta['function_call'])) return true
  if (objectsOf(delta['reasoning_details']).length > 0 || objectsOf(delta['annotations']).length > 0) return true
  return (typeof delta['refusal'] === 'string' && delta['refusal'] !== '') || isJsonObject(delta['audio'])
}

/** The searches are for ASCII, so bytes may stand for characters. They leave the first quote out: JSON is full of those, and a search is slow at them. */
function isNotable(frame: Buffer): boolean {
  const text = frame.toString('latin1')
  return (
    hasValue(text, 'finish_reason"') ||
    hasValue(text, 'usage"') ||
    hasValue(text, 'error"') ||
    !text.includes('delta"') ||
    hasNoChoices(text)
  )
}

/** Whether a member of this name has a value other than null somewhere in the frame. */
function hasValue(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + name.length)) {
    if (text.charCodeAt(afterColon(text, at + name.length)) !== LETTER_N) return true
  }
  return false
}

function hasNoChoices(text: string): boolean {
  const at = text.indexOf(CHOICES)
  if (at === -1) return true
  const bracket = afterColon(text, at + CHOICES.length)
  return text.charCodeAt(bracket) !== OPEN_BRACKET || text.charCodeAt(afterColon(text, bracket + 1)) === CLOSE_BRACKET
}

const CHOICES = 'choices"'
const LETTER_D = 0x64
const LETTER_N = 0x6e
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/** The first place from here that is neither blank nor a colon. */
function afterColon(text: string, from: number): number {
  let at = from
  while (isBlankOrColon(text.charCodeAt(at))) at += 1
  return at
}

const isBlankOrColon = (code: number) => code === 0x3a || code === 0x20 || code === 0x0a || code === 0x0d || code === 0x09

/** The data of a frame; absent in a comment. */
function dataOf(frame: string): { readonly data?: string; readonly event: string } {
  const lines: string[] = []
  let event = ''
  for (const line of frame.split(/\r\n|\n|\r/)) {
    if (line.startsWith('data:')) lines.push(line.slice(line.charCodeAt(5) === 0x20 ? 6 : 5))
    else if (line.startsWith('event:')) event = line.slice(6).trim()
  }
  return lines.length === 0 ? { event } : { data: lines.join('\n'), event }
}
