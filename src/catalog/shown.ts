import type { ToolRule } from '../config/catalog.ts'
import type { ArgumentRewrite } from '../core/snapshot.ts'
import type { Json, JsonObject } from '../core/json.ts'
import { isJsonObject } from '../core/json.ts'

/** A tool as clients see it: renamed, re-described, its arguments rewritten. Every other member and the order of members stay. */
export function toShownTool(raw: JsonObject, name: string, rule: ToolRule): JsonObject {
  const changes: Record<string, Json> = {}
  if (raw['name'] !== name) changes['name'] = name
  if (rule.title !== undefined) changes['title'] = rule.title
  if (rule.description !== undefined) changes['description'] = rule.description
  if (rule.arguments !== undefined && isJsonObject(raw['inputSchema'])) {
    changes['inputSchema'] = rewriteSchema(raw['inputSchema'], toRewrite(rule.arguments))
  }
  return withMembers(raw, changes)
}

/** The same object when nothing changes, else a copy with some members replaced in place or added behind. */
export function withMembers(raw: JsonObject, changes: Readonly<Record<string, Json>>): JsonObject {
  return Object.keys(changes).length === 0 ? raw : { ...raw, ...changes }
}

/** The argument rewriting of a rule; `set` and `default` are JSON by their schema. */
export function toRewrite(written: NonNullable<ToolRule['arguments']>): ArgumentRewrite {
  return { hide: written.hide, set: written.set, default: written.default }
}

/** Argument names a rule speaks of that the tool does not declare. */
export function unknownArguments(
  raw: JsonObject,
  written: NonNullable<ToolRule['arguments']>,
): (readonly [part: 'hide' | 'set' | 'default', name: string])[] {
  const properties =
    isJsonObject(raw['inputSchema']) && isJsonObject(raw['inputSchema']['properties']) ? raw['inputSchema']['properties'] : {}
  const named = [
    ...written.hide.map((name) => ['hide', name] as const),
    ...Object.keys(written.set).map((name) => ['set', name] as const),
    ...Object.keys(written.default).map((name) => ['default', name] as const),
  ]
  return named.filter(([, name]) => !Object.hasOwn(properties, name))
}

/** Names of the arguments clients neither see nor may send. */
export function hiddenArguments(rewrite: ArgumentRewrite): ReadonlySet<string> {
  return new Set([...rewrite.hide, ...Object.keys(rewrite.set)])
}

/** Hidden arguments leave `properties` and every list of required ones, with their annotations; defaults make an argument optional. */
function rewriteSchema(schema: JsonObject, rewrite: ArgumentRewrite): JsonObject {
  const hidden = hiddenArguments(rewrite)
  const optional = new Set([...hidden, ...Object.keys(rewrite.default)])
  const absent = new Set(rewrite.hide.filter((name) => !Object.hasOwn(rewrite.set, name)))
  return rewriteLevel(schema, { hidden, optional, absent, defaults: rewrite.default })
}

interface Change {
  readonly hidden: ReadonlySet<string>
  readonly optional: ReadonlySet<string>
  /** Hidden and given no value: no call has them. */
  readonly absent: ReadonlySet<string>
  readonly defaults: JsonObject
}

/** Keywords whose schemas speak of the same arguments again: those that must hold, and those that may. */
const MUST: ReadonlySet<string> = new Set(['allOf', 'then', 'else'])
const MAY: ReadonlySet<string> = new Set(['anyOf', 'oneOf', 'not', 'if'])

function rewriteLevel(schema: JsonObject, change: Change): JsonObject {
  const { hidden, optional } = change
  const entries = Object.entries(schema).flatMap(([key, member]): [string, Json | undefined][] => {
    if (key === 'properties' && isJsonObject(member)) return [[key, rewriteProperties(member, change)]]
    if (key === 'required' && Array.isArray(member)) {
      const required = (member as readonly Json[]).filter((name) => typeof name !== 'string' || !optional.has(name))
      return required.length === 0 && member.length > 0 ? [] : [[key, required]]
    }
    if (key === 'dependentRequired' && isJsonObject(member)) return [[key, withoutDependents(member, hidden, optional)]]
    if (!MUST.has(key) && !MAY.has(key)) return [[key, member]]
    return [[key, rewriteBranches(member, MAY.has(key), { ...change, defaults: {} })]]
  })
  return Object.fromEntries(entries)
}

/** One schema or a list of them. What asks for an argument no call has can never hold, so where it need not it is `false`. */
function rewriteBranches(branches: Json | undefined, isOption: boolean, change: Change): Json | undefined {
  // Items of a list of JSON are JSON, and stay as many.
  if (Array.isArray(branches)) return branches.map((one: Json) => rewriteBranches(one, isOption, change) as Json)
  if (!isJsonObject(branches)) return branches
  const required = branches['required']
  const isHopeless = isOption && Array.isArray(required) && required.some((name) => change.absent.has(String(name)))
  return isHopeless ? false : rewriteLevel(branches, change)
}

function rewriteProperties(properties: JsonObject, { hidden, defaults }: Change): JsonObject {
  const entries = Object.entries(properties).flatMap(([name, property]): [string, Json | undefined][] => {
    if (hidden.has(name)) return []
    if (!Object.hasOwn(defaults, name)) return [[name, property]]
    return [[name, { ...(isJsonObject(property) ? property : {}), default: defaults[name] }]]
  })
  return Object.fromEntries(entries)
}

function withoutDependents(dependents: JsonObject, hidden: ReadonlySet<string>, optional: ReadonlySet<string>): JsonObject {
  const entries = Object.entries(dependents).flatMap(([name, list]): [string, Json | undefined][] => {
    if (hidden.has(name)) return []
    if (!Array.isArray(list)) return [[name, list]]
    return [[name, (list as readonly Json[]).filter((other) => typeof other !== 'string' || !optional.has(other))]]
  })
  return Object.fromEntries(entries)
}
