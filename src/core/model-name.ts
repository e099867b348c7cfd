import type { CatalogItem, CatalogView, ModelTarget } from './snapshot.ts'

const PLAIN = /^[\x21-\x7e]{1,256}$/

/** The model a caller means: the exact name, else the longest name ending in "*" that begins it. */
export function modelNamed(view: CatalogView, name: string): CatalogItem | undefined {
  const exact = view.byName.model.get(name)
  if (exact !== undefined) return exact.name.endsWith('*') ? undefined : exact
  let best: CatalogItem | undefined
  for (const item of view.items.model) {
    if (starOf(item.name, name) !== undefined && item.name.length > (best?.name.length ?? 0)) best = item
  }
  return best
}

/** What the star of a name stands for in a name that was asked for; undefined when it does not match. */
function starOf(pattern: string, asked: string): string | undefined {
  if (!pattern.endsWith('*') || !PLAIN.test(asked)) return undefined
  const front = pattern.slice(0, -1)
  return asked.startsWith(front) ? asked.slice(front.length) : undefined
}

/** Concrete targets of the names asked for lately: the same few come again and again. */
const concrete = new WeakMap<ModelTarget, { readonly item: string; readonly byAsked: Map<string, ModelTarget> }>()
const MAX_ASKED = 1_000

/** A target with the star of its model filled in with what the caller's name has in its place. Its state is kept under the name with the star. */
export function concreteTarget(target: ModelTarget, item: CatalogItem, asked: string): ModelTarget {
  if (!target.model.includes('*') && !target.priceAs.includes('*')) return target
  let known = concrete.get(target)
  if (known?.item !== item.name || known.byAsked.size >= MAX_ASKED) {
    known = { item: item.name, byAsked: new Map() }
    concrete.set(target, known)
  }
  const found = known.byAsked.get(asked)
  if (found !== undefined) return found
  const made = filledIn(target, item, asked)
  known.byAsked.set(asked, made)
  return made
}

function filledIn(target: ModelTarget, item: CatalogItem, asked: string): ModelTarget {
  const star = starOf(item.name, asked)
  if (star === undefined) return target
  // A function, because "$" in a replacement text would be read as a pattern.
  return { ...target, model: target.model.replace('*', () => star), priceAs: target.priceAs.replace('*', () => star) }
}
