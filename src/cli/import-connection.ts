import { pathOf } from './import-report.ts'
import type { Draft } from './mcp-json.ts'

/** Members of a deployment, those of its named credential included, with the path each stands at. */
export interface Parameters {
  readonly values: Draft
  pathOf(member: string): string
}

/** A provider on its way into tollgate.json, and the members of the deployment it was made from. */
export interface Connection {
  readonly draft: Draft
  /** What its id should begin with. */
  readonly hint: string
  readonly used: readonly string[]
}

/** Parameters straight from an object at a path. */
export function parametersAt(values: Draft, path: string): Parameters {
  return { values, pathOf: (member) => pathOf(path, member) }
}
