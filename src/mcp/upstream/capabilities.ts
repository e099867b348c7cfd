import { isJsonObject, type JsonObject } from '../../core/json.ts'

const RELAYED = ['elicitation', 'sampling', 'roots', 'experimental', 'extensions'] as const
const INTERACTIVE = ['elicitation', 'sampling', 'roots'] as const
/** Extensions the gateway cannot carry end to end: task ids are not routed. */
const NOT_RELAYED: ReadonlySet<string> = new Set(['io.modelcontextprotocol/tasks'])

/** The part of a client's capabilities that the gateway can keep its word on towards an upstream. */
export function toRelayedCapabilities(capabilities: JsonObject): JsonObject {
  const relayed: Record<string, JsonObject> = {}
  for (const name of RELAYED) {
    const value = capabilities[name]
    if (isJsonObject(value)) relayed[name] = name === 'extensions' ? withoutUncarried(value) : value
  }
  return relayed
}

function withoutUncarried(extensions: JsonObject): JsonObject {
  if (!Object.keys(extensions).some((id) => NOT_RELAYED.has(id))) return extensions
  return Object.fromEntries(Object.entries(extensions).filter(([id]) => !NOT_RELAYED.has(id)))
}

/** Tells whether a client can be asked something while a call of its own is under way. */
export function answersServerRequests(capabilities: JsonObject): boolean {
  return INTERACTIVE.some((name) => isJsonObject(capabilities[name]))
}
