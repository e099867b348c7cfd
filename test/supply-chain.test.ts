import { execFile } from 'node:child_process'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, test } from 'vitest'
import { readLockFile, type LockedPackage } from '../scripts/lock-file.ts'
import { cooldownFaults, idOf, renewDates, type ReleaseDates } from '../scripts/release-dates.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const manifest = JSON.parse(read('package.json'))
const locked = readLockFile(root)
const runtime = locked.filter((entry) => entry.runtime)
const direct = { ...manifest.dependencies, ...manifest.optionalDependencies } as Readonly<Record<string, string>> // npm's form
const npmrc = new Map(
  read('.npmrc')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith(';'))
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
)

const PERMISSIVE = new Set(['0BSD', 'Apache-2.0', 'BSD-2-Clause', 'BSD-3-Clause', 'BlueOak-1.0.0', 'ISC', 'MIT'])
/** Licences of tools and test fixtures, which are not shipped: by package, with the reason. */
const TOOL_LICENCES: Readonly<Record<string, string>> = {
  '@bufbuild/protobuf': '(Apache-2.0 AND BSD-3-Clause)',
  '@modelcontextprotocol/server-everything': 'SEE LICENSE IN LICENSE', // MIT and Apache-2.0, of the MCP project
  '@modelcontextprotocol/server-filesystem': 'SEE LICENSE IN LICENSE',
  '@modelcontextprotocol/server-memory': 'SEE LICENSE IN LICENSE',
  'fast-sha256': 'Unlicense',
  'json-schema': '(AFL-2.1 OR BSD-3-Clause)', // taken under BSD-3-Clause
  jszip: '(MIT OR GPL-3.0-or-later)', // taken under MIT
  lightningcss: 'MPL-2.0', // a program that vitest brings and these tests do not start
  pako: '(MIT AND Zlib)',
}

/** The rows of a Markdown table as cells. */
function rowsOf(markdown: string): string[][] {
  return markdown
    .split('\n')
    .filter((line) => line.startsWith('| `'))
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    )
}

/** What a table of runtime packages leaves out or has too much. */
function unjustified(markdown: string, packages: readonly LockedPackage[], named: readonly string[]): string[] {
  const rows = rowsOf(markdown)
  const words = (cell = ''): string[] => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)
  const sentences = new Map(rows.map(([name, why = '']) => [words(name)[0] ?? '', why]))
  const listed = new Set(rows.flatMap(([name, , brings]) => [...words(name), ...words(brings)]))
  const installed = new Set(packages.map(({ name }) => name))
  return [
    ...named.filter((name) => !/^[A-Z].{20,}\.$/.test(sentences.get(name) ?? '')).map((name) => `${name}: no sentence`),
    ...[...installed].filter((name) => !listed.has(name)).map((name) => `${name}: not in the table`),
    ...[...listed].filter((name) => !installed.has(name)).map((name) => `${name}: not installed`),
    ...[...sentences.keys()].filter((name) => !named.includes(name)).map((name) => `${name}: not in package.json`),
  ]
}

