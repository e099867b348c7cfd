// The arrows of ARCHITECTURE.md, checked. Three steps: read every source file into facts (imports, comments, names used), judge the
// facts with small pure rules, and show each rule red once on an invented tree, so that a rule that stopped biting is noticed.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { posix } from 'node:path'
import { parseSync, Visitor } from 'rolldown/utils'
import { describe, expect, test } from 'vitest'

/** Who may import whom; a room may always import itself. `src/gateway.ts` with its folder and `src/main.ts` may import all; no room imports them. */
const ROOMS: Readonly<Record<string, readonly string[]>> = {
  core: [],
  lib: [],
  config: [],
  telemetry: ['core', 'config'],
  store: ['core', 'lib', 'config'],
  identity: ['core', 'lib', 'config', 'store'],
  credentials: ['core', 'lib', 'config', 'store'],
  metering: ['core', 'lib', 'config', 'store'],
  catalog: ['core', 'lib', 'config'],
  policy: ['core', 'lib', 'config'],
  guard: ['core', 'lib', 'config'],
  pipeline: ['core', 'policy', 'guard', 'metering'],
  mcp: ['core', 'lib', 'config', 'catalog', 'credentials', 'policy', 'pipeline'],
  llm: ['core', 'lib', 'config', 'catalog', 'credentials', 'policy', 'pipeline'],
  edge: ['core', 'lib', 'config', 'identity', 'catalog', 'mcp', 'llm'],
  admin: ['core', 'lib', 'config', 'catalog', 'policy', 'metering'],
  cli: ['core', 'lib', 'config', 'catalog', 'policy', 'metering'],
  workers: ['core', 'lib', 'config', 'metering', 'mcp', 'admin'],
}

const ROOFLESS = { has: (path: string) => path === 'src/main.ts' || path === 'src/gateway.ts' || path.startsWith('src/gateway/') }

/** A package that may be imported only in some rooms. `undici` has a list of rooms it must stay out of instead. */
const KEPT_IN: Readonly<Record<string, readonly string[]>> = { express: ['edge', 'admin'], winston: ['telemetry'] }
const KEPT_OUT: Readonly<Record<string, readonly string[]>> = { undici: ['core', 'config', 'policy'] }

/** Folders whose files are plug-ins of one kind; besides them, every file a `registry.ts` imports from its own folder is one. */
const PLUGIN_FOLDERS = ['src/guard/evaluators/', 'src/llm/providers/', 'src/llm/dialects/', 'src/metering/sinks/']

const MAX_CODE_LINES = 300
const VAGUE_NAME = /^(utils?|helpers?|common|types?|index|misc|shared)$/
const KEBAB_FILE = /^[a-z][a-z0-9]*(-[a-z0-9]+)*(\.test|\.config|\.worker|\.d)?\.(ts|mjs)$/

type Import = { readonly specifier: string; readonly line: number; readonly typeOnly: boolean }
type Use = { readonly name: string; readonly line: number }
type Facts = {
  readonly path: string
  readonly imports: readonly Import[]
  /** Effects a file reaches for by itself: `process.env`, `process.exit`, the global `fetch`. */
  readonly effects: readonly Use[]
  readonly codeLines: number
  readonly comments: readonly { readonly text: string; readonly line: number }[]
}
type Tree = ReadonlyMap<string, Facts>
type Rule = (tree: Tree) => string[]

// --- reading ---

function readTree(sources: Readonly<Record<string, string>>): Tree {
  return new Map(Object.entries(sources).map(([path, text]) => [path, readFacts(path, text)]))
}

