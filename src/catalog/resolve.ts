import type { Catalog as CatalogFile, ToolRule } from '../config/catalog.ts'
import type { Located } from '../config/read-file.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type {
  Audience,
  BudgetRule,
  Catalog,
  CatalogItem,
  Definition,
  OfferedKind,
  ServerState,
  SnapshotProblem,
  Withheld,
} from '../core/snapshot.ts'
import { digestOf } from '../lib/canonical-json.ts'
import { conditionOf, locationOf } from './located.ts'
import { resolveModels } from './models.ts'
import { assignNames } from './naming.ts'
import type { ResolvedRoute } from './routes.ts'
import type { Chosen, Refusal, Rule, Selection } from './select.ts'
import { compare, selectItems, serversOf } from './select.ts'
import { toRewrite, toShownTool, unknownArguments, withMembers } from './shown.ts'
import { nameResources } from './uri.ts'

/** A catalog cut from what the upstreams offer, and what an admin should hear about it. */
export interface ResolvedCatalog {
  readonly catalog: Catalog
  /** Digest over the file and all that is shown and called through it: what a decision depends on besides the caller. */
  readonly revision: string
  readonly problems: readonly SnapshotProblem[]
}

/** What servers offer, in the order everything is built and digested in. */
const KINDS: readonly OfferedKind[] = ['tool', 'prompt', 'resource', 'template']

/** What is there to grant: upstream servers and routes to models. */
export interface Offering {
  readonly servers: ReadonlyMap<string, ServerState>
  readonly routes: ReadonlyMap<string, ResolvedRoute>
}

type Work = {
  readonly id: string
  readonly file: Located<CatalogFile>
  readonly servers: ReadonlyMap<string, ServerState>
  readonly withheld: Withheld[]
  readonly problems: SnapshotProblem[]
}

/** Resolves one catalog file against the inventories of its servers and the routes. Pure: equal inputs give equal catalogs. */
export function resolveCatalog(id: string, file: Located<CatalogFile>, offering: Offering): ResolvedCatalog {
  const basis = [
    ...serversOf(file.value).flatMap((server) => basisOf(offering.servers.get(server))),
    ...file.value.models.map(({ route }) => offering.routes.get(route)),
  ]
  const last = lastResolved.get(file)
  if (last?.result.catalog.id === id && last.basis.every((part, index) => part === basis[index])) return last.result
  const result = resolve(id, file, offering)
  lastResolved.set(file, { basis, result })
  return result
}

/** The last result per file: a snapshot is built again whenever one server changes, and most catalogs do not name it. */
const lastResolved = new WeakMap<Located<CatalogFile>, { readonly basis: readonly unknown[]; readonly result: ResolvedCatalog }>()

/** All of a server that a catalog depends on: what it offers, its labels, and what withheld items say of its state. */
function basisOf(state: ServerState | undefined): readonly unknown[] {
  const inventory = state?.inventory
  return [
    inventory,
    JSON.stringify(state?.labels),
    unavailableReason(state),
    inventory === undefined ? state?.status.state : undefined,
  ]
}

function resolve(id: string, file: Located<CatalogFile>, { servers, routes }: Offering): ResolvedCatalog {
  const models = resolveModels(id, file, routes)
  const work: Work = { id, file, servers, withheld: [...models.withheld], problems: [...models.problems] }
  const items = {
    tool: resolveKind(work, 'tool'),
    prompt: resolveKind(work, 'prompt'),
    resource: resolveKind(work, 'resource'),
    template: resolveKind(work, 'template'),
    model: models.items,
  }
  const { value } = file
  const catalog: Catalog = {
    id,
    title: value.title,
    ...(value.description === undefined ? {} : { description: value.description }),
    ...(value.instructions === undefined ? {} : { instructions: value.instructions }),
    file: file.file,
    audience: audienceOf(file),
    items,
    withheld: work.withheld.toSorted((a, b) => compare(a.kind, b.kind) || compare(a.server, b.server) || compare(a.name, b.name)),
    ...(value.limits === undefined ? {} : { limits: value.limits, limitsRule: locationOf(file, ['limits']) }),
    guards: value.guards,
    budgets: budgetsOf(id, file),
    servers: serversOf(value),
    digest: digestOf([
      value.title,
      value.description ?? null,
      value.instructions ?? null,
      ...KINDS.map((kind) => items[kind].map((item) => item.shownDigest)),
      models.items.map((item) => [item.shownDigest, item.definition.digest, isSwitchedOn(item)]),
    ]),
  }
  const targets = KINDS.map((kind) => items[kind].map((item) => [item.server, item.definition.digest]))
  return { catalog, revision: digestOf([id, file.digest, catalog.digest, targets]), problems: work.problems }
}

function isSwitchedOn({ model }: CatalogItem): boolean {
  return model?.enabled === true && model.route.enabled
}

/** Named by whose and which period, so that a budget keeps its spending when others are written before it. */
function budgetsOf(catalog: string, file: Located<CatalogFile>): BudgetRule[] {
  return file.value.budgets.map(({ usd, per, by, soft }, index) => ({
    id: `${catalog}:${by}:${per}`,
    catalog,
    nanoUsd: toNanoUsd(usd),
    per,
    by,
    ...(soft === undefined ? {} : { soft }),
    rule: locationOf(file, ['budgets', index]),
  }))
}

function resolveKind(work: Work, kind: OfferedKind): CatalogItem[] {
  const selection = selectItems(work.file.value, kind, work.servers)
  for (const refusal of selection.refused) withhold(work, refusal)
  const names = namesOf(kind, selection)
  return selection.chosen.flatMap((chosen, index) => {
    const { definition } = chosen
    const unavailable = unavailableReason(work.servers.get(definition.server))
    const name = names[index]
    const about = { kind, server: definition.server, name: definition.name, path: chosen.path }
    if (unavailable !== undefined) withhold(work, { ...about, reason: 'server-unavailable', message: unavailable })
    else if (name === undefined)
      withhold(work, { ...about, reason: 'name-collision', message: 'another item of the catalog is shown under the same name' })
    else return [toItem(work, chosen, name)]
    return []
  })
}

