import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { JsonSourceError, parseJsonSource } from '../config/json-source.ts'
import { asList, asObject } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

/** A file of another program cannot be used; the message names the place. */
export class ImportSourceError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ImportSourceError'
  }
}

const MAX_INCLUDES = 100
const MAX_BYTES = 16 * 1024 * 1024

/** Reads a JSON file. */
export async function readJsonFile(path: string): Promise<unknown> {
  const text = await readText(path)
  try {
    return parseJsonSource(text, { lenient: true }).value
  } catch (error) {
    if (!(error instanceof JsonSourceError)) throw error
    throw new ImportSourceError(`${path}:${error.position.line}:${error.position.column}  ${error.message}`)
  }
}

/** Reads a YAML file with the files it includes: lists are joined, objects are merged, and of two scalars the including file's wins. */
export async function readYamlFile(path: string): Promise<Draft> {
  const state = { open: [] as string[], count: 0 }
  return await readWithIncludes(path, state)
}

async function readWithIncludes(path: string, state: { readonly open: string[]; count: number }): Promise<Draft> {
  if (state.open.includes(path)) throw new ImportSourceError(`${[...state.open, path].join(' includes ')}: a circle`)
  if (++state.count > MAX_INCLUDES) throw new ImportSourceError(`${path}: more than ${MAX_INCLUDES} files are included`)
  const value = await parseYaml(path)
  state.open.push(path)
  const { include, ...own } = value
  let merged: Draft = own
  for (const name of asList(include)) {
    if (typeof name !== 'string') throw new ImportSourceError(`${path}: "include" must list file names`)
    merged = merge(merged, await readWithIncludes(resolve(dirname(path), name), state))
  }
  state.open.pop()
  return merged
}

function merge(above: Draft, below: Draft): Draft {
  const merged: Draft = { ...above }
  for (const [key, value] of Object.entries(below)) {
    const before = merged[key]
    if (Array.isArray(before) && Array.isArray(value)) merged[key] = [...asList(before), ...asList(value)]
    else if (isMap(before) && isMap(value)) merged[key] = merge(before, value)
    else if (before === undefined) merged[key] = value
  }
  return merged
}

const isMap = (value: unknown): value is Draft => typeof value === 'object' && value !== null && !Array.isArray(value)

async function parseYaml(path: string): Promise<Draft> {
  const text = await readText(path)
  const { LineCounter, parseDocument } = await import('yaml')
  const lineCounter = new LineCounter()
  // Without excerpts of the text: an error must not show the secret beside it.
  const document = parseDocument(text, { lineCounter, prettyErrors: false, merge: true })
  const [fault] = document.errors
  if (fault !== undefined) {
    const { line, col } = lineCounter.linePos(fault.pos[0])
    throw new ImportSourceError(`${path}:${line}:${col}  not YAML: ${describeCode(fault.code)}`)
  }
  try {
    const value: unknown = document.toJS({ maxAliasCount: 100 })
    if (!isMap(value)) throw new ImportSourceError(`${path}: expected an object at the top`)
    return asObject(value)
  } catch (error) {
    if (error instanceof ImportSourceError) throw error
    throw new ImportSourceError(`${path}: an alias has no anchor, or there are too many of them`)
  }
}

const describeCode = (code: string) => code.toLowerCase().replaceAll('_', ' ')

async function readText(path: string): Promise<string> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
    throw new ImportSourceError(code === 'ENOENT' ? `${path}: there is no such file` : `${path} cannot be read: ${code}`)
  }
  if (text.length > MAX_BYTES) throw new ImportSourceError(`${path}: larger than ${MAX_BYTES} bytes`)
  return text
}
