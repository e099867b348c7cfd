import { createHash } from 'node:crypto'
import { canonicalJson } from '../../../src/lib/canonical-json.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import type { Definition, DroppedDefinition, Inventory, ItemKind } from '../../../src/core/snapshot.ts'
import { readConfig } from '../../../src/catalog/read.ts'
import type { ServerKnowledge } from '../../../src/catalog/snapshot.ts'
import { buildSnapshot } from '../../../src/catalog/snapshot.ts'
import { createFolder } from '../config/folder.ts'

type Offer = {
  tools?: readonly (string | JsonObject)[]
  prompts?: readonly string[]
  resources?: readonly string[]
  templates?: readonly string[]
  dropped?: readonly DroppedDefinition[]
}

const SCHEMA = { type: 'object', properties: { q: { type: 'string' } }, required: ['q'] }

/** What an upstream offers, from names or whole tool definitions. */
export function inventory(server: string, offer: Offer): Inventory {
  const define = (kind: ItemKind, name: string, raw: JsonObject): Definition => ({
    kind,
    server,
    name,
    raw,
    digest: `sha256:${createHash('sha256').update(canonicalJson(raw)).digest('hex')}`,
  })
  const tools = (offer.tools ?? []).map((tool) => (typeof tool === 'string' ? { name: tool, inputSchema: SCHEMA } : tool))
  return {
    server,
    era: 'modern',
    protocolVersion: '2026-07-28',
    capabilities: {},
    definitions: {
      tool: tools.map((raw) => define('tool', raw['name'] as string, raw)),
      prompt: (offer.prompts ?? []).map((name) => define('prompt', name, { name })),
      resource: (offer.resources ?? []).map((uri) => define('resource', uri, { uri, name: 'r' })),
      template: (offer.templates ?? []).map((uriTemplate) => define('template', uriTemplate, { uriTemplate, name: 't' })),
    },
    dropped: offer.dropped ?? [],
    fetchedAt: 0,
  }
}

/** A server that answers, with what it offers. */
export function ready(server: string, offer: Offer): [string, ServerKnowledge] {
  return [server, { status: { state: 'ready', since: 0, circuit: 'closed' }, inventory: inventory(server, offer) }]
}

/** A snapshot of catalogs written as files; every server that offers something has a file. */
export async function snapshotOf(
  catalogs: Readonly<Record<string, object>>,
  servers: readonly [string, ServerKnowledge][],
  extra: Readonly<Record<string, unknown>> = {},
) {
  const serverFiles = servers.map(([id]) => [`servers/${id}.json`, { type: 'http', url: `https://${id}.example/mcp` }] as const)
  const catalogFiles = Object.entries(catalogs).map(
    ([id, file]) => [`catalogs/${id}.json`, { title: id, for: {}, ...file }] as const,
  )
  await using folder = await createFolder({
    'tollgate.json': { mode: 'development' },
    ...Object.fromEntries([...serverFiles, ...catalogFiles]),
    ...extra,
  })
  const files = await readConfig(folder.config, { PATH: '/usr/bin:/bin' })
  return buildSnapshot({ files, servers: new Map(servers), generation: 1, now: 0 })
}
