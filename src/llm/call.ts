import type { Decision } from '../core/decision.ts'
import { GatewayError } from '../core/errors.ts'
import type { Exchange } from '../core/exchange.ts'
import type { JsonObject } from '../core/json.ts'
import { concreteTarget, modelNamed } from '../core/model-name.ts'
import type { Identity } from '../core/principal.ts'
import type { Responder } from '../core/responder.ts'
import type { CatalogView, Snapshot } from '../core/snapshot.ts'
import type { TextLens } from '../core/text-lens.ts'
import type { InFlight } from '../lib/in-flight.ts'
import type { AnswerFacts, Estimate, FacetCall, Gauge, Road } from '../pipeline/facet.ts'
import { createLens } from '../pipeline/words.ts'
import { answerHeaders, passedHeaders } from './answer-headers.ts'
import { conditionFacts } from './conditions.ts'
import type { LlmDeps, LlmHttpRequest } from './contract.ts'
import { countHere, needsOwnCount } from './count-tokens.ts'
import { answerFacts, countBody, endError } from './endings.ts'
import { toDialectError } from './errors.ts'
import { estimateOf } from './estimate-of.ts'
import { toExchange } from './exchange.ts'
import { proposalsOf } from './proposals.ts'
import { type Door, type ModelRequest, readRequest, withBytes } from './request.ts'
import { type ModelAnswer, run } from './run/run.ts'
import { ModelVisit, type VisitHost } from './run/visit.ts'
import type { SignatureMemory } from './signature.ts'
import { strictBody } from './strict-body.ts'

/** What the facet keeps while it runs. */
export interface LlmParts {
  readonly deps: LlmDeps
  readonly signatures: SignatureMemory
  readonly active: InFlight<object, Active>
}

/** An answer under way. */
export interface Active {
  readonly controller: AbortController
  readonly identity: Identity
}

const KEEP_ALIVE_MIN_MS = 1_000

/** One request on its way; the facet call of the road. Made and answered by the facet, which also says how it failed. */
export class ModelCall implements FacetCall<ModelAnswer>, Active, VisitHost {
  readonly kind = 'model'
  readonly target: string
  readonly controller = new AbortController()
  readonly #parts: LlmParts
  readonly #http: LlmHttpRequest
  readonly #responder: Responder
  readonly #exchange: Exchange
  readonly #view: CatalogView
  readonly #snapshot: Snapshot
  #request: ModelRequest
  #facts: JsonObject | undefined
  #visit: ModelVisit | undefined
  #gauges: readonly Gauge[] = []
  #keepAlive: NodeJS.Timeout | undefined
  /** The body with words the guard changed. */
  #rewritten: JsonObject | undefined
  /** The guard changed words of the answer. */
  #isChanged = false

