import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { CatalogItem, Era } from '../core/snapshot.ts'
import { missingCapability } from './capabilities.ts'
import type { Incoming } from './incoming.ts'
import type { McpParts } from './parts.ts'
import { refusedQuestion } from './refused-question.ts'
import { staleState } from './request-state.ts'
import type { Caller, InputRequest, Upstream, UpstreamRequest, UpstreamStep } from './upstream/contract.ts'
import { META } from './versions.ts'

/** One call towards its upstream. */
export interface Journey {
  readonly incoming: Incoming
  readonly item: CatalogItem
  readonly upstream: Upstream
  readonly request: UpstreamRequest
  readonly caller: Caller
}

type InputStep = Extract<UpstreamStep, { kind: 'input' }>

const MAX_ROUNDS = 10

/**
 * Runs a call until there is an answer for its caller: a result, an error, or (stateless callers) questions. Legacy callers are
 * asked in between, over their session. Whoever throws here leaves no call held open.
 */
export async function travel(parts: McpParts, journey: Journey): Promise<Answer> {
  const { item, incoming } = journey
  const { ask, era } = incoming
  let step = asInput(await begin(parts, journey), era)
  for (let round = 0; step.kind === 'input'; round += 1) {
    if (ask === undefined || round >= MAX_ROUNDS) return { item, step: checked(step, journey, ask !== undefined) }
    step = await goOn(journey, step, await answersTo(step, incoming, ask))
  }
  checkAnswer(step, item.server)
  return { item, step }
}

/** What came of a call. */
export interface Answer {
  readonly step: UpstreamStep
  readonly item: CatalogItem
  /** Why the gateway answered in place of the upstream. */
  readonly refused?: 'invalid_params'
}

type Ask = NonNullable<Incoming['ask']>

async function answersTo(step: InputStep, incoming: Incoming, ask: Ask): Promise<Readonly<Record<string, Json>>> {
  try {
    checkQuestions(step, incoming)
    return await ask(step.requests)
  } catch (error) {
    step.held?.cancel('the caller could not answer')
    throw error
  }
}

/** Questions a stateless caller can be sent; held calls that end here are cancelled. */
function checked(step: InputStep, { incoming, item }: Journey, tooOften: boolean): InputStep {
  try {
    if (tooOften) throw new GatewayError('upstream_invalid', `server "${item.server}" keeps asking back`)
    checkQuestions(step, incoming)
    return step
  } catch (error) {
    step.held?.cancel('the caller could not answer')
    throw error
  }
}

/** The result a stateless caller gets for questions: it comes back with answers and the state sealed here. */
export function inputRequired(parts: McpParts, incoming: Incoming, item: CatalogItem, step: InputStep): JsonObject {
  const meta = isJsonObject(step.raw?.['_meta']) ? step.raw['_meta'] : {}
  const { requestState: _, ...raw } = step.raw ?? {}
  const sealed = sealState(parts, incoming, item, step)
  return {
    ...raw,
    resultType: 'input_required',
    ...(Object.keys(step.requests).length > 0 ? { inputRequests: raw['inputRequests'] ?? withoutLegacyIds(step.requests) } : {}),
    ...(sealed === undefined ? {} : { requestState: sealed }),
    _meta: { ...meta, [META.serverInfo]: parts.serverInfo },
  }
}

function sealState(
  parts: McpParts,
  incoming: Incoming,
  item: CatalogItem,
  { held, requests, state }: InputStep,
): string | undefined {
  if (held !== undefined) {
    const parked = parts.parked.park({ identity: incoming.request.identity, held, requests })
    return parts.states.seal(incoming, item, { parked })
  }
  return state === undefined ? undefined : parts.states.seal(incoming, item, { upstream: state })
}

function withoutLegacyIds(requests: Readonly<Record<string, InputRequest>>): Record<string, Json> {
  return Object.fromEntries(
    Object.entries(requests).map(([key, { method, params }]): [string, Json] => {
      if (params === undefined) return [key, { method }]
      const { elicitationId: _, ...rest } = params
      return [key, { method, params: method === 'elicitation/create' ? rest : params }]
    }),
  )
}

