import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Caller, HeldCall, InputRequest, SendOptions, UpstreamStep } from './contract.ts'
import { startClock, type CallClock, type CallDeadlines } from './rpc-clock.ts'
import { canAnswer, neededCapability, toInputRequests } from './rpc-input.ts'
import type { Outcome, RequestId, RpcPeer, ServerRequest } from './rpc-peer.ts'

/** What a call needs of the other side: a link shared by all calls, or HTTP exchanges of its own. */
export type CallPeer = Pick<RpcPeer, 'ask' | 'reply' | 'forget' | 'tell'>

/** What a call borrows from its connection. */
export interface CallDeps {
  readonly peer: CallPeer
  readonly server: string
  readonly deadlines: CallDeadlines
  readonly maxResultBytes: number
  /** The modern envelope for this caller; undefined towards a legacy server. */
  toParams(id: number): JsonObject
  readonly modern: boolean
  /** Monotonic milliseconds. */
  readonly now: () => number
  onEnd(id: number): void
}

// A server that needs several answers asks for them one after the other; one step then carries them all.
const GATHER_MS = 10
const NONE: ReadonlySet<string> = new Set()
// A call that asks more than this is a loop.
const MAX_QUESTIONS = 64

/** A question of a legacy server that waits for the caller. */
interface Question {
  readonly id: RequestId
  readonly request: InputRequest
  readonly bytes: number
}

/**
 * One call on a shared link, from its request to its answer. It goes in steps: each ends with the answer or, on legacy servers, with
 * questions for the caller; between two steps the call is parked, nobody is told anything and no clock runs.
 */
export class RpcCall {
  readonly id: number
  readonly #deps: CallDeps
  #resolve: (step: UpstreamStep) => void = () => undefined
  #reject: (error: unknown) => void = () => undefined
  /** Somebody waits for the step under way. */
  #isOpen = false
  /** Made with the first question; most calls have none. */
  #asked: Map<string, Question> | undefined
  #handedOut = NONE
  #caller: Caller
  #clock: CallClock | undefined
  #outcome: Outcome | undefined
  #questions = 0
  #released = false

  constructor(options: SendOptions, deps: CallDeps) {
    this.#deps = deps
    this.#caller = options.caller
    this.id = deps.peer.ask(
      options.method,
      (id) => deps.toParams(id),
      (outcome) => this.#finish(outcome),
    )
  }

  get caller(): Caller {
    return this.#caller
  }