function readFacts(path: string, text: string): Facts {
  const parsed = parseSync(path, text)
  if (parsed.errors.length > 0) throw new Error(`${path}: ${parsed.errors[0]?.message}`)
  const lineOf = (offset: number) => text.slice(0, offset).split('\n').length
  const imports: Import[] = []
  const effects: Use[] = []
  const bound = new Set<string>()
  const calls: Use[] = []
  const add = (node: { value: unknown } | null | undefined, start: number, typeOnly: boolean) => {
    if (node && typeof node.value === 'string') imports.push({ specifier: node.value, line: lineOf(start), typeOnly })
  }
  new Visitor({
    ImportDeclaration: (node) => {
      add(node.source, node.start, node.importKind === 'type')
      for (const specifier of node.specifiers) bound.add(specifier.local.name)
      if (/^(node:)?process$/.test(node.source.value)) effects.push({ name: 'import of node:process', line: lineOf(node.start) })
    },
    ExportNamedDeclaration: (node) => add(node.source, node.start, node.exportKind === 'type'),
    ExportAllDeclaration: (node) => add(node.source, node.start, node.exportKind === 'type'),
    ImportExpression: (node) => {
      if (node.source.type === 'Literal') add(node.source, node.start, false)
      else if (node.source.type === 'TemplateLiteral' && node.source.quasis.length === 1)
        add({ value: node.source.quasis[0]?.value.cooked }, node.start, false)
    },
    TSImportType: (node) => add(node.source, node.start, true),
    NewExpression: (node) => {
      // new URL('./worker.ts', import.meta.url): how a worker thread is started, an arrow like any other.
      const [first, second] = node.arguments
      if (node.callee.type !== 'Identifier' || node.callee.name !== 'URL' || second?.type !== 'MemberExpression') return
      if (first?.type === 'Literal' && typeof first.value === 'string' && first.value.endsWith('.ts'))
        add(first, node.start, false)
    },
    MemberExpression: (node) => {
      if (node.object.type !== 'Identifier') return
      const property =
        node.property.type === 'Identifier' ? node.property.name : node.property.type === 'Literal' ? node.property.value : ''
      const name = `${node.object.name}.${property}`
      if (['process.env', 'process.exit', 'globalThis.fetch'].includes(name)) effects.push({ name, line: lineOf(node.start) })
    },
    VariableDeclarator: (node) => {
      if (node.init?.type !== 'Identifier' || node.init.name !== 'process') return
      effects.push({ name: 'process taken apart', line: lineOf(node.start) })
    },
    CallExpression: (node) => {
      if (node.callee.type === 'Identifier' && node.callee.name === 'fetch')
        calls.push({ name: 'fetch(', line: lineOf(node.start) })
    },
    'FunctionDeclaration:exit': (node) => namesIn(node.params, bound),
    'ArrowFunctionExpression:exit': (node) => namesIn(node.params, bound),
  }).visit(parsed.program)
  if (!bound.has('fetch')) effects.push(...calls)
  const comments = parsed.comments.map((comment) => ({ text: comment.value, line: lineOf(comment.start) }))
  return { path, imports, effects, codeLines: countCode(text, parsed.comments), comments }
}

/** Collects the names a parameter list binds, so that a borrowed `fetch` is told from the global one. */
function namesIn(node: unknown, into: Set<string>): void {
  if (Array.isArray(node)) for (const part of node) namesIn(part, into)
  else if (node !== null && typeof node === 'object' && 'type' in node) {
    if (node.type === 'Identifier' && 'name' in node) into.add(String(node.name))
    for (const key of ['properties', 'value', 'argument', 'left', 'elements', 'parameter']) {
      if (key in node) namesIn((node as Record<string, unknown>)[key], into)
    }
  }
}

function countCode(text: string, comments: readonly { start: number; end: number }[]): number {
  let code = ''
  let from = 0
  for (const comment of comments) {
    code += text.slice(from, comment.start) + '\n'.repeat(text.slice(comment.start, comment.end).split('\n').length - 1)
    from = comment.end
  }
  return (code + text.slice(from)).split('\n').filter((line) => line.trim() !== '').length
}

