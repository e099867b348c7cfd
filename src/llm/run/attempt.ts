import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Clocks } from '../../core/snapshot.ts'
import { GatewayError } from '../../core/errors.ts'
import type { Failure } from '../middle.ts'
import type { Prepared } from './prepare.ts'
import type { StreamEnd, StreamSink } from './sink.ts'
import { type AnswerHeaders, singleHeaders, UpstreamCall, type UpstreamListener } from './upstream-call.ts'
import type { WholeReader } from './whole.ts'

/** One attempt, ready to be sent. */
export interface AttemptOptions {
  readonly prepared: Prepared
  readonly clocks: Clocks
  readonly deadline: number
  readonly maxAnswerBytes: number
  readonly monotonic: () => number
  readonly signal: AbortSignal
  readonly onHangUp: 'abort' | 'drain'
  /** Makes the sink of a streamed answer; absent for whole answers. `onContent` and `onFull` of the sink belong to the attempt. */
  readonly toSink: ((hooks: SinkHooks) => StreamSink) | undefined
  /** Reads a whole answer; says what is wrong with one that is none. */
  readonly reader: Pick<WholeReader, 'check'>
}

/** What a sink tells its attempt. */
export interface SinkHooks {
  /** The first content arrived. */
  onContent(): void
  /** Something went to the caller before it: no other attempt may follow. */
  onCommit(): void
  /** The provider began to speak, although a guard still holds what it says. */
  onWords(): void
  /** The caller reads too slowly. */
  onFull(): void
}

/** How an attempt ended. */
export type AttemptEnd =
  /** Nothing reached the caller: another attempt may follow. */
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'whole'; readonly body: Buffer; readonly json: JsonObject }
  | { readonly kind: 'streamed'; readonly end: StreamEnd }
  /** The caller went away. `end` when the stream was read on for its usage. */
  | { readonly kind: 'abandoned'; readonly end?: StreamEnd }

/** What is known of an attempt while it runs and afterwards. */
export interface Attempt {
  readonly done: Promise<AttemptEnd>
  /** Whether the request left, so that the provider may have worked. */
  readonly sent: boolean
  /** Milliseconds to the first content; undefined before it. */
  readonly firstContentMs: number | undefined
  readonly sink: StreamSink | undefined
  /** The caller can take more. */
  drained(): void
}

/** Sends an attempt. */
export function startAttempt(options: AttemptOptions): Attempt {
  return new RunningAttempt(options)
}

const MAX_ERROR_BYTES = 65_536
const UNJUDGED: StreamEnd = { kind: 'cut', failure: { kind: 'invalid', message: 'the answer could not be judged' }, by: 'guard' }

class RunningAttempt implements Attempt, UpstreamListener {
  readonly done: Promise<AttemptEnd>
  readonly #options: AttemptOptions
  readonly #startedAt: number
  readonly #call: UpstreamCall
  #resolve: (end: AttemptEnd) => void = () => undefined
  #status = 0
  #headers: AnswerHeaders = {}
  #limit = 0
  #first: Buffer | undefined
  /** With the first one, where there are more. */
  #chunks: Buffer[] | undefined
  #bytes = 0
  #settled = false
  #hungUp = false
  /** Chunks that wait while the guard judges an earlier one; set while it does. */
  #waiting: Buffer[] | undefined
  #bodyEnded = false
  /** The connection broke while a chunk was judged: told afterwards, since what is judged may still be written. */
  #broken: StreamEnd | undefined
  #isFull = false
  /** Something went to the caller. */
  #isCommitted = false
  firstContentMs: number | undefined
  sink: StreamSink | undefined

  constructor(options: AttemptOptions) {
    this.#options = options
    this.#startedAt = options.monotonic()
    this.done = new Promise((resolve) => {
      this.#resolve = resolve
    })
    const { prepared, clocks, deadline } = options
    const { request, headers, live } = prepared
    const pathAt = request.url.indexOf('/', 'https://'.length)
    this.#call = new UpstreamCall(
      {
        dispatcher: live.pool(request.url),
        path: pathAt === -1 ? '/' : request.url.slice(pathAt),
        headers,
        body: request.body,
        clocks,
        deadline,
        monotonic: options.monotonic,
      },
      this,
    )
    options.signal.addEventListener('abort', this.#hangUp, { once: true })
    if (options.signal.aborted) this.#hangUp()
  }