  /** Waits for the next step on behalf of `caller`. */
  next(caller: Caller): Promise<UpstreamStep> {
    return new Promise((resolve, reject) => {
      this.#caller = caller
      this.#resolve = resolve
      this.#reject = reject
      this.#isOpen = true
      if (caller.signal.aborted) return this.#abandon()
      caller.signal.addEventListener('abort', this.#abandon)
      this.#clock = startClock(this.#deps.deadlines, this.#deps.now, (after) => this.#expire(after))
      this.#deliver()
    })
  }

  /** A notification that belongs to this call. Parked or ended calls pass nothing on. */
  notify(method: string, params: JsonObject): void {
    if (!this.#isOpen) return
    this.#clock?.alive()
    this.#caller.notify(method, params)
  }

  /** Bytes that belong to this call arrived. */
  alive(): void {
    if (this.#isOpen) this.#clock?.alive()
  }

  canAnswer(request: InputRequest): boolean {
    const mayAsk = this.#outcome === undefined && this.#questions < MAX_QUESTIONS
    return mayAsk && canAnswer(request, this.#caller.capabilities)
  }

  /** Puts a question of the server to the caller; questions that arrive close together are handed out together. */
  question({ id, method, params, bytes }: ServerRequest): void {
    this.#clock?.alive()
    this.#asked ??= new Map()
    this.#asked.set(`input-${++this.#questions}`, { id, request: { method, params: withoutToken(params) }, bytes })
    setTimeout(() => this.#deliver(), GATHER_MS)
  }

  /** The server takes a question back. */
  withdraw(id: RequestId): void {
    for (const [key, question] of this.#asked ?? []) if (question.id === id) this.#asked?.delete(key)
  }

  #deliver(): void {
    if (!this.#isOpen) return
    if (this.#outcome !== undefined) return this.#hand(this.#outcome)
    if (this.#asked === undefined) return
    const fresh = [...(this.#asked ?? [])].filter(([key]) => !this.#handedOut.has(key))
    if (fresh.length === 0) return
    this.#handedOut = new Set([...this.#handedOut, ...fresh.map(([key]) => key)])
    this.#pause()
    this.#resolve({
      kind: 'input',
      requests: Object.fromEntries(fresh.map(([key, question]) => [key, question.request])),
      bytes: fresh.reduce((sum, [, question]) => sum + question.bytes, 0),
      held: this.#held(),
    })
  }

  #held(): HeldCall {
    let used = false
    const once = (): boolean => (used ? false : (used = true))
    return {
      resume: async (responses, caller) => {
        if (!once()) throw new GatewayError('session_not_found', 'this call was already continued or ended')
        this.#answer(responses, this.#handedOut)
        this.#handedOut = NONE
        return await this.next(caller)
      },
      cancel: (reason) => {
        if (once()) this.#cancel(reason)
      },
    }
  }

  /** Gives each of these questions its answer, or an error when it has none. */
  #answer(responses: Readonly<Record<string, Json>>, keys: Iterable<string>): void {
    for (const key of keys) {
      const question = this.#asked?.get(key)
      const result = Object.hasOwn(responses, key) ? responses[key] : undefined
      this.#asked?.delete(key)
      if (question === undefined) continue
      const unanswered = { error: { code: -32_603, message: 'the client gave no answer' } }
      this.#deps.peer.reply(question.id, isJsonObject(result) ? { result } : unanswered)
    }
  }

  #finish(outcome: Outcome): void {
    this.#outcome = outcome
    if (this.#asked !== undefined) this.#answer({}, this.#asked.keys())
    this.#release()
    this.#deliver()
  }

  #hand(outcome: Outcome): void {
    this.#pause()
    try {
      this.#resolve(this.#toStep(outcome))
    } catch (error) {
      this.#reject(error)
    }
  }

  #toStep(outcome: Outcome): UpstreamStep {
    if (outcome.kind === 'failed') throw outcome.error
    const { server, maxResultBytes, modern } = this.#deps
    if (outcome.bytes > maxResultBytes) {
      throw new GatewayError('upstream_too_large', `server "${server}" sent a result over ${maxResultBytes} bytes`)
    }
    if (outcome.kind === 'error' || !modern) return outcome
    return this.#toModernStep(outcome.result, outcome.bytes)
  }

  #toModernStep(result: JsonObject, bytes: number): UpstreamStep {
    const invalid = (): GatewayError =>
      new GatewayError('upstream_invalid', `server "${this.#deps.server}" sent a result of a kind that is not known here`)
    const kind = result['resultType'] ?? 'complete'
    if (kind === 'complete') return { kind: 'result', result, bytes }
    // A value of an extension (a task, for instance) is the client's to understand when it declared extensions.
    if (kind !== 'input_required') {
      if (typeof kind === 'string' && this.#caller.capabilities['extensions'] !== undefined)
        return { kind: 'result', result, bytes }
      throw invalid()
    }
    const requests = toInputRequests(result['inputRequests'])
    const state = result['requestState']
    if (requests === undefined || (state !== undefined && typeof state !== 'string')) throw invalid()
    for (const request of Object.values(requests)) this.#mustAnswer(request)
    return { kind: 'input', requests, bytes, raw: result, ...(state === undefined ? {} : { state }) }
  }

  #mustAnswer(request: InputRequest): void {
    if (canAnswer(request, this.#caller.capabilities)) return
    const requiredCapabilities = neededCapability(request)
    const message = `server "${this.#deps.server}" asks for input that this client did not declare it can give`
    if (requiredCapabilities === undefined) throw new GatewayError('upstream_invalid', message)
    throw new GatewayError('missing_capability', message, { details: { requiredCapabilities } })
  }

  #expire(after: keyof CallDeadlines): void {
    const { server, deadlines } = this.#deps
    const what = { firstByteMs: 'did not begin to answer', idleMs: 'went silent', totalMs: 'did not finish' }[after]
    this.#fail(new GatewayError('upstream_timeout', `server "${server}" ${what} within ${deadlines[after]} ms`), 'timeout')
  }

  readonly #abandon = (): void => {
    const cause: unknown = this.#caller.signal.reason
    this.#fail(new GatewayError('abandoned', 'the caller cancelled this call', { cause }), 'cancelled by the caller')
  }

  #fail(error: GatewayError, reason: string): void {
    this.#pause()
    this.#cancel(reason)
    this.#reject(error)
  }

  #cancel(reason: string): void {
    if (this.#outcome !== undefined) return
    if (this.#asked !== undefined) this.#answer({}, this.#asked.keys())
    this.#outcome = { kind: 'failed', error: new GatewayError('abandoned', `this call was ended: ${reason}`) }
    this.#deps.peer.forget(this.id)
    // That the link is gone already is no news: the connection closes on its own.
    this.#deps.peer.tell('notifications/cancelled', { requestId: this.id, reason }).catch(() => undefined)
    this.#release()
  }

  #pause(): void {
    this.#isOpen = false
    this.#clock?.stop()
    this.#caller.signal.removeEventListener('abort', this.#abandon)
  }

  #release(): void {
    if (this.#released) return
    this.#released = true
    this.#deps.onEnd(this.id)
  }
}

/** A progress token in a question is for a client that talks to the server itself; the caller's progress on an answer is not passed on. */
function withoutToken(params: JsonObject): JsonObject {
  if (!isJsonObject(params['_meta'])) return params
  const { progressToken: _token, ...meta } = params['_meta']
  const { _meta, ...rest } = params
  return Object.keys(meta).length === 0 ? rest : { ...rest, _meta: meta }
}
