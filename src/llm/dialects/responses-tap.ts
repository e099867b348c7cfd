// How a frame is judged: (1) its type is read from its `event:` line, or from the first member of its data; (2) most types decide by name alone;
// (3) only frames that begin an item, end the stream or carry an error are parsed. The number of each frame is found by a byte search, so that an
// error frame of ours may follow any of them.
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import { objectsOf, parseObject, textOf } from '../loose-json.ts'
import type { DialectError, Sighting, Tap } from '../wire.ts'
import { failureOfEvent } from '../wires/responses-failure.ts'
import { responsesFrame, toResponseError } from '../wires/responses-frame.ts'
import { usageOfResponse } from '../wires/responses-usage.ts'

/** Makes a tap on one stream of this dialect. */
export function createResponsesTap(): Tap {
  return new ResponsesTap()
}

const LF = 10
const CR = 13
const QUOTE = 34
const SEQUENCE = Buffer.from('"sequence_number":')
const EMPTY_DELTA = Buffer.from('"delta":""')
const TYPE_FIRST = Buffer.from('{"type":"')

const PREAMBLE: Sighting = { kind: 'preamble' }
const CONTENT: Sighting = { kind: 'content' }
const PING: Sighting = { kind: 'ping' }
/** The end mark of another dialect: some providers send it here, no caller waits for it. */
const FOREIGN_END: Sighting = { kind: 'ping', hide: true }

class ResponsesTap implements Tap {
  #usage: Usage | undefined
  #model: string | undefined
  #id = 'resp_unknown'
  #created = 0
  #next = 0
  /** How the frame of the last delta with content began, up to its data: the next frame is mostly such a one. */
  #head: Buffer | undefined

  see(frame: Buffer): Sighting {
    if (this.#head !== undefined && startsWith(frame, this.#head)) {
      this.#count(frame)
      return CONTENT
    }
    const { name, data, dataStart } = fieldsOf(frame)
    if (data === undefined) return PING
    this.#count(data)
    const type = name === '' || name === 'message' ? firstType(data) : name
    if (type?.endsWith('.delta') === true) {
      if (data.includes(EMPTY_DELTA)) return PREAMBLE
      if (type === name && dataStart > name.length) this.#head = Buffer.from(frame.subarray(0, dataStart))
      return CONTENT
    }
    if (type !== undefined && isPlain(type)) return CONTENT
    if (data.equals(DONE)) return FOREIGN_END
    return this.#look(type, parseObject(data.toString('utf8')))
  }

  usage(): Usage | undefined {
    return this.#usage
  }

  model(): string | undefined {
    return this.#model
  }

  fail(error: DialectError): string {
    const response = {
      id: this.#id,
      object: 'response',
      created_at: this.#created,
      status: 'failed',
      error: toResponseError(error),
      incomplete_details: null,
      instructions: null,
      metadata: {},
      model: this.#model ?? '',
      output: [],
      parallel_tool_calls: true,
      temperature: null,
      tool_choice: 'auto',
      tools: [],
      top_p: null,
      usage: null,
    }
    return responsesFrame('response.failed', this.#next, { response })
  }

  /** Frames without a number count as one each. */
  #count(data: Buffer): void {
    // it stands last as a rule, after the words
    const at = data.lastIndexOf(SEQUENCE)
    const number =
      at === -1 ? Number.NaN : Number.parseInt(data.toString('latin1', at + SEQUENCE.length, at + SEQUENCE.length + 16), 10)
    this.#next = number >= this.#next ? number + 1 : this.#next + 1
  }

  #look(named: string | undefined, data: JsonObject | undefined): Sighting {
    const type = (data === undefined ? '' : textOf(data['type'])) || named || ''
    if (data === undefined) return isEnding(type) ? { kind: 'error', failure: UNREADABLE } : PREAMBLE
    this.#note(data)
    switch (type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        return PREAMBLE
      case 'response.output_item.added':
        return hasContent(data['item']) ? CONTENT : PREAMBLE
      case 'response.content_part.added':
      case 'response.reasoning_summary_part.added':
        return hasText(data['part']) ? CONTENT : PREAMBLE
      case 'response.completed':
      case 'response.incomplete':
        return { kind: 'end' }
      case 'response.failed':
      case 'response.cancelled':
      case 'error':
        return { kind: 'error', failure: failureOfEvent(data) }
      case 'keepalive':
      case 'ping':
        return PING
      default:
        return other(type, data)
    }
  }

  #note(data: JsonObject): void {
    const response = data['response']
    if (!isJsonObject(response)) return
    this.#usage = usageOfResponse(data) ?? this.#usage
    if (typeof response['model'] === 'string') this.#model = response['model']
    if (typeof response['id'] === 'string') this.#id = response['id']
    if (typeof response['created_at'] === 'number') this.#created = response['created_at']
  }
}

