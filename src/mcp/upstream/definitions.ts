import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Definition, DroppedDefinition, OfferedKind } from '../../core/snapshot.ts'
import { digestOf } from '../../lib/canonical-json.ts'
import { headerDeclarations } from '../param-headers.ts'

/** Bounds of what one upstream may offer. */
export interface DefinitionBounds {
  /** Kept of each kind. */
  readonly definitions: number
  readonly descriptionBytes: number
}

/** What was kept of one kind, and what was refused and why. */
export interface Sifted {
  readonly kept: readonly Definition[]
  readonly dropped: readonly DroppedDefinition[]
}

const MAX_NAME = 256
const MAX_URI = 8_192
const MAX_DEPTH = 64
/** Refusals remembered one by one; the rest is only counted, so that a flood costs nothing. */
const MAX_DROPPED = 100
const NAME_MEMBER: Readonly<Record<OfferedKind, string>> = {
  tool: 'name',
  prompt: 'name',
  resource: 'uri',
  template: 'uriTemplate',
}
// C0, DEL, C1, and the line and paragraph separators
const CONTROL = /[\p{Cc}\u2028\u2029]/u
// What a model reads and a person does not see: controls that are no blanks, changes of the reading direction, tag characters. Joiners of
// scripts and of emoji are none of these; flags written with tags are, and rare.
const HIDDEN = /[[\p{Cc}--[\t\n\r]]\u202a-\u202e\u2066-\u2069\u{e0000}-\u{e007f}]/v

/** Sorts what a server listed into what is served and what is not. The first of two equal names wins. */
export function siftDefinitions(kind: OfferedKind, server: string, items: readonly Json[], bounds: DefinitionBounds): Sifted {
  const kept = new Map<string, Definition>()
  const dropped: DroppedDefinition[] = []
  let more = 0
  const drop = (name: string, reason: string): void => {
    if (dropped.length < MAX_DROPPED) dropped.push({ kind, name: printable(name), reason })
    else more += 1
  }
  for (const item of items) {
    const name = isJsonObject(item) ? item[NAME_MEMBER[kind]] : undefined
    const label = typeof name === 'string' ? name : ''
    if (!isJsonObject(item) || typeof name !== 'string') {
      drop(label, `it has no ${NAME_MEMBER[kind]}`)
      continue
    }
    const problem = kept.has(name) ? 'an earlier one has the same name' : problemOf(kind, name, item, bounds)
    if (problem !== undefined) drop(label, problem)
    else if (kept.size >= bounds.definitions) drop(label, `the server offers more than ${bounds.definitions} of this kind`)
    else kept.set(name, { kind, server, name, raw: item, digest: digestOf(item) })
  }
  if (more > 0) dropped.push({ kind, name: '', reason: `${more} more were dropped` })
  return { kept: [...kept.values()], dropped }
}

function problemOf(kind: OfferedKind, name: string, item: JsonObject, bounds: DefinitionBounds): string | undefined {
  const max = kind === 'tool' || kind === 'prompt' ? MAX_NAME : MAX_URI
  if (name === '') return 'its name is empty'
  if (name.length > max) return `its name is longer than ${max} characters`
  if (CONTROL.test(name)) return 'its name holds control characters'
  const description = item['description']
  if (typeof description === 'string' && Buffer.byteLength(description) > bounds.descriptionBytes) {
    return `its description is larger than ${bounds.descriptionBytes} bytes`
  }
  if (isDeeper(item, MAX_DEPTH)) return `it is nested deeper than ${MAX_DEPTH} levels`
  if (hasHidden(item)) return 'it holds characters that nobody sees'
  return kind === 'tool' ? toolProblemOf(item) : undefined
}

function toolProblemOf({ inputSchema, outputSchema }: JsonObject): string | undefined {
  if (!isJsonObject(inputSchema)) return 'its inputSchema is not an object'
  if (inputSchema['type'] !== undefined && inputSchema['type'] !== 'object') return 'its inputSchema is not for an object'
  if (outputSchema !== undefined && !isJsonObject(outputSchema) && typeof outputSchema !== 'boolean')
    return 'its outputSchema is not a schema'
  const invalid = headerDeclarations(inputSchema).invalid[0]
  return invalid && `${invalid.reason} (${invalid.path})`
}

function isDeeper(value: Json | undefined, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (levels === 0) return true
  // `as`: the values of a JSON object or array are JSON
  return Object.values(value as Readonly<Record<string, Json>>).some((child) => isDeeper(child, levels - 1))
}

/** Looks at every text and every member's name, since all of them reach the model. */
function hasHidden(value: Json | undefined): boolean {
  if (typeof value === 'string') return HIDDEN.test(value)
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([name, child]: [string, Json | undefined]) => HIDDEN.test(name) || hasHidden(child))
}

/** A name as it may stand in a log line: control characters escaped, cut at a sane length. */
function printable(name: string): string {
  const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
  return name.slice(0, MAX_NAME).replaceAll(new RegExp(CONTROL, 'gu'), escape)
}
