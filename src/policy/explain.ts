import type { Decision, DecisionRequest, TraceStep } from '../core/decision.ts'
import type { Catalog, CatalogItem, RuleLocation, ServerStatus, Withheld } from '../core/snapshot.ts'
import { checkAudience } from './audience.ts'
import { decide } from './decide.ts'

/** Why a principal may or may not use something, and what would change that. */
export interface Explanation {
  readonly outcome: Decision['outcome']
  readonly reason: Decision['reason']
  readonly listed: boolean
  readonly catalog?: string
  readonly rule?: RuleLocation
  readonly item?: {
    readonly name: string
    readonly server: string
    readonly upstreamName: string
    readonly digest: string
    readonly shownDigest: string
  }
  readonly server?: { readonly id: string } & ServerStatus
  readonly trace: readonly TraceStep[]
  /** The smallest change that would flip the answer, in words with file and line. */
  readonly change: string
  readonly revision: string
}

/**
 * Explains one decision. The name may be the one clients see, the upstream's own, or `server/name`; when no catalog of the
 * caller shows it, the other catalogs and the upstreams' lists are searched for what was probably meant.
 */
export function explain(request: DecisionRequest): Explanation {
  // Without arguments (or the facts of a request) the question is whether some call would be allowed: what depends on them is unknown.
  const sent = request.target.kind === 'model' ? request.request : request.args
  const action = sent === undefined ? 'list' : request.action
  const resolved = resolveName({ ...request, action })
  const decision = decide(resolved)
  const listed = decide({ ...withoutArguments(resolved), action: 'list' }).outcome === 'allow'
  const { item } = decision
  const serverId = item?.server ?? withheldOf(decision, resolved)?.server
  const status = serverId === undefined ? undefined : resolved.snapshot.servers.get(serverId)?.status
  return {
    outcome: decision.outcome,
    reason: decision.reason,
    listed,
    ...(item === undefined ? {} : { catalog: item.catalog, item: describe(item) }),
    ...(decision.rule === undefined ? {} : { rule: decision.rule }),
    ...(serverId === undefined || status === undefined ? {} : { server: { id: serverId, ...status } }),
    trace: decision.trace,
    change: changeFor(resolved, decision),
    revision: resolved.snapshot.revision,
  }
}

function withoutArguments(request: DecisionRequest): DecisionRequest {
  const { args: _args, request: _request, ...rest } = request
  return rest
}

function describe(item: CatalogItem): NonNullable<Explanation['item']> {
  const { name, server, definition, shownDigest } = item
  return { name, server, upstreamName: definition.name, digest: definition.digest, shownDigest }
}

/** Maps `server/name` or an upstream's own name to the name the caller's view shows, when it shows it. */
function resolveName(request: DecisionRequest): DecisionRequest {
  const direct = decide(withoutArguments(request))
  if (direct.item !== undefined || direct.view === undefined) return request
  const { kind, name } = request.target
  const same = direct.view.items[kind].find(
    (item) => item.definition.name === name || `${item.server}/${item.definition.name}` === name,
  )
  if (same !== undefined) return { ...request, target: { kind, name: same.name } }
  const withheld = direct.view.catalogs
    .flatMap((catalog) => catalog.withheld)
    .find((entry) => entry.kind === kind && `${entry.server}/${entry.name}` === name)
  return withheld === undefined ? request : { ...request, target: { kind, name: withheld.name } }
}

function changeFor(request: DecisionRequest, decision: Decision): string {
  switch (decision.reason) {
    case 'allowed':
      return request.target.kind === 'model'
        ? `to refuse it, write "enabled": false into the rule at ${at(decision.rule)}, or remove that rule`
        : `to refuse it, remove it from the rule at ${at(decision.rule)}, or add it to that rule's "deny"`
    case 'disabled':
      return `write "enabled": true at ${at(decision.rule)}`
    case 'unknown-catalog':
      return `use one of the catalogs ${[...request.snapshot.catalogs.keys()].sort().join(', ') || '(there are none)'}, or add catalogs/${request.catalog}.json`
    case 'no-catalog':
      return changeForAudience(request)
    case 'condition-false':
    case 'condition-error':
      return `make \`${failedSource(decision)}\` true: change the ${request.target.kind === 'model' ? 'request' : 'arguments'} or the principal, or the "when" at ${at(decision.rule)}`
    case 'denied':
      return `remove the deny entry at ${at(decision.rule)}`
    case 'server-unavailable':
      return `bring server "${withheldOf(decision, request)?.server ?? ''}" up, or mend its file: ${withheldOf(decision, request)?.message ?? ''}`
    case 'not-allowed':
      return changeForRule(request, decision)
    case 'unknown-target':
      return changeForUnknown(request, decision)
  }
}

