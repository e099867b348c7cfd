import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { setImmediate as turn } from 'node:timers/promises'
import type { z } from 'zod'
import type { Fault } from './explain-issues.ts'
import { explainIssues } from './explain-issues.ts'
import type { Environment } from './interpolate.ts'
import { interpolate } from './interpolate.ts'
import type { JsonPath, JsonSource, Position } from './json-source.ts'
import { JsonSourceError, parseJsonSource } from './json-source.ts'
import type { Problem } from './problem.ts'
import { formatPath } from './problem.ts'
import { withoutFaults } from './without-faults.ts'

/** A valid file: its frozen value, its name relative to the folder of tollgate.json, a digest of the value, and where its parts stand. */
export interface Located<T> {
  readonly value: T
  readonly file: string
  /** `sha256:<hex>` of the value after interpolation. */
  readonly digest: string
  /** What the file says, where it was read from one. */
  readonly text?: string
  locate(path: JsonPath): Position
}

/** What became of a file: `located` only when there are no problems. `raw` is the JSON as written, when it could be parsed at all. */
export interface FileReading<T> {
  readonly located: Located<T> | undefined
  readonly raw: unknown
  readonly problems: readonly Problem[]
  /** True when there is no such file. */
  readonly absent: boolean
  /** Turns faults found later into problems of this file. */
  toProblems(faults: readonly Fault[]): Problem[]
}

/** How a file is read: its absolute path, the name shown to the admin, its schema, and checks beyond the schema. */
export interface FileRequest<T> {
  readonly path: string
  readonly file: string
  readonly schema: z.ZodType<T>
  readonly env: Environment
  /** Looks at the JSON as it is, after interpolation, whether the schema accepts it or not. */
  inspect?(json: unknown): readonly Fault[]
  /** Looks at the valid value, and may complete it; `raw` is the JSON before interpolation. */
  check?(value: T, raw: unknown): { readonly value: T; readonly faults: readonly Fault[] }
}

/** Larger files are refused unread. */
export const MAX_FILE_BYTES = 8 * 1024 * 1024
const MAX_PROBLEMS = 100

/** Reads, parses, interpolates and checks one file. Never throws: whatever is wrong comes back as problems. */
export async function readConfigFile<T>(request: FileRequest<T>): Promise<FileReading<T>> {
  const text = await readText(request)
  if (typeof text !== 'string') return text
  let source: JsonSource
  try {
    source = parseJsonSource(text)
  } catch (error) {
    if (!(error instanceof JsonSourceError)) throw error
    return unreadable(request.file, error.message, error.position)
  }
  const toProblems = (faults: readonly Fault[]) => problemsOf(request.file, source, faults)
  const reading = { raw: source.value, toProblems, absent: false }
  // Each step may walk through all values of a large file: calls under way get their turn between them.
  await turn()
  const filled = interpolate(request.schema, source.value, request.env)
  await turn()
  const inspected = [...filled.faults, ...(request.inspect?.(filled.value) ?? [])]
  await turn()
  const parsed = request.schema.safeParse(filled.value)
  if (!parsed.success) {
    const rest = request.check === undefined ? undefined : withoutFaults(request.schema, filled.value)
    const checked = rest === undefined ? [] : (request.check?.(rest, source.value).faults ?? [])
    const problems = toProblems([...explainIssues(request.schema, parsed.error.issues, filled.value), ...inspected, ...checked])
    return { ...reading, located: undefined, problems }
  }
  const checked = request.check?.(parsed.data, source.value) ?? { value: parsed.data, faults: [] }
  const problems = toProblems([...inspected, ...checked.faults])
  if (problems.length > 0) return { ...reading, located: undefined, problems }
  const digest = `sha256:${createHash('sha256').update(JSON.stringify(checked.value)).digest('hex')}`
  const located = {
    value: deepFreeze(checked.value),
    file: request.file,
    digest,
    text,
    locate: (path: JsonPath) => source.locate(path),
  }
  return { ...reading, located, problems }
}

async function readText<T>(request: FileRequest<T>): Promise<string | FileReading<T>> {
  try {
    const status = await stat(request.path)
    // A pipe would keep the reader waiting for ever, a device could fill the memory.
    if (!status.isFile()) return unreadable(request.file, 'this is no regular file')
    const { size } = status
    if (size > MAX_FILE_BYTES) return unreadable(request.file, `the file has ${size} bytes; at most ${MAX_FILE_BYTES} are read`)
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(await readFile(request.path))
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
    const absent = code === 'ENOENT' || code === 'ENOTDIR'
    const reason = code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'the file is not UTF-8' : `the file cannot be read: ${code}`
    return { ...unreadable<T>(request.file, absent ? 'there is no such file' : reason), absent }
  }
}

function unreadable<T>(file: string, message: string, position: Position = { line: 1, column: 1 }): FileReading<T> {
  const problem = { file, ...position, path: '$', message }
  return { located: undefined, raw: undefined, problems: [problem], absent: false, toProblems: () => [] }
}

function problemsOf(file: string, source: JsonSource, faults: readonly Fault[]): Problem[] {
  const problems = faults.slice(0, MAX_PROBLEMS).map(({ path, part, message, allowed, suggestion }) => ({
    file,
    ...source.locate(path, part),
    path: formatPath(path),
    message,
    ...(allowed === undefined ? {} : { allowed }),
    ...(suggestion === undefined ? {} : { suggestion }),
  }))
  problems.sort((a, b) => a.line - b.line || a.column - b.column)
  if (faults.length > MAX_PROBLEMS)
    problems.push({ file, line: 1, column: 1, path: '$', message: `and ${faults.length - MAX_PROBLEMS} more` })
  return problems
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const member of Object.values(value)) deepFreeze(member)
  return value
}
