import type { ByteStream } from '../../core/responder.ts'

const MAX_PREAMBLE_FRAMES = 64
const MAX_PREAMBLE_BYTES = 262_144
const MAX_SAMPLE_BYTES = 16_384

/** What opens the answer to the caller, and who hears of it. */
export interface DeliveryHost {
  /** Opens the answer; called once, with the first content. */
  open(): ByteStream
  /** The caller hung up. */
  onHangUp(): void
  onDrain(): void
}

/**
 * What of a streamed answer went to the caller. Nothing goes out before the first frame with content, unless the attempt is the only one that can
 * answer: until then another provider may answer instead. The end of the dialect is held back until the ledger has the entry.
 */
export class Delivery {
  readonly #host: DeliveryHost
  #stream: ByteStream | undefined
  #preamble: (string | Buffer)[] | undefined
  #preambleBytes = 0
  #tail: (string | Buffer)[] | undefined
  /** The first frames that were delivered, as they were; for an estimate when the provider never says what it used. */
  #sample: string[] | undefined
  #sampleBytes = 0
  /** Bytes of frames with content. */
  #contentBytes = 0
  bytes = 0

  constructor(host: DeliveryHost) {
    this.#host = host
  }

  /** Nothing can answer in the place of the attempt under way. */
  #isAlone = false

  /** Whether something went out, after which no other provider can answer. */
  get committed(): boolean {
    return this.#stream !== undefined
  }

  /** The caller is gone. */
  get closed(): boolean {
    return this.#stream?.closed === true
  }

  /** Share of the delivered content that `sample` holds, and that sample. */
  get sampled(): { readonly frames: readonly string[]; readonly factor: number } {
    return { frames: this.#sample ?? [], factor: this.#sampleBytes === 0 ? 0 : this.#contentBytes / this.#sampleBytes }
  }

  /** Frames that say nothing yet. */
  preamble(frame: string | Buffer): boolean {
    if (this.#stream !== undefined) return this.#write(frame)
    const preamble = (this.#preamble ??= [])
    preamble.push(frame)
    this.#preambleBytes += frame.length
    const isLong = preamble.length >= MAX_PREAMBLE_FRAMES || this.#preambleBytes >= MAX_PREAMBLE_BYTES
    if (!isLong && !this.#isAlone) return true
    return this.#open()
  }

  /** Frames with content, one or several. False when the caller reads too slowly. */
  content(frames: string | Buffer): boolean {
    this.#contentBytes += frames.length
    if (this.#sampleBytes < MAX_SAMPLE_BYTES) this.#keepSample(frames)
    if (this.#stream === undefined) this.#open()
    return this.#write(frames)
  }

  /** The frames that end the answer: sent by `finish`. */
  hold(frames: string | Buffer): void {
    const tail = (this.#tail ??= [])
    tail.push(frames)
  }

  /** The answer is complete and recorded. */
  finish(): void {
    if (this.#stream === undefined) this.#open()
    for (const frame of this.#tail ?? []) this.#write(frame)
    this.#stream?.end()
  }

  /** The answer broke off: says so, and ends without the dialect's end. */
  fail(frame: string): void {
    this.#write(frame)
    this.#stream?.end()
  }

  /** Nothing can answer in the place of the attempt that begins, so its first frame goes out at once. */
  goAlone(): void {
    this.#isAlone = true
  }

  /** Forgets what was buffered, so that another attempt can begin. Only before something went out. */
  reset(): void {
    this.#isAlone = false
    this.#preamble = undefined
    this.#preambleBytes = 0
    this.#tail = undefined
  }

  keepAlive(frame: string): void {
    if (this.#stream !== undefined && !this.#stream.closed) this.#stream.write(frame)
  }

  #keepSample(frames: string | Buffer): void {
    const text = typeof frames === 'string' ? frames : frames.toString('utf8')
    const sample = (this.#sample ??= [])
    sample.push(text)
    this.#sampleBytes += frames.length
  }

  #open(): boolean {
    const stream = this.#host.open()
    this.#stream = stream
    stream.onClose((byCaller) => {
      if (byCaller) this.#host.onHangUp()
    })
    stream.onDrain(() => this.#host.onDrain())
    const preamble = this.#preamble ?? []
    this.#preamble = undefined
    let isWritable = true
    for (const frame of preamble) isWritable = this.#write(frame)
    return isWritable
  }

  #write(frame: string | Buffer): boolean {
    const stream = this.#stream
    if (stream === undefined || stream.closed) return true
    this.bytes += typeof frame === 'string' ? Buffer.byteLength(frame) : frame.length
    return stream.write(frame)
  }
}
