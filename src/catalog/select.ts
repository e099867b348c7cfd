// Which rule of a catalog shows which definition of which upstream.
// 1. Per upstream item the first rule that matches wins; a rule that names a tool beats globs wherever it stands. 2. What is chosen is
// ordered by rule, then by name. 3. Everything looked at and not chosen is kept with the reason, for explain.
import type { Catalog as CatalogFile, ListRule, ResourceRule, ToolRule } from '../config/catalog.ts'
import type { JsonPath } from '../config/json-source.ts'
import { nearest } from '../config/problem.ts'
import type { Definition, Inventory, OfferedKind, ServerState, Withheld } from '../core/snapshot.ts'
import { compileGlob } from '../lib/glob.ts'

/** A definition chosen by a rule. `path` leads to the tool name or glob that chose it. */
export interface Chosen<R> {
  readonly definition: Definition
  readonly rule: R
  readonly list: RuleList
  readonly ruleIndex: number
  readonly path: JsonPath
}

/** The three lists of rules over what servers offer in a catalog file. */
export type RuleList = 'tools' | 'prompts' | 'resources'
/** Any rule of these lists. */
export type Rule = ToolRule | ListRule | ResourceRule

/** Something not shown, without the catalog it belongs to. */
export type Refusal = Omit<Withheld, 'catalog' | 'rule'> & { readonly path?: JsonPath }

/** What the rules of one kind chose, in list order, and what they refused. */
export interface Selection {
  readonly chosen: readonly Chosen<Rule>[]
  readonly refused: readonly Refusal[]
}

type Matcher = {
  readonly rule: Rule
  readonly index: number
  readonly tool: string | undefined
  readonly allow: readonly Glob[]
  readonly deny: readonly Glob[]
}
type Glob = { readonly text: string; matches(name: string): boolean }
type Match = { readonly matcher: Matcher; readonly path: JsonPath }

const LISTS: Readonly<Record<OfferedKind, RuleList>> = {
  tool: 'tools',
  prompt: 'prompts',
  resource: 'resources',
  template: 'resources',
}

/** Applies the rules of a catalog to everything of one kind its servers offer. */
export function selectItems(catalog: CatalogFile, kind: OfferedKind, servers: ReadonlyMap<string, ServerState>): Selection {
  const list = LISTS[kind]
  const matchers = catalog[list].map((rule, index) => toMatcher(rule, index))
  const chosen: Chosen<Rule>[] = []
  const refused: Refusal[] = []
  for (const server of serversOf(catalog)) {
    const own = matchers.filter((matcher) => matcher.rule.server === server)
    const inventory = servers.get(server)?.inventory
    for (const definition of inventory?.definitions[kind] ?? []) {
      const match = firstMatch(own, list, definition.name)
      if (match === undefined) refused.push(refusalOf(own, list, definition))
      else chosen.push({ definition, rule: match.matcher.rule, list, ruleIndex: match.matcher.index, path: match.path })
    }
    refused.push(...absentItems({ kind, list, server, state: servers.get(server), matchers: own }))
  }
  chosen.sort((a, b) => a.ruleIndex - b.ruleIndex || compare(a.definition.name, b.definition.name))
  return { chosen, refused }
}

/** Ids of the servers a catalog file names, sorted. */
export function serversOf(catalog: CatalogFile): string[] {
  return [...new Set([...catalog.tools, ...catalog.prompts, ...catalog.resources].map((rule) => rule.server))].toSorted()
}

/** Code unit order: the same on every machine, unlike a locale's. */
export function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function toMatcher(rule: Rule, index: number): Matcher {
  const globs = (texts: readonly string[] = []) => texts.map((text) => ({ text, matches: compileGlob(text) }))
  return { rule, index, tool: 'tool' in rule ? rule.tool : undefined, allow: globs(rule.allow), deny: globs(rule.deny) }
}

