import type { Decision } from '../core/decision.ts'
import { GatewayError } from '../core/errors.ts'
import type { Exchange, Timings } from '../core/exchange.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { CatalogItem } from '../core/snapshot.ts'
import type { AnswerFacts, FacetCall } from '../pipeline/facet.ts'
import { dressResult } from './dress.ts'
import { errorBody, relayError, toWireError } from './errors.ts'
import { notificationBody, resultBody, type Incoming } from './incoming.ts'
import { createLens } from '../pipeline/words.ts'
import { checkParamHeaders } from './param-headers.ts'
import type { McpParts } from './parts.ts'
import { inputRequired, travel } from './rounds.ts'
import { shortenResult } from './shorten.ts'
import { findTarget, type Target } from './target.ts'
import type { Caller, UpstreamStep } from './upstream/contract.ts'
import { showUris } from './uris.ts'
import { LOG_LEVELS } from './versions.ts'

/** Runs one call (tool, prompt, resource, completion) down the road and answers it. Never throws. */
export async function runCall(parts: McpParts, incoming: Incoming): Promise<void> {
  parts.active.set(incoming.controller, incoming)
  incoming.outlet.expectDelay()
  try {
    await govern(parts, incoming)
  } catch (error) {
    failCall(parts, incoming, error)
  } finally {
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

interface Answer {
  readonly step: UpstreamStep
  readonly item: CatalogItem
  /** Why the gateway answered in place of the upstream. */
  readonly refused?: 'invalid_params'
}

async function govern(parts: McpParts, incoming: Incoming): Promise<void> {
  const target = findTarget(incoming.message, incoming.view)
  const token = progressToken(incoming.message.meta)
  const exchange = toExchange(parts, incoming)
  let opened: Answer | undefined
  const call = toFacetCall(parts, incoming, target, async (decision, args) => {
    const caller = toCaller(incoming, exchange.timings, token, decision.item)
    opened = await open(parts, { incoming, target, decision, args, caller })
    return opened
  })
  try {
    const answer = await parts.deps.govern(exchange, call)
    if (answer.step.kind === 'error') return answerError(incoming, answer.step.error)
    const result = toResult(parts, incoming, answer)
    opened = undefined
    incoming.outlet.answer(200, {}, resultBody(incoming.message.idText, JSON.stringify(result)))
  } finally {
    // Refused on the way back, for instance by the guard: nobody will answer what the upstream asks.
    if (opened?.step.kind === 'input') opened.step.held?.cancel('the call was refused')
  }
}

function toFacetCall(
  parts: McpParts,
  incoming: Incoming,
  target: Target,
  run: (decision: Decision, args: JsonObject | undefined) => Promise<Answer>,
): FacetCall<Answer> {
  const { policy, now } = parts.deps
  const { item } = target
  const args = target.args !== undefined && item !== undefined ? parts.deps.arguments.rewrite(item, target.args) : target.args
  const { catalog, identity } = incoming.request
  return {
    kind: target.ledgerKind,
    target: target.asked,
    ...(args === undefined ? {} : { args }),
    decide: () =>
      policy.decide({
        principal: identity.principal,
        snapshot: incoming.snapshot,
        ...(catalog === undefined ? {} : { catalog }),
        action: 'call',
        target: { kind: target.kind, name: target.name },
        args: args ?? (target.ledgerKind === 'resource' ? { uri: target.asked } : {}),
        now: now(),
      }),
    requestText: () => createLens({ arguments: args, argument: incoming.message.params['argument'] }, ['arguments', 'argument']),
    open: (decision) => run(decision, args),
    facts: ({ step, refused }) => ({ ...factsOf(step), ...(refused === undefined ? {} : { error: refused }) }),
    responseText: ({ step }) => createLens(wordsOf(step)),
    refusal: (decision) => refusalOf(decision, target),
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

async function open(parts: McpParts, { incoming, target, decision, args, caller }: Opening): Promise<Answer> {
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
  return { item, step: await travel(parts, { incoming, item, upstream, request, caller }) }
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

function toCaller(incoming: Incoming, timings: Timings, token: ProgressToken, item: CatalogItem | undefined): Caller {
  const { clientInfo, logLevel, outlet } = incoming
  const caller: Caller & { suspended(retryMs?: number): void } = {
    key: incoming.request.identity.key,
    era: incoming.era,
    capabilities: incoming.capabilities,
    ...(clientInfo === undefined ? {} : { clientInfo }),
    ...(logLevel === undefined ? {} : { logLevel }),
    progress: token !== undefined,
    trace: incoming.trace,
    signal: incoming.controller.signal,
    ...(item?.timeoutMs === undefined ? {} : { timeoutMs: item.timeoutMs }),
    ...(item?.maxResultBytes === undefined ? {} : { maxResultBytes: item.maxResultBytes }),
    timings,
    notify(method, params) {
      if (method === 'notifications/progress' && token !== undefined) {
        outlet.push(notificationBody(method, { ...params, progressToken: token }))
      } else if (method === 'notifications/message' && isWanted(params['level'], logLevel)) {
        outlet.push(notificationBody(method, params))
      } else if (method === 'notifications/elicitation/complete' && incoming.era === 'legacy') {
        outlet.push(notificationBody(method, params))
      }
    },
    suspended: (retryMs) => outlet.suspend(retryMs),
  }
  return caller
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
