// Events of the middle form as a Messages stream. (1) Blocks of this dialect follow each other and never interleave, so one part is written
// at a time: words that were interrupted go on in a new block, anything else that is not finished makes later parts wait. (2) A block begins
// with its first content, so that an empty one is never written. (3) Stop reason and usage go out at the end, as usage may come last.
// What waits is bounded: beyond that, parts are written as they come, which clients that go by the index of a block still read.
import type { JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import type { ModelEvent, Signature } from '../middle.ts'
import type { DialectError, EncodeContext, StreamEncoder } from '../wire.ts'
import { messagesErrorFrame } from '../wires/messages-failure.ts'
import { toRedacted, toSignature } from '../wires/messages-signature.ts'
import { citationsOf, roughCounts, toMessagesUsage, toStopReason } from '../wires/messages-words.ts'

/** A frame that says nothing but "still here". */
export const PING = 'event: ping\ndata: {"type":"ping"}\n\n'

/** Makes a writer of one stream. */
export function createMessagesEncoder(context: EncodeContext): StreamEncoder {
  return new MessagesEncoder(context)
}

type PartEvent = Extract<ModelEvent, { readonly index: number }>

interface OpenPart {
  readonly kind: 'words' | 'reasoning' | 'tool'
  /** Index of its block on the wire while it is open. */
  block: number | undefined
  /** Events that wait for the parts before it. */
  waiting: PartEvent[]
}

const MAX_WAITING = 262_144

class MessagesEncoder implements StreamEncoder {
  readonly #context: EncodeContext
  /** Parts under way, in the order they began; the first one is being written. */
  readonly #parts = new Map<number, OpenPart>()
  #blocks = 0
  #waitingLength = 0
  #isInOrder = true
  #frames = ''
  #isStarted = false
  #isRefused = false
  #outputLength = 0
  #usage: Usage | undefined
  #finish: Extract<ModelEvent, { type: 'finish' }> | undefined

  constructor(context: EncodeContext) {
    this.#context = context
  }

  encode(event: ModelEvent): string {
    this.#frames = ''
    if (event.type === 'ping') return PING
    if (event.type === 'start') this.#start(event.id, event.usage)
    else if (event.type === 'usage') this.#usage = event.usage
    else if (event.type === 'finish') this.#finish = event
    else if (event.type === 'end') this.#end()
    else if (event.type !== 'error') this.#part(event)
    return this.#frames
  }

  fail(error: DialectError, requestId: string): string {
    return messagesErrorFrame(error, requestId)
  }

  #start(id: string, usage: Usage | undefined): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#usage = usage
    this.#write('message_start', {
      message: {
        id: id === '' ? this.#context.newId('msg') : id,
        type: 'message',
        role: 'assistant',
        model: this.#context.model,
        content: [],
        stop_reason: null,
        stop_sequence: null,
        usage: usage === undefined ? roughCounts(this.#context.estimatedInput, 0) : toMessagesUsage(usage),
      },
    })
  }

  #part(event: PartEvent): void {
    this.#start('', undefined)
    const kind = kindOf(event)
    if (event.type.endsWith('-start')) this.#parts.set(event.index, { kind, block: undefined, waiting: [] })
    const part = this.#parts.get(event.index)
    if (part === undefined) return
    const first = this.#current()
    if (part === first || !this.#isInOrder) this.#say(part, event)
    else this.#wait(part, event)
    if (event.type.endsWith('-end') && (part === first || !this.#isInOrder)) {
      this.#parts.delete(event.index)
      this.#release()
    }
  }

  /** The part whose turn it is: words make way for what began after them. */
  #current(): OpenPart | undefined {
    let current: OpenPart | undefined
    for (const part of this.#parts.values()) {
      if (current === undefined || (current.kind === 'words' && this.#isInOrder)) {
        if (current !== undefined) this.#close(current)
        current = part
      } else break
    }
    return current
  }

  #wait(part: OpenPart, event: PartEvent): void {
    part.waiting.push(event)
    this.#waitingLength += ENTRY_LENGTH + ('text' in event ? event.text.length : 'json' in event ? event.json.length : 0)
    if (this.#waitingLength <= MAX_WAITING) return
    this.#isInOrder = false
    for (const [index, held] of this.#parts) if (this.#sayWaiting(held)) this.#parts.delete(index)
  }

  /** Writes what waited and may go now, part by part, up to one that is not words and goes on. Words that make way still come first. */
  #release(): void {
    if (!this.#isInOrder) return
    let before: OpenPart | undefined
    for (const [index, part] of this.#parts) {
      if (before !== undefined) this.#close(before)
      before = undefined
      if (this.#sayWaiting(part)) this.#parts.delete(index)
      else if (part.kind === 'words') before = part
      else return
    }
  }

  /** True when the part is complete. */
  #sayWaiting(part: OpenPart): boolean {
    const events = part.waiting
    part.waiting = []
    for (const event of events) this.#say(part, event)
    return events.at(-1)?.type.endsWith('-end') === true
  }

  #say(part: OpenPart, event: PartEvent): void {
    switch (event.type) {
      case 'text-delta':
      case 'refusal-delta':
        this.#isRefused ||= event.type === 'refusal-delta'
        return event.text === '' ? undefined : this.#delta(part, TEXT, { type: 'text_delta', text: event.text })
      case 'reasoning-delta':
        return event.text === '' ? undefined : this.#delta(part, THINKING, { type: 'thinking_delta', thinking: event.text })
      case 'reasoning-end':
        return this.#endReasoning(part, event)
      case 'tool-start': {
        const id = event.id === '' ? this.#context.newId('toolu') : event.id
        return this.#open(part, { type: 'tool_use', id, name: event.name, input: {} })
      }
      case 'tool-delta':
        return event.json === ''
          ? undefined
          : this.#delta(part, undefined, { type: 'input_json_delta', partial_json: event.json })
      case 'text-end':
        if (part.block !== undefined)
          for (const citation of citationsOf(event.annotations))
            this.#delta(part, undefined, { type: 'citations_delta', citation })
        return this.#close(part)
      case 'refusal-end':
      case 'tool-end':
        return this.#close(part)
      default:
        return undefined
    }
  }

  #endReasoning(
    part: OpenPart,
    { signature, redacted }: { readonly signature?: Signature; readonly redacted?: Signature },
  ): void {
    if (part.block !== undefined || signature !== undefined)
      this.#delta(part, THINKING, { type: 'signature_delta', signature: toSignature(signature) })
    this.#close(part)
    if (redacted === undefined) return
    this.#open(part, toRedacted(redacted))
    this.#close(part)
  }

  #open(part: OpenPart, content: JsonObject): void {
    part.block = this.#blocks
    this.#blocks += 1
    this.#write('content_block_start', { index: part.block, content_block: content })
  }

  #delta(part: OpenPart, empty: JsonObject | undefined, delta: JsonObject): void {
    if (part.block === undefined && empty !== undefined) this.#open(part, empty)
    if (part.block === undefined) return
    this.#outputLength += delta['type'] === 'signature_delta' ? 0 : lengthOf(delta)
    // Nearly every frame is one of these, so it is put together by hand.
    this.#frames += `${DELTA_HEAD}${part.block},"delta":${JSON.stringify(delta)}}\n\n`
  }

  #close(part: OpenPart): void {
    if (part.block === undefined) return
    this.#write('content_block_stop', { index: part.block })
    part.block = undefined
  }

  #end(): void {
    this.#start('', undefined)
    for (const part of this.#parts.values()) {
      this.#sayWaiting(part)
      this.#close(part)
    }
    this.#parts.clear()
    const { stop = 'end', stopSequence } = this.#finish ?? {}
    const rough = () => roughCounts(this.#context.estimatedInput, this.#outputLength)
    this.#write('message_delta', {
      delta: {
        stop_reason: toStopReason(stop, { stopSequence, isRefused: this.#isRefused }),
        stop_sequence: stopSequence ?? null,
      },
      usage: this.#usage === undefined ? rough() : toMessagesUsage(this.#usage),
    })
    this.#write('message_stop', {})
  }

  #write(type: string, members: JsonObject): void {
    this.#frames += `event: ${type}\ndata: ${JSON.stringify({ type, ...members })}\n\n`
  }
}

const DELTA_HEAD = 'event: content_block_delta\ndata: {"type":"content_block_delta","index":'
const TEXT = { type: 'text', text: '' }
const THINKING = { type: 'thinking', thinking: '', signature: '' }

/** What an event that waits costs beside its words. */
const ENTRY_LENGTH = 64

function kindOf({ type }: PartEvent): OpenPart['kind'] {
  if (type.startsWith('tool')) return 'tool'
  return type.startsWith('reasoning') ? 'reasoning' : 'words'
}

function lengthOf(delta: JsonObject): number {
  const words = delta['text'] ?? delta['thinking'] ?? delta['partial_json']
  return typeof words === 'string' ? words.length : 0
}
