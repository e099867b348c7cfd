import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { CatalogItem, CatalogView, Era, OfferedKind } from '../core/snapshot.ts'
import { inMemberOrder } from './member-order.ts'
import { META } from './versions.ts'

/** What a list method lists, and the name of the list in its result. */
export const LISTS: Readonly<Record<string, { readonly kind: OfferedKind; readonly member: string }>> = {
  'tools/list': { kind: 'tool', member: 'tools' },
  'prompts/list': { kind: 'prompt', member: 'prompts' },
  'resources/list': { kind: 'resource', member: 'resources' },
  'resources/templates/list': { kind: 'template', member: 'resourceTemplates' },
}

/** How long a stateless client may keep a list. Changes are announced; this bounds how late a client that does not listen is. */
export const LIST_TTL_MS = 5_000

/** Lists as finished bytes: made once per view, set of visible items and era; only the id is put in. */
export interface Lists {
  body(request: ListRequest): Buffer
}

/** One list to write. */
export interface ListRequest {
  readonly method: string
  readonly view: CatalogView
  /** What of the view this caller sees. */
  readonly items: readonly CatalogItem[]
  readonly era: Era
  readonly idText: string
}

const VARIANTS_KEPT = 64
const HEAD = '{"jsonrpc":"2.0","id":'

/** Lists for a server of this name. */
export function createLists(serverInfo: JsonObject): Lists {
  const byView = new WeakMap<CatalogView, Map<string, Buffer>>()
  return {
    body({ method, view, items, era, idText }) {
      const made = byView.get(view) ?? new Map<string, Buffer>()
      byView.set(view, made)
      const key = `${method} ${era} ${variantOf(view, items)}`
      let rest = made.get(key)
      if (rest === undefined) {
        if (made.size >= VARIANTS_KEPT) made.clear()
        rest = Buffer.from(`,"result":${writeList(method, items, era, serverInfo)}}`)
        made.set(key, rest)
      }
      return splice(HEAD + idText, rest)
    },
  }
}

function splice(head: string, rest: Buffer): Buffer {
  const length = Buffer.byteLength(head)
  const body = Buffer.allocUnsafe(length + rest.length)
  body.write(head, 0)
  rest.copy(body, length)
  return body
}

/** Names the set of items: `*` for all of the view, which is what nearly every caller sees. */
function variantOf(view: CatalogView, items: readonly CatalogItem[]): string {
  const [first] = items
  if (first === undefined || items.length === view.items[first.kind].length) return items.length === 0 ? '-' : '*'
  return items.map((item) => item.name).join('\n')
}

function writeList(method: string, items: readonly CatalogItem[], era: Era, serverInfo: JsonObject): string {
  const { member = 'items' } = LISTS[method] ?? {}
  const shown = items.map((item) => inMemberOrder(keepsOutputSchema(item, era) ? item.shown : withoutOutputSchema(item)))
  const list = { [member]: shown }
  if (era === 'legacy') return JSON.stringify(list)
  const meta = { [META.serverInfo]: serverInfo }
  return JSON.stringify({ ...list, resultType: 'complete', ttlMs: LIST_TTL_MS, cacheScope: 'private', _meta: meta })
}

/**
 * Clients check structured content against this schema. A shortened result has none, legacy clients take only objects and refuse a
 * whole list over one other schema.
 */
function keepsOutputSchema({ shown, maxResultTokens }: CatalogItem, era: Era): boolean {
  const schema = shown['outputSchema']
  if (schema === undefined) return true
  return maxResultTokens === undefined && (era === 'modern' || (isJsonObject(schema) && schema['type'] === 'object'))
}

function withoutOutputSchema({ shown }: CatalogItem): JsonObject {
  const { outputSchema: _, ...rest } = shown
  return rest
}