  constructor(parts: LlmParts, door: Door, http: LlmHttpRequest, responder: Responder) {
    const { deps } = parts
    this.#parts = parts
    this.#http = http
    this.#responder = responder
    this.#request = readRequest(door, http, { depth: deps.bounds.jsonDepth, nodes: deps.bounds.jsonNodes })
    this.target = this.#request.model
    this.#snapshot = deps.snapshot()
    const eligible = deps.policy.eligible(http.identity.principal, this.#snapshot, deps.now())
    if (eligible.length === 0) throw new GatewayError('forbidden', 'no catalog of this gateway is for you; ask its administrator')
    this.#view = this.#snapshot.view(eligible)
    this.#exchange = toExchange(http, {
      session: deps.sessionOf({
        identity: http.identity,
        headers: http.headers,
        meta: undefined,
        trace: http.trace,
        mcpSession: undefined,
      }),
      snapshot: this.#snapshot,
      view: this.#view,
      dialect: door.dialect.name,
      signal: this.controller.signal,
    })
    responder.onHangUp(() => this.controller.abort())
  }

  get identity(): Identity {
    return this.#http.identity
  }

  async answer(): Promise<void> {
    let answer: ModelAnswer
    try {
      answer = await this.#parts.deps.govern(this.#exchange, this)
    } catch (error) {
      return this.#failed(error)
    }
    if (answer.kind === 'abandoned') return this.#failed(this.controller.signal.reason)
    if (answer.kind === 'counted') return this.#sendCount(answer.inputTokens)
    if (answer.kind === 'whole') return this.#sendWhole(answer)
    this.#endStream(answer)
  }

  /** What every answer says of itself, also one that is an error. */
  headers(): Record<string, string> {
    return this.#headers([], 0)
  }

  over(): void {
    clearInterval(this.#keepAlive)
  }

  decide(): Decision {
    const { deps } = this.#parts
    return deps.policy.decide({
      principal: this.identity.principal,
      snapshot: this.#snapshot,
      action: 'call',
      target: { kind: 'model', name: this.target },
      request: this.#conditions(),
      now: deps.now(),
    })
  }

  estimate({ item }: Decision): Estimate {
    if (this.#request.door.operation === 'count_tokens') return { tokens: 0, nanoUsd: 0 } // providers count for nothing
    return estimateOf(this.#parts.deps.prices, this.#request, item)
  }

  admitted(gauges: readonly Gauge[]): void {
    this.#gauges = gauges
  }

  requestText(): TextLens {
    const json = strictBody(this.#request.bytes, this.#parts.deps.bounds)
    const lens = createLens(json, this.#request.door.dialect.requestWords)
    return {
      parts: lens.parts,
      replace: (path, text) => {
        lens.replace(path, text)
        this.#rewritten = json
      },
    }
  }

  open(decision: Decision, road: Road): Promise<ModelAnswer> {
    const { deps, signatures } = this.#parts
    if (this.#rewritten !== undefined) {
      this.#request = withBytes(this.#request, this.#rewritten, Buffer.from(JSON.stringify(this.#rewritten)))
    }
    const visit = this.#toVisit(decision)
    this.#visit = visit
    const plan = deps.router.plan({
      item: visit.item,
      principal: this.identity.principal,
      stickyKey: visit.route.sticky ? JSON.stringify([this.identity.key, this.#exchange.session]) : '',
      request: this.#conditions(),
      operation: visit.request.door.operation,
      dialect: visit.request.door.dialect.name,
      budgeted: visit.request.door.operation !== 'count_tokens' && deps.prices.isBudgeted(visit.item, this.#snapshot),
      now: deps.now().getTime(),
    })
    const targets = plan.targets.map((target) => concreteTarget(target, visit.item, this.target))
    if (needsOwnCount(visit.request.door.operation, plan)) return this.#count()
    return run({ deps, signatures }, visit, { targets, considered: plan.considered }, road)
  }

  async #count(): Promise<ModelAnswer> {
    const inputTokens = await countHere(this.#request.json, (text) => this.#parts.deps.countTokens(text))
    return { kind: 'counted', inputTokens }
  }

  facts(answer: ModelAnswer): AnswerFacts {
    return answerFacts({ answer, reason: this.controller.signal.reason, committed: this.#visitOf().delivery.committed })
  }

  responseText(answer: ModelAnswer): TextLens | undefined {
    if (answer.kind !== 'whole') return undefined
    const lens = createLens(answer.whole.json, this.#request.door.dialect.answerWords)
    return this.#noting(lens)
  }

  proposedCalls(answer: ModelAnswer): readonly { readonly lens: TextLens }[] {
    if (answer.kind !== 'whole') return []
    return proposalsOf(this.#request.door.dialect.name, answer.whole.json).map(({ lens }) => ({ lens: this.#noting(lens) }))
  }

  #noting(lens: TextLens): TextLens {
    return {
      parts: lens.parts,
      replace: (path, text) => {
        lens.replace(path, text)
        this.#isChanged = true
      },
    }
  }

  refusal({ reason }: Decision): GatewayError {
    if (reason === 'disabled')
      return new GatewayError('model_disabled', `model "${this.target}" is switched off`, { retryAfterSeconds: 60 })
    return new GatewayError('not_found', `model "${this.target}" is not available to you; GET /v1/models lists those that are`, {
      details: { param: 'model' },
    })
  }

  #conditions(): JsonObject {
    this.#facts ??= conditionFacts(this.#request, modelNamed(this.#view, this.target))
    return this.#facts
  }

  #failed(error: unknown): void {
    const visit = this.#visit
    const { signal } = this.controller
    const reason: unknown = signal.aborted ? signal.reason : error
    if (signal.aborted && !(reason instanceof GatewayError)) return // nobody is there any more
    if (visit?.delivery.committed !== true) throw reason
    const { dialect } = this.#request.door
    visit.delivery.fail(visit.sink?.failFrame(toDialectError(reason, dialect.name), this.#exchange.id) ?? '')
  }

  #sendWhole(answer: Extract<ModelAnswer, { kind: 'whole' }>): void {
    const { whole } = answer
    const body = whole.bytes === undefined || this.#isChanged ? JSON.stringify(whole.json) : whole.bytes
    const headers = this.#headers(answer.facts.dropped, 0)
    headers['content-type'] = 'application/json'
    this.#responder.send(200, headers, body)
  }

  #sendCount(inputTokens: number): void {
    const headers = { 'content-type': 'application/json', 'x-tollgate-estimated': 'true', ...this.#headers([], 0) }
    this.#responder.send(200, headers, countBody(inputTokens))
  }

  #endStream({ end, sink }: Extract<ModelAnswer, { kind: 'streamed' }>): void {
    const { delivery } = this.#visitOf()
    if (end.kind === 'complete') return delivery.finish()
    const error = endError(end)
    if (!delivery.committed) throw error
    delivery.fail(sink.failFrame(toDialectError(error, this.#request.door.dialect.name), this.#exchange.id))
  }

  /** `waitedMs`: what the attempt under way has waited for its provider so far. */
  #headers(dropped: readonly string[], waitedMs: number): Record<string, string> {
    const { id, startedAt, timings } = this.#exchange
    const overheadMs = Math.max(0, this.#parts.deps.monotonic() - startedAt - timings.upstreamMs - waitedMs)
    return answerHeaders({ id, overheadMs, dropped, gauges: this.#gauges })
  }

  #visitOf(): ModelVisit {
    if (this.#visit === undefined) throw new Error('the request was not opened')
    return this.#visit
  }

  #toVisit({ item }: Decision): ModelVisit {
    const grant = item?.model
    if (item === undefined || grant === undefined) throw new GatewayError('internal', 'a model has no route')
    return new ModelVisit(this, {
      exchange: this.#exchange,
      request: this.#request,
      item,
      grant,
      passed: passedHeaders(this.#http.headers),
      signatures: this.#parts.signatures,
    })
  }

  openStream({ dropped, attemptAt }: ModelVisit): ReturnType<Responder['bytes']> {
    const { deps } = this.#parts
    const headers = this.#headers(dropped, deps.monotonic() - attemptAt)
    const frame = this.#request.door.dialect.keepAlive()
    const everyMs = Math.max(KEEP_ALIVE_MIN_MS, deps.bounds.keepAliveMs)
    this.#keepAlive = setInterval(() => this.#visit?.delivery.keepAlive(frame), everyMs)
    this.#keepAlive.unref()
    return this.#responder.bytes(headers)
  }

  hangUp(): void {
    this.controller.abort()
  }
}
