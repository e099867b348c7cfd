import type { Gateway } from '../config/gateway.ts'
import type { JsonPath } from '../config/json-source.ts'
import type { Located } from '../config/read-file.ts'
import type { Route, Target } from '../config/route.ts'
import type { JsonObject } from '../core/json.ts'
import type { ModelRoute, ModelTarget } from '../core/snapshot.ts'
import { digestOf } from '../lib/canonical-json.ts'
import { conditionOf, locationOf } from './located.ts'
import { compare } from './select.ts'

/** A route with the JSON it was made from and a digest over all that its answers depend on: the file, and switches of its providers. */
export interface ResolvedRoute {
  readonly route: ModelRoute
  readonly raw: JsonObject
  readonly digest: string
}

/** The routes of tollgate.json by name, in name order. The same objects while the file is in force. */
export function resolveRoutes(file: Located<Gateway> | undefined): ReadonlyMap<string, ResolvedRoute> {
  if (file === undefined) return NO_ROUTES
  const known = lastRoutes.get(file)
  if (known !== undefined) return known
  const routes = new Map(
    Object.keys(file.value.routes)
      .toSorted(compare)
      .map((id) => [id, resolveRoute(file, id)]),
  )
  lastRoutes.set(file, routes)
  return routes
}

/** The name of a target in breakers, metrics and reports. */
function targetKey({ provider, model, region }: Pick<Target, 'provider' | 'model' | 'region'>): string {
  return `${provider}/${model}${region === undefined ? '' : `@${region}`}`
}

const NO_ROUTES: ReadonlyMap<string, ResolvedRoute> = new Map()
const lastRoutes = new WeakMap<Located<Gateway>, ReadonlyMap<string, ResolvedRoute>>()

function resolveRoute(file: Located<Gateway>, id: string): ResolvedRoute {
  const path = ['routes', id]
  const written = file.value.routes[id] as Route // the caller lists the keys of this very object
  const { targets, regions, when, limits, title: _, ...rest } = written
  const route: ModelRoute = {
    id,
    ...rest,
    targets: targets.map((target, index) => toTarget(file, target, [...path, 'targets', index])),
    ...(regions === undefined ? {} : { regions }),
    ...(when === undefined ? {} : { when: conditionOf(when, 'model') }),
    ...(limits === undefined ? {} : { limits }),
    rule: locationOf(file, path),
  }
  const raw = written as JsonObject // it was read from JSON
  return { route, raw, digest: digestOf([raw, route.targets.map(({ enabled }) => enabled)]) }
}

function toTarget(file: Located<Gateway>, written: Target, path: JsonPath): ModelTarget {
  const { region, canary, when, wire, priceAs, params, ...rest } = written
  return {
    ...rest,
    key: targetKey(written),
    enabled: written.enabled && file.value.providers[written.provider]?.enabled !== false,
    ...(region === undefined ? {} : { region }),
    ...(canary === undefined ? {} : { canary }),
    ...(when === undefined ? {} : { when: conditionOf(when, 'model') }),
    params,
    priceAs: priceAs ?? written.model,
    ...(wire === undefined ? {} : { wire }),
    rule: locationOf(file, path),
  }
}
