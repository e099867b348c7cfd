// What the importers of gateway configurations share: what they have collected so far, and how a value of the source becomes text of ours.
// A secret never comes along: it becomes the name of an environment variable, and the report says which.
import { isOpaque, isSecretHeader, isSecretValue, isSecretVariable } from '../config/secret-shapes.ts'
import { createReport, type ImportReport, pathOf } from './import-report.ts'
import { type Draft, freeId, type ImportedServer } from './mcp-json.ts'

/** A variable that must be set before the gateway starts; `sample` stands for it while the files are checked. */
export interface Variable {
  readonly origin: string
  readonly sample: string
}

/** Everything an import has collected so far. */
export interface ImportWork {
  readonly report: ImportReport
  readonly variables: Map<string, Variable>
  readonly providers: Map<string, Draft>
  /** Ids of providers by everything they say. */
  readonly providerIds: Map<string, string>
  readonly routes: Map<string, Draft>
  readonly catalogs: Map<string, Draft>
  readonly servers: ImportedServer[]
  readonly issuers: Draft[]
  readonly prices: Draft[]
  readonly discounts: Draft[]
  /** Command lines the operator runs afterwards. */
  readonly commands: string[]
  /** Names of the source that stand for something only the operator knows. */
  readonly missing: string[]
  /** Literal secrets by value, so that one secret has one variable; never written anywhere. */
  readonly literals: Map<string, string>
}

/** A work with nothing in it. */
export function createWork(): ImportWork {
  return {
    report: createReport(),
    variables: new Map(),
    providers: new Map(),
    providerIds: new Map(),
    routes: new Map(),
    catalogs: new Map(),
    servers: [],
    issuers: [],
    prices: [],
    discounts: [],
    commands: [],
    missing: [],
    literals: new Map(),
  }
}

const REFERENCE = /^os\.environ\/(.+)$/

/** A secret of the source as a reference. A literal one gets a variable of its own, and the report says so without the value. */
export function secretReference(
  work: ImportWork,
  value: unknown,
  place: { readonly path: string; readonly variable: string },
): string {
  const text = typeof value === 'string' ? value.trim() : JSON.stringify(value)
  const name = REFERENCE.exec(text)?.[1] ?? /^oidc\/env\/(\w+)$/.exec(text)?.[1]
  if (name !== undefined) return variable(work, toVariable(name), place.path)
  const file = /^oidc\/file\/(.+)$/.exec(text)?.[1]
  if (file !== undefined) return `file:${file}`
  const known = work.literals.get(text)
  const own = known ?? freeVariable(work, `IMPORTED_${toVariable(place.variable)}`)
  work.literals.set(text, own)
  work.report.approximated(place.path, `a secret stood here and was not copied: set ${own} to it`)
  return variable(work, own, place.path)
}

/** A reference to a variable the other gateway reads by itself. */
export function variable(work: ImportWork, name: string, origin: string): string {
  if (!work.variables.has(name)) work.variables.set(name, { origin, sample: 'set' })
  return `env:${name}`
}

/** A text of the source as a text of ours; references to the environment become `${NAME}`, with `sample` in the checks. */
export function plainText(
  work: ImportWork,
  value: string,
  { path, sample = 'set' }: { readonly path: string; readonly sample?: string },
): string {
  const name = REFERENCE.exec(value)?.[1]
  if (name === undefined) return value.replaceAll('${', '$${')
  const own = toVariable(name)
  if (!work.variables.has(own)) work.variables.set(own, { origin: path, sample })
  return `\${${own}}`
}

/** A JSON value of the source with every text in it as ours; undefined when a secret stands in it, which the report says. */
export function plainJson(work: ImportWork, value: unknown, path: string): unknown {
  if (hasSecret(value, lastStep(path))) {
    work.report.skipped(
      path,
      'it looks like a secret, and secrets are not written into files: send it as a credential of the provider',
    )
    return undefined
  }
  return toJson(work, value, path)
}

function toJson(work: ImportWork, value: unknown, path: string): unknown {
  if (typeof value === 'string') return plainText(work, value, { path })
  if (Array.isArray(value)) return value.map((item) => toJson(work, item, path))
  if (typeof value === 'object' && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, toJson(work, member, path)]))
  return typeof value === 'bigint' ? Number(value) : value
}

