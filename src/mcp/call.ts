import type { Decision } from '../core/decision.ts'
import { GatewayError } from '../core/errors.ts'
import type { Exchange, Timings } from '../core/exchange.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { CatalogItem, Era } from '../core/snapshot.ts'
import type { TextLens } from '../core/text-lens.ts'
import type { AnswerFacts, FacetCall } from '../pipeline/facet.ts'
import { dressResult } from './dress.ts'
import { errorBody, relayError, toWireError } from './errors.ts'
import { notificationBody, resultBody, type Incoming } from './incoming.ts'
import { createLens } from '../pipeline/words.ts'
import { checkParamHeaders } from './param-headers.ts'
import type { McpParts } from './parts.ts'
import { type Answer, inputRequired, travel } from './rounds.ts'
import { shortenResult } from './shorten.ts'
import { findTarget, type Target } from './target.ts'
import type { Caller, UpstreamStep } from './upstream/contract.ts'
import { showUris } from './uris.ts'
import { LOG_LEVELS } from './versions.ts'

/** Runs one call (tool, prompt, resource, completion) down the road and answers it. Never throws. */
export async function runCall(parts: McpParts, incoming: Incoming): Promise<void> {
  parts.active.set(incoming.controller, incoming)
  incoming.outlet.expectDelay()
  let call: McpCall | undefined
  try {
    call = new McpCall(parts, incoming)
    const answer = await parts.deps.govern(call.exchange, call)
    if (answer.step.kind === 'error') return answerError(incoming, answer.step.error)
    const result = toResult(parts, incoming, answer)
    call.answered()
    incoming.outlet.answer(200, {}, resultBody(incoming.message.idText, JSON.stringify(result)))
  } catch (error) {
    failCall(parts, incoming, error)
  } finally {
    call?.over()
    parts.active.delete(incoming.controller)
  }
}

/** Answers with an error, unless nobody waits for the answer. */
export function failCall({ deps }: McpParts, incoming: Incoming, error: unknown): void {
  const { signal } = incoming.controller
  const reason: unknown = signal.aborted && signal.reason instanceof GatewayError ? signal.reason : error
  if (signal.aborted && !(signal.reason instanceof GatewayError)) return incoming.outlet.drop()
  // What is no GatewayError did not come down the road, which reports for itself.
  if (!(reason instanceof GatewayError)) deps.report({ type: 'internal-error', exchange: incoming.exchangeId, error: reason })
  const wire = toWireError(reason, incoming.era, 'answer', incoming.exchangeId)
  incoming.outlet.answer(wire.status, wire.headers, errorBody(incoming.message.idText, wire.error))
}

/** One call as the road sees it. A class, because one is made for every call. */
class McpCall implements FacetCall<Answer> {
  readonly exchange: Exchange
  readonly #parts: McpParts
  readonly #incoming: Incoming
  readonly #target: Target
  readonly #token: ProgressToken
  readonly args: JsonObject | undefined
  #opened: UpstreamStep | undefined

  constructor(parts: McpParts, incoming: Incoming) {
    this.#parts = parts
    this.#incoming = incoming
    this.#target = findTarget(incoming.message, incoming.view)
    this.#token = progressToken(incoming.message.meta)
    this.exchange = toExchange(parts, incoming)
    const { item, args } = this.#target
    this.args = args !== undefined && item !== undefined ? parts.deps.arguments.rewrite(item, args) : args
  }

  get kind(): Target['ledgerKind'] {
    return this.#target.ledgerKind
  }

  get target(): string {
    return this.#target.asked
  }

  decide(): Decision {
    const { policy, now } = this.#parts.deps
    const { kind, name, ledgerKind, asked } = this.#target
    const { catalog, identity } = this.#incoming.request
    return policy.decide({
      principal: identity.principal,
      snapshot: this.#incoming.snapshot,
      ...(catalog === undefined ? {} : { catalog }),
      action: 'call',
      target: { kind, name },
      args: this.args ?? (ledgerKind === 'resource' ? { uri: asked } : {}),
      now: now(),
    })
  }

  requestText(): TextLens {
    const { params } = this.#incoming.message
    return createLens({ arguments: this.args, argument: params['argument'] }, ['arguments', 'argument'])
  }

  open(decision: Decision): Promise<Answer> | Answer {
    return open(this.#parts, {
      incoming: this.#incoming,
      target: this.#target,
      decision,
      args: this.args,
      caller: new CallCaller(this.#incoming, { timings: this.exchange.timings, token: this.#token, item: decision.item }),
    })
  }