const roomOf = (path: string) => /^src\/([^/]+)\//.exec(path)?.[1]
const isRelative = (specifier: string) => specifier.startsWith('.')
const target = (from: string, specifier: string) => posix.normalize(posix.join(posix.dirname(from), specifier))
const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')

/** Runs `judge` over every import of every file under `folder`; a sentence it returns is a fault. */
function eachImport(tree: Tree, folder: string, judge: (from: Facts, edge: Import) => string | undefined): string[] {
  return [...tree.values()]
    .filter((file) => file.path.startsWith(folder))
    .flatMap((file) => file.imports.map((edge) => [file, edge] as const))
    .flatMap(([file, edge]) => {
      const fault = judge(file, edge)
      return fault === undefined ? [] : [`${file.path}:${edge.line} ${fault}`]
    })
}

// --- rules over the sources ---

const arrows: Rule = (tree) =>
  eachImport(tree, 'src/', (file, edge) => {
    if (!isRelative(edge.specifier) || ROOFLESS.has(file.path)) return undefined
    const path = target(file.path, edge.specifier)
    const from = roomOf(file.path) ?? ''
    const to = roomOf(path)
    if (!path.startsWith('src/')) return `imports ${path}, which is outside src`
    if (to === undefined) return `imports ${path}; only main.ts and gateway.ts know each other`
    if (to === from || ROOMS[from]?.includes(to)) return undefined
    return `${from} may not import ${to} (${edge.specifier}); declare a small interface and let gateway.ts lend it`
  })

const rooms: Rule = (tree) =>
  [...tree.keys()]
    .filter((path) => path.startsWith('src/') && !ROOFLESS.has(path))
    .filter((path) => !Object.hasOwn(ROOMS, roomOf(path) ?? ''))
    .map((path) => `${path} is in no room of the table`)

const circles: Rule = (tree) => {
  const faults: string[] = []
  const state = new Map<string, 'open' | 'done'>()
  const walk = (path: string, trail: readonly string[]): void => {
    if (state.get(path) === 'open') faults.push([...trail.slice(trail.indexOf(path)), path].join(' -> '))
    if (state.has(path)) return
    state.set(path, 'open')
    for (const edge of tree.get(path)?.imports ?? []) {
      const next = target(path, edge.specifier)
      if (isRelative(edge.specifier) && tree.has(next)) walk(next, [...trail, path])
    }
    state.set(path, 'done')
  }
  for (const path of tree.keys()) walk(path, [])
  return faults
}

const plugins: Rule = (tree) => {
  const kinds = new Map<string, Set<string>>()
  const note = (kind: string, path: string) => kinds.set(kind, (kinds.get(kind) ?? new Set()).add(path))
  for (const file of tree.values()) {
    const folder = PLUGIN_FOLDERS.find((prefix) => file.path.startsWith(prefix))
    if (folder !== undefined && !file.path.endsWith('/registry.ts')) note(folder, file.path)
    if (!file.path.endsWith('/registry.ts')) continue
    for (const edge of file.imports) {
      const path = target(file.path, edge.specifier)
      if (isRelative(edge.specifier) && !edge.typeOnly && path.startsWith(posix.dirname(file.path))) note(file.path, path)
    }
  }
  // A plug-in may keep its pure part in a neighbour that carries its name: secrets.ts -> secrets-pack.ts.
  const stem = (path: string) => path.replace(/\.ts$/, '')
  return [...kinds.values()].flatMap((kind) =>
    eachImport(tree, 'src/', (file, edge) => {
      const path = target(file.path, edge.specifier)
      if (!isRelative(edge.specifier) || !kind.has(file.path) || !kind.has(path)) return undefined
      if (stem(path).startsWith(`${stem(file.path)}-`) || stem(path).startsWith(`${stem(file.path)}/`)) return undefined
      return `is a plug-in and imports ${path}, another one of its kind`
    }),
  )
}