function begin(parts: McpParts, journey: Journey): Promise<UpstreamStep> {
  const { incoming, item, upstream, request, caller } = journey
  if (incoming.era === 'legacy') return upstream.call(request, caller)
  const responses = readResponses(incoming.message.params)
  const state = parts.states.open(incoming, item)
  if (state?.parked !== undefined) return resumeParked(parts, journey, state.parked, responses ?? {})
  if (upstream.inventory()?.era === 'legacy') return upstream.call(request, caller)
  const params = {
    ...request.params,
    ...(responses === undefined ? {} : { inputResponses: responses }),
    ...(state?.upstream === undefined ? {} : { requestState: state.upstream }),
  }
  return upstream.call({ ...request, params }, caller)
}

async function resumeParked(parts: McpParts, journey: Journey, handle: string, responses: JsonObject): Promise<UpstreamStep> {
  const call = parts.parked.take(handle, journey.incoming.request.identity)
  if (call === undefined) throw staleState()
  const answers: Record<string, Json> = {}
  for (const key of Object.keys(call.requests)) {
    const answer = responses[key]
    // An answer that is missing or no object is asked for again.
    if (!isJsonObject(answer)) return { kind: 'input', requests: call.requests, bytes: 0, held: call.held }
    answers[key] = answer
  }
  return call.held.resume(answers, journey.caller)
}

function goOn(
  { upstream, request, caller }: Journey,
  step: InputStep,
  responses: Readonly<Record<string, Json>>,
): Promise<UpstreamStep> {
  if (step.held !== undefined) return step.held.resume(responses, caller)
  const params = {
    ...request.params,
    inputResponses: responses,
    ...(step.state === undefined ? {} : { requestState: step.state }),
  }
  return upstream.call({ ...request, params }, caller)
}

function readResponses({ inputResponses }: JsonObject): JsonObject | undefined {
  if (inputResponses === undefined || isJsonObject(inputResponses)) return inputResponses
  throw new GatewayError('invalid_params', '"inputResponses" must be an object')
}

/** Questions must be such that this client can answer them and a person may be asked them. */
function checkQuestions(step: InputStep, incoming: Incoming): void {
  const refused = refusedQuestion(step.requests)
  if (refused !== undefined) throw new GatewayError('upstream_invalid', `a question of the server is not passed on: ${refused}`)
  const missing = missingCapability(step.requests, incoming.capabilities)
  if (missing === undefined) return
  const message = `the server needs a client capability that was not declared: ${Object.keys(missing).join(', ')}`
  throw new GatewayError('missing_capability', message, { details: { requiredCapabilities: missing } })
}

/** Headers and versions are between the gateway and its upstream: complaints about them are not the caller's. */
const OUR_FAULTS = new Set([-32020, -32022])

function checkAnswer(step: UpstreamStep, server: string): void {
  if (step.kind === 'error' && OUR_FAULTS.has(step.error.code)) {
    throw new GatewayError('upstream_invalid', `server "${server}" did not understand the gateway`)
  }
  const resultType = step.kind === 'result' ? step.result['resultType'] : undefined
  if (resultType === undefined || resultType === 'complete') return
  throw new GatewayError('upstream_invalid', `server "${server}" answered with a result type that was not agreed on`)
}

/** Revision 2025-11-25 asks for a visit to a URL with an error (-32042), which stateless callers do not know: a question to them. */
function asInput(step: UpstreamStep, era: Era): UpstreamStep {
  if (era === 'legacy' || step.kind !== 'error' || step.error.code !== -32042 || !isJsonObject(step.error.data)) return step
  const { elicitations } = step.error.data
  if (!Array.isArray(elicitations) || elicitations.length === 0) return step
  const requests = Object.fromEntries(
    elicitations.filter(isJsonObject).map((params, index) => [`url-${index + 1}`, { method: 'elicitation/create', params }]),
  )
  return { kind: 'input', requests, bytes: step.bytes }
}