const DONE = Buffer.from('[DONE]')
const UNREADABLE = { kind: 'invalid', message: 'the last event of the stream is not JSON' } as const

function other(type: string, data: JsonObject): Sighting {
  if (type.endsWith('.delta')) return data['delta'] === '' ? PREAMBLE : CONTENT
  if (!type.startsWith('response.') && isJsonObject(data['error'])) return { kind: 'error', failure: failureOfEvent(data) }
  return type.startsWith('response.') ? CONTENT : PREAMBLE
}

const PARSED: ReadonlySet<string> = new Set([
  'response.created',
  'response.queued',
  'response.in_progress',
  'response.output_item.added',
  'response.content_part.added',
  'response.reasoning_summary_part.added',
  'response.failed',
  'response.cancelled',
  'error',
])

/** Types that say all by their name: progress of an item that has begun, and repetitions of what deltas said. */
function isPlain(type: string): boolean {
  return type.startsWith('response.') && !PARSED.has(type) && !isEnding(type)
}

function isEnding(type: string): boolean {
  return type === 'response.completed' || type === 'response.incomplete' || type === 'response.failed' || type === 'error'
}

/** An item that has begun without anything a caller would miss: an empty message, or thoughts not shown yet. */
function hasContent(item: unknown): boolean {
  if (!isJsonObject(item)) return false
  if (item['type'] === 'message') return objectsOf(item['content']).some(hasText)
  if (item['type'] === 'reasoning') return [...objectsOf(item['summary']), ...objectsOf(item['content'])].some(hasText)
  return true
}

function hasText(part: unknown): boolean {
  return isJsonObject(part) && (textOf(part['text']) !== '' || textOf(part['refusal']) !== '')
}

/** The type where it is the first member, as OpenAI writes it. */
function firstType(data: Buffer): string | undefined {
  if (data.indexOf(TYPE_FIRST) !== 0) return undefined
  const end = data.indexOf(QUOTE, TYPE_FIRST.length)
  return end === -1 ? undefined : data.toString('latin1', TYPE_FIRST.length, end)
}

interface Fields {
  readonly name: string
  /** Absent in a comment. Data of several lines is put together. */
  readonly data: Buffer | undefined
  /** Where the only line of data begins in the frame; 0 where there are several. */
  readonly dataStart: number
}

function fieldsOf(frame: Buffer): Fields {
  let name = ''
  let data: Buffer | undefined
  let dataStart = 0
  let start = 0
  while (start < frame.length) {
    const found = frame.indexOf(LF, start)
    const next = found === -1 ? frame.length : found
    const end = next > start && frame[next - 1] === CR ? next - 1 : next
    if (isField(frame, start, 'event:')) name = frame.toString('latin1', valueStart(frame, start + 6), end)
    else if (isField(frame, start, 'data:')) {
      const from = valueStart(frame, start + 5)
      const line = frame.subarray(from, end)
      dataStart = data === undefined ? from : 0
      data = data === undefined ? line : Buffer.concat([data, line])
    }
    start = next + 1
  }
  return { name, data, dataStart }
}

function startsWith(frame: Buffer, head: Buffer): boolean {
  if (frame.length < head.length) return false
  for (let index = 0; index < head.length; index += 1) {
    if (frame[index] !== head[index]) return false
  }
  return true
}

function isField(frame: Buffer, start: number, field: string): boolean {
  for (let index = 0; index < field.length; index += 1) {
    if (frame[start + index] !== field.charCodeAt(index)) return false
  }
  return true
}

function valueStart(frame: Buffer, colonEnd: number): number {
  return frame[colonEnd] === 32 ? colonEnd + 1 : colonEnd
}
