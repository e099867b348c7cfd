import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { CatalogItem, CatalogView } from '../core/snapshot.ts'
import { matchGlobs } from '../lib/glob.ts'
import { compileTemplate } from './uri-template.ts'

/** Finds the item behind a URI a caller names: the resource itself, else the first template of the view it could come from. */
export function findResource(view: CatalogView, uri: string): { readonly item: CatalogItem; readonly uri: string } | undefined {
  const resource = view.byName.resource.get(uri)
  if (resource !== undefined) return { item: resource, uri: resource.definition.name }
  for (const item of view.items.template) {
    if (!matcherOf(item)(uri) || isDenied(view, item, uri)) continue
    const prefix = prefixOf(item)
    return { item, uri: uri.slice(prefix.length) }
  }
  return undefined
}

const matchers = new WeakMap<CatalogItem, (uri: string) => boolean>()

function matcherOf(item: CatalogItem): (uri: string) => boolean {
  const known = matchers.get(item)
  if (known !== undefined) return known
  const matcher = compileTemplate(item.name)
  matchers.set(item, matcher)
  return matcher
}

/** Two spellings of one path: the upstream may read them as another URI than the globs did. */
const AMBIGUOUS = /(^|\/)\.{1,2}(\/|$)|%2e|%2f|\\/i

/** A template must not open what a rule denies, neither by glob nor by name. */
function isDenied(view: CatalogView, template: CatalogItem, uri: string): boolean {
  const upstreamUri = uri.slice(prefixOf(template).length)
  const { closed = [] } = template
  if (closed.length > 0 && (AMBIGUOUS.test(upstreamUri) || matchGlobs(closed, upstreamUri) >= 0)) return true
  return view.catalogs.some((catalog) =>
    catalog.withheld.some(
      ({ kind, server, name, reason }) =>
        kind === 'resource' && reason === 'denied' && server === template.server && name === upstreamUri,
    ),
  )
}

/** What the catalog put before the upstream's own URI or template to tell two servers apart; usually nothing. */
function prefixOf({ name, definition }: CatalogItem): string {
  return name.endsWith(definition.name) ? name.slice(0, name.length - definition.name.length) : ''
}

/** Puts the shown URIs of a server back into what it answered. Returns the same object when nothing differs. */
export function showUris(result: JsonObject, view: CatalogView, item: CatalogItem): JsonObject {
  const shown = shownUris(view).get(item.server)
  const prefix = item.kind === 'resource' || item.kind === 'template' ? prefixOf(item) : ''
  if (shown === undefined && prefix === '') return result
  const map = (uri: string) => shown?.get(uri) ?? (item.kind === 'template' ? prefix + uri : uri)
  return mapResult(result, map)
}

const shownByView = new WeakMap<CatalogView, ReadonlyMap<string, ReadonlyMap<string, string>>>()

/** Upstream URI to shown URI by server, for those that differ. */
function shownUris(view: CatalogView): ReadonlyMap<string, ReadonlyMap<string, string>> {
  const known = shownByView.get(view)
  if (known !== undefined) return known
  const servers = new Map<string, Map<string, string>>()
  for (const { server, name, definition } of view.items.resource) {
    if (name === definition.name) continue
    const uris = servers.get(server) ?? new Map<string, string>()
    servers.set(server, uris.set(definition.name, name))
  }
  shownByView.set(view, servers)
  return servers
}

type Mapping = (uri: string) => string

/** `contents` of a read, `content` of a tool, `messages[].content` of a prompt. */
function mapResult(result: JsonObject, map: Mapping): JsonObject {
  const changed: Record<string, Json | undefined> = { ...result }
  if (Array.isArray(result['contents'])) changed['contents'] = result['contents'].map((part: Json) => mapUri(part, map))
  if (Array.isArray(result['content'])) changed['content'] = result['content'].map((block: Json) => mapBlock(block, map))
  if (Array.isArray(result['messages'])) {
    changed['messages'] = result['messages'].map((message: Json) =>
      isJsonObject(message) ? { ...message, content: mapContent(message['content'], map) } : message,
    )
  }
  return changed
}

function mapContent(content: Json | undefined, map: Mapping): Json | undefined {
  if (Array.isArray(content)) return content.map((block: Json) => mapBlock(block, map))
  return content === undefined ? undefined : mapBlock(content, map)
}

function mapBlock(block: Json, map: Mapping): Json {
  if (!isJsonObject(block)) return block
  if (block['type'] === 'resource_link') return mapUri(block, map)
  const resource = block['resource']
  return block['type'] === 'resource' && isJsonObject(resource) ? { ...block, resource: mapUri(resource, map) } : block
}

function mapUri(part: Json, map: Mapping): Json {
  return isJsonObject(part) && typeof part['uri'] === 'string' ? { ...part, uri: map(part['uri']) } : part
}
