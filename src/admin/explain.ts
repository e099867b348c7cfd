import type { RequestHandler } from 'express'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { Principal } from '../core/principal.ts'
import type { CatalogItem, ItemKind, Snapshot } from '../core/snapshot.ts'
import { rewriteArguments } from '../catalog/arguments.ts'
import { decide } from '../policy/decide.ts'
import { explain } from '../policy/explain.ts'

/** What `GET /admin/v1/explain` borrows. */
export interface ExplainDeps {
  snapshot(): Snapshot
  /** The principal of a pasted token; throws GatewayError when the token would not be accepted. */
  principalOf(token: string): Promise<Principal>
  /** The counters a call of this item by this principal would pass, and how full they are. */
  limitsOf(principal: Principal, item: CatalogItem): readonly { label: string; used: number; max: number }[]
  now(): Date
}

const KINDS: readonly ItemKind[] = ['tool', 'prompt', 'resource', 'template']

/** Explains why a principal may or may not use something: `?kind=tool&name=...&principal={...}&catalog=...&args={...}`. */
export function explainRoute(deps: ExplainDeps): RequestHandler {
  return async (request, response) => {
    const query = new URL(request.originalUrl, 'http://gateway.invalid').searchParams
    const token = request.headers['x-tollgate-explain-token']
    const principal = typeof token === 'string' ? await deps.principalOf(token) : parsePrincipal(query.get('principal'))
    const kind = KINDS.find((known) => known === (query.get('kind') ?? 'tool'))
    const name = query.get('name')
    if (kind === undefined) throw new GatewayError('invalid_request', `kind must be one of ${KINDS.join(', ')}`)
    if (name === null || name === '')
      throw new GatewayError('invalid_request', 'name is missing: the tool, prompt, resource URI or template to explain')

    const catalog = query.get('catalog')
    const scope = {
      principal,
      snapshot: deps.snapshot(),
      ...(catalog === null ? {} : { catalog }),
      target: { kind, name },
      now: deps.now(),
    }
    const args = parseObject(query.get('args'), 'args')
    const item = decide({ ...scope, action: 'list' }).item
    const full = args === undefined || item === undefined ? args : rewriteArguments(item, args)
    const explanation = explain({ ...scope, action: 'call', ...(full === undefined ? {} : { args: full }) })
    const limits = explanation.item === undefined ? [] : limitsFor(deps, scope.snapshot, principal, explanation)
    response.json({ ...explanation, limits, principal })
  }
}

function limitsFor(deps: ExplainDeps, snapshot: Snapshot, principal: Principal, explanation: ReturnType<typeof explain>) {
  const shown = explanation.item
  const catalog = explanation.catalog === undefined ? undefined : snapshot.catalogs.get(explanation.catalog)
  const items = Object.values(catalog?.items ?? {}).flat()
  const item = items.find((entry) => entry.server === shown?.server && entry.definition.digest === shown.digest)
  return item === undefined ? [] : deps.limitsOf(principal, item)
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
