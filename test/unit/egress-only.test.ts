// R6: no byte leaves the process but through the egress files. Three steps: read every source file of `src` with a real parser, collect
// what it could open a connection with (modules that dial, packages that dial by themselves, globals such as `fetch`), and compare with the
// table below. It sees names, not behaviour: a package that begins to dial is found by the review of its version, not here.
import { globSync, readFileSync } from 'node:fs'
import { parseSync } from 'rolldown/utils'
import { describe, expect, test } from 'vitest'

/** Modules that can open a connection. A type import of one is free. */
const DIALING = new Set(
  ['net', 'tls', 'http', 'https', 'http2', 'dgram', 'dns', 'dns/promises', 'inspector', 'inspector/promises', 'cluster'].flatMap(
    (name) => [name, `node:${name}`],
  ),
)

/** Packages that open connections, by themselves or for whoever asks. */
const DIALING_PACKAGES = [/^undici(\/|$)/, /^@opentelemetry\/exporter-/, /^@modelcontextprotocol\/(client|sdk)(\/|$)/]

/** Names of these modules that only look at a text. */
const HARMLESS: Readonly<Record<string, readonly string[]>> = { 'node:net': ['isIP', 'isIPv4', 'isIPv6', 'BlockList'] }

/** Globals that dial, or that hand out a module without an import. */
const GLOBALS = new Set(['fetch', 'WebSocket', 'EventSource', 'XMLHttpRequest', 'require'])
const HOLDERS = new Set(['globalThis', 'global', 'self'])

/** Who may import what, by file. Everything else is a fault. */
const ALLOWED: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  // The way out.
  'src/lib/egress-policy.ts': { 'node:dns': ['lookup'] },
  'src/lib/egress.ts': { undici: ['Pool'] },
  'src/lib/egress-proxy.ts': { undici: ['buildConnector', 'Pool'] },
  // The way in.
  'src/edge/listener.ts': { 'node:net': ['createServer'], 'node:http': ['createServer'], 'node:https': ['createServer'] },
  // The command line and the stdio bridge: programs of the caller's machine that dial the one gateway they were told, with no upstream's secret.
  'src/cli/bridge/http.ts': { 'node:http': ['Agent', 'request'], 'node:https': ['Agent', 'request'] },
  // A base class: it answers inside the process.
  'src/llm/providers/demo-dispatcher.ts': { undici: ['Dispatcher'] },
  // Spans are sent by the exporter of OpenTelemetry, to the one address in telemetry.otlp.
  'src/telemetry/tracing.ts': { '@opentelemetry/exporter-trace-otlp-proto': ['*'] },
}

type Node = Readonly<Record<string, unknown>> & { readonly type: string }
type Scope = ReadonlySet<string>

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
}

/** Direct children of a node; parts that are written as a name but are none are left out. */
function children(node: Node): Node[] {
  const name = node.type === 'MemberExpression' ? 'property' : 'key'
  const skipped = node['computed'] === true ? undefined : name
  return Object.entries(node)
    .filter(([key]) => key !== skipped)
    .flatMap(([, value]) => (Array.isArray(value) ? value : [value]))
    .filter(isNode)
}

function text(value: unknown): string | undefined {
  if (!isNode(value)) return undefined
  if (value.type === 'Literal' && typeof value['value'] === 'string') return value['value']
  if (value.type === 'Identifier' && typeof value['name'] === 'string') return value['name']
  return undefined
}

/** Names a pattern binds. */
function boundBy(pattern: unknown): string[] {
  if (Array.isArray(pattern)) return pattern.flatMap(boundBy)
  if (!isNode(pattern)) return []
  if (pattern.type === 'Identifier') return [String(pattern['name'])]
  return ['properties', 'value', 'argument', 'left', 'elements', 'parameter', 'items'].flatMap((key) => boundBy(pattern[key]))
}

const isFunction = ({ type }: Node) => /^(Arrow)?Function(Expression|Declaration)?$|^ArrowFunctionExpression$/.test(type)

/** Names declared in a function (or the module) itself, not in functions within it. */
function declaredIn(node: Node): string[] {
  return children(node).flatMap((child) => {
    if (child.type === 'VariableDeclarator') return [...boundBy(child['id']), ...declaredIn(child)]
    if (child.type === 'ImportDeclaration') return isNode(child) ? children(child).flatMap((one) => boundBy(one['local'])) : []
    if (child.type === 'CatchClause') return [...boundBy(child['param']), ...declaredIn(child)]
    if (isFunction(child) || child.type === 'ClassDeclaration') return boundBy(child['id'])
    return declaredIn(child)
  })
}

/** What a file could open a connection with, as `<module> <name>` or `global <name>`. */
function dialsOf(path: string, source: string): string[] {
  const parsed = parseSync(path, source)
  if (parsed.errors.length > 0) throw new Error(`${path}: ${parsed.errors[0]?.message}`)
  const found: string[] = []
  const visit = (node: Node, scope: Scope): void => {
    found.push(...importsOf(node), ...globalsOf(node, scope))
    if (node.type.startsWith('TS') && !/^TS(As|Satisfies|NonNull|InstantiationExpression)/.test(node.type)) return
    if (['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration'].includes(node.type) && isNode(node['source']))
      return
    const inner = isFunction(node) ? new Set([...scope, ...boundBy(node['params']), ...declaredIn(node)]) : scope
    for (const child of children(node)) visit(child, inner)
  }
  const program: unknown = parsed.program
  if (!isNode(program)) throw new Error(`${path}: no program`)
  visit(program, new Set(declaredIn(program)))
  return found
}

