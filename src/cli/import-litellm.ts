// LiteLLM's config.yaml as files of ours. 1. Deployments become targets of providers, groups become routes. 2. Who may use them becomes
// catalogs: by team and key when their lists are given, else by access group. 3. Every other key of the file is spoken of in the report.
import { budgetOf } from './import-budget.ts'
import { addIssuers } from './import-litellm-jwt.ts'
import { addCallers, withoutAgents } from './import-litellm-keys.ts'
import { accessGroupsOf, type Credentials, type Deployment, type ModelRow, toDeployments } from './import-litellm-models.ts'
import { addDiscounts } from './import-litellm-prices.ts'
import { addRoutes, type Groups } from './import-litellm-routes.ts'
import { addServers } from './import-litellm-servers.ts'
import { explainSettings, settingsOf, type Settings } from './import-litellm-settings.ts'
import { explainMembers, pathOf } from './import-report.ts'
import { asList, asObject, createWork, type ImportWork, toModelName, textOf } from './import-work.ts'
import { type Draft, freeId } from './mcp-json.ts'

/** The file, and what else was given with it. */
export interface LitellmSource {
  readonly config: Draft
  /** The answers of /key/list, /team/list, /user/list and /budget/list. */
  readonly keys?: unknown
  /** The answer of /model/info. */
  readonly models?: unknown
  readonly now: Date
}

/** Turns a LiteLLM configuration into files of ours. */
export function convertLitellm({ config, keys, models, now }: LitellmSource): ImportWork {
  const work = createWork()
  const settings = settingsOf(config)
  const credentials = credentialsOf(work, config['credential_list'])
  const deployments = toDeployments(work, rowsOf(config, models), credentials)
  const groups = new Map<string, Deployment[]>()
  for (const one of deployments) groups.set(one.group, [...(groups.get(one.group) ?? []), one])
  const aliases = aliasesOf(work, settings, groups)
  addRoutes(work, { groups, settings, aliases })
  addDiscounts(work, {
    path: 'litellm_settings.cost_discount_config',
    value: asObject(config['litellm_settings'])['cost_discount_config'],
    providers: Map.groupBy(deployments, ({ vendor }) => vendor)
      .values()
      .reduce(
        (all, list) => all.set(list[0]?.vendor ?? '', [...new Set(list.map(({ provider }) => provider))]),
        new Map<string, string[]>(),
      ),
  })
  addIssuers(work, config)
  addGrants(work, { groups, aliases, keys, now })
  addGlobalBudget(work, asObject(config['litellm_settings']))
  addServers(work, config['mcp_servers'], asObject(asObject(config['litellm_settings'])['mcp_aliases']))
  addGuardrails(work, config['guardrails'])
  explainSettings(work, config)
  return work
}

/** Rows of the file, then those of /model/info that are not in it: models stored in the database. */
function rowsOf(config: Draft, models: unknown): ModelRow[] {
  const own = asList(config['model_list']).map((row, index) => ({ path: pathOf('model_list', index), row: asObject(row) }))
  const nameOf = (row: Draft) =>
    JSON.stringify([row['model_name'], asObject(row['litellm_params'])['model'], asObject(row['litellm_params'])['api_base']])
  const known = new Set(own.map(({ row }) => nameOf(row)))
  const wildcards = own.flatMap(({ row }) =>
    typeof row['model_name'] === 'string' && row['model_name'].includes('*') ? [row['model_name']] : [],
  )
  const listed = asList(asObject(models)['data'] ?? models).map((row, index) => ({
    path: pathOf('model-info', index),
    row: asObject(row),
  }))
  return [...own, ...listed.filter(({ row }) => !known.has(nameOf(row)) && !wildcards.includes(textOf(row['model_name'])))].map(
    ({ path, row }) => ({ path, row: path.startsWith('model-info') ? withoutMasks(row) : row }),
  )
}

