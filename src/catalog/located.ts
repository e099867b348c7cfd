import type { JsonPath } from '../config/json-source.ts'
import { formatPath } from '../config/problem.ts'
import type { Located } from '../config/read-file.ts'
import type { Condition } from '../core/condition.ts'
import type { RuleLocation } from '../core/snapshot.ts'
import { compileCondition, MODEL_VARIABLES } from '../lib/condition.ts'

const locations = new WeakMap<Located<unknown>, Map<string, RuleLocation>>()

/** Where a part of a file stands; the same object for the same place, while the file is in force. */
export function locationOf(file: Located<unknown>, path: JsonPath): RuleLocation {
  const known = locations.get(file) ?? new Map<string, RuleLocation>()
  locations.set(file, known)
  const written = formatPath(path)
  const location = known.get(written) ?? { file: file.file, ...file.locate(path), path: written }
  known.set(written, location)
  return location
}

/** Compiled expressions, by their source: a snapshot is built again whenever an upstream changes, the files rarely do. */
const conditions = { item: new Map<string, Condition>(), model: new Map<string, Condition>() }

/** The condition of an expression that was checked when its file was read. `model`: over principal, request and time. */
export function conditionOf(source: string, use: 'item' | 'model' = 'item'): Condition {
  const compiled = conditions[use]
  const known = compiled.get(source)
  if (known !== undefined) return known
  if (compiled.size >= 10_000) compiled.clear()
  const condition = compileCondition(source, use === 'model' ? MODEL_VARIABLES : undefined)
  compiled.set(source, condition)
  return condition
}
