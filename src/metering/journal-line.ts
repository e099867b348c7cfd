// A line of the journal: checksum, a blank, and with tabs between them the facts, the details, the two checksums of what follows, the caller, the course;
// a line break. The four parts are JSON arrays (`PARTS` says which fields stand where; nulls at the end are left out). Checksums are CRC-32 as eight hex
// digits; the first covers all up to and with the other two. Who called and what was called are the same text in many lines: it is written and summed
// once and kept, and a reader who knows it compares it. A line of earlier versions is a checksum and one array of all fields, and is read too.
import type { Entry } from '../core/entry.ts'
import { ENTRY_FIELDS, PARTS } from './entry-fields.ts'
import { checksum, KnownTexts, RepeatedText } from './repeated-text.ts'

/** One value of an entry. */
export type Cell = string | number | null

/** One line as the index takes it; all but the facts is left as it was written. */
export interface LineParts {
  readonly facts: readonly Cell[]
  readonly details: string
  readonly caller: string
  readonly course: string
}

const LONG_LINE = 16_384
const LONG_TEXT = 1_000
/** Letters of a checksum. */
const SUM = 8

/** One journal line with its line break. */
export function encodeEntry(entry: Entry): string {
  const line = lineOf(entry)
  // Names come from callers; no caller may fill the disk with one.
  return line.length > LONG_LINE ? lineOf(shortened(entry)) : line
}

/** One line (without its line break), or undefined when it is not what was written. */
export function decodeLine(line: Buffer): LineParts | undefined {
  const text = line.toString('utf8')
  const factsEnd = text.indexOf('\t')
  if (factsEnd < 0) return isSealed(text, text.slice(SUM + 1)) ? fromEarlier(text.slice(SUM + 1)) : undefined
  const detailsEnd = text.indexOf('\t', factsEnd + 1)
  const sumsEnd = detailsEnd + 1 + 2 * SUM
  if (text[sumsEnd] !== '\t' || !isSealed(text, text.slice(SUM + 1, sumsEnd))) return undefined
  const repeated = KNOWN.find(text.slice(detailsEnd + 1, sumsEnd), text.slice(sumsEnd + 1))
  const facts = toCells(text.slice(SUM + 1, factsEnd))
  if (repeated === undefined || facts === undefined) return undefined
  return { facts, details: text.slice(factsEnd + 1, detailsEnd), caller: repeated.caller, course: repeated.course }
}

/** The plain form of a line: all cells in the order of the fields; undefined when a part is no list. */
export function plainCells({ facts, details, caller, course }: LineParts): Cell[] | undefined {
  const parts = { facts, details: toCells(details), caller: toCells(caller), course: toCells(course) }
  const places = new Map<keyof Entry, Cell>()
  for (const part of ['facts', 'details', 'caller', 'course'] as const) {
    const cells = parts[part]
    if (cells === undefined) return undefined
    for (const [place, field] of PARTS[part].entries()) places.set(field, cells[place] ?? null)
  }
  return ENTRY_FIELDS.map((field) => places.get(field) ?? null)
}

/** The cells of a JSON array, or undefined when it is no list of cells. */
export function toCells(json: string): Cell[] | undefined {
  try {
    const values: unknown = JSON.parse(json)
    return Array.isArray(values) && values.every(isCell) ? values : undefined
  } catch {
    return undefined
  }
}

/** A JSON array without the nulls at its end, which it takes off the cells. */
export function toList(cells: Cell[]): string {
  while (cells.length > 0 && cells[cells.length - 1] === null) cells.pop()
  return JSON.stringify(cells)
}

function isSealed(text: string, sealed: string): boolean {
  return text.startsWith(checksum(sealed)) && text[SUM] === ' '
}

function isCell(value: unknown): value is Cell {
  return typeof value === 'string' || typeof value === 'number' || value === null
}

function fromEarlier(json: string): LineParts | undefined {
  const cells = toCells(json)
  if (cells === undefined) return undefined
  const values = new Map(ENTRY_FIELDS.map((field, place) => [field, cells[place] ?? null]))
  const partOf = (part: keyof typeof PARTS) => PARTS[part].map((field) => values.get(field) ?? null)
  return {
    facts: partOf('facts'),
    details: toList(partOf('details')),
    caller: toList(partOf('caller')),
    course: toList(partOf('course')),
  }
}

function lineOf(entry: Entry): string {
  const caller = CALLERS.of(entry)
  const course = COURSES.of(entry)
  const own = `${toList(factsOf(entry))}\t${toList(detailsOf(entry))}\t${caller.sum}${course.sum}`
  return `${checksum(own)} ${own}\t${caller.text}\t${course.text}\n`
}

/** Written out, because reading a field by its name as a value costs ten times as much; the same holds for the two below. */
function factsOf(entry: Entry): Cell[] {
  return [
    entry.id,
    entry.attempt,
    entry.at,
    entry.session,
    entry.status,
    entry.durationMs,
    entry.upstreamMs,
    entry.requestBytes,
    entry.responseBytes,
    entry.nanoUsd,
    entry.usageSource,
    entry.inputTokens,
    entry.outputTokens,
    entry.cacheReadTokens,
    entry.reasoningTokens,
    entry.cacheWrite5mTokens,
    entry.cacheWrite1hTokens,
    entry.inputAudioTokens,
    entry.inputImageTokens,
    entry.outputAudioTokens,
  ]
}

function detailsOf(entry: Entry): Cell[] {
  return [
    entry.gatewayMs,
    entry.queueMs,
    entry.guardMs,
    entry.traceId,
    entry.argumentsDigest,
    entry.error,
    entry.stream,
    entry.firstTokenMs,
    entry.flags,
    entry.routing,
    entry.dropped,
    entry.verdicts,
  ]
}

const KNOWN = new KnownTexts()

const CALLERS = new RepeatedText({
  key: (entry) => entry.subject,
  isSame: (left, right) =>
    left.subject === right.subject &&
    left.issuer === right.issuer &&
    left.principalKind === right.principalKind &&
    left.org === right.org &&
    left.team === right.team &&
    left.project === right.project &&
    left.agent === right.agent &&
    left.user === right.user,
  write: (entry) => toList(PARTS.caller.map((field) => entry[field])),
})

const COURSES = new RepeatedText({
  key: (entry) => entry.target,
  isSame: (left, right) =>
    left.target === right.target &&
    left.rule === right.rule &&
    left.model === right.model &&
    left.catalog === right.catalog &&
    left.provider === right.provider &&
    left.reportedModel === right.reportedModel &&
    left.kind === right.kind &&
    left.method === right.method &&
    left.era === right.era &&
    left.decision === right.decision &&
    left.reason === right.reason &&
    left.server === right.server &&
    left.upstreamTarget === right.upstreamTarget &&
    left.region === right.region &&
    left.priceVersion === right.priceVersion &&
    left.labels === right.labels &&
    left.definitionDigest === right.definitionDigest &&
    left.revision === right.revision,
  write: (entry) => toList(PARTS.course.map((field) => entry[field])),
})

function shortened(entry: Entry): Entry {
  const cells = Object.entries(entry).map(([field, value]: [string, Cell]) => [field, shorten(value)])
  // The same fields with shorter texts.
  return Object.fromEntries(cells) as Entry
}

function shorten(value: Cell): Cell {
  return typeof value === 'string' && value.length > LONG_TEXT ? `${value.slice(0, LONG_TEXT)}…` : value
}
