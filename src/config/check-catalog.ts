import type { Fault } from './explain-issues.ts'
import type { JsonPath } from './json-source.ts'
import { listNames, nearest } from './problem.ts'
import { memberOf } from './schema-walk.ts'

/** Everything a catalog refers to outside its own file. */
export interface CatalogContext {
  /** Ids of the files in servers/, good or bad. */
  readonly servers: readonly string[]
  /** Throws an Error with the position of the first fault of an expression. */
  compile(source: string, use: 'condition' | 'audience'): void
}

/**
 * Checks what a schema cannot say of a catalog: servers that exist, names given once, arguments rewritten one way, expressions that
 * compile. Reads the file as it is, so that all of it is found besides what the schema finds.
 */
export function checkCatalog(file: unknown, context: CatalogContext): Fault[] {
  return [
    ...expressionFaults(file, context),
    ...serverFaults(file, context.servers),
    ...aliasFaults(rulesOf(file, 'tools')),
    ...rulesOf(file, 'tools').flatMap(argumentFaults),
  ]
}

type RuleList = 'tools' | 'prompts' | 'resources'

const LISTS: readonly RuleList[] = ['tools', 'prompts', 'resources']

function rulesOf(file: unknown, list: RuleList): readonly unknown[] {
  const rules = memberOf(file, list)
  return Array.isArray(rules) ? rules : []
}

function textOf(value: unknown, key: string): string | undefined {
  const text = memberOf(value, key)
  return typeof text === 'string' ? text : undefined
}

function expressionFaults(file: unknown, context: CatalogContext): Fault[] {
  const expressions: { path: JsonPath; source: string | undefined; use: 'condition' | 'audience' }[] = [
    { path: ['for', 'when'], source: textOf(memberOf(file, 'for'), 'when'), use: 'audience' },
    ...LISTS.flatMap((list) =>
      rulesOf(file, list).map((rule, index) => ({
        path: [list, index, 'when'],
        source: textOf(rule, 'when'),
        use: 'condition' as const,
      })),
    ),
  ]
  return expressions.flatMap(({ path, source, use }) => {
    if (source === undefined || source === '') return []
    return expressionFault(path, () => context.compile(source, use))
  })
}

/** The fault of an expression that does not compile, if it does not. */
export function expressionFault(path: JsonPath, compile: () => void): Fault[] {
  try {
    compile()
    return []
  } catch (error) {
    return [{ path, message: `the expression does not compile: ${error instanceof Error ? error.message : 'unknown reason'}` }]
  }
}

function serverFaults(file: unknown, servers: readonly string[]): Fault[] {
  return LISTS.flatMap((list) =>
    rulesOf(file, list).flatMap((rule, index) => {
      const server = textOf(rule, 'server')
      if (server === undefined || servers.includes(server)) return []
      const suggestion = nearest(server, servers)
      const message = `unknown server "${server}"${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`
      const allowed = servers.length === 0 ? 'none: there is no file in the servers folder' : listNames(servers)
      const fault = { path: [list, index, 'server'], message, allowed }
      return [suggestion === undefined ? fault : { ...fault, suggestion }]
    }),
  )
}

function aliasFaults(rules: readonly unknown[]): Fault[] {
  const faults: Fault[] = []
  const owners = new Map<string, number>()
  const named = new Map<string, number>()
  rules.forEach((rule, index) => {
    const [alias, server, tool] = ['as', 'server', 'tool'].map((key) => textOf(rule, key))
    if (alias !== undefined) {
      const owner = owners.get(alias)
      if (owner === undefined) owners.set(alias, index)
      else faults.push({ path: ['tools', index, 'as'], message: `the name "${alias}" is already given to $.tools[${owner}]` })
    }
    if (tool === undefined) return
    const target = JSON.stringify([server, tool])
    const earlier = named.get(target)
    if (earlier === undefined) named.set(target, index)
    else
      faults.push({
        path: ['tools', index, 'tool'],
        message: `the tool "${tool}" of "${server}" already has a rule at $.tools[${earlier}]`,
      })
  })
  return faults
}

function argumentFaults(rule: unknown, index: number): Fault[] {
  const written = memberOf(rule, 'arguments')
  const [hide, set, defaults] = ['hide', 'set', 'default'].map((key) => memberOf(written, key))
  if (typeof defaults !== 'object' || defaults === null) return []
  return Object.keys(defaults).flatMap((name): Fault[] => {
    const at = { path: ['tools', index, 'arguments', 'default', name], part: 'key' as const }
    if (memberOf(set, name) !== undefined)
      return [{ ...at, message: `"${name}" is also under "set", which always wins; keep one of them` }]
    if (Array.isArray(hide) && hide.includes(name))
      return [{ ...at, message: `"${name}" is hidden, so its default would always be sent; write it under "set"` }]
    return []
  })
}
