// Same dialect in and out: frames go to the caller as they came. Each frame is looked at once by the dialect's tap, which parses only what can
// matter; runs of frames that need no attention are written as one piece of the chunk they came in.
import { createEventStreamParser, readEvent } from '../../lib/event-stream.ts'
import { formatEvent } from '../../lib/sse.ts'
import type { Usage } from '../../core/usage.ts'
import type { ProviderReading } from '../provider.ts'
import type { DialectError, Tap } from '../wire.ts'
import type { Delivery } from './delivery.ts'
import { FrameSplitter, FrameTooLargeError } from './frames.ts'
import { CUT, type StreamEnd, type StreamSink } from './sink.ts'

/** What forwarding needs. */
export interface PassOptions {
  readonly reading: ProviderReading
  readonly tap: Tap
  readonly delivery: Delivery
  readonly maxFrameBytes: number
  /** The first content arrived. */
  onContent(): void
  /** Something went to the caller before it. */
  onCommit(): void
  /** The caller reads too slowly. */
  onFull(): void
}

/** Makes a sink that forwards. */
export function createPassSink(options: PassOptions): StreamSink {
  return new PassSink(options)
}

interface Cutter {
  push(chunk: Buffer, take: (frame: Buffer) => void): void
}

class PassSink implements StreamSink {
  readonly #options: PassOptions
  readonly #cut: Cutter
  #end: StreamEnd | undefined
  /** Frames with content not written yet: one piece of the chunk under way, or several. */
  #run: Buffer[] = []
  #usageAtContent: Usage | undefined
  #hasContent = false

  constructor(options: PassOptions) {
    this.#options = options
    const { framing, unwrap } = options.reading
    this.#cut = framing === 'sse' ? new FrameSplitter(options.maxFrameBytes) : eventFrames(options, unwrap)
  }

  push(chunk: Buffer): StreamEnd | undefined {
    if (this.#end !== undefined) return undefined
    try {
      this.#cut.push(chunk, this.#take)
    } catch (error) {
      if (this.#end === undefined) this.#end = { kind: 'cut', failure: unreadable(error) }
    }
    this.#flush()
    return this.#end
  }

  close(): StreamEnd {
    this.#end ??= { kind: 'cut', failure: CUT }
    return this.#end
  }

  usage(): { readonly usage: Usage | undefined; readonly isProvisional: boolean } {
    const usage = this.#options.tap.usage()
    return { usage, isProvisional: usage !== undefined && this.#hasContent && usage === this.#usageAtContent }
  }

  reportedModel(): string | undefined {
    return this.#options.tap.model()
  }

  serviceTier(): undefined {
    return undefined
  }

  failFrame(error: DialectError, requestId: string): string {
    return this.#options.tap.fail(error, requestId)
  }

  /** An arrow, made once per stream and not per chunk. */
  readonly #take = (frame: Buffer): void => {
    if (this.#end !== undefined) return // nothing belongs after the end
    const sighting = this.#options.tap.see(frame)
    if (sighting.kind === 'error') {
      this.#end = { kind: 'cut', failure: sighting.failure ?? CUT }
      return
    }
    if (sighting.kind === 'end') this.#end = { kind: 'complete' }
    if (sighting.hide === true) return
    if (this.#end !== undefined) {
      this.#flush()
      this.#options.delivery.hold(frame)
    } else if (sighting.kind === 'content' || sighting.kind === 'finish') this.#add(frame)
    else if (this.#hasContent) this.#run.push(frame)
    else {
      this.#options.delivery.preamble(frame)
      if (this.#options.delivery.committed) this.#options.onCommit()
    }
  }

  #add(frame: Buffer): void {
    if (!this.#hasContent) this.#begin()
    this.#run.push(frame)
  }

  /** From here on the answer cannot come from another provider. */
  #begin(): void {
    this.#hasContent = true
    this.#usageAtContent = this.#options.tap.usage()
    this.#options.onContent()
  }

  #flush(): void {
    const run = this.#run
    if (run.length === 0) return
    this.#run = []
    if (!this.#options.delivery.content(joined(run))) this.#options.onFull()
  }
}

/** Frames that follow each other in one chunk are one piece of it already; others are copied together. */
function joined(frames: readonly Buffer[]): Buffer {
  const [first] = frames
  const last = frames.at(-1)
  if (first === undefined || last === undefined) return Buffer.alloc(0)
  if (frames.length === 1) return first
  const length = frames.reduce((sum, frame) => sum + frame.length, 0)
  const isOnePiece = first.buffer === last.buffer && last.byteOffset + last.length - first.byteOffset === length
  if (isOnePiece && frames.every((frame) => frame.buffer === first.buffer))
    return Buffer.from(first.buffer, first.byteOffset, length)
  return Buffer.concat(frames, length)
}

/** Frames of an AWS event stream, as server-sent events of the dialect inside. */
function eventFrames({ maxFrameBytes }: PassOptions, unwrap: ProviderReading['unwrap']): Cutter {
  let hand: (frame: Buffer) => void = () => undefined
  const parser = createEventStreamParser((message) => {
    const event = readEvent(message)
    const inner = unwrap === undefined ? event : unwrap(event)
    if (inner.data !== '') hand(Buffer.from(formatEvent(inner.data, inner.event === '' ? {} : { event: inner.event })))
  }, maxFrameBytes)
  return {
    push(chunk, take) {
      hand = take
      parser.push(chunk)
    },
  }
}

function unreadable(error: unknown): { readonly kind: 'invalid'; readonly message: string } {
  return { kind: 'invalid', message: error instanceof FrameTooLargeError ? error.message : 'the stream cannot be read' }
}
