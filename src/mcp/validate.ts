import { Validator, type OutputUnit, type SchemaDraft } from '@cfworker/json-schema'
import { LRUCache } from 'lru-cache'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { CatalogItem } from '../core/snapshot.ts'
import { printable } from './classify.ts'
import { toRunnable } from './schema-cost.ts'

/** Judges arguments by the schema a caller was shown. */
export interface ArgumentValidator {
  /** What is wrong, in words for whoever made the call; undefined when nothing is, or only the upstream can tell. */
  check(item: CatalogItem, args: JsonObject): string | undefined
}

const COMPILED_KEPT = 2_000
/** Steps of the schema times values of the arguments: about a tenth of a second at worst. */
const MAX_WORK = 1_000_000

/** Schemas are compiled once per definition shown. */
export function createArgumentValidator(): ArgumentValidator {
  const compiled = new LRUCache<string, Compiled>({ max: COMPILED_KEPT })
  return {
    check(item, args) {
      let schema = compiled.get(item.shownDigest)
      if (schema === undefined) {
        schema = compile(item.shown['inputSchema'])
        compiled.set(item.shownDigest, schema)
      }
      const errors = schema.validator === undefined ? [] : run(schema.validator, schema.steps, args)
      return errors.length === 0 ? undefined : explain(errors, item)
    },
  }
}

interface Compiled {
  readonly validator: Validator | undefined
  readonly steps: number
}

const DRAFTS: readonly (readonly [string, SchemaDraft])[] = [
  ['draft-04', '4'],
  ['draft-06', '7'],
  ['draft-07', '7'],
  ['2019-09', '2019-09'],
]

function compile(inputSchema: Json | undefined): Compiled {
  const runnable = isJsonObject(inputSchema) ? toRunnable(inputSchema) : undefined
  if (runnable === undefined) return { validator: undefined, steps: 0 }
  const named = runnable.schema['$schema']
  const draft = DRAFTS.find(([mark]) => typeof named === 'string' && named.includes(mark))?.[1] ?? '2020-12'
  try {
    return { validator: new Validator(runnable.schema, draft, true), steps: runnable.steps }
  } catch {
    // A schema the library cannot read is judged by its own server.
    return { validator: undefined, steps: 0 }
  }
}

function run(validator: Validator, steps: number, args: JsonObject): readonly OutputUnit[] {
  const facts = { values: 0, hasRaw: false }
  survey(args, facts)
  if (facts.values * steps > MAX_WORK) return []
  const instance: unknown = facts.hasRaw ? JSON.parse(JSON.stringify(args)) : args
  try {
    return validator.validate(instance).errors
  } catch {
    // For instance a keyword with a value of the wrong type: the upstream decides.
    return []
  }
}

function survey(value: Json | undefined, facts: { values: number; hasRaw: boolean }): void {
  facts.values += 1
  if (typeof value !== 'object' || value === null) return
  if (JSON.isRawJSON(value)) facts.hasRaw = true
  else for (const part of Object.values(value)) survey(part, facts)
}

/** The innermost complaint names the argument and what is allowed there. */
function explain(errors: readonly OutputUnit[], item: CatalogItem): string {
  const [deepest] = errors.toSorted((a, b) => depthOf(b) - depthOf(a))
  if (deepest === undefined) return 'the arguments do not match the input schema'
  const path = decodeURI(deepest.instanceLocation)
    .replace(/^#\/?/, '')
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
    .join('.')
  if (path === '') return cut(deepest.error)
  return deepest.keyword === 'false'
    ? cut(`unknown argument "${path}"; known: ${knownArguments(item)}`)
    : cut(`argument "${path}": ${deepest.error}`)
}

function knownArguments({ shown }: CatalogItem): string {
  const schema = shown['inputSchema']
  const properties = isJsonObject(schema) && isJsonObject(schema['properties']) ? Object.keys(schema['properties']) : []
  return properties.length === 0 ? 'none' : properties.join(', ')
}

const depthOf = ({ instanceLocation }: OutputUnit) => instanceLocation.split('/').length
const cut = (text: string) => (text.length <= 200 ? printable(text) : `${printable(text)}...`)
