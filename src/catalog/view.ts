import type { Catalog, CatalogItem, CatalogView, ItemKind } from '../core/snapshot.ts'
import { digestOf } from '../lib/canonical-json.ts'
import { fit, withHash } from './naming.ts'
import { withMembers } from './shown.ts'
import { wrapUri } from './uri.ts'

const SHOWN_KEY: Readonly<Record<ItemKind, string>> = {
  tool: 'name',
  prompt: 'name',
  resource: 'uri',
  template: 'uriTemplate',
  model: 'id',
}

/**
 * Merges catalogs, given in id order, into what one caller sees. The same item in the same words appears once; a name the catalogs use
 * for different things stays with the first, and the later ones are prefixed with their catalog.
 */
export function mergeView(catalogs: readonly Catalog[]): CatalogView {
  const tool = mergeKind(catalogs, 'tool')
  const prompt = mergeKind(catalogs, 'prompt')
  const resource = mergeKind(catalogs, 'resource')
  const template = mergeKind(catalogs, 'template')
  const model = mergeKind(catalogs, 'model')
  const kinds = [tool, prompt, resource, template, model]
  return {
    id: catalogs.map((catalog) => catalog.id).join('+'),
    catalogs,
    items: {
      tool: [...tool.values()],
      prompt: [...prompt.values()],
      resource: [...resource.values()],
      template: [...template.values()],
      model: [...model.values()],
    },
    byName: { tool, prompt, resource, template, model },
    digest: digestOf([
      catalogs.map((catalog) => catalog.digest),
      ...kinds.map((items) => [...items.values()].map((item) => item.shownDigest)),
    ]),
  }
}

function mergeKind(catalogs: readonly Catalog[], kind: ItemKind): ReadonlyMap<string, CatalogItem> {
  const merged = new Map<string, CatalogItem>()
  for (const item of catalogs.flatMap((catalog) => catalog.items[kind])) {
    const name = candidates(item).find((candidate) => isFreeFor(merged.get(candidate), item))
    if (name !== undefined && !merged.has(name)) merged.set(name, renamed(item, name))
  }
  return merged
}

/** Names an item may have, best first. A resource that must keep its URI has no other: the first catalog has it then. */
function* candidates(item: CatalogItem): Generator<string> {
  yield item.name
  if (item.kind === 'resource' || item.kind === 'template') {
    if (!/^(ui|skill):\/\//.test(item.name)) yield wrapUri(item.server, item.definition.name)
    return
  }
  if (item.kind === 'model') {
    yield `${item.catalog}/${item.name}`
    return
  }
  yield fit(`${item.catalog}_${item.name}`, item.definition)
  yield withHash(`${item.catalog}_${item.name}`, item.definition)
}

/** A name is free when nobody has it, or when the same thing already stands there in the same words. */
function isFreeFor(owner: CatalogItem | undefined, item: CatalogItem): boolean {
  if (owner === undefined) return true
  return owner.server === item.server && owner.definition.name === item.definition.name && owner.shownDigest === item.shownDigest
}

function renamed(item: CatalogItem, name: string): CatalogItem {
  if (item.name === name) return item
  const shown = withMembers(item.shown, { [SHOWN_KEY[item.kind]]: name })
  return { ...item, name, shown, shownDigest: digestOf(shown) }
}
