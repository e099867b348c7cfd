import type { RequestHandler } from 'express'
import type { DecisionRequest } from '../core/decision.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { Principal } from '../core/principal.ts'
import type { CatalogItem, ItemKind, Snapshot } from '../core/snapshot.ts'
import { rewriteArguments } from '../catalog/arguments.ts'
import { decide } from '../policy/decide.ts'
import { explain, type Explanation } from '../policy/explain.ts'

/** What `GET /admin/v1/explain` borrows. */
export interface ExplainDeps {
  snapshot(): Snapshot
  /** The principal of a pasted token; throws GatewayError when the token would not be accepted. */
  principalOf(token: string): Promise<Principal>
  /** The counters a call of this item by this principal would pass, and how full they are. */
  limitsOf(principal: Principal, item: CatalogItem): readonly { label: string; used: number; max: number }[]
  /** The budgets a call of this item by this principal would be paid from, and what is left of them. */
  budgetsOf(question: PaidQuestion): readonly BudgetReading[]
  /** What routing would consider for a request to a model now, in the order of trying, then what it skips. */
  planOf(question: ModelQuestion): readonly ConsideredTarget[]
  now(): Date
}

/** A model somebody asks about; without `request` conditions on it are left open. */
export interface ModelQuestion {
  readonly item: CatalogItem
  readonly principal: Principal
  /** The run a sticky route looks at; without it the one of callers that name none. */
  readonly session?: string
  readonly request?: JsonObject
  /** Milliseconds since the epoch. */
  readonly now: number
}

/** A call somebody would pay. Without a session only budgets of periods are known. */
export interface PaidQuestion {
  readonly item: CatalogItem
  readonly principal: Principal
  readonly session: string | undefined
  /** Milliseconds since the epoch. */
  readonly at: number
}

/** One budget; dollars as decimal text. */
export interface BudgetReading {
  readonly label: string
  readonly usd: string
  /** Absent for a budget by session, when none was named. */
  readonly spentUsd?: string
  readonly reservedUsd?: string
}

/** One target, and why it would be tried or skipped. */
export interface ConsideredTarget {
  readonly target: string
  readonly outcome: 'candidate' | 'skipped'
  readonly reason: string
}

/** What a request says of which nothing else is known. */
const PLAIN_REQUEST: JsonObject = {
  dialect: 'chat',
  operation: 'chat',
  stream: false,
  maxTokens: 0,
  inputTokens: 0,
  tools: [],
  images: false,
  reasoning: false,
}

const KINDS: readonly ItemKind[] = ['tool', 'prompt', 'resource', 'template', 'model']

/**
 * Explains why a principal may or may not use something: `?kind=tool&name=...&principal={...}&catalog=...&session=...&args={...}`; for a model
 * `request={"stream":true}` instead of `args`, and the targets of its route are in the answer.
 */
export function explainRoute(deps: ExplainDeps): RequestHandler {
  return async (request, response) => {
    const query = new URL(request.originalUrl, 'http://gateway.invalid').searchParams
    const token = request.headers['x-tollgate-explain-token']
    const principal = typeof token === 'string' ? await deps.principalOf(token) : parsePrincipal(query.get('principal'))
    const kind = KINDS.find((known) => known === (query.get('kind') ?? 'tool'))
    const name = query.get('name')
    if (kind === undefined) throw new GatewayError('invalid_request', `kind must be one of ${KINDS.join(', ')}`)
    if (name === null || name === '')
      throw new GatewayError('invalid_request', 'name is missing: the tool, prompt, resource URI, template or model to explain')

    const catalog = query.get('catalog')
    const scope = {
      principal,
      snapshot: deps.snapshot(),
      ...(catalog === null ? {} : { catalog }),
      target: { kind, name },
      now: deps.now(),
    }
    const args = parseObject(query.get('args'), 'args')
    const sent = parseObject(query.get('request'), 'request')
    const session = query.get('session') ?? undefined
    const asked = sent === undefined ? undefined : { ...PLAIN_REQUEST, model: name, ...sent }
    const item = decide({ ...scope, action: 'list' }).item
    const full = args === undefined || item === undefined ? args : rewriteArguments(item, args)
    const explanation = explain({
      ...scope,
      action: 'call',
      ...(full === undefined ? {} : { args: full }),
      ...(asked === undefined ? {} : { request: asked }),
    })
    const explained = item ?? explainedItem(scope, explanation)
    response.json({
      ...explanation,
      limits: explained === undefined ? [] : deps.limitsOf(principal, explained),
      budgets: explained === undefined ? [] : deps.budgetsOf({ item: explained, principal, session, at: scope.now.getTime() }),
      ...(explained?.model === undefined ? {} : { targets: targetsFor(deps, explained, { ...scope, session, request: asked }) }),
      principal,
    })
  }
}

/** What the names of the question led to; `explain` also takes an upstream's own name. */
function explainedItem(scope: Omit<DecisionRequest, 'action'>, { item }: Explanation): CatalogItem | undefined {
  if (item === undefined) return undefined
  return decide({ ...scope, target: { ...scope.target, name: item.name }, action: 'list' }).item
}

type Asked = {
  readonly principal: Principal
  readonly session: string | undefined
  readonly request: JsonObject | undefined
  readonly now: Date
}

function targetsFor(deps: ExplainDeps, item: CatalogItem, asked: Asked): readonly ConsideredTarget[] {
  const { principal, session, request, now } = asked
  return deps.planOf({
    item,
    principal,
    now: now.getTime(),
    ...(session === undefined ? {} : { session }),
    ...(request === undefined ? {} : { request }),
  })
}

function parsePrincipal(text: string | null): Principal {
  const given = parseObject(text, 'principal')
  if (given === undefined)
    throw new GatewayError('invalid_request', 'give principal={"team":"..."} as JSON, or a token in X-Tollgate-Explain-Token')
  const kind = given['kind'] === 'agent' || given['kind'] === 'service' ? given['kind'] : 'user'
  const texts: Partial<Record<'org' | 'team' | 'project' | 'agent' | 'user', string>> = {}
  for (const field of ['org', 'team', 'project', 'agent', 'user'] as const) {
    const value = given[field]
    if (typeof value === 'string') texts[field] = value
  }
  return {
    issuer: textOf(given, 'issuer'),
    subject: textOf(given, 'subject'),
    kind,
    groups: list(given['groups']),
    roles: list(given['roles']),
    scopes: list(given['scopes']),
    ...texts,
  }
}

function textOf(given: JsonObject, field: string): string {
  const value = given[field]
  return typeof value === 'string' ? value : 'explain'
}

function list(value: unknown): string[] {
  return Array.isArray(value) ? value.filter((entry) => typeof entry === 'string') : []
}

function parseObject(text: string | null, name: string): JsonObject | undefined {
  if (text === null) return undefined
  try {
    const value: unknown = JSON.parse(text)
    if (isJsonObject(value)) return value
  } catch (error) {
    throw new GatewayError('invalid_request', `${name} is not JSON`, { cause: error })
  }
  throw new GatewayError('invalid_request', `${name} must be a JSON object`)
}