function firstMatch(matchers: readonly Matcher[], list: RuleList, name: string): Match | undefined {
  const named = matchers.find((matcher) => matcher.tool === name)
  if (named !== undefined) return { matcher: named, path: [list, named.index, 'tool'] }
  for (const matcher of matchers) {
    const allowed = matcher.allow.findIndex((glob) => glob.matches(name))
    if (allowed >= 0 && !matcher.deny.some((glob) => glob.matches(name)))
      return { matcher, path: [list, matcher.index, 'allow', allowed] }
  }
  return undefined
}

function refusalOf(matchers: readonly Matcher[], list: RuleList, { kind, server, name }: Definition): Refusal {
  for (const matcher of matchers) {
    const denied = matcher.deny.findIndex((glob) => glob.matches(name))
    if (denied < 0 || !matcher.allow.some((glob) => glob.matches(name))) continue
    const message = `denied by ${JSON.stringify(matcher.deny[denied]?.text)}`
    return { kind, server, name, reason: 'denied', message, path: [list, matcher.index, 'deny', denied] }
  }
  return { kind, server, name, reason: 'not-allowed', message: `no rule of the catalog allows this ${kind}` }
}

type Absence = {
  readonly kind: OfferedKind
  readonly list: RuleList
  readonly server: string
  readonly state: ServerState | undefined
  readonly matchers: readonly Matcher[]
}

/** What rules ask for by name and did not get: refused on arrival, not offered, or unknown because the server has not answered yet. */
function absentItems(absence: Absence): Refusal[] {
  const { kind, list, server, state, matchers } = absence
  const inventory = state?.inventory
  const dropped = (inventory?.dropped ?? [])
    .filter((drop) => drop.kind === kind)
    .map(({ name, reason }): Refusal => {
      const path = firstMatch(matchers, list, name)?.path
      return {
        kind,
        server,
        name,
        reason: 'dropped',
        message: `refused when the server offered it: ${reason}`,
        ...(path === undefined ? {} : { path }),
      }
    })
  if (kind === 'template') return dropped // a resource glob speaks of URIs and templates alike: one of the two is enough
  const gone = new Set(dropped.map(({ name }) => name))
  const asked = matchers.flatMap((matcher) => namesOf(matcher, list)).filter(({ name }) => !gone.has(name))
  if (inventory === undefined) {
    const message = `the server has offered nothing yet: it is ${state?.status.state ?? 'not registered'}`
    return [
      ...dropped,
      ...asked.map(({ name, path }): Refusal => ({ kind, server, name, path, reason: 'server-unavailable', message })),
    ]
  }
  const missing = asked.filter(({ name }) => !isOffered(inventory, kind, name))
  return [...dropped, ...missing.map((request) => notOffered(inventory, kind, request))]
}

type Request = { readonly name: string; readonly path: JsonPath }

function namesOf(matcher: Matcher, list: RuleList): Request[] {
  if (matcher.tool !== undefined) return [{ name: matcher.tool, path: [list, matcher.index, 'tool'] }]
  return matcher.allow.map((glob, index) => ({ name: glob.text, path: [list, matcher.index, 'allow', index] }))
}

function isOffered(inventory: Inventory, kind: OfferedKind, name: string): boolean {
  const matches = compileGlob(name)
  const kinds: readonly OfferedKind[] = kind === 'resource' ? ['resource', 'template'] : [kind]
  return kinds.some((one) => inventory.definitions[one].some((definition) => matches(definition.name)))
}

function notOffered(inventory: Inventory, kind: OfferedKind, { name, path }: Request): Refusal {
  const offered = inventory.definitions[kind].map((definition) => definition.name)
  const near = name.includes('*') ? undefined : nearest(name, offered)
  const message = `the server offers ${offered.length} of kind ${kind}, none of them ${JSON.stringify(name)}${near === undefined ? '' : `; nearest: ${JSON.stringify(near)}`}`
  return { kind, server: inventory.server, name, reason: 'not-offered', message, path }
}
