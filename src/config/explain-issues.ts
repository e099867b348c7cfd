import type { z } from 'zod'
import type { JsonPath } from './json-source.ts'
import { formatPath, listNames, nearest } from './problem.ts'
import { SecretReference } from './reference.ts'
import type { Schema } from './schema-walk.ts'
import { knownKeys, memberOf, schemasAt, valueAt } from './schema-walk.ts'

/** A fault within one file: where it is and what to do about it. `part` says whether the key or the value is at fault. */
export interface Fault {
  readonly path: JsonPath
  readonly part?: 'key' | 'value'
  readonly message: string
  readonly allowed?: string
  readonly suggestion?: string
}

/** Keys that stand in another file, or belong to a later version, told apart from misspelt ones. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  approve: 'this version has no approvals',
  budgets: 'budgets stand in the files of catalogs/',
  models: 'models are granted in the files of catalogs/; their routes stand in tollgate.json',
  providers: 'providers stand in tollgate.json',
  routes: 'routes stand in tollgate.json',
}

/** Turns what the schema found into faults an admin can act on: one per misspelt key, one per union, for the variant that was meant. */
export function explainIssues(schema: Schema, issues: readonly z.core.$ZodIssue[], root: unknown): Fault[] {
  return issues.flatMap((issue) => explain({ schema, root }, issue, pathOf(issue.path)))
}

type File = { readonly schema: Schema; readonly root: unknown }

function pathOf(path: readonly PropertyKey[]): JsonPath {
  return path.map((step) => (typeof step === 'number' ? step : String(step)))
}

function explain(file: File, issue: z.core.$ZodIssue, path: JsonPath): Fault[] {
  const value = valueAt(file.root, path)
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => unknownKey(file, path, key))
    case 'invalid_union':
      return explainUnion(file, issue, path)
    case 'invalid_type':
      return [wrongType(path, value, wordFor(issue.expected))]
    case 'invalid_value':
      return [wrongValue(path, value, issue.values)]
    case 'invalid_key':
    case 'invalid_element':
      return issue.issues.map((inner) => ({ path, part: 'key', message: `${quote(path.at(-1))} ${inner.message}` }))
    case 'invalid_format':
      return [wrongFormat(file, issue, path, value)]
    case 'too_small':
    case 'too_big':
      return [{ path, message: sizeMessage(issue, value) }]
    default:
      return [{ path, message: issue.message }]
  }
}

function unknownKey(file: File, path: JsonPath, key: string): Fault {
  const at: Fault = { path: [...path, key], part: 'key', message: '' }
  const known = knownKeys(schemasAt(file.schema, path, file.root))
  const suggestion = nearest(key, known)
  const elsewhere = ELSEWHERE[key]
  if (elsewhere !== undefined && suggestion !== key) return { ...at, message: `unknown key "${key}": ${elsewhere}` }
  const allowed = listNames(known)
  if (suggestion === key) return { ...at, message: `"${key}" cannot stand beside the other keys here; keep one of them`, allowed }
  if (suggestion === undefined) return { ...at, message: `unknown key "${key}"`, allowed }
  return { ...at, message: `unknown key "${key}"; did you mean "${suggestion}"?`, allowed, suggestion }
}

function explainUnion(file: File, issue: z.core.$ZodIssueInvalidUnion, path: JsonPath): Fault[] {
  if ('discriminator' in issue && typeof issue.discriminator === 'string') return [wrongVariant(file, path, issue.discriminator)]
  const value = valueAt(file.root, path)
  const fitting = issue.errors.filter(
    (errors) => !errors.some((error) => error.code === 'invalid_type' && error.path.length === 0),
  )
  if (fitting.length === 0) return [wrongType(path, value, expectedOf(issue.errors).join(' or '))]
  const [meant] = fitting.toSorted((a, b) => fit(a, value) - fit(b, value))
  return (meant ?? []).flatMap((error) => explain(file, error, [...path, ...pathOf(error.path)]))
}

/** The smaller, the nearer a variant is to what was written: wrong values inside known keys are nearer than unknown keys. */
function fit(errors: readonly z.core.$ZodIssue[], value: unknown): number {
  return errors.reduce((sum, error) => {
    if (error.code === 'unrecognized_keys') return sum + 10 * error.keys.length
    const [key] = pathOf(error.path)
    return sum + (key !== undefined && memberOf(value, key) === undefined ? 5 : 1)
  }, 0)
}