/** /model/info masks secrets: a masked one is none. */
function withoutMasks(row: Draft): Draft {
  const params = Object.entries(asObject(row['litellm_params'])).filter(
    ([, value]) => !(typeof value === 'string' && /\*{3,}/.test(value)),
  )
  return { ...row, litellm_params: Object.fromEntries(params) }
}

function credentialsOf(work: ImportWork, list: unknown): Credentials {
  const credentials = new Map<string, { readonly path: string; readonly values: Draft }>()
  for (const [index, item] of asList(list).entries()) {
    const path = pathOf('credential_list', index)
    const credential = asObject(item)
    const name = credential['credential_name']
    if (typeof name !== 'string') work.report.skipped(path, 'it has no "credential_name"')
    else {
      credentials.set(name, { path: pathOf(path, 'credential_values'), values: asObject(credential['credential_values']) })
      work.report.imported(path, 'the providers of the deployments that name it')
    }
    if (credential['credential_info'] !== undefined)
      work.report.skipped(pathOf(path, 'credential_info'), 'shown in the LiteLLM console only')
  }
  return credentials
}

/** Other names of groups: alias -> group. */
function aliasesOf(work: ImportWork, settings: Settings, groups: Groups): Map<string, string> {
  const aliases = new Map<string, string>()
  const setting = settings.get('model_group_alias')
  if (setting !== undefined && Object.keys(asObject(setting.value)).length === 0)
    work.report.skipped(setting.path, 'expected an object')
  for (const [alias, value] of Object.entries(asObject(setting?.value))) {
    const path = pathOf(setting?.path ?? '', alias)
    const group = typeof value === 'string' ? value : asObject(value)['model']
    if (typeof group !== 'string' || !groups.has(group)) work.report.skipped(path, 'no group of this name was imported')
    else if (groups.has(alias)) work.report.skipped(path, 'there is a group of this name, and a name means one thing')
    else {
      aliases.set(alias, group)
      if (asObject(value)['hidden'] === true)
        work.report.approximated(path, '"as" in the catalogs; what is granted is listed, so it is not hidden')
      else work.report.imported(path, '"as" in the catalogs')
    }
  }
  return aliases
}

type Grants = {
  readonly groups: Groups
  readonly aliases: ReadonlyMap<string, string>
  readonly keys: unknown
  readonly now: Date
}

/** Who may use which model. */
function addGrants(work: ImportWork, { groups, aliases, keys, now }: Grants): void {
  if (groups.size === 0) return
  const rules = new Map<string, Draft>([...groups.keys()].map((group) => [group, { route: toModelName(group) }]))
  for (const [alias, group] of aliases) rules.set(alias, { route: toModelName(group), as: toModelName(alias) })
  const accessGroups = new Map<string, string[]>()
  const owned = new Map<string, Draft[]>()
  for (const [group, deployments] of groups) {
    for (const one of deployments) {
      for (const name of accessGroupsOf(one)) accessGroups.set(name, [...new Set([...(accessGroups.get(name) ?? []), group])])
      addOwned(work, one, owned)
    }
  }
  const ofTeams = new Set(
    [...groups].flatMap(([group, list]) => (list.every(({ info }) => typeof info['team_id'] === 'string') ? [group] : [])),
  )
  for (const [name, rule] of rules) if (ofTeams.has(name) || ofTeams.has(textOf(rule['route']))) rules.delete(name)
  const restricted = new Set([...accessGroups.values()].flat())
  for (const one of [...groups.values()].flat())
    if (one.info['access_groups'] !== undefined)
      work.report.imported(
        pathOf(pathOf(one.path, 'model_info'), 'access_groups'),
        keys === undefined ? 'a catalog for callers of that group' : 'the catalogs of teams and keys that name it',
      )
  const callers = keys === undefined ? undefined : addCallers(work, { name: 'keys', value: keys }, { rules, accessGroups, now })
  if (callers === undefined) {
    const open = [...rules]
      .filter(([name]) => !restricted.has(name) && !restricted.has(aliases.get(name) ?? ''))
      .map(([, rule]) => rule)
    if (open.length > 0) {
      work.catalogs.set('litellm', { title: 'Imported from LiteLLM', for: {}, models: open })
      work.report.approximated(
        'model_list',
        'keys and teams are not in the file: every caller may use the models without an access group (catalogs/litellm.json); narrow "for", or pass --keys',
      )
    }
    for (const [name, members] of accessGroups) {
      const granted = members.flatMap((group) => rules.get(group) ?? [])
      work.catalogs.set(freeId(name, new Set(work.catalogs.keys())), {
        title: name.replaceAll('${', '$${').slice(0, 128),
        for: { groups: [name.replaceAll('*', '-')] },
        models: granted,
      })
    }
  }
  for (const [team, models] of owned) {
    if (callers?.blocked.has(team) === true) continue
    const audience = { teams: [team.replaceAll('*', '-')], ...withoutAgents(callers?.apart.get(team)) }
    work.catalogs.set(freeId(`team-${team}`, new Set(work.catalogs.keys())), {
      title: `Models of ${team}`.slice(0, 128),
      for: audience,
      models,
    })
  }
}

