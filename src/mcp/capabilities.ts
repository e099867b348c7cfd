import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { InputRequest } from './upstream/contract.ts'

/** Extensions that pass through the gateway whole. Others are neither declared to upstreams nor advertised to clients. */
const RELAYED_EXTENSIONS = ['io.modelcontextprotocol/ui'] as const

/** What of a client's capabilities an upstream may rely on: what the gateway can carry both ways. */
export function relayable(capabilities: JsonObject): JsonObject {
  const known = relayableOf.get(capabilities)
  if (known !== undefined) return known
  const made = makeRelayable(capabilities)
  relayableOf.set(capabilities, made)
  return made
}

/** Sessions keep one capabilities object for all clients that declare the same. */
const relayableOf = new WeakMap<JsonObject, JsonObject>()

function makeRelayable(capabilities: JsonObject): JsonObject {
  const kept: Record<string, Json> = {}
  for (const name of ['elicitation', 'sampling', 'roots'] as const) {
    const value = capabilities[name]
    if (isJsonObject(value)) kept[name] = value
  }
  const extensions = relayedExtensions(capabilities)
  if (extensions !== undefined) kept['extensions'] = extensions
  return kept
}

/** The entries of `extensions` that the gateway carries; undefined when there is none. */
export function relayedExtensions(capabilities: JsonObject): JsonObject | undefined {
  const declared = capabilities['extensions']
  if (!isJsonObject(declared)) return undefined
  const kept = RELAYED_EXTENSIONS.flatMap((name) => (isJsonObject(declared[name]) ? [[name, declared[name]] as const] : []))
  return kept.length === 0 ? undefined : Object.fromEntries(kept)
}

/** The first capability these requests need and the client did not declare, as a fragment of client capabilities. */
export function missingCapability(
  requests: Readonly<Record<string, InputRequest>>,
  capabilities: JsonObject,
): JsonObject | undefined {
  for (const request of Object.values(requests)) {
    const needed = neededFor(request)
    if (needed === undefined || !declares(capabilities, needed)) return needed ?? { [request.method]: {} }
  }
  return undefined
}

/** An empty `elicitation` means forms (2026-07-28, client capabilities). */
function neededFor({ method, params }: InputRequest): JsonObject | undefined {
  if (method === 'elicitation/create') return { elicitation: params?.['mode'] === 'url' ? { url: {} } : {} }
  if (method === 'sampling/createMessage') return { sampling: params?.['tools'] === undefined ? {} : { tools: {} } }
  return method === 'roots/list' ? { roots: {} } : undefined
}

function declares(capabilities: JsonObject, needed: JsonObject): boolean {
  return Object.entries(needed).every(([name, part]) => {
    const declared = capabilities[name]
    if (!isJsonObject(declared)) return false
    if (name === 'elicitation' && isJsonObject(part) && part['url'] === undefined) {
      return declared['form'] !== undefined || declared['url'] === undefined
    }
    return Object.keys(part as JsonObject).every((key) => declared[key] !== undefined) // parts are objects made above
  })
}
