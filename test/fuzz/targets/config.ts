import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { readConfig } from '../../../src/catalog/read.ts'
import type { ConfigFiles } from '../../../src/config/load.ts'
import { JsonSourceError, parseJsonSource } from '../../../src/config/json-source.ts'
import type { Problem } from '../../../src/config/problem.ts'
import { CONFIG_SEEDS } from '../config-seeds.ts'
import { honestJson } from '../honest.ts'
import { invariant, type Target } from '../target.ts'

const root = join(import.meta.dirname, '../../..')
const HANG_MS = 5_000
const ENVIRONMENT = { NAME: 'value', EMPTY: '', KEY: 'sk-fake-0123456789' }

/** The files of an admin: one of them hostile, named in the first line, the others good. */
export function config(): Target {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-fuzz-'))
  const base: Readonly<Record<string, string>> = Object.fromEntries(
    CONFIG_SEEDS.map(([file, json]) => [file, JSON.stringify(json)]),
  )
  const write = (file: string, content: Buffer | string) => {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), content)
  }
  for (const [file, content] of Object.entries(base)) write(file, content)
  const names = Object.keys(base)
  return {
    name: 'config',
    json: 'headed',
    dictionary: words(),
    seeds: () => [...CONFIG_SEEDS.map(([file, json]) => headed(file, JSON.stringify(json))), ...shipped()],
    price: { parse: (input) => void parseJsonSource(input.toString('utf8')), honest: honestJson },
    async run(input) {
      const end = input.indexOf(10)
      const head = input.toString('utf8', 0, Math.max(0, end))
      const file = names.includes(head) ? head : (names[head.length % names.length] ?? 'tollgate.json')
      const content = input.subarray(end + 1)
      checkSource(content.toString('utf8'))
      write(file, content)
      const started = performance.now()
      const files = await readConfig(join(folder, 'tollgate.json'), ENVIRONMENT)
      invariant(performance.now() - started < HANG_MS, 'files are read in time')
      const signature = check(files, file, content.toString('utf8'))
      write(file, base[file] ?? '')
      return signature
    },
    close: async () => rmSync(folder, { recursive: true }),
  }
}

const headed = (head: string, text: string) => Buffer.from(`${head}\n${text}`)

/** The files that are shipped, as seeds. */
function shipped(): readonly Buffer[] {
  const files = (folder: string, as: string) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.json'))
      .map((name) => headed(as, readFileSync(join(root, folder, name), 'utf8')))
  return [
    ...files('catalogs', 'catalogs/research.json'),
    ...files('servers', 'servers/notes.json'),
    headed('tollgate.json', readFileSync(join(root, 'tollgate.json'), 'utf8')),
  ]
}

/** Every name and every word that the schemas know. */
function words(): readonly string[] {
  const found = new Set([
    'env:NAME',
    'env:MISSING',
    '${NAME}',
    '*',
    'http://169.254.169.254/',
    'https://a.test/v1',
    'args.a == 1',
    '(a+)+$',
    '10.0.0.0/8',
    '../..',
    'a'.repeat(70),
  ])
  for (const name of readdirSync(join(root, 'catalogs/schema'))) {
    const text = readFileSync(join(root, 'catalogs/schema', name), 'utf8')
    for (const [, word = ''] of text.matchAll(/"([A-Za-z_$][\w.-]{1,40})"/g)) found.add(word)
  }
  return [...found]
}

function check(files: ConfigFiles, file: string, content: string): string {
  const { problems } = files
  for (const problem of problems) checkProblem(problem, file, content)
  if (files.gateway === undefined) invariant(problems.length > 0, 'a gateway without a file says why')
  for (const bad of [...files.quarantined.values(), ...files.badCatalogs.values()])
    invariant(bad.length > 0, 'a file left out says why')
  const state = [files.gateway !== undefined, files.servers.size, files.catalogs.size, files.badRevocations].join()
  const said = problems
    .slice(0, 3)
    .map(
      ({ path, message }) =>
        `${path.replaceAll(/\[.*?\]/g, '[]').slice(0, 40)} ${message.replaceAll(/".*?"|\d+/g, '#').slice(0, 24)}`,
    )
  return `${file} ${state} ${said.join('|')}`
}

function checkProblem({ file, line, column, path, message }: Problem, changed: string, content: string): void {
  invariant(file !== '' && path.startsWith('$') && message !== '', 'a problem has a file, a path and words')
  invariant(Number.isInteger(line) && Number.isInteger(column) && line >= 1 && column >= 1, 'a problem has a position')
  if (file !== changed) return
  const lines = content.split('\n')
  invariant(line <= lines.length, `a problem stands in the file, not in line ${line} of ${lines.length}`)
  invariant(column <= (lines[line - 1] ?? '').length + 1, 'a problem stands in its line')
}

function checkSource(text: string): void {
  try {
    const { value } = parseJsonSource(text)
    const plain = text.startsWith('\ufeff') ? text.slice(1) : text
    invariant(
      JSON.stringify(value) === JSON.stringify(JSON.parse(plain)) || /"\\/.test(text),
      'what is taken is what JSON.parse reads',
    )
  } catch (error) {
    if (!(error instanceof JsonSourceError)) throw error
    invariant(error.position.line >= 1 && error.position.column >= 1, 'a fault has a position')
  }
}
