import { PassThrough } from 'node:stream'
import type { CliIo } from '../../../src/cli/io.ts'
import type { Lent } from '../../../src/cli/lent.ts'
import { runProgram } from '../../../src/cli/program.ts'

/** What a command line left behind. */
export interface CliRun {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs a command line in this process with a lent environment. */
export async function runCli(
  words: readonly string[],
  given: { io?: Partial<CliIo>; lent?: Partial<Lent> } = {},
): Promise<CliRun> {
  let out = ''
  let err = ''
  const io: CliIo = {
    out: (text) => void (out += text),
    err: (text) => void (err += text),
    env: {},
    cwd: import.meta.dirname,
    isTerminal: false,
    now: () => new Date('2026-11-23T12:00:00Z'),
    signal: new AbortController().signal,
    stdin: new PassThrough(),
    ...given.io,
  }
  const lent: Lent = {
    version: '1.2.3',
    command: ['/opt/node', '/opt/tollgate.mjs'],
    start: () => Promise.resolve(0),
    prove: (files) => Promise.resolve(files),
    keys: () => Promise.reject(new Error('no keys were lent')),
    development: () => Promise.resolve(undefined),
    ...given.lent,
  }
  const code = await runProgram(words, io, lent)
  return { code, out, err }
}
