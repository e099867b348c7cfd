import type { Bounds } from '../config/gateway.ts'
import { GatewayError } from '../core/errors.ts'
import type { JsonObject } from '../core/json.ts'
import { parseStrictJson } from '../lib/strict-json.ts'

/** Reads a body that is known to be a JSON object as a guard has to: two members of one name would let it read one and the provider another. */
export function strictBody(bytes: Buffer, { jsonDepth, jsonNodes }: Bounds): JsonObject {
  try {
    const { value } = parseStrictJson(bytes.toString('utf8'), { depth: jsonDepth, nodes: jsonNodes })
    return value as JsonObject // the same text was parsed as an object before
  } catch (error) {
    throw new GatewayError('invalid_request', error instanceof Error ? error.message : 'the body cannot be read', {
      cause: error,
    })
  }
}