/** A model one team keeps for itself. */
function addOwned(work: ImportWork, { group, info, path }: Deployment, owned: Map<string, Draft[]>): void {
  const team = info['team_id']
  const shown = info['team_public_model_name']
  if (typeof team !== 'string') return
  const as = typeof shown === 'string' ? toModelName(shown) : undefined
  const rule = { route: toModelName(group), ...(as === undefined || as === toModelName(group) ? {} : { as }) }
  const before = owned.get(team) ?? []
  if (!before.some((one) => one['route'] === rule.route)) owned.set(team, [...before, rule])
  for (const member of ['team_id', 'team_public_model_name'])
    if (info[member] !== undefined) work.report.imported(pathOf(pathOf(path, 'model_info'), member), 'a catalog of that team')
}

function addGlobalBudget(work: ImportWork, settings: Draft): void {
  if (settings['max_budget'] === undefined) {
    if (settings['budget_duration'] !== undefined)
      work.report.skipped('litellm_settings.budget_duration', 'without "max_budget" it says nothing')
    return
  }
  const [only, ...others] = work.catalogs.values()
  if (only === undefined || others.length > 0) {
    for (const member of ['max_budget', 'budget_duration'])
      if (settings[member] !== undefined)
        work.report.skipped(
          `litellm_settings.${member}`,
          'budgets belong to catalogs, and there are several: write "budgets" in each',
        )
    return
  }
  const budget = budgetOf(work.report, { path: 'litellm_settings', values: settings })
  if (budget !== undefined) only['budgets'] = [budget]
}

function addGuardrails(work: ImportWork, list: unknown): void {
  for (const [index, item] of asList(list).entries()) {
    const path = pathOf('guardrails', index)
    const { litellm_params: params, guardrail_name: _name, ...rest } = asObject(item)
    work.report.skipped(
      path,
      'needs review: write a guard (pattern, secrets, length, tool_calls) under "guards" and name it in the catalogs, or use "baseline"',
    )
    const { mode, default_on: always } = asObject(params)
    if (mode !== undefined)
      work.report.skipped(
        pathOf(pathOf(path, 'litellm_params'), 'mode'),
        'needs review: pre_call is "hooks": ["request"], post_call is ["response"], logging_only is "mode": "shadow"',
      )
    if (always !== undefined)
      work.report.skipped(
        pathOf(pathOf(path, 'litellm_params'), 'default_on'),
        'needs review: a guard judges where a catalog names it',
      )
    explainMembers(work.report, { path, members: Object.keys(rest) }, { guardrail_info: 'shown in the LiteLLM console only' })
  }
}
