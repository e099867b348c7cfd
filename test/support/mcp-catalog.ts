import type { Condition } from '../../src/core/condition.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { principalKey, type Identity, type Principal } from '../../src/core/principal.ts'
import type {
  Catalog,
  CatalogItem,
  CatalogView,
  Definition,
  Inventory,
  ItemKind,
  ModelRoute,
  OfferedKind,
  ServerState,
  Snapshot,
} from '../../src/core/snapshot.ts'
import { digestOf } from '../../src/lib/canonical-json.ts'

const KINDS: readonly OfferedKind[] = ['tool', 'prompt', 'resource', 'template']
const textOf = (value: unknown) => (typeof value === 'string' ? value : '')
const NAME_MEMBER = { tool: 'name', prompt: 'name', resource: 'uri', template: 'uriTemplate' } as const

/** One server as a test describes it: raw definitions by kind, as the server would list them. */
export interface Offer {
  readonly era?: 'modern' | 'legacy'
  readonly capabilities?: JsonObject
  readonly tools?: readonly JsonObject[]
  readonly prompts?: readonly JsonObject[]
  readonly resources?: readonly JsonObject[]
  readonly templates?: readonly JsonObject[]
}

/** One catalog as a test describes it: which servers for which team, and changes to single items by shown name. */
export interface CatalogPlan {
  readonly team: string
  readonly servers: readonly string[]
  /** Names at the server that are not shown. */
  readonly hide?: readonly string[]
  readonly change?: Readonly<Record<string, Partial<CatalogItem> & { readonly as?: string }>>
  readonly instructions?: string
}

/** What an upstream offers, as the connector would report it. */
function inventoryOf(server: string, offer: Offer): Inventory {
  const define = (kind: OfferedKind, raws: readonly JsonObject[] = []): Definition[] =>
    raws.map((raw) => ({ kind, server, name: textOf(raw[NAME_MEMBER[kind]]), raw, digest: digestOf(raw) }))
  return {
    server,
    era: offer.era ?? 'modern',
    protocolVersion: offer.era === 'legacy' ? '2025-11-25' : '2026-07-28',
    capabilities: offer.capabilities ?? { tools: {}, prompts: {}, resources: { subscribe: true }, completions: {}, logging: {} },
    definitions: {
      tool: define('tool', offer.tools),
      prompt: define('prompt', offer.prompts),
      resource: define('resource', offer.resources),
      template: define('template', offer.templates),
    },
    dropped: [],
    fetchedAt: 0,
  }
}

/** A snapshot over offers and plans, without files and models. */
export function snapshotOf(
  offers: Readonly<Record<string, Offer>>,
  plans: Readonly<Record<string, CatalogPlan>>,
  generation = 1,
): Snapshot {
  const inventories = new Map(Object.entries(offers).map(([id, offer]) => [id, inventoryOf(id, offer)]))
  const catalogs = new Map(Object.entries(plans).map(([id, plan]) => [id, toCatalog(id, plan, inventories)]))
  const servers = new Map<string, ServerState>()
  for (const [id, inventory] of inventories) {
    servers.set(id, { id, labels: {}, status: { state: 'ready', since: 0, circuit: 'closed' }, inventory })
  }
  const views = new Map<string, CatalogView>()
  return {
    revision: digestOf([...catalogs.values()].map(({ digest }) => digest)),
    generation,
    createdAt: 0,
    catalogs,
    servers,
    routes: new Map<string, ModelRoute>(),
    problems: [],
    view(ids) {
      const key = ids.join('+')
      const view =
        views.get(key) ??
        toView(
          key,
          ids.flatMap((id) => catalogs.get(id) ?? []),
        )
      views.set(key, view)
      return view
    },
  }
}

function toCatalog(id: string, plan: CatalogPlan, inventories: ReadonlyMap<string, Inventory>): Catalog {
  const location = { file: `catalogs/${id}.json`, line: 1, column: 1, path: '$' }
  const items = (kind: OfferedKind) =>
    plan.servers
      .flatMap((server) => inventories.get(server)?.definitions[kind] ?? [])
      .filter(({ name }) => !(plan.hide ?? []).includes(name))
      .map((definition): CatalogItem => {
        const { as, ...change } = plan.change?.[definition.name] ?? {}
        const name = as ?? definition.name
        const shown = change.shown ?? { ...definition.raw, [NAME_MEMBER[kind]]: name }
        const item = { kind, catalog: id, server: definition.server, name, definition, rule: location }
        return { ...item, ...change, shown, shownDigest: digestOf(shown) }
      })
  const all = {
    tool: items('tool'),
    prompt: items('prompt'),
    resource: items('resource'),
    template: items('template'),
    model: [],
  }
  return {
    id,
    title: id,
    file: location.file,
    audience: { teams: [plan.team], rule: location },
    items: all,
    withheld: [],
    guards: [],
    budgets: [],
    servers: plan.servers,
    digest: digestOf(KINDS.flatMap((kind) => all[kind].map((item) => item.shownDigest))),
    ...(plan.instructions === undefined ? {} : { instructions: plan.instructions }),
  }
}

function toView(id: string, catalogs: readonly Catalog[]): CatalogView {
  const items = (kind: ItemKind) => catalogs.flatMap((catalog) => catalog.items[kind])
  const byName = (kind: ItemKind) => new Map(items(kind).map((item) => [item.name, item]))
  const record = <Value>(make: (kind: ItemKind) => Value) => ({
    tool: make('tool'),
    prompt: make('prompt'),
    resource: make('resource'),
    template: make('template'),
    model: make('model'),
  })
  return { id, catalogs, items: record(items), byName: record(byName), digest: digestOf(catalogs.map(({ digest }) => digest)) }
}

/** An identity of a team; the subject tells callers of one team apart. */
export function identityOf(team: string, subject = 'someone', changes: Partial<Identity> = {}): Identity {
  const principal: Principal = { issuer: 'urn:test', subject, kind: 'agent', team, groups: [], roles: [], scopes: [] }
  return { principal, key: principalKey(principal), method: 'jwt', ...changes }
}

/** A condition that is a function of its context. */
export function conditionOf(holds: (context: Parameters<Condition['evaluate']>[0]) => boolean): Condition {
  return { source: 'test', evaluate: (context) => ({ kind: holds(context) ? 'true' : 'false' }) }
}

/** Capabilities and version a stateless request names in `_meta`. */
export function modernMeta(capabilities: JsonObject = {}, more: JsonObject = {}): JsonObject {
  return {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientCapabilities': capabilities,
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    ...more,
  }
}
