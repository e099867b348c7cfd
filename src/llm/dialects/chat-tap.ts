// Looks at frames that are forwarded as they came. Until the first content every frame is parsed, since only that tells a preamble from words.
// After it a frame is parsed only when its bytes show what can matter: usage, an error or a finish reason that is not null, no choices, or no
// delta. Inside a string these words stand with escaped quotes, so what a model writes cannot mislead, and a hit costs no more than a parse.
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import type { DialectError, Sighting, Tap } from '../wire.ts'
import { contentPieces, objectsIn, reasoningText } from '../wires/chat-answer.ts'
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
    const chunk = parse(data)
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
    const choices = objectsIn(chunk['choices'])
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
  if (objectsIn(delta['tool_calls']).length > 0 || isJsonObject(delta['function_call'])) return true
  if (objectsIn(delta['reasoning_details']).length > 0 || objectsIn(delta['annotations']).length > 0) return true
  return (typeof delta['refusal'] === 'string' && delta['refusal'] !== '') || isJsonObject(delta['audio'])
}

/** Names that matter, by their first letter: all differ in it. */
const NAMES: ReadonlyMap<number, { readonly name: string; readonly bytes: Buffer }> = new Map(
  ['usage', 'error', 'finish_reason', 'delta', 'choices'].map((name) => [
    name.charCodeAt(0),
    { name, bytes: Buffer.from(`${name}"`) },
  ]),
)
const FIRST_LETTERS = Uint8Array.from({ length: 256 }, (_, code) => (NAMES.has(code) ? 1 : 0))

/** One pass over the bytes of a frame, which costs less than a search for each name: JSON is full of quotes. */
function isNotable(frame: Buffer): boolean {
  let isOrdinary = 0
  for (let at = frame.indexOf(OPEN_BRACE); at < frame.length; at += 1) {
    if (frame[at] !== QUOTE || FIRST_LETTERS[frame[at + 1] ?? 0] !== 1) continue
    const word = NAMES.get(frame[at + 1] ?? 0)
    if (word === undefined || !isAt(frame, at + 1, word.bytes)) continue
    const value = afterColon(frame, at + 1 + word.bytes.length)
    if (word.name === 'delta') isOrdinary |= HAS_DELTA
    else if (word.name === 'choices') {
      if (frame[value] === OPEN_BRACKET && frame[afterColon(frame, value + 1)] !== CLOSE_BRACKET) isOrdinary |= HAS_CHOICE
    } else if (frame[value] !== LETTER_N) return true
  }
  return isOrdinary !== (HAS_DELTA | HAS_CHOICE)
}

function isAt(frame: Buffer, at: number, bytes: Buffer): boolean {
  for (let index = 1; index < bytes.length; index += 1) if (frame[at + index] !== bytes[index]) return false
  return true
}

const HAS_DELTA = 1
const HAS_CHOICE = 2
const QUOTE = 0x22
const LETTER_D = 0x64
const LETTER_N = 0x6e
const OPEN_BRACE = 0x7b
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d

/** The first place from here that is neither blank nor a colon. */
function afterColon(frame: Buffer, from: number): number {
  let at = from
  while (frame[at] === 0x3a || frame[at] === 0x20 || frame[at] === 0x0a || frame[at] === 0x0d || frame[at] === 0x09) at += 1
  return at
}

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

function parse(data: string): JsonObject | undefined {
  try {
    const chunk: unknown = JSON.parse(data)
    return isJsonObject(chunk) ? chunk : undefined
  } catch {
    return undefined
  }
}
