import type { Fault } from './explain-issues.ts'
import type { JsonPath } from './json-source.ts'
import { nearest } from './problem.ts'
import { SecretReference } from './reference.ts'
import type { Schema } from './schema-walk.ts'
import { schemasAt } from './schema-walk.ts'

/** The environment as it was lent; never read from the process here. */
export type Environment = Readonly<Record<string, string | undefined>>

/** The way to a value, from its end: most values need no path, so none is written out before it is asked for. */
type Trail = { readonly step: string | number; readonly owner: Trail | undefined }
type Work = { readonly schema: Schema; readonly root: unknown; readonly env: Environment; readonly faults: Fault[] }

/**
 * Fills in `${NAME}`, `${NAME:-default}` and `${NAME:?message}` in every text value; `$${` stands for `${`. Secret references are left
 * alone: a secret is named, not copied.
 */
export function interpolate(schema: Schema, root: unknown, env: Environment): { value: unknown; faults: readonly Fault[] } {
  const work: Work = { schema, root, env, faults: [] }
  return { value: fill(work, root, undefined), faults: work.faults }
}

function fill(work: Work, value: unknown, trail: Trail | undefined): unknown {
  if (typeof value === 'string') return value.includes('${') ? fillText(work, value, pathOf(trail)) : value
  if (Array.isArray(value)) return value.map((item, index) => fill(work, item, { step: index, owner: trail }))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, fill(work, member, { step: key, owner: trail })]))
}

function pathOf(trail: Trail | undefined): JsonPath {
  const steps: (string | number)[] = []
  for (let at = trail; at !== undefined; at = at.owner) steps.push(at.step)
  return steps.toReversed()
}

const REFERENCE = /\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(?:(:-|:\?)([^}]*))?\})?/g

function fillText(work: Work, text: string, path: JsonPath): string {
  if (schemasAt(work.schema, path, work.root).includes(SecretReference)) return text
  return text.replace(REFERENCE, (whole: string, name?: string, operator?: string, rest?: string) => {
    if (whole === '$${') return '${'
    if (name === undefined) {
      work.faults.push({ path, message: 'write ${NAME}, ${NAME:-default} or ${NAME:?message}; "$${" stands for a literal "${"' })
      return ''
    }
    const value = work.env[name]
    if (value !== undefined && (value !== '' || operator === undefined)) return value
    if (operator === ':-') return rest ?? ''
    work.faults.push(unset(work, path, name, operator === ':?' ? rest : undefined))
    return ''
  })
}

function unset(work: Work, path: JsonPath, name: string, message: string | undefined): Fault {
  const near = nearest(name, Object.keys(work.env))
  const fault = {
    path,
    message: `the environment variable ${name} is not set${message ? `: ${message}` : '; set it, or write ${' + name + ':-default}'}`,
  }
  return near === undefined ? fault : { ...fault, suggestion: near }
}