  facts({ step, refused }: Answer): AnswerFacts {
    this.#opened = step
    const facts = factsOf(step)
    return refused === undefined ? facts : { ...facts, error: refused }
  }

  responseText({ step }: Answer): TextLens {
    return createLens(wordsOf(step))
  }

  refusal(decision: Decision): GatewayError {
    return refusalOf(decision, this.#target)
  }

  /** What the upstream asked is in the hands of the caller now. */
  answered(): void {
    this.#opened = undefined
  }

  /** Refused on the way back, for instance by the guard: nobody will answer what the upstream asks. */
  over(): void {
    if (this.#opened?.kind === 'input') this.#opened.held?.cancel('the call was refused')
  }
}

/** A server that is down may be named to whoever sees its items; everything else looks as if it were not there. */
function refusalOf({ reason, outcome, item }: Decision, target: Target): GatewayError {
  if (outcome === 'ask') return new GatewayError('approval_required', 'this call needs an approval')
  if (reason === 'server-unavailable' && item !== undefined) return unavailable(item.server)
  return target.unknown()
}

const unavailable = (server: string) => new GatewayError('upstream_unavailable', `server "${server}" is not available`)

interface Opening {
  readonly incoming: Incoming
  readonly target: Target
  readonly decision: Decision
  readonly args: JsonObject | undefined
  readonly caller: Caller
}

function open(parts: McpParts, { incoming, target, decision, args, caller }: Opening): Promise<Answer> | Answer {
  const { item } = decision
  if (item === undefined) throw target.unknown()
  const upstream = parts.deps.upstream(item.server)
  if (upstream === undefined) throw unavailable(item.server)
  if (item.kind === 'tool') {
    const complaint = complaintAbout(parts, incoming, item, target.args ?? {})
    if (complaint !== undefined) return { item, step: invalidArguments(incoming, complaint), refused: 'invalid_params' }
  }
  const request = {
    method: incoming.message.method,
    params: toParams(incoming.message.params, target.toUpstream(item), args),
    item,
  }
  return travel(parts, { incoming, item, upstream, request, caller })
}

function complaintAbout(parts: McpParts, incoming: Incoming, item: CatalogItem, args: JsonObject): string | undefined {
  if (incoming.era === 'modern') {
    const schema = item.shown['inputSchema']
    const problem = checkParamHeaders(isJsonObject(schema) ? schema : undefined, args, incoming.request.headers)
    if (problem !== undefined) throw new GatewayError('header_mismatch', problem)
  }
  return parts.deps.arguments.refuse(item, args) ?? parts.validator.check(item, args)
}

/** Models read results and correct themselves, so 2025-11-25 and later want no protocol error here. */
function invalidArguments({ protocolVersion }: Incoming, complaint: string): UpstreamStep {
  const text = `Invalid arguments: ${complaint}`
  if (protocolVersion === '2025-06-18' || protocolVersion === '2025-03-26') throw new GatewayError('invalid_params', text)
  return { kind: 'result', result: { content: [{ type: 'text', text }], isError: true }, bytes: 0 }
}

/** Members that are ours to set, or that would start something the gateway cannot carry (tasks of 2025-11-25). */
const NOT_PASSED = new Set(['_meta', 'arguments', 'inputResponses', 'requestState', 'task', 'name', 'uri', 'ref'])

function toParams(params: JsonObject, names: JsonObject, args: JsonObject | undefined): JsonObject {
  const others = Object.entries(params).filter(([name]) => !NOT_PASSED.has(name))
  const given = params['arguments'] !== undefined || Object.keys(args ?? {}).length > 0
  const meta = passedMeta(params['_meta'])
  return {
    ...names,
    ...(args !== undefined && given ? { arguments: args } : {}),
    ...Object.fromEntries(others),
    ...(meta === undefined ? {} : { _meta: meta }),
  }
}

const OWN_META = new Set(['progressToken', 'traceparent', 'tracestate', 'baggage', 'dev.tollgate/session'])

function passedMeta(meta: unknown): JsonObject | undefined {
  if (!isJsonObject(meta)) return undefined
  const kept = Object.entries(meta).filter(([key]) => !OWN_META.has(key) && !key.startsWith('io.modelcontextprotocol/'))
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}

function toExchange({ deps }: McpParts, incoming: Incoming): Exchange {
  const { request, message, trace } = incoming
  const facts = {
    identity: request.identity,
    headers: request.headers,
    meta: message.meta,
    trace,
    mcpSession: incoming.mcpSession,
  }
  return {
    id: incoming.exchangeId,
    at: request.receivedAt,
    startedAt: request.startedAt,
    facet: 'mcp',
    method: message.method,
    identity: request.identity,
    requestId: message.id,
    ...(incoming.mcpSession === undefined ? {} : { mcpSession: incoming.mcpSession }),
    session: deps.sessionOf(facts),
    snapshot: incoming.snapshot,
    view: incoming.view,
    era: incoming.era,
    protocolVersion: incoming.protocolVersion,
    trace,
    signal: incoming.controller.signal,
    requestBytes: incoming.requestBytes,
    timings: { queueMs: 0, guardMs: 0, upstreamMs: 0 },
  }
}

type ProgressToken = string | number | undefined

function progressToken(meta: JsonObject | undefined): ProgressToken {
  const token = meta?.['progressToken']
  if (token === undefined || typeof token === 'string' || (typeof token === 'number' && Number.isSafeInteger(token))) return token
  throw new GatewayError('invalid_params', '"progressToken" must be a text or an integer')
}

interface CallerFacts {
  readonly timings: Timings
  readonly token: ProgressToken
  readonly item: CatalogItem | undefined
}

/** The caller of one call, as its upstream may know of it. */
class CallCaller implements Caller {
  readonly #incoming: Incoming
  readonly #token: ProgressToken
  readonly key: string
  readonly era: Era
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject | undefined
  readonly logLevel: string | undefined
  readonly progress: boolean
  readonly trace: Incoming['trace']
  readonly signal: AbortSignal
  readonly timeoutMs: number | undefined
  readonly maxResultBytes: number | undefined
  readonly timings: Timings

  constructor(incoming: Incoming, { timings, token, item }: CallerFacts) {
    this.#incoming = incoming
    this.#token = token
    this.key = incoming.request.identity.key
    this.era = incoming.era
    this.capabilities = incoming.capabilities
    this.clientInfo = incoming.clientInfo
    this.logLevel = incoming.logLevel
    this.progress = token !== undefined
    this.trace = incoming.trace
    this.signal = incoming.controller.signal
    this.timeoutMs = item?.timeoutMs
    this.maxResultBytes = item?.maxResultBytes
    this.timings = timings
  }

  notify(method: string, params: JsonObject): void {
    const { outlet, era } = this.#incoming
    if (method === 'notifications/progress' && this.#token !== undefined) {
      outlet.push(notificationBody(method, { ...params, progressToken: this.#token }))
    } else if (method === 'notifications/message' && isWanted(params['level'], this.logLevel)) {
      outlet.push(notificationBody(method, params))
    } else if (method === 'notifications/elicitation/complete' && era === 'legacy') {
      outlet.push(notificationBody(method, params))
    }
  }

  suspended(retryMs?: number): void {
    this.#incoming.outlet.suspend(retryMs)
  }
}

function isWanted(level: unknown, wanted: string | undefined): boolean {
  return wanted !== undefined && LOG_LEVELS.indexOf(String(level)) >= LOG_LEVELS.indexOf(wanted)
}

function factsOf(step: UpstreamStep): AnswerFacts {
  if (step.kind === 'error') return { status: 'error', error: String(step.error.code), bytes: step.bytes }
  if (step.kind === 'input') return { status: 'input_required', bytes: step.bytes }
  return { status: step.result['isError'] === true ? 'tool_error' : 'ok', bytes: step.bytes }
}

function wordsOf(step: UpstreamStep): JsonObject {
  if (step.kind === 'result') return step.result
  // An error object and questions are JSON of this exchange, read here by their words alone.
  if (step.kind === 'error') return step.error as unknown as JsonObject
  return { inputRequests: (step.raw?.['inputRequests'] ?? step.requests) as JsonObject }
}

function toResult(parts: McpParts, incoming: Incoming, { step, item }: Answer): JsonObject {
  if (step.kind === 'input') return inputRequired(parts, incoming, item, step)
  if (step.kind === 'error') throw new GatewayError('internal', 'an error is not a result')
  const { method } = incoming.message
  const shown = showUris(step.result, incoming.view, item)
  const dressed = dressResult(shown, { era: incoming.era, method, serverInfo: parts.serverInfo })
  return method === 'tools/call' && item.maxResultTokens !== undefined ? shortenResult(dressed, item.maxResultTokens) : dressed
}

function answerError(incoming: Incoming, error: Parameters<typeof relayError>[0]): void {
  const { method, params, idText } = incoming.message
  const uri = method === 'resources/read' && typeof params['uri'] === 'string' ? params['uri'] : undefined
  const wire = relayError(error, incoming.era, uri)
  incoming.outlet.answer(wire.status, wire.headers, errorBody(idText, wire.error))
}
