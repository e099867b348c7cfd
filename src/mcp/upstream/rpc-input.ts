import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { InputRequest } from './contract.ts'

const ASKS: Readonly<Record<string, (params: JsonObject) => JsonObject>> = {
  'elicitation/create': (params) => ({ elicitation: { [params['mode'] === 'url' ? 'url' : 'form']: {} } }),
  'sampling/createMessage': (params) => ({ sampling: params['tools'] === undefined ? {} : { tools: {} } }),
  'roots/list': () => ({ roots: {} }),
}

/** Tells whether a method is one a server may put to the caller. */
export function isInputMethod(method: string): boolean {
  return Object.hasOwn(ASKS, method)
}

/** The client capability a request needs, as a fragment of ClientCapabilities; undefined when no client can answer such a request. */
export function neededCapability(request: InputRequest): JsonObject | undefined {
  return Object.hasOwn(ASKS, request.method) ? ASKS[request.method]?.(request.params ?? {}) : undefined
}

/** Tells whether a client that declared these capabilities can answer. `elicitation: {}` means forms only. */
export function canAnswer(request: InputRequest, capabilities: JsonObject): boolean {
  const needed = Object.entries(neededCapability(request) ?? {})[0]
  if (needed === undefined) return false
  const declared = capabilities[needed[0]]
  if (!isJsonObject(declared)) return false
  const detail = isJsonObject(needed[1]) ? Object.keys(needed[1])[0] : undefined
  const formsOnly = detail === 'form' && declared['url'] === undefined
  return detail === undefined || formsOnly || isJsonObject(declared[detail])
}

/** Reads `inputRequests` of an `input_required` result; undefined when it is not a map of requests. */
export function toInputRequests(value: Json | undefined): Readonly<Record<string, InputRequest>> | undefined {
  if (value === undefined) return {}
  if (!isJsonObject(value)) return undefined
  const requests: Record<string, InputRequest> = {}
  for (const [key, request] of Object.entries(value)) {
    if (!isJsonObject(request) || typeof request['method'] !== 'string') return undefined
    const params = request['params']
    Object.defineProperty(requests, key, {
      value: isJsonObject(params) ? { method: request['method'], params } : { method: request['method'] },
      enumerable: true,
    })
  }
  return requests
}
