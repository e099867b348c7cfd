import { Readable } from 'node:stream'
import type { CliIo } from '../../src/cli/io.ts'

/** What a verb may touch, with everything it wrote kept. */
export interface CliIoFixture extends CliIo {
  readonly written: { out: string; err: string }
}

/** Lends a verb an empty environment and a clock that stands still. */
export function createCliIo(changes: Partial<CliIo> = {}): CliIoFixture {
  const written = { out: '', err: '' }
  return {
    out: (text) => void (written.out += text),
    err: (text) => void (written.err += text),
    env: {},
    cwd: '/',
    isTerminal: false,
    now: () => new Date('2026-11-23T12:00:00Z'),
    signal: new AbortController().signal,
    stdin: Readable.from([]),
    written,
    ...changes,
  }
}
