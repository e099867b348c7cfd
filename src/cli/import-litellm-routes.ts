// Groups of LiteLLM as routes. 1. `order` makes tiers. 2. Within a tier shares come from weight, else rpm, else tpm. 3. Fallbacks to other
// groups become the next tiers, left to right. It does not promise LiteLLM's choice by class of error: here every failure moves on the same way.
import { type Deployment, hintOf } from './import-litellm-models.ts'
import type { Setting, Settings } from './import-litellm-settings.ts'
import { pathOf } from './import-report.ts'
import { asList, asObject, countOf, type ImportWork, numberOf, textsIn, toModelName } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

/** Groups by name, in the order of the file. */
export type Groups = ReadonlyMap<string, readonly Deployment[]>

/** What routes are made of. */
export interface RoutePlan {
  readonly groups: Groups
  readonly settings: Settings
  /** Other names of groups. */
  readonly aliases: ReadonlyMap<string, string>
}

type Entry = { readonly key: string; readonly target: Draft; readonly weight: number; readonly tier: number }

const STRATEGIES: Readonly<Record<string, { readonly name: string; readonly note?: string }>> = {
  'simple-shuffle': { name: 'weighted' },
  'latency-based-routing': { name: 'lowest_latency', note: 'by measured time to first token' },
  'cost-based-routing': { name: 'lowest_cost' },
  'least-busy': { name: 'lowest_latency', note: 'calls under way are not compared; the fastest target to answer comes first' },
  'usage-based-routing': { name: 'weighted', note: 'by fixed shares (rpm, else tpm), not by what was used' },
  'usage-based-routing-v2': { name: 'weighted', note: 'by fixed shares (rpm, else tpm), not by what was used' },
}
const MAX_TIER = 100
const MAX_TARGETS = 64
const DEFAULT_MAX_FALLBACKS = 5

/** Adds a route per group. */
export function addRoutes(work: ImportWork, plan: RoutePlan): void {
  const strategies = strategiesOf(work, plan)
  const fallbacks = fallbacksOf(work, plan)
  for (const [group, deployments] of plan.groups) {
    const name = toModelName(group)
    if (name !== group)
      work.report.approximated(
        pathOf(deployments[0]?.path ?? '', 'model_name'),
        `callers use "${name}": model names are made of A-Z, a-z, 0-9 and . _ : @ / -`,
      )
    else for (const { path } of deployments) work.report.imported(pathOf(path, 'model_name'), `routes[${JSON.stringify(name)}]`)
    const strategy = strategies.get(group) ?? 'weighted'
    const entries = entriesOf(work, deployments, plan)
    let tier = Math.max(...entries.map((entry) => entry.tier))
    for (const other of fallbacks.get(group) ?? []) {
      const further = entriesOf(undefined, plan.groups.get(other) ?? [], plan).filter(
        ({ key }) => !entries.some((entry) => entry.key === key),
      )
      entries.push(...further.map((entry) => ({ ...entry, tier: Math.min(MAX_TIER, entry.tier + tier) })))
      tier = Math.max(...entries.map((entry) => entry.tier))
    }
    if (entries.length > MAX_TARGETS)
      work.report.approximated(deployments[0]?.path ?? '', `the first ${MAX_TARGETS} targets; a route has no more`)
    work.routes.set(
      name,
      routeOf(
        { strategy, entries: entries.slice(0, MAX_TARGETS) },
        settingsOf(plan, { group, deployments, fallbacks: fallbacks.get(group)?.length ?? 0 }),
      ),
    )
  }
}

function routeOf({ strategy, entries }: { readonly strategy: string; readonly entries: readonly Entry[] }, rest: Draft): Draft {
  const isAlone = new Set(entries.map(({ tier }) => tier)).size === entries.length
  const isWeighted = strategy === 'weighted' && !isAlone
  return {
    ...(isAlone ? {} : { strategy: isWeighted && entries.every(({ weight }) => weight === 0) ? 'ordered' : strategy }),
    targets: entries.map(({ target, weight, tier }) => ({
      ...target,
      ...(isWeighted && weight !== 1 ? { weight } : {}),
      ...(tier === 1 ? {} : { tier }),
    })),
    ...rest,
  }
}

function entriesOf(work: ImportWork | undefined, deployments: readonly Deployment[], { settings, groups }: RoutePlan): Entry[] {
  const orders = [...new Set(deployments.map((one) => hintOf(one, 'order')).filter((order) => order !== undefined))].toSorted(
    (a, b) => a - b,
  )
  const tierOf = (one: Deployment) => {
    const order = hintOf(one, 'order')
    return Math.min(MAX_TIER, order === undefined ? orders.length + 1 : orders.indexOf(order) + 1)
  }
  const entries = new Map<string, Entry>()
  for (const one of deployments) {
    const tier = tierOf(one)
    const basis = ['weight', 'rpm', 'tpm'].find((member) =>
      deployments.some((other) => tierOf(other) === tier && hintOf(other, member) !== undefined),
    )
    const share = basis === undefined ? 1 : (hintOf(one, basis) ?? 0)
    const weight = Math.min(1_000_000, Math.max(0, basis === 'tpm' ? share / 1_000 : share))
    const when = tagCondition(one, { settings, groups })
    const key = JSON.stringify([one.target['provider'], one.target['model'], one.target['region']])
    const known = entries.get(key)
    if (work !== undefined) explainHints(work, one, { basis, settings })
    if (known !== undefined)
      work?.report.approximated(one.path, 'the same target as another row of its group: one target with both shares')
    entries.set(
      key,
      known === undefined
        ? { key, target: { ...one.target, ...when }, weight, tier }
        : { ...known, weight: known.weight + weight },
    )
  }
  return [...entries.values()]
}

