import type { Json } from '../../core/json.ts'

/** The elements of a JSON value that should be a list; none when it is something else. */
export function listOf(value: Json | undefined): readonly Json[] {
  // `Array.isArray` alone would give elements of type `any`.
  return Array.isArray(value) ? (value as readonly Json[]) : []
}