const names: Rule = (tree) =>
  [...tree.keys()].flatMap((path) => {
    const file = posix.basename(path)
    if (VAGUE_NAME.test(file.replace(/\..*$/, ''))) return [`${path}: name it after what it exports`]
    return KEBAB_FILE.test(file) ? [] : [`${path}: file names are kebab-case`]
  })

const effects: Rule = (tree) =>
  [...tree.values()]
    .filter((file) => file.path.startsWith('src/'))
    .flatMap((file) =>
      file.effects
        .filter((use) => !(file.path === 'src/main.ts' && /env|process/.test(use.name) && use.name !== 'process.exit'))
        .map((use) => `${file.path}:${use.line} uses ${use.name}; borrow it through deps`),
    )

const packages: Rule = (tree) =>
  eachImport(tree, 'src/', (file, edge) => {
    const name = packageOf(edge.specifier)
    const room = roomOf(file.path) ?? ''
    if (Object.hasOwn(KEPT_IN, name) && !KEPT_IN[name]?.includes(room))
      return `imports ${name}, kept in ${KEPT_IN[name]?.join(' and ')}`
    if (Object.hasOwn(KEPT_OUT, name) && KEPT_OUT[name]?.includes(room)) return `imports ${name}, kept out of ${room}`
    return undefined
  })

const standAlone: Rule = (tree) =>
  eachImport(tree, 'servers/', (file, edge) => {
    const path = target(file.path, edge.specifier)
    return isRelative(edge.specifier) && !path.startsWith('servers/') ? `imports ${path}; bundled servers stand alone` : undefined
  })

const sizes: Rule = (tree) =>
  [...tree.values()]
    .filter((file) => !file.path.startsWith('test/') && file.codeLines > MAX_CODE_LINES)
    .map((file) => `${file.path} has ${file.codeLines} lines of code, over ${MAX_CODE_LINES}: two ideas`)

const reasons: Rule = (tree) =>
  [...tree.values()].flatMap((file) =>
    file.comments
      .filter((comment) => /^\s*((ox|es)lint-disable|knip-ignore|@ts-ignore)/.test(comment.text))
      .filter((comment) => !/ -- \S+ \S+/.test(comment.text))
      .map((comment) => `${file.path}:${comment.line} switches a rule off without " -- reason" on the same line`),
  )

// --- the tree as it is ---

const sources = Object.fromEntries(
  globSync(['src/**/*.ts', 'servers/**/*.ts', 'scripts/**/*.{ts,mjs}', 'bench/**/*.{ts,mjs}', 'test/**/*.ts', 'bin/*.mjs'])
    .filter((path) => !path.includes('node_modules'))
    .map((path) => [path, readFileSync(path, 'utf8')] as const)
    .toSorted(([left], [right]) => (left < right ? -1 : 1)),
)

