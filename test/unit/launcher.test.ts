import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test } from 'vitest'

const PROGRAM = `
if (process.argv[2] === 'wait') {
  const timer = setInterval(() => {}, 1000)
  process.on('SIGTERM', () => { clearInterval(timer); process.exitCode = 7 })
} else process.exitCode = 3
process.stdout.write('args ' + process.argv.slice(2).join(',') + '\\n')
`

let root = ''
let running: ChildProcess | undefined

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tollgate-launcher-'))
  cpSync('bin/tollgate.mjs', join(root, 'bin', 'tollgate.mjs'))
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
})

afterEach(() => {
  running?.kill('SIGKILL')
  rmSync(root, { recursive: true, force: true })
})

function place(file: string, program = PROGRAM): void {
  mkdirSync(join(root, file, '..'), { recursive: true })
  writeFileSync(join(root, file), program)
}

function launch(...args: string[]) {
  const child = spawn(process.execPath, [join(root, 'bin', 'tollgate.mjs'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  running = child
  return child
}

test('a clone runs src/main.ts with its arguments and gives back its status', async () => {
  place('src/main.ts', `const typed: string = 'as it is'\n${PROGRAM}`)
  place('dist/main.js', 'process.exitCode = 9')

  const child = launch('usage', '--json')
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])

  expect(output).toBe('args usage,--json\n')
  expect(code).toBe(3)
})

test('a published package runs dist/main.js', async () => {
  place('dist/main.js')

  const child = launch('start')
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])

  expect(output).toBe('args start\n')
  expect(code).toBe(3)
})

test('what Node calls experimental is not told to people', async () => {
  place('src/main.ts', `import { stripTypeScriptTypes } from 'node:module'\nstripTypeScriptTypes('let a: string')`)

  const child = launch('connect')
  const [output] = await Promise.all([text(child.stderr), once(child, 'exit')])

  expect(output).toBe('')
})

test('SIGTERM reaches the gateway, which ends in its own way', async () => {
  place('src/main.ts')

  const child = launch('wait')
  await once(child.stdout, 'data')
  child.kill('SIGTERM')
  const [code, signal] = await once(child, 'exit')

  expect({ code, signal }).toEqual({ code: 7, signal: null })
})

test('a package without a program says what to do', async () => {
  const child = launch('start')
  const [output, [code]] = await Promise.all([text(child.stderr), once(child, 'exit')])

  expect(output).toContain('install the package again')
  expect(code).toBe(1)
})
