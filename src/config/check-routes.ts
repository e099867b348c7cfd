import { expressionFault, unknownName } from './check-catalog.ts'
import type { Fault } from './explain-issues.ts'
import type { Gateway } from './gateway.ts'
import type { Evaluator } from './guard.ts'
import type { JsonPath } from './json-source.ts'
import { listNames } from './problem.ts'
import { PROFILES_WITHOUT_ADDRESS, type Provider } from './provider.ts'
import type { Route, Target } from './route.ts'
import { memberOf } from './schema-walk.ts'
import { isSecretHeader, isSecretParameter, isSecretValue } from './secret-shapes.ts'

/** What checking routes, providers and guards borrows. */
export interface RouteContext {
  /** Throws an Error with the first fault of an expression or pattern. */
  compile(source: string, use: 'model' | 'call' | 'pattern'): void
  /** False for an address of cloud metadata that egress.allow does not permit. */
  isReachable(url: string): boolean
  /** The file as written: a provider that is at fault itself is known all the same. */
  readonly raw?: unknown
}

/** Checks what a schema cannot say of providers, routes and guards: names that exist, pins and weights that leave a target, expressions that compile. */
export function checkRoutes(gateway: Gateway, context: RouteContext): Fault[] {
  const known = [...new Set([...Object.keys(gateway.providers), ...Object.keys(memberOf(context.raw, 'providers') ?? {})])]
  const routes = Object.entries(gateway.routes).flatMap(([id, route]) => [
    ...routeFaults(known, ['routes', id], route),
    ...starFaults(id, route),
  ])
  return [...providerFaults(gateway, context), ...routes, ...expressionFaults(gateway, context)]
}

function routeFaults(known: readonly string[], path: JsonPath, route: Route): Fault[] {
  return [
    ...route.targets.flatMap(({ provider }, index) =>
      known.includes(provider)
        ? []
        : [
            unknownName([...path, 'targets', index, 'provider'], provider, {
              what: 'provider',
              known,
              none: 'tollgate.json has no "providers"',
            }),
          ],
    ),
    ...duplicateFaults(path, route.targets),
    ...regionFaults(path, route),
    ...weightFaults(path, route),
    ...canaryFaults(path, route),
    ...route.targets.flatMap((target, index) => paramFaults([...path, 'targets', index, 'params'], target)),
  ]
}

function starFaults(id: string, { targets }: Route): Fault[] {
  if (id.endsWith('*')) return []
  const message = 'a "*" stands for what the "*" of the name of the route stands for, and that has none'
  return targets.flatMap(({ model }, index) =>
    model.includes('*') ? [{ path: ['routes', id, 'targets', index, 'model'], message }] : [],
  )
}

/** What says which request it is, and not how it is answered. */
const CALLERS_OWN = new Set(['model', 'messages', 'input', 'contents', 'stream', 'stream_options'])

function paramFaults(path: JsonPath, { params }: Target): Fault[] {
  return Object.keys(params)
    .filter((name) => CALLERS_OWN.has(name))
    .map((name) => ({ path: [...path, name], part: 'key', message: `"${name}" is for the caller to say: take it out` }))
}

function duplicateFaults(path: JsonPath, targets: readonly Target[]): Fault[] {
  const owners = new Map<string, number>()
  return targets.flatMap(({ provider, model, region }, index) => {
    const key = JSON.stringify([provider, model, region])
    const owner = owners.get(key)
    if (owner === undefined) owners.set(key, index)
    const message = `the same provider, model and region as target ${owner}; state is kept per target, so write it once`
    return owner === undefined ? [] : [{ path: [...path, 'targets', index], message }]
  })
}

function regionFaults(path: JsonPath, { regions, targets }: Route): Fault[] {
  if (
    regions === undefined ||
    targets.some(({ region }) => region !== undefined && regions.some((pin) => region === pin || region.startsWith(`${pin}-`)))
  )
    return []
  const given = targets.flatMap(({ region }) => region ?? [])
  const message = `no target is in these regions, so nothing could ever answer; the targets ${given.length === 0 ? 'name no region' : `are in ${listNames([...new Set(given)])}`}`
  return [{ path: [...path, 'regions'], message }]
}

function weightFaults(path: JsonPath, { strategy, targets }: Route): Fault[] {
  if (strategy !== 'weighted' || targets.some(({ weight, canary }) => weight > 0 && canary === undefined)) return []
  if (targets.every(({ canary }) => canary !== undefined)) return []
  return [{ path: [...path, 'targets'], message: 'every weight is 0: give at least one target a weight' }]
}