const RULES: readonly {
  name: string
  rule: Rule
  red: Readonly<Record<string, string>>
  green: Readonly<Record<string, string>>
}[] = [
  {
    name: 'a room imports only the rooms of its row',
    rule: arrows,
    red: {
      'src/core/a.ts': `import { b } from '../lib/b.ts'`,
      'src/edge/b.ts': `const store = await import('../store/sqlite.ts')`,
      'src/mcp/c.ts': `export type { Route } from '../llm/route.ts'`,
      'src/guard/d.ts': `let spend: import('../metering/price.ts').Spend`,
      'src/cli/e.ts': `export * from '../gateway.ts'`,
      'src/lib/f.ts': `import data from '../../package.json'`,
      'src/store/g.ts': `new Worker(new URL('../edge/h.ts', import.meta.url))`,
    },
    green: {
      'src/gateway.ts': `import { a } from './edge/a.ts'`,
      'src/edge/a.ts': `import type { B } from '../mcp/b.ts'\nimport { c } from './c.ts'\nimport fs from 'node:fs'`,
    },
  },
  {
    name: 'every file of src is in a room of the table',
    rule: rooms,
    red: { 'src/extra/a.ts': '', 'src/loose.ts': '' },
    green: { 'src/main.ts': '', 'src/gateway.ts': '', 'src/core/a.ts': '', 'servers/x/a.ts': '' },
  },
  {
    name: 'no circles, types included',
    rule: circles,
    red: {
      'src/lib/a.ts': `import { b } from './b.ts'`,
      'src/lib/b.ts': `import type { C } from './c.ts'`,
      'src/lib/c.ts': `export type C = import('./a.ts').A`,
    },
    green: {
      'src/lib/a.ts': `import { b } from './b.ts'\nimport { c } from './c.ts'`,
      'src/lib/b.ts': `import { c } from './c.ts'`,
      'src/lib/c.ts': '',
    },
  },
  {
    name: 'plug-ins of one kind never import each other',
    rule: plugins,
    red: {
      'src/guard/evaluators/pattern.ts': `import { secrets } from './secrets.ts'`,
      'src/guard/evaluators/secrets.ts': '',
      'src/identity/registry.ts': `import { jwt } from './jwt.ts'\nimport { apiKey } from './api-key.ts'`,
      'src/identity/jwt.ts': '',
      'src/identity/api-key.ts': `import type { Claims } from './jwt.ts'`,
    },
    green: {
      'src/guard/evaluators/registry.ts': `import { secrets } from './secrets.ts'`,
      'src/guard/evaluators/secrets.ts': `import { pack } from './secrets-pack.ts'`,
      'src/guard/evaluators/secrets-pack.ts': '',
      'src/identity/registry.ts': `import { jwt } from './jwt.ts'`,
      'src/identity/jwt.ts': `import { keys } from './key-set.ts'`,
      'src/identity/key-set.ts': '',
    },
  },
  {
    name: 'files are kebab-case and say what they export',
    rule: names,
    red: {
      'src/lib/utils.ts': '',
      'src/core/types.ts': '',
      'src/mcp/index.ts': '',
      'src/mcp/listView.ts': '',
      'test/support/helpers.ts': '',
    },
    green: { 'src/lib/server-sent-events.ts': '', 'test/unit/types-of-thing.test.ts': '', 'scripts/setup.mjs': '' },
  },
  {
    name: 'effects are borrowed: only main.ts reads the environment, nothing exits, nothing calls the global fetch',
    rule: effects,
    red: {
      'src/lib/a.ts': `export const home = process.env.HOME`,
      'src/lib/b.ts': `const { env } = process`,
      'src/lib/c.ts': `import { env } from 'node:process'`,
      'src/main.ts': `process.exit(1)`,
      'src/lib/e.ts': `await fetch('http://127.0.0.1')`,
      'src/lib/f.ts': `const get = globalThis.fetch`,
      'src/lib/g.ts': `export const home = process['env']`,
    },
    green: {
      'src/main.ts': `run(process.env)\nprocess.exitCode = 1`,
      'src/lib/a.ts': `export function load({ fetch }: Deps) { return fetch('http://127.0.0.1') } // not process.env`,
      'src/lib/b.ts': `deps.fetch('x'); process.hrtime.bigint()`,
      'scripts/c.ts': `process.exit(1)`,
    },
  },
  {
    name: 'express, winston and undici stay where they belong',
    rule: packages,
    red: {
      'src/mcp/a.ts': `import express from 'express'`,
      'src/edge/b.ts': `import type { Logger } from 'winston'`,
      'src/policy/c.ts': `import { Pool } from 'undici'`,
    },
    green: {
      'src/edge/a.ts': `import express from 'express'`,
      'src/telemetry/b.ts': `import { createLogger } from 'winston'`,
      'src/mcp/c.ts': `import { Pool } from 'undici'`,
    },
  },
  {
    name: 'bundled servers import nothing of ours',
    rule: standAlone,
    red: { 'servers/notes/main.ts': `import { json } from '../../src/core/json.ts'` },
    green: {
      'servers/notes/main.ts': `import { store } from './store.ts'\nimport { McpServer } from '@modelcontextprotocol/server'`,
    },
  },
  {
    name: `a file has at most ${MAX_CODE_LINES} lines of code`,
    rule: sizes,
    red: { 'src/core/a.ts': `export const a = [\n${'  1,\n'.repeat(MAX_CODE_LINES)}]\n` },
    green: { 'src/core/a.ts': `/*\n${'word\n'.repeat(400)}*/\n${'// word\n\n'.repeat(400)}const a = 1\n` },
  },
  {
    name: 'a rule is switched off only with a reason on the same line',
    rule: reasons,
    red: { 'src/core/a.ts': '// oxlint-disable-next-line no-console\nexport const a = 1' },
    green: { 'src/core/a.ts': '// oxlint-disable-next-line no-console -- stdout is the protocol here\nexport const a = 1' },
  },
]

