import type { JsonObject } from '../core/json.ts'
import type { CatalogItem } from '../core/snapshot.ts'
import { hiddenArguments } from './shown.ts'

/** The full arguments the upstream gets: what the client sent, defaults for what it left out, and what the catalog sets. */
export function rewriteArguments(item: Pick<CatalogItem, 'arguments'>, args: JsonObject): JsonObject {
  const rewrite = item.arguments
  if (rewrite === undefined) return args
  const hidden = hiddenArguments(rewrite)
  // Through entries, so that a member named __proto__ stays a member.
  const full = new Map(Object.entries(args).filter(([name]) => !hidden.has(name)))
  for (const [name, value] of Object.entries(rewrite.default)) if (full.get(name) === undefined) full.set(name, value)
  for (const [name, value] of Object.entries(rewrite.set)) full.set(name, value)
  return Object.fromEntries(full)
}

/** Why these arguments may not be sent, in words for the client: it named an argument the catalog does not show. Undefined when they may. */
export function assertSendable(item: Pick<CatalogItem, 'arguments' | 'name'>, args: JsonObject): string | undefined {
  if (item.arguments === undefined) return undefined
  const hidden = hiddenArguments(item.arguments)
  const named = Object.keys(args).filter((name) => hidden.has(name))
  if (named.length === 0) return undefined
  return `unknown argument${named.length > 1 ? 's' : ''} ${named.map((name) => JSON.stringify(name)).join(', ')} for "${item.name}"`
}