describe('the lock file', () => {
  test('O02: every package has an exact version and a strong hash, and none says a host, a repository or a file', () => {
    const faults = locked.filter(
      ({ version, integrity, resolved }) =>
        !/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version) ||
        !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? '') ||
        resolved !== undefined,
    )

    expect(faults).toEqual([])
    expect(locked.length).toBeGreaterThan(100)
  })

  test('O02: package.json pins every package to one version, the locked one', () => {
    const pins = { ...direct, ...manifest.devDependencies } as Readonly<Record<string, string>> // npm's form
    const versions = new Map(locked.map(({ path, version }) => [path, version]))

    const loose = Object.entries(pins).filter(([name, pin]) => versions.get(`node_modules/${name}`) !== pin)

    expect(loose).toEqual([])
    expect(Object.values(direct).filter((pin) => pin.includes('-'))).toEqual([])
  })

  test('O01: no package, of the gateway or of its tools, has an install script', () => {
    expect(locked.filter((entry) => entry.hasInstallScript).map(idOf)).toEqual([])
  })

  test('O01: every install we describe or run does without scripts', async () => {
    const files = [...globSync(['scripts/**/*.{ts,mjs}', 'docs/*.md', '*.md', 'bin/*', 'Dockerfile', '.ci/*'], { cwd: root })]

    const installs = files.flatMap((file) =>
      read(file)
        .split('\n')
        .filter((line) => /\bnpm ci\b(?! failed| --omit=dev`)|'ci',/.test(line) && !/^\s*(\/\/|#|\*)/.test(line))
        .map((line) => `${file}: ${line.trim()}`),
    )

    expect(installs.filter((line) => !line.includes('--ignore-scripts'))).toEqual([])
    expect(installs.length).toBeGreaterThanOrEqual(3)
  })

  test('O02, O03: npm itself refuses young versions, repositories, addresses and unreviewed scripts', () => {
    expect(Object.fromEntries(npmrc)).toMatchObject({
      'save-exact': 'true',
      'min-release-age': '7',
      'allow-git': 'none',
      'allow-remote': 'none',
      'strict-allow-scripts': 'true',
      'omit-lockfile-registry-resolved': 'true',
    })
    expect([...npmrc.keys()].filter((key) => /registry$|^\/\//.test(key))).toEqual([])
  })
})

describe('the seven-day rule', () => {
  const dates = JSON.parse(read('scripts/release-dates.json')) as ReleaseDates // our own file

  test('O03: every locked version was at least seven days old when it was pinned', () => {
    expect(cooldownFaults(locked, dates)).toEqual([])
  })

  test('O03: a version that is too young, or not on record, is named', () => {
    const [one, two, three] = ['1.0.0', '2.0.0', '3.0.0'].map((version) => ({ ...locked[0]!, name: 'left', version }))
    const record = { '2026-11-23': { 'left@1.0.0': '2026-11-17', 'left@2.0.0': '2026-11-16' } }

    const faults = cooldownFaults([one!, two!, three!], record)

    expect(faults).toEqual([
      expect.stringMatching(/^left@1\.0\.0 was released on/),
      expect.stringMatching(/^left@3\.0\.0 has no/),
    ])
  })

  test('O03: a record follows the lock file and keeps the day of what was pinned before', () => {
    const kept = { ...locked[0]!, name: 'kept', version: '1.0.0' }
    const fresh = { ...locked[0]!, name: 'fresh', version: '1.0.0' }
    const before = { '2026-01-10': { 'gone@1.0.0': '2026-01-01', 'kept@1.0.0': '2026-01-02' } }

    const after = renewDates([kept, fresh], before, { 'fresh@1.0.0': '2026-02-01' }, '2026-02-20')

    expect(after).toEqual({ '2026-01-10': { 'kept@1.0.0': '2026-01-02' }, '2026-02-20': { 'fresh@1.0.0': '2026-02-01' } })
  })

  test('O03: the record holds nothing that left the lock file', () => {
    expect(renewDates(locked, dates, {}, '2026-11-23')).toEqual(dates)
  })
})

describe('what runs', () => {
  test('O04: at most 20 packages are named and 150 installed', () => {
    expect(Object.keys(manifest.dependencies).length).toBeLessThanOrEqual(20)
    expect(runtime.length).toBeLessThanOrEqual(150)
  })

  test('O04: ARCHITECTURE.md says in a sentence why each package is there', () => {
    const [, section = ''] = /## Runtime packages\n([\s\S]*?)\n## /.exec(read('ARCHITECTURE.md')) ?? []

    expect(unjustified(section, runtime, Object.keys(direct))).toEqual([])
  })

  test('O04: a package without a sentence, without a place or without an installation is found', () => {
    const table = '| `zod` | Short. | `gone` |\n| `left` | Long enough to be a sentence. | |'
    const packages = ['zod', 'extra', 'left'].map((name) => ({ ...locked[0]!, name }))

    const faults = unjustified(table, packages, ['zod'])

    expect(faults).toEqual(['zod: no sentence', 'extra: not in the table', 'gone: not installed', 'left: not in package.json'])
  })

  test('O04: every package we name is imported by what ships', () => {
    const sources = globSync(['src/**/*.ts', 'servers/**/*.ts'], { cwd: root }).map(read)

    const idle = Object.keys(manifest.dependencies).filter(
      (name) =>
        !sources.some(
          (text) => text.includes(`from '${name}'`) || text.includes(`from '${name}/`) || text.includes(`import('${name}`),
        ),
    )

    expect(idle).toEqual([])
  })

  test('O04: no runtime package installs by a script or is built from C', () => {
    const installed = runtime.filter(({ path }) => existsSync(join(root, path, 'package.json')))
    const scripted = installed.filter(({ path }) => {
      const { scripts = {}, gypfile } = JSON.parse(read(`${path}/package.json`))
      return gypfile === true || ['preinstall', 'install', 'postinstall'].some((name) => name in scripts)
    })
    const native = globSync(
      installed.filter(({ name }) => !name.startsWith('node-')).map(({ path }) => `${path}/**/{*.node,binding.gyp}`),
      { cwd: root },
    )

    expect(installed.length).toBeGreaterThan(100)
    expect(scripted.map(idOf)).toEqual([])
    expect(native).toEqual([])
  })

  test('O12: every licence is permissive; of tools that are not shipped, every other one is on a list', () => {
    const base = (name: string) => (name.startsWith('lightningcss-') ? 'lightningcss' : name)

    const faults = locked.filter(
      ({ name, license, runtime: ships }) => !PERMISSIVE.has(license) && (ships || TOOL_LICENCES[base(name)] !== license),
    )

    expect(faults.map((entry) => `${idOf(entry)}: ${entry.license}`)).toEqual([])
  })
})

describe('the bill of materials', () => {
  const sbom = (mode: string) =>
    run(process.execPath, ['scripts/sbom.ts'], { cwd: root, maxBuffer: 16_777_216, env: { ...process.env, NODE_ENV: mode } })

  test('O07: it lists exactly the runtime tree, with licence and hash, and is the same twice', { timeout: 30_000 }, async () => {
    const [first, second] = await Promise.all([sbom('production'), sbom('')])
    const { bomFormat, metadata, components, dependencies } = JSON.parse(first.stdout)
    const refs = new Set([metadata.component['bom-ref'], ...components.map((one: Record<string, unknown>) => one['bom-ref'])])
    const loose = dependencies.flatMap(({ ref, dependsOn }: { ref: string; dependsOn: string[] }) =>
      [ref, ...dependsOn].filter((one) => !refs.has(one)),
    )
    const listed = components.map(({ name, version }: LockedPackage) => `${name}@${version}`)
    const bare = components.filter(
      (one: Record<string, readonly unknown[]>) => !one['licenses']?.length || !one['hashes']?.length,
    )

    expect(bomFormat).toBe('CycloneDX')
    expect(metadata.component).toMatchObject({ name: manifest.name, version: manifest.version })
    expect(new Set(listed)).toEqual(new Set(runtime.map(idOf)))
    expect(bare).toEqual([])
    expect(loose).toEqual([])
    expect(second.stdout).toBe(first.stdout)
  })
})

describe('the repository', () => {
  test('O02: no file names a registry host', async () => {
    const { stdout } = await run('git', ['ls-files', '-z'], { cwd: root, maxBuffer: 16_777_216 })
    const host = new RegExp(['registry\\.', '(npmjs|yarnpkg|npmmirror)', '|', 'https?://[^\\s"\'`/]*/(api/)?npm/'].join(''))

    const named = stdout
      .split('\0')
      .filter((path) => path !== '' && existsSync(join(root, path)) && !/\.(db|mcpb|png)$/.test(path))
      .filter((path) => host.test(read(path)))

    expect(named).toEqual([])
  })
})