describe('sources', () => {
  const tree = readTree(sources)

  test.each(RULES)('$name', ({ rule }) => {
    expect(rule(tree)).toEqual([])
  })

  test.each(RULES)('the check is red where it should be: $name', ({ rule, red, green }) => {
    const faults = rule(readTree(red))

    expect(faults.length, faults.join('\n')).toBeGreaterThanOrEqual(1)
    expect(rule(readTree(green))).toEqual([])
  })

  test('every red sample of the arrows and the effects is found, not only the first', () => {
    const found = (name: RegExp) =>
      RULES.filter((row) => name.test(row.name)).map(({ rule, red }) => [rule(readTree(red)).length, Object.keys(red).length])

    expect(found(/^a room|^effects|^express|^every file/)).toEqual([
      [7, 7],
      [2, 2],
      [7, 7],
      [3, 3],
    ])
  })

  test('ARCHITECTURE.md names every room there is', () => {
    const text = existsSync('ARCHITECTURE.md') ? readFileSync('ARCHITECTURE.md', 'utf8') : undefined
    const built = new Set([...tree.keys()].map(roomOf).filter((room) => room !== undefined))

    const missing = text === undefined ? [] : [...built].filter((room) => !text.includes(`${room}/`))

    expect(missing).toEqual([])
  })
})

// --- packages ---

type LockEntry = {
  readonly dev?: boolean
  readonly integrity?: string
  readonly resolved?: string
  readonly hasInstallScript?: boolean
  readonly license?: string
}
type Manifest = Readonly<Record<'dependencies' | 'devDependencies' | 'optionalDependencies', Readonly<Record<string, string>>>>
type PackageRule = (manifest: Manifest, lock: ReadonlyMap<string, LockEntry>) => string[]

const MAX_DIRECT = 20
const MAX_IN_ALL = 150
const PERMISSIVE = new Set([
  'MIT',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'Unlicense',
  'Python-2.0',
])

/** Node itself comes as one package per platform; npm installs the one that fits, so they are counted apart. */
const PLATFORM_NODE = /^node_modules\/node-(bin-)?(darwin|linux|win)-(x64|arm64)$/

const shipped = (lock: ReadonlyMap<string, LockEntry>) =>
  [...lock].filter(([path, entry]) => !entry.dev && !PLATFORM_NODE.test(path))

const exactVersions: PackageRule = (manifest) =>
  [manifest.dependencies, manifest.devDependencies, manifest.optionalDependencies].flatMap((block) =>
    Object.entries(block)
      .filter(([, version]) => !/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version))
      .map(([name, version]) => `${name}: "${version}" is not one exact version`),
  )

const fewPackages: PackageRule = (manifest, lock) => {
  const direct = Object.keys(manifest.dependencies).length
  const inAll = shipped(lock).length
  return [
    ...(direct > MAX_DIRECT ? [`${direct} direct dependencies, at most ${MAX_DIRECT}`] : []),
    ...(inAll > MAX_IN_ALL ? [`${inAll} packages without dev, at most ${MAX_IN_ALL}`] : []),
  ]
}

