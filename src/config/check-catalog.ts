import type { Catalog, ToolRule } from './catalog.ts'
import type { Fault } from './explain-issues.ts'
import type { JsonPath } from './json-source.ts'
import { listNames, nearest } from './problem.ts'

/** Everything a catalog refers to outside its own file. */
export interface CatalogContext {
  /** Ids of the files in servers/, good or bad. */
  readonly servers: readonly string[]
  /** Throws an Error with the position of the first fault of an expression. */
  compile(source: string, use: 'condition' | 'audience'): void
}

/** Checks what a schema cannot say of a catalog: servers that exist, names given once, arguments rewritten one way, expressions that compile. */
export function checkCatalog(catalog: Catalog, context: CatalogContext): Fault[] {
  return [
    ...expressionFaults(catalog, context),
    ...serverFaults(catalog, context.servers),
    ...aliasFaults(catalog.tools),
    ...catalog.tools.flatMap((rule, index) => argumentFaults(rule, index)),
  ]
}

function expressionFaults(catalog: Catalog, context: CatalogContext): Fault[] {
  const expressions: { path: JsonPath; source: string | undefined; use: 'condition' | 'audience' }[] = [
    { path: ['for', 'when'], source: catalog.for.when, use: 'audience' },
    ...(['tools', 'prompts', 'resources'] as const).flatMap((list) =>
      catalog[list].map((rule, index) => ({ path: [list, index, 'when'], source: rule.when, use: 'condition' as const })),
    ),
  ]
  return expressions.flatMap(({ path, source, use }) => {
    if (source === undefined) return []
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

function serverFaults(catalog: Catalog, servers: readonly string[]): Fault[] {
  return (['tools', 'prompts', 'resources'] as const).flatMap((list) =>
    catalog[list].flatMap((rule, index) => {
      if (servers.includes(rule.server)) return []
      const suggestion = nearest(rule.server, servers)
      const known = servers.length === 0 ? 'there is no file in the servers folder' : `known: ${listNames(servers)}`
      const fault = {
        path: [list, index, 'server'],
        message: `unknown server "${rule.server}"${suggestion ? `; did you mean "${suggestion}"?` : ''}`,
        allowed: known,
      }
      return [suggestion === undefined ? fault : { ...fault, suggestion }]
    }),
  )
}

function aliasFaults(rules: readonly ToolRule[]): Fault[] {
  const faults: Fault[] = []
  const owners = new Map<string, number>()
  const named = new Map<string, number>()
  rules.forEach((rule, index) => {
    if (rule.as !== undefined) {
      const owner = owners.get(rule.as)
      if (owner === undefined) owners.set(rule.as, index)
      else faults.push({ path: ['tools', index, 'as'], message: `the name "${rule.as}" is already given to $.tools[${owner}]` })
    }
    if (rule.tool === undefined) return
    const target = JSON.stringify([rule.server, rule.tool])
    const earlier = named.get(target)
    if (earlier === undefined) named.set(target, index)
    else
      faults.push({
        path: ['tools', index, 'tool'],
        message: `the tool "${rule.tool}" of "${rule.server}" already has a rule at $.tools[${earlier}]`,
      })
  })
  return faults
}

function argumentFaults(rule: ToolRule, index: number): Fault[] {
  const { set = {}, hide = [] } = rule.arguments ?? {}
  return Object.keys(rule.arguments?.default ?? {}).flatMap((name) => {
    const path = ['tools', index, 'arguments', 'default', name]
    if (Object.hasOwn(set, name))
      return [{ path, part: 'key' as const, message: `"${name}" is also under "set", which always wins; keep one of them` }]
    if (hide.includes(name))
      return [
        { path, part: 'key' as const, message: `"${name}" is hidden, so its default would always be sent; write it under "set"` },
      ]
    return []
  })
}
