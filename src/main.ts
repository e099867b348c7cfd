import { readFileSync } from 'node:fs'
import { enableCompileCache } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

enableCompileCache()

const { runProgram } = await import('./cli/program.ts')
const { createLent } = await import('./gateway/lent.ts')

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string } // our own file
const stopping = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => stopping.abort()) // once: a second signal ends the process at once
}

process.stdout.on('error', () => stopping.abort()) // nobody reads any more (EPIPE): end in good order

const io = {
  out: (text: string) => void process.stdout.write(text),
  err: (text: string) => void process.stderr.write(text),
  env: process.env,
  cwd: process.cwd(),
  isTerminal: process.stdout.isTTY,
  now: () => new Date(),
  signal: stopping.signal,
  stdin: process.stdin,
}

process.exitCode = await runProgram(process.argv.slice(2), io, createLent({ io, version, root, log: process.stdout, onFatal }))

function onFatal(handle: (error: unknown) => void): void {
  process.on('unhandledRejection', handle)
  process.on('uncaughtException', handle)
}
