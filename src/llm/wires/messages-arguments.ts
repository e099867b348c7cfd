import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { parseJson } from '../../lib/json-numbers.ts'

/** The arguments of a call as the object this wire wants; undefined when the model did not write one. */
export function toInput(text: string): JsonObject | undefined {
  if (text.trim() === '') return {}
  try {
    const input = parseJson(text)
    return isJsonObject(input) ? input : undefined
  } catch {
    // What a model wrote is its own affair: the caller of this decides.
    return undefined
  }
}

/** Stands in for arguments that are no object, so that the model can see what it wrote. */
export function malformedInput(text: string): JsonObject {
  return { malformed_arguments: text }
}