function expectedOf(branches: readonly (readonly z.core.$ZodIssue[])[]): string[] {
  const expected = branches.flatMap((errors) =>
    errors.map((error) => (error.code === 'invalid_type' ? wordFor(error.expected) : '')),
  )
  return [...new Set(expected)].filter((word) => word !== '')
}

function wrongVariant(file: File, path: JsonPath, discriminator: string): Fault {
  const owner = path.at(-1) === discriminator ? path.slice(0, -1) : path
  const value = valueAt(file.root, owner)
  const variants = schemasAt(file.schema, owner, undefined)
  const names = variants.flatMap((variant) => {
    const [literal] = schemasAt(variant, [discriminator], undefined)
    const definition = (literal as z.core.$ZodTypes | undefined)?._zod.def // the closed list of kinds, see schema-walk.ts
    return definition?.type === 'literal' ? definition.values : []
  })
  if (typeof value !== 'object' || value === null) return wrongType(owner, value, 'an object')
  return wrongValue([...owner, discriminator], memberOf(value, discriminator), [...new Set(names)])
}

function wrongType(path: JsonPath, value: unknown, expected: string): Fault {
  if (value === undefined) return { path: path.slice(0, -1), message: `${quote(path.at(-1))} is missing: ${expected}` }
  return { path, message: `expected ${expected}, found ${kindOf(value)}` }
}

function wrongValue(path: JsonPath, value: unknown, values: readonly unknown[]): Fault {
  const allowed = listNames(values)
  if (value === undefined) return { path: path.slice(0, -1), message: `${quote(path.at(-1))} is missing: ${allowed}`, allowed }
  if (path.at(-1) === 'expose')
    return { path, message: `this version lists every item in full: "expose" can only be "all"`, allowed }
  const suggestion = typeof value === 'string' ? suggestionFor(value, values) : undefined
  const fault = { path, message: `must be ${allowed}; found ${shorten(value)}`, allowed }
  return suggestion === undefined ? fault : { ...fault, suggestion }
}

/** Other names of the transports, as clients write them. */
const TRANSPORTS: Readonly<Record<string, string>> = { 'streamable-http': 'http', streamableHttp: 'http', local: 'stdio' }

function suggestionFor(value: string, values: readonly unknown[]): string | undefined {
  const transport = TRANSPORTS[value]
  if (transport !== undefined && values.includes(transport)) return transport
  return nearest(
    value,
    values.filter((candidate) => typeof candidate === 'string'),
  )
}

function wrongFormat(file: File, issue: z.core.$ZodIssueInvalidStringFormat, path: JsonPath, value: unknown): Fault {
  // The value is not repeated: whoever wrote it there thought it was the place for a secret.
  if (schemasAt(file.schema, path, file.root).includes(SecretReference)) {
    return {
      path,
      message:
        'a secret is written by reference: "env:NAME" for an environment variable, "file:PATH" for a file; found a literal value',
    }
  }
  if (issue.format === 'url') return { path, message: `must be an http or https URL; found ${shorten(value)}` }
  return { path, message: `${issue.message}; found ${shorten(value)}` }
}

function sizeMessage(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig, value: unknown): string {
  const small = issue.code === 'too_small'
  const bound = small ? issue.minimum : issue.maximum
  if (typeof value === 'number') return `must be at ${small ? 'least' : 'most'} ${bound}; found ${value}`
  const unit = issue.origin === 'string' ? 'characters' : 'entries'
  if (small && Number(bound) === 1) return 'must not be empty'
  const size = typeof value === 'string' || Array.isArray(value) ? `; found ${value.length}` : ''
  return `must have at ${small ? 'least' : 'most'} ${bound} ${unit}${size}`
}

function wordFor(expected: string): string {
  const words: Readonly<Record<string, string>> = {
    string: 'text',
    int: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    array: 'a list',
    object: 'an object',
    record: 'an object',
    null: 'null',
  }
  return words[expected] ?? expected
}

/** What a JSON value is, in the words of a message. */
function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'an object'
  return `${typeof value === 'string' ? 'the text' : `the ${typeof value}`} ${shorten(value)}`
}

function shorten(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > 60 ? `${text.slice(0, 57)}...` : text
}

function quote(step: string | number | undefined): string {
  return step === undefined ? formatPath([]) : JSON.stringify(step)
}