function explainHints(
  work: ImportWork,
  one: Deployment,
  { basis, settings }: { readonly basis: string | undefined; readonly settings: Settings },
): void {
  const { report } = work
  const isEnforced = isRateEnforced(settings)
  for (const member of Object.keys(one.hints)) {
    const path = pathOf(pathOf(one.path, 'litellm_params'), member)
    if (member === 'order') report.imported(path, '"tier" of the target')
    else if (member === 'weight') report.imported(path, '"weight" of the target')
    else if ((member === 'rpm' || member === 'tpm') && isEnforced)
      report.approximated(path, 'the sum over the group is the limit of the route, if every row of it has one')
    else if (member === 'rpm' || member === 'tpm') {
      if (member === basis)
        report.approximated(path, 'as the share of the target; not as a limit, which it is not in LiteLLM either')
      else report.skipped(path, 'a hint for the choice of a target, and "weight" or "rpm" decides it')
    } else if (member === 'max_parallel_requests')
      report.approximated(path, 'the sum over the group is "limits.concurrent" of the route, if every row of it has one')
    else if (member === 'timeout')
      report.approximated(path, '"clocks.totalMs" of the route: all attempts together, the longest of the group')
    else if (member === 'stream_timeout')
      report.approximated(path, '"clocks.firstTokenMs" of the route, the longest of the group')
    else if (member === 'tags' && settings.get('enable_tag_filtering')?.value === true)
      report.approximated(path, 'as "when": a tag is a group of the caller (principal.groups), not a word in the request')
    else if (member === 'tags')
      report.skipped(path, 'tags choose nothing while "enable_tag_filtering" is off; labels stand in catalogs')
  }
}

const isRateEnforced = (settings: Settings) =>
  textsIn(settings.get('optional_pre_call_checks')?.value).includes('enforce_model_rate_limits')

function tagCondition({ hints }: Deployment, { settings, groups }: Pick<RoutePlan, 'settings' | 'groups'>): Draft {
  const tags = textsIn(hints['tags'])
  if (settings.get('enable_tag_filtering')?.value !== true || tags.length === 0) return {}
  const literals = (names: readonly string[]) => `[${names.map((name) => JSON.stringify(name)).join(', ')}]`
  const own = tags.filter((tag) => tag !== 'default')
  const all = [...new Set([...groups.values()].flat().flatMap((one) => textsIn(one.hints['tags'])))].filter(
    (tag) => tag !== 'default',
  )
  const parts = [
    ...(own.length === 0 ? [] : [`${literals(own)}.exists(t, t in principal.groups)`]),
    ...(own.length === tags.length || all.length === 0 ? [] : [`!${literals(all)}.exists(t, t in principal.groups)`]),
  ]
  return parts.length === 0 ? {} : { when: parts.join(' || ').replaceAll('${', '$${') }
}

/** Which strategy each group has; `routing_groups` say it for their models. */
function strategiesOf(work: ImportWork, { groups, settings }: RoutePlan): Map<string, string> {
  const strategies = new Map<string, string>()
  const main = strategyOf(work, settings.get('routing_strategy'))
  for (const group of groups.keys()) strategies.set(group, main)
  const listed = settings.get('routing_groups')
  for (const [index, item] of asList(listed?.value).entries()) {
    const path = pathOf(listed?.path ?? '', index)
    const group = asObject(item)
    const own = strategyOf(work, { value: group['routing_strategy'] ?? 'simple-shuffle', path: pathOf(path, 'routing_strategy') })
    for (const model of textsIn(group['models'])) if (groups.has(model)) strategies.set(model, own)
    for (const member of ['group_name', 'models'])
      if (group[member] !== undefined) work.report.imported(pathOf(path, member), '"strategy" of these routes')
    if (group['model_priorities'] !== undefined)
      work.report.skipped(pathOf(path, 'model_priorities'), 'write "tier" at the targets')
  }
  return strategies
}

function strategyOf(work: ImportWork, setting: Setting | undefined): string {
  if (setting === undefined) return 'weighted'
  const known = typeof setting.value === 'string' ? STRATEGIES[setting.value] : undefined
  if (known === undefined) work.report.approximated(setting.path, 'not a strategy that is known: by weight')
  else if (known.note === undefined) work.report.imported(setting.path, `"strategy": "${known.name}"`)
  else work.report.approximated(setting.path, `"strategy": "${known.name}": ${known.note}`)
  return known?.name ?? 'weighted'
}

