import { isJsonObject, type JsonObject } from '../../core/json.ts'

/** The `notifications` of a subscriptions/listen (2026-07-28): only what the server said it has. */
export function toListenFilter(capabilities: JsonObject, uris: readonly string[]): JsonObject {
  const has = (kind: string, feature: string): boolean => {
    const capability = capabilities[kind]
    return isJsonObject(capability) && capability[feature] === true
  }
  return {
    ...(has('tools', 'listChanged') ? { toolsListChanged: true } : {}),
    ...(has('prompts', 'listChanged') ? { promptsListChanged: true } : {}),
    ...(has('resources', 'listChanged') ? { resourcesListChanged: true } : {}),
    ...(has('resources', 'subscribe') && uris.length > 0 ? { resourceSubscriptions: [...uris].sort() } : {}),
  }
}
