import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../core/errors.ts'

/** Reads a request body whole, refusing it before more than `maxBytes` are held. Encoded bodies are not taken. */
export function readBody(request: IncomingMessage, options: { maxBytes: number; timeoutMs: number }): Promise<Buffer> {
  return new Promise((resolve, reject) => new BodyReader(request, options, { resolve, reject }).start())
}

interface Taker {
  resolve(body: Buffer): void
  reject(error: GatewayError): void
}

/** One body on its way in. A class, because one is made for every request. */
class BodyReader {
  readonly #request: IncomingMessage
  readonly #maxBytes: number
  readonly #timeoutMs: number
  readonly #taker: Taker
  #first: Buffer | undefined
  #chunks: Buffer[] | undefined
  #size = 0
  #timer: NodeJS.Timeout | undefined
  #isOver = false

  constructor(request: IncomingMessage, { maxBytes, timeoutMs }: { maxBytes: number; timeoutMs: number }, taker: Taker) {
    this.#request = request
    this.#maxBytes = maxBytes
    this.#timeoutMs = timeoutMs
    this.#taker = taker
  }

  start(): void {
    const { headers } = this.#request
    const encoding = headers['content-encoding']
    if (encoding !== undefined && encoding !== 'identity')
      return this.#taker.reject(new GatewayError('unsupported_media_type', 'content-encoding is not supported on requests'))
    if (Number(headers['content-length'] ?? 0) > this.#maxBytes) return this.#taker.reject(tooLarge(this.#maxBytes))
    this.#timer = setTimeout(() => this.#refuse(late(this.#timeoutMs)), this.#timeoutMs)
    const onGone = (): void => {
      if (!this.#isOver) this.#refuse(new GatewayError('abandoned', 'the caller hung up before the body was complete'))
    }
    this.#request
      .on('data', (chunk: Buffer) => this.#take(chunk))
      .on('end', () => this.#complete())
      .on('error', onGone)
      .on('close', onGone)
  }

  #take(chunk: Buffer): void {
    if (this.#isOver) return
    this.#size += chunk.length
    if (this.#size > this.#maxBytes) return this.#refuse(tooLarge(this.#maxBytes))
    if (this.#first === undefined) this.#first = chunk
    else (this.#chunks ??= [this.#first]).push(chunk)
  }

  #complete(): void {
    if (this.#isOver) return
    this.#finish()
    this.#taker.resolve(this.#chunks === undefined ? (this.#first ?? EMPTY) : Buffer.concat(this.#chunks, this.#size))
  }

  /** What still comes is let go: it is not held while the refusal goes out. */
  #refuse(error: GatewayError): void {
    this.#finish()
    this.#first = undefined
    this.#chunks = undefined
    this.#taker.reject(error)
  }

  #finish(): void {
    this.#isOver = true
    clearTimeout(this.#timer)
  }
}

const EMPTY = Buffer.alloc(0)

function late(timeoutMs: number): GatewayError {
  return new GatewayError('request_timeout', `the body did not arrive within ${timeoutMs} ms`)
}

function tooLarge(maxBytes: number): GatewayError {
  return new GatewayError('payload_too_large', `the body is larger than ${maxBytes} bytes`)
}
