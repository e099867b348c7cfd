import { countingFaults } from './check-counting.ts'
import type { Fault } from './explain-issues.ts'
import type { JsonPath } from './json-source.ts'
import { listNames, nearest } from './problem.ts'
import { memberOf } from './schema-walk.ts'

/** Everything a catalog refers to outside its own file. */
export interface CatalogContext {
  /** Ids of the files in servers/, good or bad. */
  readonly servers: readonly string[]
  /** Names of the routes and guards of tollgate.json as far as they can be read; absent when that file cannot be read at all. */
  readonly routes?: readonly string[]
  readonly guards?: readonly string[]
  /** Throws an Error with the position of the first fault of an expression. */
  compile(source: string, use: 'condition' | 'audience' | 'model'): void
}

/**
 * Checks what a schema cannot say of a catalog: servers, routes and guards that exist, names given once, arguments rewritten one way,
 * expressions that compile. Reads the file as it is, so that all of it is found besides what the schema finds.
 */
export function checkCatalog(file: unknown, context: CatalogContext): Fault[] {
  return [
    ...expressionFaults(file, context),
    ...serverFaults(file, context.servers),
    ...aliasFaults(rulesOf(file, 'tools')),
    ...rulesOf(file, 'tools').flatMap(argumentFaults),
    ...routeFaults(file, context.routes),
    ...modelNameFaults(rulesOf(file, 'models')),
    ...guardFaults(file, context.guards),
    ...budgetFaults(rulesOf(file, 'budgets')),
    ...countingFaults(file),
  ]
}

const LISTS = ['tools', 'prompts', 'resources'] as const

function rulesOf(file: unknown, list: string): readonly unknown[] {
  const rules = memberOf(file, list)
  return Array.isArray(rules) ? rules : []
}

function textOf(value: unknown, key: string): string | undefined {
  const text = memberOf(value, key)
  return typeof text === 'string' ? text : undefined
}

function expressionFaults(file: unknown, context: CatalogContext): Fault[] {
  const expressions: { path: JsonPath; source: string | undefined; use: 'condition' | 'audience' | 'model' }[] = [
    { path: ['for', 'when'], source: textOf(memberOf(file, 'for'), 'when'), use: 'audience' },
    ...[...LISTS, 'models'].flatMap((list) =>
      rulesOf(file, list).map((rule, index) => ({
        path: [list, index, 'when'],
        source: textOf(rule, 'when'),
        use: list === 'models' ? ('model' as const) : ('condition' as const),
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
      return [
        unknownName([list, index, 'server'], server, {
          what: 'server',
          known: servers,
          none: 'there is no file in the servers folder',
        }),
      ]
    }),
  )
}

type Known = { readonly what: string; readonly known: readonly string[]; readonly none: string }

/** The fault of a name that stands for nothing, with the nearest that does. */
export function unknownName(path: JsonPath, name: string, { what, known, none }: Known): Fault {
  const suggestion = nearest(name, known)
  const message = `unknown ${what} "${name}"${suggestion === undefined ? '' : `; did you mean "${suggestion}"?`}`
  const fault = { path, message, allowed: known.length === 0 ? `none: ${none}` : listNames(known) }
  return suggestion === undefined ? fault : { ...fault, suggestion }
}

function routeFaults(file: unknown, routes: readonly string[] | undefined): Fault[] {
  if (routes === undefined) return []
  return rulesOf(file, 'models').flatMap((rule, index) => {
    const route = textOf(rule, 'route')
    if (route === undefined || routes.includes(route)) return []
    return [
      unknownName(['models', index, 'route'], route, { what: 'route', known: routes, none: 'tollgate.json has no "routes"' }),
    ]
  })
}

/** The guard that exists without being written. */
const BUILT_IN_GUARD = 'baseline'

function guardFaults(file: unknown, guards: readonly string[] | undefined): Fault[] {
  if (guards === undefined) return []
  const known = [...new Set([BUILT_IN_GUARD, ...guards])]
  const named = rulesOf(file, 'guards')
  return named.flatMap((guard, index) => {
    if (typeof guard !== 'string') return []
    const path = ['guards', index]
    if (!known.includes(guard)) return [unknownName(path, guard, { what: 'guard', known, none: '' })]
    return named.indexOf(guard) < index ? [{ path, message: `the guard "${guard}" is named twice` }] : []
  })
}

function modelNameFaults(rules: readonly unknown[]): Fault[] {
  const owners = new Map<string, number>()
  return rules.flatMap((rule, index) => {
    const alias = textOf(rule, 'as')
    const route = textOf(rule, 'route')
    const name = alias ?? route
    if (name === undefined) return []
    const owner = owners.get(name)
    if (owner === undefined) owners.set(name, index)
    const path = ['models', index, alias === undefined ? 'route' : 'as']
    if (route?.endsWith('*') === true && !name.endsWith('*'))
      return [{ path, message: `the route "${route}" stands for many names, so the alias ends with "*" too` }]
    return owner === undefined
      ? []
      : [{ path, message: `the name "${name}" is already given to $.models[${owner}]; choose another with "as"` }]
  })
}

/** Two budgets over the same spending: only the smaller would ever matter. */
function budgetFaults(budgets: readonly unknown[]): Fault[] {
  const owners = new Map<string, number>()
  return budgets.flatMap((budget, index): Fault[] => {
    const usd = textOf(budget, 'usd')
    const [per, by = 'catalog'] = [textOf(budget, 'per'), textOf(budget, 'by')]
    const scope = `per ${per} by ${by}`
    const owner = owners.get(scope)
    if (owner === undefined) owners.set(scope, index)
    const zero = usd !== undefined && /^[0.]+$/.test(usd)
    return [
      ...(zero
        ? [
            {
              path: ['budgets', index, 'usd'],
              message: 'a budget of nothing refuses every call that costs; leave it out or give it an amount',
            },
          ]
        : []),
      ...(owner === undefined
        ? []
        : [{ path: ['budgets', index], message: `$.budgets[${owner}] is a budget ${scope} too; keep one of them` }]),
    ]
  })
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
