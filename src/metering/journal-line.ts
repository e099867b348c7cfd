import { crc32 } from 'node:zlib'
import type { Entry } from '../core/entry.ts'

/** Every field of an entry in the order of a journal line. Only ever appended to: an older line is shorter, and what it lacks is null. */
const FIELD_TYPES: Readonly<Record<keyof Entry, 'text' | 'integer' | 'real'>> = {
  id: 'text',
  attempt: 'integer',
  at: 'integer',
  kind: 'text',
  method: 'text',
  issuer: 'text',
  subject: 'text',
  principalKind: 'text',
  org: 'text',
  team: 'text',
  project: 'text',
  agent: 'text',
  user: 'text',
  session: 'text',
  catalog: 'text',
  revision: 'text',
  decision: 'text',
  reason: 'text',
  rule: 'text',
  server: 'text',
  target: 'text',
  upstreamTarget: 'text',
  definitionDigest: 'text',
  argumentsDigest: 'text',
  status: 'text',
  error: 'text',
  era: 'text',
  traceId: 'text',
  durationMs: 'real',
  gatewayMs: 'real',
  queueMs: 'real',
  guardMs: 'real',
  upstreamMs: 'real',
  requestBytes: 'integer',
  responseBytes: 'integer',
  nanoUsd: 'integer',
  priceVersion: 'text',
  labels: 'text',
  provider: 'text',
  model: 'text',
  reportedModel: 'text',
  region: 'text',
  stream: 'integer',
  firstTokenMs: 'real',
  inputTokens: 'integer',
  cacheReadTokens: 'integer',
  cacheWrite5mTokens: 'integer',
  cacheWrite1hTokens: 'integer',
  inputAudioTokens: 'integer',
  inputImageTokens: 'integer',
  outputTokens: 'integer',
  reasoningTokens: 'integer',
  outputAudioTokens: 'integer',
  usageSource: 'text',
  flags: 'text',
  dropped: 'text',
  routing: 'text',
  verdicts: 'text',
}

/** The fields of an entry, in the order of a journal line and of the table. */
export const ENTRY_FIELDS = Object.keys(FIELD_TYPES) as readonly (keyof Entry)[] // the keys of the record above

/** Fields that hold numbers. */
export const NUMBER_FIELDS: ReadonlySet<keyof Entry> = new Set(ENTRY_FIELDS.filter((field) => FIELD_TYPES[field] !== 'text'))

/** One value of a ledger column. */
export type Cell = string | number | null

const LONG_LINE = 16_384
const LONG_TEXT = 1_000
const CHECKSUM = 9

/** One journal line: checksum (CRC-32 of the rest, 8 hex digits), a blank, a JSON array of the fields, a line break. */
export function encodeEntry(entry: Entry): string {
  let json = JSON.stringify(ENTRY_FIELDS.map((field) => entry[field]))
  // Names come from callers; no caller may fill the disk with one.
  if (json.length > LONG_LINE) json = JSON.stringify(ENTRY_FIELDS.map((field) => shorten(entry[field])))
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`
}

/** The cells of one line (without its line break), or undefined when it is not what was written. */
export function decodeLine(line: Buffer): Cell[] | undefined {
  if (line.length < CHECKSUM + 2 || line[CHECKSUM - 1] !== 0x20) return undefined
  const json = line.subarray(CHECKSUM)
  if (crc32(json) !== Number.parseInt(line.toString('latin1', 0, CHECKSUM - 1), 16)) return undefined
  try {
    const values: unknown = JSON.parse(json.toString('utf8'))
    if (!Array.isArray(values)) return undefined
    return ENTRY_FIELDS.map((_field, index) => toCell(values[index]))
  } catch {
    return undefined
  }
}

function toCell(value: unknown): Cell {
  return typeof value === 'string' || typeof value === 'number' ? value : null
}

function shorten(value: Cell): Cell {
  return typeof value === 'string' && value.length > LONG_TEXT ? `${value.slice(0, LONG_TEXT)}…` : value
}