/** For each group those it falls back to. A list of its own wins over the default. */
function fallbacksOf(work: ImportWork, { groups, settings, aliases }: RoutePlan): Map<string, string[]> {
  const found = new Map<string, string[]>()
  const most = countOf(settings.get('max_fallbacks')?.value, MAX_TARGETS) ?? DEFAULT_MAX_FALLBACKS
  const resolve = (name: string) => aliases.get(name) ?? name
  const accept = (names: unknown, path: string, self?: string): string[] => {
    const known = asList(names).flatMap((item, index) => {
      const name = typeof item === 'string' ? resolve(item) : undefined
      if (name !== undefined && groups.has(name)) return name === self ? [] : [name]
      work.report.skipped(
        pathOf(path, index),
        typeof item === 'string'
          ? 'no group of this name was imported'
          : 'a fallback is a name; other parameters do not go with it',
      )
      return []
    })
    if (known.length > most) work.report.approximated(path, `the first ${most}, as "max_fallbacks" says`)
    if (known.length > 0) work.report.imported(path, 'later tiers of the route')
    return known.slice(0, most)
  }
  const listed = settings.get('fallbacks')
  if (listed !== undefined && !Array.isArray(listed.value)) work.report.skipped(listed.path, 'expected a list')
  let otherwise: string[] = []
  for (const [index, item] of asList(listed?.value).entries()) {
    for (const [name, names] of Object.entries(asObject(item))) {
      const path = pathOf(pathOf(listed?.path ?? '', index), name)
      const group = resolve(name)
      if (name === '*') otherwise = accept(names, path)
      else if (groups.has(group)) found.set(group, accept(names, path, group))
      else work.report.skipped(path, 'no group of this name was imported')
    }
  }
  const defaults = settings.get('default_fallbacks')
  if (defaults !== undefined) otherwise = [...otherwise, ...accept(textsIn(defaults.value), defaults.path)].slice(0, most)
  for (const group of groups.keys())
    if (!found.has(group))
      found.set(
        group,
        otherwise.filter((name) => name !== group),
      )
  return found
}

type Group = { readonly group: string; readonly deployments: readonly Deployment[]; readonly fallbacks: number }

/** Clocks, retries and limits of a route. */
function settingsOf({ settings }: RoutePlan, group: Group): Draft {
  const longest = (member: string) => Math.max(...group.deployments.map((one) => hintOf(one, member) ?? 0)) || undefined
  const total = longest('timeout') ?? numberOf((settings.get('timeout') ?? settings.get('request_timeout'))?.value)
  const first = longest('stream_timeout') ?? numberOf(settings.get('stream_timeout')?.value)
  const clocks = {
    ...(first === undefined || first <= 0 ? {} : { firstTokenMs: milliseconds(first, 3_600_000) }),
    ...(total === undefined || total <= 0 ? {} : { totalMs: milliseconds(total, 86_400_000) }),
  }
  const retries = retriesOf(settings, group)
  const limits = limitsOf(group.deployments, isRateEnforced(settings))
  return {
    ...(settings.get('optional_pre_call_checks') !== undefined && isSticky(settings) ? { sticky: true } : {}),
    ...(Object.keys(clocks).length === 0 ? {} : { clocks }),
    ...(retries === undefined ? {} : { retries }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  }
}

const STICKY = new Set([
  'prompt_caching',
  'responses_api_deployment_check',
  'deployment_affinity',
  'session_affinity',
  'encrypted_content_affinity',
])
const isSticky = (settings: Settings) =>
  textsIn(settings.get('optional_pre_call_checks')?.value).some((check) => STICKY.has(check))
const milliseconds = (seconds: number, most: number) => Math.min(most, Math.max(10, Math.round(seconds * 1_000)))

function retriesOf(settings: Settings, { group, fallbacks }: Group): number | undefined {
  const highest = (policy: unknown) => {
    const counts = Object.values(asObject(policy)).flatMap((count) => numberOf(count) ?? [])
    return counts.length === 0 ? undefined : Math.max(...counts)
  }
  const own = highest(asObject(settings.get('model_group_retry_policy')?.value)[group])
  const written = own ?? numberOf(settings.get('num_retries')?.value) ?? highest(settings.get('retry_policy')?.value)
  if (written === undefined && fallbacks === 0) return undefined
  return Math.min(10, Math.max(0, Math.round(written ?? 2)) + fallbacks)
}

function limitsOf(deployments: readonly Deployment[], isEnforced: boolean): Draft {
  const sum = (member: string) => {
    const counts = deployments.map((one) => hintOf(one, member))
    return counts.every((count) => count !== undefined && count >= 1)
      ? counts.reduce<number>((total, count) => total + (count ?? 0), 0)
      : undefined
  }
  const calls = isEnforced ? countOf(sum('rpm'), 1_000_000) : undefined
  const tokens = isEnforced ? countOf(sum('tpm'), 1_000_000_000) : undefined
  const concurrent = countOf(sum('max_parallel_requests'), 100_000)
  return {
    ...(calls === undefined ? {} : { callsPerMinute: calls }),
    ...(tokens === undefined ? {} : { tokensPerMinute: tokens }),
    ...(concurrent === undefined ? {} : { concurrent }),
  }
}