  get sent(): boolean {
    return this.#call.sent
  }

  drained(): void {
    this.#isFull = false
    if (this.#waiting === undefined) this.#call.resume()
  }

  head(status: number, headers: AnswerHeaders): void {
    this.#status = status
    this.#headers = headers
    const isGood = status >= 200 && status < 300
    this.#limit = isGood ? this.#options.maxAnswerBytes : MAX_ERROR_BYTES
    if (!isGood || this.#options.toSink === undefined) return
    if (!isEventStream(headers) || encodingOf(headers) !== 'identity') return // read whole: it says what it is in its body
    this.sink = this.#options.toSink({
      onContent: () => this.#content(),
      onCommit: () => (this.#isCommitted = true),
      onWords: () => this.#call.content(),
      onFull: () => this.#full(),
    })
  }

  data(chunk: Buffer): void {
    if (this.sink === undefined) return this.#collect(chunk)
    if (this.#waiting !== undefined) this.#waiting.push(chunk)
    else this.#push(chunk)
  }

  ended(): void {
    if (this.sink === undefined) return this.#endWhole()
    this.#bodyEnded = true
    if (this.#waiting === undefined) this.#closeSink()
  }

  failed(failure: Failure): void {
    if (this.sink === undefined) return this.#settle({ kind: 'failed', failure })
    const end = { kind: 'cut', failure } as const
    const isLate = failure.kind === 'timeout'
    if (this.#waiting !== undefined && !isLate) this.#broken = end
    else if (this.#waiting !== undefined) this.#settleStream({ ...end, by: 'guard' })
    else this.#settleStream(this.#isFull && isLate ? { ...end, by: 'caller' } : end)
  }

  #settle(end: AttemptEnd): void {
    if (this.#settled) return
    this.#settled = true
    this.#options.signal.removeEventListener('abort', this.#hangUp)
    const isStream = end.kind === 'streamed'
    this.#resolve(this.#hungUp ? (isStream ? { kind: 'abandoned', end: end.end } : { kind: 'abandoned' }) : end)
  }

  readonly #hangUp = (): void => {
    this.#hungUp = true
    // A provider that bills the whole answer anyway is read on, if the route says so, until it ends or its clocks do.
    const isCallers = !(this.#options.signal.reason instanceof GatewayError)
    if (isCallers && this.#options.onHangUp === 'drain' && this.sink !== undefined) return this.drained()
    this.#call.abort()
    this.#settle({ kind: 'abandoned' })
  }

  #content(): void {
    this.#isCommitted = true
    this.firstContentMs = this.#options.monotonic() - this.#startedAt
    this.#call.content()
  }

  #full(): void {
    if (this.#hungUp) return
    this.#isFull = true
    this.#call.pause()
  }

  #push(chunk: Buffer): void {
    const pushed = this.sink?.push(chunk)
    if (!(pushed instanceof Promise)) return this.#pushed(pushed)
    this.#waiting = []
    this.#call.pause()
    pushed.then(
      (end) => this.#judged(end),
      () => this.#judged(UNJUDGED),
    )
  }

  /** The guard is done with a chunk: the next one, or more from the provider. */
  #judged(end: StreamEnd | undefined): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    this.#pushed(end)
    for (let chunk = waiting.shift(); chunk !== undefined && !this.#settled; chunk = waiting.shift()) {
      this.#push(chunk)
      if (this.#waiting === undefined) continue
      this.#waiting = waiting
      return
    }
    if (this.#settled) return
    if (this.#broken !== undefined) this.#settleStream(this.#broken)
    else if (this.#bodyEnded) this.#closeSink()
    else if (!this.#isFull) this.#call.resume()
  }

  #pushed(end: StreamEnd | undefined): void {
    if (end === undefined) return
    if (end.kind !== 'complete') this.#call.abort()
    else if (!this.#bodyEnded) this.#call.finishQuietly()
    this.#settleStream(end)
  }

  #closeSink(): void {
    const closed = this.sink?.close()
    if (closed instanceof Promise)
      closed.then(
        (end) => this.#settleStream(end),
        () => this.#settleStream(UNJUDGED),
      )
    else if (closed !== undefined) this.#settleStream(closed)
  }

  #settleStream(end: StreamEnd): void {
    // While nothing went out a cut is a failure like any other.
    if (end.kind === 'cut' && end.by === undefined && !this.#isCommitted) this.#settle({ kind: 'failed', failure: end.failure })
    else this.#settle({ kind: 'streamed', end })
  }

  #collect(chunk: Buffer): void {
    this.#call.content()
    this.#bytes += chunk.length
    if (this.#bytes <= this.#limit) return this.#keep(chunk)
    this.#call.abort()
    if (this.#limit === MAX_ERROR_BYTES) return this.#endWhole() // enough of an error was read
    const message = `the answer is larger than ${this.#limit} bytes`
    this.#settle({ kind: 'failed', failure: { kind: 'invalid', message } })
  }

  #keep(chunk: Buffer): void {
    if (this.#first === undefined) this.#first = chunk
    else (this.#chunks ??= [this.#first]).push(chunk)
  }

  #endWhole(): void {
    const received = this.#chunks === undefined ? this.#first : Buffer.concat(this.#chunks)
    const body = decoded(received, this.#headers, this.#limit)
    if (body === undefined)
      return this.#settle({
        kind: 'failed',
        failure: { kind: 'invalid', message: 'the answer has an encoding that was not asked for' },
      })
    const isGood = this.#status >= 200 && this.#status < 300
    // A stream was asked for and something else came: an error with status 200, if anything.
    const json = isGood && this.#options.toSink === undefined ? parsed(body) : undefined
    if (json === undefined || holdsError(json)) {
      const answer = { status: this.#status, headers: singleHeaders(this.#headers), body }
      return this.#settle({ kind: 'failed', failure: this.#options.prepared.live.provider.errorOf(answer) })
    }
    const failure = this.#options.reader.check(json)
    if (failure !== undefined) return this.#settle({ kind: 'failed', failure })
    this.firstContentMs = this.#options.monotonic() - this.#startedAt
    this.#settle({ kind: 'whole', body, json })
  }
}

/** Whether an answer with status 200 is an error in disguise. */
function holdsError(json: JsonObject): boolean {
  return json['type'] === 'error' || (json['error'] !== undefined && json['error'] !== null)
}

function parsed(body: Buffer): JsonObject | undefined {
  try {
    const json: unknown = JSON.parse(body.toString('utf8'))
    return isJsonObject(json) ? json : undefined
  } catch {
    return undefined
  }
}

function isEventStream(headers: AnswerHeaders): boolean {
  return /^(?:text\/event-stream|application\/vnd\.amazon\.eventstream)[ \t]*(?:;|$)/i.test(String(headers['content-type'] ?? ''))
}

/** More than one value is none we know. */
function encodingOf(headers: AnswerHeaders): string {
  const encoding = headers['content-encoding']
  return encoding === undefined ? 'identity' : String(encoding).trim().toLowerCase()
}

/** The body without an encoding some providers apply although none was accepted; undefined when it cannot be read. */
function decoded(body: Buffer | undefined, headers: AnswerHeaders, maxBytes: number): Buffer | undefined {
  const bytes = body ?? Buffer.alloc(0)
  const encoding = encodingOf(headers)
  if (encoding === 'identity' || encoding === '') return bytes
  try {
    if (encoding === 'gzip') return gunzipSync(bytes, { maxOutputLength: maxBytes })
    if (encoding === 'br') return brotliDecompressSync(bytes, { maxOutputLength: maxBytes })
  } catch {
    return undefined
  }
  return undefined
}
