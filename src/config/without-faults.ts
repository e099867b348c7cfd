import type { z } from 'zod'
import { memberOf, valueAt } from './schema-walk.ts'

const MAX_ROUNDS = 8

/**
 * The value a schema would accept once everything it found is taken out, so that what a schema cannot see is reported in the same round.
 * Undefined when what is left is still not valid: a required part is the one at fault.
 */
export function withoutFaults<T>(schema: z.ZodType<T>, value: unknown): T | undefined {
  let left = value
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const parsed = schema.safeParse(left)
    if (parsed.success) return parsed.data
    const pruned = parsed.error.issues.reduce(prune, left)
    if (pruned === left) return undefined
    left = pruned
  }
  return undefined
}

function prune(value: unknown, issue: z.core.$ZodIssue): unknown {
  const path = issue.path.map((step) => (typeof step === 'number' ? step : String(step)))
  if (issue.code === 'unrecognized_keys') return issue.keys.reduce((left, key) => without(left, [...path, key]), value)
  // A list keeps its places, or what follows would be reported at the wrong one; what is missing takes its owner along.
  while (path.length > 0 && (typeof path.at(-1) === 'number' || valueAt(value, path) === undefined)) path.pop()
  return path.length === 0 ? value : without(value, path)
}

function without(value: unknown, [step, ...rest]: readonly (string | number)[]): unknown {
  if (step === undefined || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item, index) => (index === step ? without(item, rest) : (item as unknown)))
  if (rest.length > 0) return { ...value, [step]: without(memberOf(value, step), rest) }
  return Object.fromEntries(Object.entries(value).filter(([key]) => key !== String(step)))
}