const optionalIsNode: PackageRule = (manifest) =>
  Object.keys(manifest.optionalDependencies)
    .filter((name) => !PLATFORM_NODE.test(`node_modules/${name}`))
    .map((name) => `${name} is optional and not a platform package of Node`)

const sealedLock: PackageRule = (_manifest, lock) =>
  [...lock].flatMap(([path, entry]) => [
    ...(entry.integrity?.startsWith('sha512-') ? [] : [`${path} has no sha512 integrity`]),
    ...(entry.resolved === undefined ? [] : [`${path} names the host it came from`]),
  ])

const noInstallScripts: PackageRule = (_manifest, lock) =>
  [...lock].filter(([, entry]) => !entry.dev && entry.hasInstallScript).map(([path]) => `${path} runs a script when installed`)

const permissive: PackageRule = (_manifest, lock) =>
  [...lock]
    .filter(([, entry]) => !entry.dev && !isPermissive(entry.license ?? ''))
    .map(([path, entry]) => `${path} has the licence "${entry.license ?? 'none'}"`)

function isPermissive(expression: string): boolean {
  const bare = expression.replaceAll(/[()]/g, '').trim()
  if (bare.includes(' OR ')) return bare.split(' OR ').some(isPermissive)
  return bare.split(' AND ').every((name) => PERMISSIVE.has(name.trim()))
}

const manifest = readJson('package.json') as Partial<Manifest>
const lockFile = readJson('package-lock.json') as { packages: Record<string, LockEntry> }

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'))
}

const toManifest = (part: Partial<Manifest>): Manifest => ({
  dependencies: {},
  devDependencies: {},
  optionalDependencies: {},
  ...part,
})
const toLock = (entries: Record<string, LockEntry>) => new Map(Object.entries(entries).filter(([path]) => path !== ''))
const many = (count: number) => Array.from({ length: count }, (_, index) => `package-${index}`)

const PACKAGE_RULES: readonly {
  name: string
  rule: PackageRule
  manifest?: Partial<Manifest>
  lock?: Record<string, LockEntry>
}[] = [
  { name: 'versions are exact', rule: exactVersions, manifest: { dependencies: { zod: '^4.0.0' } } },
  {
    name: `at most ${MAX_DIRECT} direct dependencies and ${MAX_IN_ALL} in all`,
    rule: fewPackages,
    lock: Object.fromEntries(many(MAX_IN_ALL + 1).map((name) => [`node_modules/${name}`, {}])),
  },
  { name: 'only Node itself is optional', rule: optionalIsNode, manifest: { optionalDependencies: { fsevents: '2.3.3' } } },
  {
    name: 'the lock is sealed and names no host',
    rule: sealedLock,
    lock: { 'node_modules/a': { resolved: 'x', integrity: 'sha512-x' } },
  },
  {
    name: 'nothing shipped runs an install script',
    rule: noInstallScripts,
    lock: { 'node_modules/a': { hasInstallScript: true } },
  },
  { name: 'licences are permissive', rule: permissive, lock: { 'node_modules/a': { license: '(MIT AND GPL-3.0-only)' } } },
]

describe('packages', () => {
  test.each(PACKAGE_RULES)('$name', ({ rule }) => {
    expect(rule(toManifest(manifest), toLock(lockFile.packages))).toEqual([])
  })

  test.each(PACKAGE_RULES)('the check is red where it should be: $name', ({ rule, manifest: part = {}, lock = {} }) => {
    expect(rule(toManifest(part), toLock(lock))).toHaveLength(1)
  })

  test('too many direct dependencies are red', () => {
    const dependencies = Object.fromEntries(many(MAX_DIRECT + 1).map((name) => [name, '1.0.0']))

    expect(fewPackages(toManifest({ dependencies }), new Map())).toHaveLength(1)
  })
})