const isDialing = (module: string) => DIALING.has(module) || DIALING_PACKAGES.some((one) => one.test(module))

function importsOf(node: Node): string[] {
  if (node.type === 'ImportExpression') {
    const module = text(node['source'])
    if (isNode(node['source']) && node['source'].type !== 'Literal') return ['import of a computed name']
    return module !== undefined && isDialing(module) ? [`${module} *`] : []
  }
  if (!/^(Import|ExportNamed|ExportAll)Declaration$/.test(node.type)) return []
  const module = text(node['source'])
  if (module === undefined || !isDialing(module) || node['importKind'] === 'type' || node['exportKind'] === 'type') return []
  const specifiers = Array.isArray(node['specifiers']) ? node['specifiers'].filter(isNode) : []
  if (specifiers.length === 0) return [`${module} *`]
  return specifiers
    .filter((one) => one['importKind'] !== 'type' && one['exportKind'] !== 'type')
    .map((one) => text(one['imported']) ?? (one.type === 'ExportSpecifier' ? text(one['local']) : undefined) ?? '*')
    .filter((name) => HARMLESS[module]?.includes(name) !== true)
    .map((name) => `${module} ${name}`)
}

function globalsOf(node: Node, scope: Scope): string[] {
  if (node.type === 'Identifier') {
    const name = String(node['name'])
    return GLOBALS.has(name) && !scope.has(name) ? [`global ${name}`] : []
  }
  if (node.type !== 'MemberExpression') return []
  const [object, property] = [text(node['object']), text(node['property'])]
  if (object === 'process' && (property === 'binding' || property === 'getBuiltinModule')) return [`global process.${property}`]
  if (object === undefined || !HOLDERS.has(object) || scope.has(object)) return []
  const isComputed = node['computed'] === true && isNode(node['property']) && node['property'].type !== 'Literal'
  return isComputed || GLOBALS.has(property ?? '') ? [`global ${object}.${property ?? '?'}`] : []
}

function faultsOf(sources: Readonly<Record<string, string>>): string[] {
  return Object.entries(sources).flatMap(([path, source]) =>
    dialsOf(path, source)
      .filter((use) => {
        const [module = '', name = ''] = use.split(' ')
        return ALLOWED[path]?.[module]?.includes(name) !== true
      })
      .map((use) => `${path} uses ${use}; go out through lib/egress.ts`),
  )
}

const SOURCES = Object.fromEntries(globSync('src/**/*.ts').map((path) => [path, readFileSync(path, 'utf8')]))

describe('R6: one way out', () => {
  test('nothing in src opens a connection but the egress, and nothing takes one but the listener', () => {
    expect(Object.keys(SOURCES).length).toBeGreaterThan(300)
    expect(faultsOf(SOURCES)).toEqual([])
  })

  test('every line of the table is still needed', () => {
    const unused = Object.entries(ALLOWED).flatMap(([path, modules]) => {
      const uses = new Set(dialsOf(path, SOURCES[path] ?? ''))
      return Object.entries(modules).flatMap(([module, names]) =>
        names.filter((name) => !uses.has(`${module} ${name}`)).map((name) => `${path} ${module} ${name}`),
      )
    })

    expect(unused).toEqual([])
  })

  test.each([
    `import { connect } from 'node:net'`,
    `import { connect } from 'net'`,
    `import tls from 'node:tls'`,
    `import * as http from 'node:http'`,
    `import 'node:https'`,
    `import { request as ask } from 'node:https'`,
    `import { isIP, Socket } from 'node:net'`,
    `import { type Server, get } from 'node:http'`,
    `export { request } from 'node:http'`,
    `export * from 'undici'`,
    `import { Pool } from 'undici'`,
    `import { Pool } from 'undici/lib/dispatcher/pool.js'`,
    `const { createSocket } = await import('node:dgram')`,
    `const module = await import(name)`,
    `import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http'`,
    `await fetch('http://x')`,
    `const deps = { fetch }`,
    `const get = deps.get ?? fetch`,
    `export const f = (fetch: F) => fetch('x')\nawait fetch('y')`,
    `new WebSocket('ws://x')`,
    `new EventSource('http://x')`,
    `globalThis.fetch('http://x')`,
    `globalThis['fetch']('http://x')`,
    `globalThis[name]('http://x')`,
    `process.getBuiltinModule('net')`,
    `require('net')`,
  ])('is red for %s', (source) => {
    expect(faultsOf({ 'src/lib/a.ts': source })).toHaveLength(1)
  })

  test.each([
    `import type { Socket } from 'node:net'`,
    `import { isIP, type LookupFunction } from 'node:net'`,
    `import { type IncomingMessage } from 'node:http'\nexport type { Dispatcher } from 'undici'`,
    `export const ask = ({ fetch }: Deps) => fetch('x')`,
    `export function ask(deps: { fetch: F }) { const { fetch } = deps; return () => fetch('x') }`,
    `interface Deps { fetch: F }\nexport const run = (deps: Deps) => deps.fetch('x')`,
    `export const egress = { async fetch(url: string) { return url } }`,
    `let answer: import('undici').Dispatcher`,
  ])('is green for %s', (source) => {
    expect(faultsOf({ 'src/lib/a.ts': source })).toEqual([])
  })
})