/** Names are given to items of unavailable servers as well, so that those of the others do not change when one goes away. */
function namesOf(kind: OfferedKind, { chosen }: Selection): (string | undefined)[] {
  if (kind === 'resource' || kind === 'template') return nameResources(chosen.map(({ definition }) => definition))
  return assignNames(
    chosen.map(({ definition, rule }) => ({
      server: definition.server,
      name: definition.name,
      alias: 'as' in rule ? rule.as : undefined,
      prefix: 'prefix' in rule ? rule.prefix : undefined,
    })),
  )
}

function unavailableReason(state: ServerState | undefined): string | undefined {
  if (state === undefined) return 'the server is not registered'
  if (state.status.state !== 'quarantined' && state.status.state !== 'disabled') return undefined
  return `the server is ${state.status.state}${state.status.reason === undefined ? '' : `: ${state.status.reason}`}`
}

function withhold(work: Work, { path, ...refusal }: Refusal): void {
  const rule = path === undefined ? {} : { rule: locationOf(work.file, path) }
  work.withheld.push({ ...refusal, catalog: work.id, ...rule })
}

function toItem(work: Work, chosen: Chosen<Rule>, name: string): CatalogItem {
  const { definition, rule } = chosen
  const { shown, shownDigest } = shownOf(chosen, name)
  if (definition.kind === 'tool' && 'arguments' in rule && rule.arguments !== undefined)
    reportArguments(work, chosen, rule.arguments)
  const labels = { ...work.servers.get(definition.server)?.labels, ...('labels' in rule ? rule.labels : {}) }
  return {
    kind: definition.kind,
    catalog: work.id,
    server: definition.server,
    name,
    definition,
    shown,
    shownDigest,
    rule: locationOf(work.file, chosen.path),
    ...(rule.when === undefined ? {} : { when: conditionOf(rule.when) }),
    ...(Object.keys(labels).length === 0 ? {} : { labels }),
    ...(definition.kind === 'template' && closedBy(rule).length > 0 ? { closed: closedBy(rule) } : {}),
    ...('server' in rule && chosen.list === 'tools' ? toolFields(rule) : {}),
  }
}

function closedBy(rule: Rule): readonly string[] {
  return 'deny' in rule ? rule.deny : []
}

type Shown = { readonly name: string; readonly shown: JsonObject; readonly shownDigest: string }

/** What was made of a definition by a rule, kept while both live: hashing is most of the work of building a snapshot. */
const shownByRule = new WeakMap<Definition, Map<Rule, Shown>>()

function shownOf({ definition, rule, list }: Chosen<Rule>, name: string): Shown {
  const made = shownByRule.get(definition) ?? new Map<Rule, Shown>()
  shownByRule.set(definition, made)
  const known = made.get(rule)
  if (known?.name === name) return known
  const shown = list === 'tools' ? toShownTool(definition.raw, name, rule) : toShownOther(definition, name)
  const result = { name, shown, shownDigest: shown === definition.raw ? definition.digest : digestOf(shown) }
  made.set(rule, result)
  return result
}

function toShownOther({ kind, raw }: Definition, name: string): JsonObject {
  const key = kind === 'prompt' ? 'name' : kind === 'resource' ? 'uri' : 'uriTemplate'
  const changes: Record<string, Json> = raw[key] === name ? {} : { [key]: name }
  return withMembers(raw, changes)
}

function toolFields(rule: ToolRule): Partial<CatalogItem> {
  return {
    ...(rule.arguments === undefined ? {} : { arguments: toRewrite(rule.arguments) }),
    ...(rule.timeoutMs === undefined ? {} : { timeoutMs: rule.timeoutMs }),
    ...(rule.maxResultBytes === undefined ? {} : { maxResultBytes: rule.maxResultBytes }),
    ...(rule.maxResultTokens === undefined ? {} : { maxResultTokens: rule.maxResultTokens }),
    ...(rule.limits === undefined ? {} : { limits: rule.limits }),
    ...(rule.price === undefined ? {} : { priceNanoUsd: toNanoUsd(rule.price.usd) }),
  }
}

/** Dollars as a decimal text to whole nano-dollars, without passing through a fraction. The schema bounds it below 2^53. */
export function toNanoUsd(usd: string): number {
  const [whole = '0', fraction = ''] = usd.split('.')
  return Number(BigInt(whole) * 1_000_000_000n + BigInt(fraction.padEnd(9, '0')))
}

function reportArguments(work: Work, chosen: Chosen<Rule>, written: NonNullable<ToolRule['arguments']>): void {
  const { definition, ruleIndex } = chosen
  for (const [part, name] of unknownArguments(definition.raw, written)) {
    const step = part === 'hide' ? written.hide.indexOf(name) : name
    const location = locationOf(work.file, ['tools', ruleIndex, 'arguments', part, step])
    const message = `the tool "${definition.name}" of "${definition.server}" declares no argument "${name}"`
    work.problems.push({ ...location, message })
  }
}

function audienceOf(file: Located<CatalogFile>): Audience {
  const { teams, agents, groups, when } = file.value.for
  return {
    ...(teams === undefined ? {} : { teams }),
    ...(agents === undefined ? {} : { agents }),
    ...(groups === undefined ? {} : { groups }),
    ...(when === undefined ? {} : { when: conditionOf(when) }),
    rule: locationOf(file, ['for']),
  }
}
