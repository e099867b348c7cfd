import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { CatalogView, Era, Snapshot } from '../core/snapshot.ts'
import { relayedExtensions } from './capabilities.ts'
import { LIST_TTL_MS } from './lists.ts'
import { META, SUPPORTED_VERSIONS } from './versions.ts'

/** Writes the result of `server/discover`. */
export function discoverResult(snapshot: Snapshot, view: CatalogView, serverInfo: JsonObject): string {
  return JSON.stringify({
    resultType: 'complete',
    supportedVersions: SUPPORTED_VERSIONS,
    capabilities: capabilitiesOf(snapshot, view, 'modern'),
    ...instructionsOf(view),
    ttlMs: LIST_TTL_MS,
    cacheScope: 'private',
    _meta: { [META.serverInfo]: serverInfo },
  })
}

/** Writes the result of `initialize`. */
export function initializeResult(
  facts: { readonly snapshot: Snapshot; readonly view: CatalogView; readonly protocolVersion: string },
  serverInfo: JsonObject,
): string {
  return JSON.stringify({
    protocolVersion: facts.protocolVersion,
    capabilities: capabilitiesOf(facts.snapshot, facts.view, 'legacy'),
    serverInfo,
    ...instructionsOf(facts.view),
  })
}

/**
 * What the gateway can do for a caller of this view. Lists can always be asked for and always change (a reload may fill them);
 * completion, logging and subscriptions need an upstream that has them.
 */
function capabilitiesOf(snapshot: Snapshot, view: CatalogView, era: Era): JsonObject {
  const upstreams = view.catalogs.flatMap((catalog) => catalog.servers).flatMap((id) => snapshot.servers.get(id)?.inventory ?? [])
  const has = (name: string) => upstreams.some(({ capabilities }) => isJsonObject(capabilities[name]))
  const subscribes = upstreams.some(({ capabilities }) => {
    const resources = capabilities['resources']
    return isJsonObject(resources) && resources['subscribe'] === true
  })
  const extensions: Record<string, Json | undefined> = {}
  for (const { capabilities } of upstreams) Object.assign(extensions, relayedExtensions(capabilities))
  return {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { ...(subscribes ? { subscribe: true } : {}), listChanged: true },
    ...(has('completions') ? { completions: {} } : {}),
    ...(has('logging') || (era === 'legacy' && upstreams.some((upstream) => upstream.era === 'modern')) ? { logging: {} } : {}),
    ...(Object.keys(extensions).length > 0 ? { extensions } : {}),
  }
}

/** The words of the catalogs' owners. Those of upstreams are left out: they name what a catalog may hide. */
function instructionsOf(view: CatalogView): { readonly instructions?: string } {
  const texts = view.catalogs.flatMap(({ title, instructions }) =>
    instructions === undefined ? [] : [view.catalogs.length === 1 ? instructions : `# ${title}\n\n${instructions}`],
  )
  return texts.length === 0 ? {} : { instructions: texts.join('\n\n') }
}
