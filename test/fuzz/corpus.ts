import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** One file of a corpus. */
export interface CorpusFile {
  readonly name: string
  readonly input: Buffer
}

const folderOf = (target: string) => join(import.meta.dirname, 'corpus', target)

/** The files of a target, in the order of their names. */
export function readCorpus(target: string): readonly CorpusFile[] {
  const folder = folderOf(target)
  if (!existsSync(folder)) return []
  return readdirSync(folder)
    .toSorted()
    .map((name) => ({ name, input: readFileSync(join(folder, name)) }))
}

/** Writes an input as `<kind>-<hash>` and returns its name. */
export function writeCorpus(target: string, kind: 'crash' | 'seed', input: Buffer): string {
  const name = `${kind}-${createHash('sha256').update(input).digest('hex').slice(0, 12)}`
  mkdirSync(folderOf(target), { recursive: true })
  writeFileSync(join(folderOf(target), name), input)
  return name
}
