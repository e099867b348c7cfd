import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { Era } from '../core/snapshot.ts'
import { META } from './versions.ts'

/** What a result is dressed for. */
export interface Occasion {
  readonly era: Era
  readonly method: string
  readonly serverInfo: JsonObject
}

/** Gives a result of an upstream, whatever its era, the members the caller's era wants. Everything else stays as it came. */
export function dressResult(result: JsonObject, occasion: Occasion): JsonObject {
  return occasion.era === 'modern' ? forModern(result, occasion) : forLegacy(result, occasion.method)
}

function forModern(result: JsonObject, { method, serverInfo }: Occasion): JsonObject {
  const meta = result['_meta']
  return {
    resultType: 'complete',
    ...result,
    // Answers depend on who asks, so nobody else may be served from a cache of them, whatever the upstream said.
    ...(method === 'resources/read' ? { ttlMs: ttlOf(result), cacheScope: 'private' } : {}),
    _meta: { ...(isJsonObject(meta) ? meta : {}), [META.serverInfo]: serverInfo },
  }
}

function ttlOf({ ttlMs }: JsonObject): number {
  return typeof ttlMs === 'number' && Number.isSafeInteger(ttlMs) && ttlMs >= 0 ? ttlMs : 0
}

function forLegacy(result: JsonObject, method: string): JsonObject {
  const { resultType: _, ...rest } = result
  const kept: Record<string, Json | undefined> = rest
  if (method === 'resources/read') {
    delete kept['ttlMs']
    delete kept['cacheScope']
  }
  const structured = kept['structuredContent']
  if (structured !== undefined && !isJsonObject(structured)) delete kept['structuredContent']
  const meta = kept['_meta']
  if (isJsonObject(meta) && META.serverInfo in meta) {
    const { [META.serverInfo]: __, ...others } = meta
    if (Object.keys(others).length > 0) kept['_meta'] = others
    else delete kept['_meta']
  }
  return kept
}
