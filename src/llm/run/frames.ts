const LF = 10
const CR = 13

/** A frame grew over the bound. */
export class FrameTooLargeError extends Error {
  constructor(maxBytes: number) {
    super(`a frame of the stream is larger than ${maxBytes} bytes`)
    this.name = 'FrameTooLargeError'
  }
}

/** Cuts a byte stream into whole server-sent event frames, each with the blank line that ends it. */
export class FrameSplitter {
  readonly #maxBytes: number
  /** Pieces of a frame whose end has not come yet. */
  #pieces: Buffer[] = []
  #bytes = 0
  /** The last three bytes seen, newest last: a blank line may be cut anywhere. */
  #last = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Hands out every frame that is complete now. Throws a FrameTooLargeError. */
  push(chunk: Buffer, take: (frame: Buffer) => void): void {
    let start = 0
    for (let end = this.#endOf(chunk, start); end !== -1; end = this.#endOf(chunk, start)) {
      take(this.#complete(chunk.subarray(start, end)))
      this.#last = 0
      start = end
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start))
  }

  #complete(piece: Buffer): Buffer {
    if (this.#bytes === 0) return piece
    const frame = Buffer.concat([...this.#pieces, piece], this.#bytes + piece.length)
    this.#pieces = []
    this.#bytes = 0
    return frame
  }

  #keep(piece: Buffer): void {
    this.#bytes += piece.length
    if (this.#bytes > this.#maxBytes) throw new FrameTooLargeError(this.#maxBytes)
    this.#pieces.push(piece)
    if (this.#pieces.length >= 1_024) this.#pieces = [Buffer.concat(this.#pieces, this.#bytes)]
    for (const byte of piece.subarray(-3)) this.#last = ((this.#last << 8) | byte) & 0xffffff
  }

  /** Where the blank line ends that ends a frame (LF LF or CR LF CR LF), or -1. */
  #endOf(chunk: Buffer, start: number): number {
    const across = start === 0 && this.#last !== 0 ? this.#endAcross(chunk) : -1
    if (across !== -1) return across
    let at = chunk.indexOf(LF, start)
    while (at !== -1) {
      if (chunk[at + 1] === LF) return at + 2
      if (chunk[at + 1] === CR && chunk[at + 2] === LF) return at + 3
      at = chunk.indexOf(LF, at + 1)
    }
    return -1
  }

  /** A blank line that began in earlier pieces: `\n` before `\n`, `\n` before `\r\n`, `\n\r` before `\n`. */
  #endAcross(chunk: Buffer): number {
    const previous = this.#last & 0xff
    if (previous === LF && chunk[0] === LF) return 1
    if (previous === LF && chunk[0] === CR && chunk[1] === LF) return 2
    if (previous === CR && ((this.#last >> 8) & 0xff) === LF && chunk[0] === LF) return 1
    return -1
  }
}