function failedSource({ item, rule }: Decision): string {
  const when = item !== undefined && rule === item.rule ? item.when : item?.model?.route.when
  return when?.source ?? ''
}

function changeForAudience(request: DecisionRequest): string {
  const { snapshot, principal, now, catalog, target } = request
  const candidates = [...snapshot.catalogs.values()]
    .filter((entry) => catalog === undefined || entry.id === catalog)
    .sort((a, b) => Number(shows(b, target)) - Number(shows(a, target)) || (a.id < b.id ? -1 : 1))
  const [best] = candidates
  if (best === undefined) return 'add a catalog whose "for" includes this principal'
  return `${checkAudience(best, principal, now).message}; change its "for" at ${at(best.audience.rule)}, or the credential`
}

function shows(catalog: Catalog, target: DecisionRequest['target']): boolean {
  return catalog.items[target.kind].some((item) => item.name === target.name || item.definition.name === target.name)
}

function changeForRule(request: DecisionRequest, decision: Decision): string {
  const withheld = withheldOf(decision, request)
  const place =
    withheld?.rule === undefined ? `a rule for server "${withheld?.server ?? ''}"` : `"allow" of the rule at ${at(withheld.rule)}`
  return `add "${withheld?.name ?? request.target.name}" to ${place}`
}

function changeForUnknown(request: DecisionRequest, decision: Decision): string {
  const { kind, name } = request.target
  const withheld = withheldOf(decision, request)
  if (kind === 'model') return withheld?.message ?? changeForModel(request, decision)
  if (withheld !== undefined)
    return `${withheld.message}; ${withheld.reason === 'dropped' ? 'mend the definition at the server' : 'name something the server offers'}`
  const [catalog] = decision.view?.catalogs ?? []
  for (const server of [...request.snapshot.servers.values()].sort((a, b) => (a.id < b.id ? -1 : 1))) {
    const offered = server.inventory?.definitions[kind].find(
      (entry) => entry.name === name || `${server.id}/${entry.name}` === name,
    )
    if (offered !== undefined && catalog !== undefined)
      return `add a rule for server "${server.id}" with "${offered.name}" to ${catalog.file}`
  }
  const near = nearest(name, decision.view?.items[kind].map((item) => item.name) ?? [])
  return near === undefined
    ? `no registered server offers a ${kind} named "${name}"`
    : `no registered server offers a ${kind} named "${name}"; the nearest name shown is "${near}"`
}

function changeForModel({ snapshot, target }: DecisionRequest, { view }: Decision): string {
  const [catalog] = view?.catalogs ?? []
  if (snapshot.routes.has(target.name) && catalog !== undefined)
    return `add { "route": "${target.name}" } to "models" of ${catalog.file}`
  const near = nearest(target.name, [...(view?.items.model.map((item) => item.name) ?? []), ...snapshot.routes.keys()])
  return `no route is named "${target.name}"${near === undefined ? '' : `; the nearest name is "${near}"`}`
}

function withheldOf(decision: Decision, request: DecisionRequest): Withheld | undefined {
  const { kind, name } = request.target
  return decision.view?.catalogs
    .flatMap((catalog) => catalog.withheld)
    .find((entry) => entry.kind === kind && (entry.name === name || `${entry.server}_${entry.name}` === name))
}

function at(rule: RuleLocation | undefined): string {
  return rule === undefined ? 'the catalog file' : `${rule.file}:${rule.line} (${rule.path})`
}

/** The name with the smallest edit distance, when it is near enough to be what was meant. */
function nearest(name: string, names: readonly string[]): string | undefined {
  let best: { name: string; distance: number } | undefined
  for (const candidate of names.slice(0, 2_000)) {
    const distance = editDistance(name.slice(0, 64), candidate.slice(0, 64))
    if (best === undefined || distance < best.distance) best = { name: candidate, distance }
  }
  return best !== undefined && best.distance <= Math.max(2, name.length / 3) ? best.name : undefined
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i]
    for (let j = 1; j <= b.length; j += 1) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substitution))
    }
    row = next
  }
  return row[b.length] ?? 0
}
