// Another dialect, or a guard that must see the words: frames become events of the middle form, are judged where a guard is active, and are
// written anew in the caller's dialect.
import type { Usage } from '../../core/usage.ts'
import { createEventStreamParser, readEvent } from '../../lib/event-stream.ts'
import { createSseParser } from '../../lib/sse.ts'
import type { Gate } from '../gate.ts'
import type { ModelEvent } from '../middle.ts'
import type { ProviderReading } from '../provider.ts'
import type { DialectError, StreamDecoder, StreamEncoder, WireEvent } from '../wire.ts'
import type { Delivery } from './delivery.ts'
import { CUT, type StreamEnd, type StreamSink } from './sink.ts'

/** What translating needs. */
export interface TranslateOptions {
  readonly reading: ProviderReading
  readonly decoder: StreamDecoder
  readonly encoder: StreamEncoder
  readonly delivery: Delivery
  /** Judges events on their way; absent when no guard is active. */
  readonly gate: Gate | undefined
  readonly maxFrameBytes: number
  /** Sees every event that goes to the caller. */
  onEvent(event: ModelEvent): void
  onContent(): void
  /** Something went to the caller before the first content. */
  onCommit(): void
  /** The provider began to speak, although the gate still holds what it says. */
  onWords(): void
  onFull(): void
}

/** Makes a sink that translates. */
export function createTranslateSink(options: TranslateOptions): StreamSink {
  return new TranslateSink(options)
}

const CONTENT: ReadonlySet<ModelEvent['type']> = new Set([
  'text-delta',
  'refusal-delta',
  'reasoning-delta',
  'reasoning-end',
  'tool-start',
  'tool-delta',
  'tool-end',
  'finish',
])

class TranslateSink implements StreamSink {
  readonly #options: TranslateOptions
  readonly #parser: { push(chunk: Buffer): void }
  /** Events read and not written yet. */
  #events: ModelEvent[] = []
  #end: StreamEnd | undefined
  #usage: Usage | undefined
  #isProvisional = true
  #hasContent = false
  #model: string | undefined
  #tier: string | undefined
  /** Text of one write. */
  #text = ''

  constructor(options: TranslateOptions) {
    this.#options = options
    const { reading, maxFrameBytes } = options
    this.#parser =
      reading.framing === 'sse'
        ? createSseParser({ onEvent: ({ event, data }) => this.#take({ event, data }) }, maxFrameBytes)
        : eventStream(maxFrameBytes, (event) => this.#take(event))
  }

  push(chunk: Buffer): StreamEnd | undefined | Promise<StreamEnd | undefined> {
    if (this.#end !== undefined) return undefined
    try {
      this.#parser.push(chunk)
    } catch {
      this.#events.push({ type: 'error', failure: { kind: 'invalid', message: 'the stream cannot be read' } })
    }
    return this.#drain()
  }

  close(): StreamEnd | Promise<StreamEnd> {
    if (this.#end !== undefined) return this.#end
    this.#events.push(...this.#options.decoder.close())
    const drained = this.#drain()
    const ended = (end: StreamEnd | undefined): StreamEnd => end ?? { kind: 'cut', failure: CUT }
    return drained instanceof Promise ? drained.then(ended) : ended(drained)
  }

  usage(): { readonly usage: Usage | undefined; readonly isProvisional: boolean } {
    return { usage: this.#usage, isProvisional: this.#isProvisional && this.#hasContent }
  }

  reportedModel(): string | undefined {
    return this.#model
  }

  serviceTier(): string | undefined {
    return this.#tier
  }

  failFrame(error: DialectError, requestId: string): string {
    return this.#options.encoder.fail(error, requestId)
  }

  #take(event: WireEvent): void {
    const { reading, decoder } = this.#options
    const inner = reading.unwrap === undefined ? event : reading.unwrap(event)
    for (const read of decoder.push(inner)) this.#events.push(read)
  }

  #drain(): StreamEnd | undefined | Promise<StreamEnd | undefined> {
    const events = this.#events
    this.#events = []
    const { gate } = this.#options
    if (gate !== undefined) return this.#judged(gate, events)
    for (const event of events) this.#write(event)
    return this.#flush()
  }

  async #judged(gate: Gate, events: readonly ModelEvent[]): Promise<StreamEnd | undefined> {
    for (const event of events) {
      if (CONTENT.has(event.type)) this.#options.onWords()
      const judged = await gate.pass(event)
      if ('blocked' in judged) this.#end = { kind: 'blocked', reason: judged.blocked }
      else for (const passed of judged.events) this.#write(passed)
      if (this.#end !== undefined) break
    }
    return this.#flush()
  }

  #write(event: ModelEvent): void {
    if (this.#end !== undefined) return
    this.#note(event)
    if (event.type === 'error') {
      this.#end = { kind: 'cut', failure: event.failure }
      return
    }
    const frames = this.#options.encoder.encode(event)
    if (event.type === 'end') {
      this.#flush()
      this.#options.delivery.hold(frames)
      this.#end = { kind: 'complete' }
      return
    }
    if (CONTENT.has(event.type) && !this.#hasContent) this.#begin()
    if (frames === '') return
    if (this.#hasContent) this.#text += frames
    else {
      this.#options.delivery.preamble(frames)
      if (this.#options.delivery.committed) this.#options.onCommit()
    }
  }

  /** From here on the answer cannot come from another provider. */
  #begin(): void {
    this.#hasContent = true
    this.#options.onContent()
  }

  #note(event: ModelEvent): void {
    this.#options.onEvent(event)
    if (event.type === 'start') {
      this.#model = event.model
      this.#usage = event.usage ?? this.#usage
    } else if (event.type === 'usage') {
      this.#usage = event.usage
      if (this.#hasContent) this.#isProvisional = false
    } else if (event.type === 'finish') this.#tier = event.serviceTier
  }

  #flush(): StreamEnd | undefined {
    const text = this.#text
    this.#text = ''
    if (text !== '' && !this.#options.delivery.content(text)) this.#options.onFull()
    return this.#end
  }
}

function eventStream(maxBytes: number, take: (event: WireEvent) => void): { push(chunk: Buffer): void } {
  return createEventStreamParser((message) => take(readEvent(message)), maxBytes)
}