function canaryFaults(path: JsonPath, { targets }: Route): Fault[] {
  const percent = targets.reduce((sum, { canary }) => sum + (canary ?? 0), 0)
  const faults: Fault[] = []
  if (percent > 100)
    faults.push({ path: [...path, 'targets'], message: `the canaries take ${percent} percent of the requests; at most 100` })
  if (targets.every(({ canary }) => canary !== undefined)) {
    const message = 'every target is a canary, and a canary that fails has nobody to fall back to: leave "canary" out of one'
    faults.push({ path: [...path, 'targets'], message })
  }
  return faults
}

function providerFaults({ providers, mode }: Gateway, context: RouteContext): Fault[] {
  return Object.entries(providers).flatMap(([id, provider]): Fault[] => {
    const path = ['providers', id]
    if (provider.type === 'demo' && mode !== 'development') {
      const message = 'the demo provider invents its answers, so it is only for "mode": "development"'
      return [{ path: [...path, 'type'], message }]
    }
    return [...addressFaults(path, provider), ...metadataFaults(path, provider, context), ...secretFaults(path, provider)]
  })
}

/** Secrets are written by reference; a URL or a fixed header is no place for one. */
function secretFaults(path: JsonPath, provider: Provider): Fault[] {
  const place = 'credentials' in provider ? 'credentials' : 'key'
  const headers = Object.entries(provider.headers)
    .filter(([name, value]) => isSecretHeader(name) || isSecretValue(value))
    .map(([name]) => ({
      path: [...path, 'headers', name],
      part: 'key' as const,
      message: `the header ${name} carries a secret: write "${place}" instead, by reference`,
    }))
  if (!('baseUrl' in provider) || provider.baseUrl === undefined) return headers
  const { username, password, searchParams } = new URL(provider.baseUrl)
  const isSecret = username !== '' || password !== '' || [...searchParams.keys()].some(isSecretParameter)
  const message = `the URL carries a secret: write "${place}" instead, by reference`
  return isSecret ? [...headers, { path: [...path, 'baseUrl'], message }] : headers
}

function addressFaults(path: JsonPath, provider: Provider): Fault[] {
  if (provider.type !== 'openai_compatible' || provider.baseUrl !== undefined) return []
  if (!PROFILES_WITHOUT_ADDRESS.has(provider.profile)) return []
  return [{ path, message: `"baseUrl" is missing: the profile "${provider.profile}" has none of its own` }]
}

/** A metadata service hands out credentials of the machine: nothing goes there unless tollgate.json says so a second time. */
function metadataFaults(path: JsonPath, provider: Provider, { isReachable }: RouteContext): Fault[] {
  const urls = [
    { path: [...path, 'baseUrl'], url: 'baseUrl' in provider ? provider.baseUrl : undefined },
    { path: [...path, 'credentials', 'url'], url: 'credentials' in provider ? credentialUrl(provider.credentials) : undefined },
  ]
  return urls.flatMap(({ path: place, url }) => {
    if (url === undefined || isReachable(url)) return []
    const { hostname, port, protocol } = new URL(url)
    const entry = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
    const message = `${hostname} hands out credentials of this machine, and "egress": { "allow": [...] } does not permit it; add "${entry}" there if that is meant`
    return [{ path: place, message }]
  })
}

function credentialUrl(credentials: object): string | undefined {
  return 'url' in credentials && typeof credentials.url === 'string' ? credentials.url : undefined
}

function expressionFaults({ routes, guards }: Gateway, { compile }: RouteContext): Fault[] {
  const expressions = [
    ...Object.entries(routes).flatMap(([id, route]) => routeExpressions(['routes', id], route)),
    ...Object.entries(guards).flatMap(([id, { evaluators }]) =>
      evaluators.flatMap((evaluator, index) => guardExpressions(['guards', id, 'evaluators', index], evaluator)),
    ),
  ]
  return expressions.flatMap(({ path, source, use }) =>
    source === undefined ? [] : expressionFault(path, () => compile(source, use)),
  )
}

type Expression = {
  readonly path: JsonPath
  readonly source: string | undefined
  readonly use: 'model' | 'call' | 'pattern'
}

function routeExpressions(path: JsonPath, { when, targets }: Route): Expression[] {
  return [
    { path: [...path, 'when'], source: when, use: 'model' },
    ...targets.map((target, index) => ({
      path: [...path, 'targets', index, 'when'],
      source: target.when,
      use: 'model' as const,
    })),
  ]
}

function guardExpressions(path: JsonPath, evaluator: Evaluator): Expression[] {
  if (evaluator.type === 'tool_calls') return [{ path: [...path, 'when'], source: evaluator.when, use: 'call' }]
  if (evaluator.type !== 'pattern') return []
  return evaluator.patterns.map((source, index) => ({ path: [...path, 'patterns', index], source, use: 'pattern' }))
}