function hasSecret(value: unknown, name: string): boolean {
  if (typeof value === 'string')
    return isSecretValue(value) || (isSecretName(name) && !REFERENCE.test(value)) || (isOpaque(value) && value.length >= 32)
  if (Array.isArray(value)) return value.some((item) => hasSecret(item, name))
  return typeof value === 'object' && value !== null && Object.entries(value).some(([key, member]) => hasSecret(member, key))
}

/** Tells whether a member carries a secret, by its name. */
export function isSecretName(name: string): boolean {
  return isSecretVariable(name) || isSecretHeader(name)
}

const lastStep = (path: string) => /([\w-]+)\W*$/.exec(path)?.[1] ?? ''

/** Headers of the source that may stand in a file; those that carry secrets are reported. */
export function plainHeaders(work: ImportWork, value: unknown, path: string): Record<string, string> | undefined {
  const headers: Record<string, string> = {}
  for (const [name, member] of Object.entries(asObject(value))) {
    const text = typeof member === 'string' ? member : JSON.stringify(member)
    if (isSecretHeader(name) || isSecretValue(text) || isOpaque(text))
      work.report.skipped(pathOf(path, name), 'a header with a secret: a provider has one credential, "key"')
    else if (!/^[A-Za-z0-9-]+$/.test(name) || text.length > 1024)
      work.report.skipped(pathOf(path, name), 'not a header that can be sent')
    else headers[name] = plainText(work, text, { path: pathOf(path, name) })
  }
  return Object.keys(headers).length === 0 ? undefined : headers
}

/** The id of a provider like this one; providers that are the same in everything are one. */
export function addProvider(work: ImportWork, draft: Draft, hint: string): string {
  const wanted = JSON.stringify(draft)
  const known = work.providerIds.get(wanted)
  if (known !== undefined) return known
  const id = freeId(hint, new Set(work.providers.keys()))
  work.providers.set(id, draft)
  work.providerIds.set(wanted, id)
  return id
}

/** An address of the source without what must not stand in a file: credentials in it, and its query. */
export function plainUrl(work: ImportWork, value: unknown, path: string): string | undefined {
  if (typeof value !== 'string' || value === '') return undefined
  if (REFERENCE.test(value)) return plainText(work, value, { path, sample: 'https://set.invalid/v1' })
  const url = URL.canParse(value) ? new URL(value) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    work.report.skipped(path, 'not an http or https address')
    return undefined
  }
  if (url.username !== '' || url.password !== '' || url.search !== '')
    work.report.approximated(path, 'without the credentials and the query that stood in it')
  url.username = url.password = url.search = url.hash = ''
  return url.href.replace(/\/$/, '')
}

/** A model name callers can use, from any text. */
export function toModelName(text: string): string {
  return (
    text
      .replace(/[^A-Za-z0-9._:@/-]+/g, '-')
      .replace(/^[^A-Za-z0-9]+/, '')
      .slice(0, 128) || 'model'
  )
}

/** The name of an environment variable, from any text. */
export function toVariable(name: string): string {
  const snake = name.replace(/\W/g, '_')
  return /^[A-Za-z_]/.test(snake) ? snake : `_${snake}`
}

function freeVariable(work: ImportWork, name: string): string {
  for (let count = 1; ; count++) {
    const candidate = count === 1 ? name : `${name}_${count}`
    if (!work.variables.has(candidate)) return candidate
  }
}

/** The value as an object of unknown members; empty when it is none. */
export function asObject(value: unknown): Draft {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Draft) : {} // checked: an object of unknown members
}

/** The value as a list; empty when it is none. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

/** The texts in a list; a single text is a list of one. */
export function textsIn(value: unknown): string[] {
  return (typeof value === 'string' ? [value] : asList(value)).filter((item) => typeof item === 'string')
}

/** The value as text; empty when it is neither text nor number nor boolean. */
export function textOf(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}

/** A number, also when it is written as text. */
export function numberOf(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? value : undefined
  if (typeof value !== 'string' || !/^\s*-?\d+(\.\d+)?(e-?\d+)?\s*$/i.test(value)) return undefined
  return Number(value)
}

/** A whole number within bounds, also when it is written as text; rounded up and cut at the upper bound. */
export function countOf(value: unknown, most: number): number | undefined {
  const number = numberOf(value)
  return number === undefined || number <= 0 ? undefined : Math.min(most, Math.ceil(number))
}
