// Keys and teams of LiteLLM as catalogs and commands. LiteLLM keeps hashes only, so each key is made anew. A team is a catalog; a key that may
// use other models than its team, or has limits of its own, is a catalog for that agent, and the catalog of the team leaves the agent out.
import { parseAnswers, type Answers, type Listed } from './import-litellm-answers.ts'
import { budgetOf, limitsOf } from './import-budget.ts'
import { explainMembers, pathOf } from './import-report.ts'
import { asObject, countOf, type ImportWork, textsIn, textOf } from './import-work.ts'
import { type Draft, freeId } from './mcp-json.ts'

/** What may be granted: names callers use, and the names that stand for several of them. */
export interface Grantable {
  /** Name callers use -> rule of a catalog. */
  readonly rules: ReadonlyMap<string, Draft>
  /** Access group -> names of rules. */
  readonly accessGroups: ReadonlyMap<string, readonly string[]>
  readonly now: Date
}

const REASONS: Readonly<Record<string, string>> = {
  spend: 'the ledger begins at zero',
  token: 'only a hash is known: the key is made anew by the command below',
  token_id: 'only a hash is known: the key is made anew by the command below',
  key_name: 'only a hash is known: the key is made anew by the command below',
  model_max_budget: 'budgets are of a catalog, not of a model in it',
  model_spend: 'the ledger begins at zero',
  budget_limits: 'further budgets: write them under "budgets" of the catalog',
  budget_windows: 'further budgets: write them under "budgets" of the catalog',
  permissions: 'what a key may do is in catalogs and roles',
  allowed_routes: 'which doors there are is fixed',
  allowed_cache_controls: 'answers are not cached',
  router_settings: 'routes are the same for every caller; use another route, or "when"',
  policies: 'guards are named by catalogs: needs review',
  object_permission_id: 'MCP servers and tools of a key are not in this file: write "tools" of its catalog',
  object_permission: 'write "tools" of its catalog: needs review',
  config: 'settings of single keys are not kept',
  members_with_roles: 'who is in a team is said by the credential',
  members: 'who is in a team is said by the credential',
  admins: 'operators have the roles admin, auditor and viewer',
  litellm_model_table: 'model aliases of a team are in "aliases"',
}
const BOOKKEEPING = new Set([
  'created_at',
  'updated_at',
  'created_by',
  'updated_by',
  'last_active',
  'budget_reset_at',
  'rotation_count',
  'auto_rotate',
  'rotation_interval',
  'last_rotation_at',
  'key_rotation_at',
  'litellm_budget_table',
  'keys',
  'team_memberships',
  'soft_budget_cooldown',
  'model_id',
  'user',
  'user_email',
])
const READ = new Set([
  'key_alias',
  'models',
  'aliases',
  'user_id',
  'team_id',
  'team_alias',
  'agent_id',
  'project_id',
  'organization_id',
  'org_id',
  'max_budget',
  'soft_budget',
  'budget_duration',
  'budget_id',
  'tpm_limit',
  'rpm_limit',
  'max_parallel_requests',
  'model_rpm_limit',
  'model_tpm_limit',
  'expires',
  'blocked',
  'metadata',
  'access_group_ids',
])

/** Adds a catalog per team, one per key that differs from its team, one for everybody else, and the commands that make the keys. */
export function addCallers(work: ImportWork, answers: Answers, grantable: Grantable): Callers {
  const people = parseAnswers(work, answers)
  const apart = new Map<string, string[]>()
  const catalogs: { readonly draft: Draft; readonly id: string }[] = []
  for (const key of people.keys) {
    const agent = addKey(work, key, { people, grantable })
    if (agent === undefined) continue
    const team = textOf(key.value['team_id'] ?? '')
    if (!isNarrower(key.value, people.teams.get(team)?.value)) continue
    apart.set(team, [...(apart.get(team) ?? []), agent])
    const audience = { agents: [agent], ...(team === '' ? {} : { teams: teamNames(people.teams.get(team)?.value, team) }) }
    catalogs.push({
      draft: catalogOf(
        work,
        key,
        { title: agent, audience, grantable: ofTeam(people.teams.get(team)?.value, grantable) },
        people,
      ),
      id: `key-${agent}`,
    })
    work.report.approximated(key.path, 'a catalog of its own: what it spends does not count for its team')
  }
  for (const [id, team] of people.teams) {
    explain(work, team)
    if (team.value['blocked'] === true) {
      work.report.imported(pathOf(team.path, 'blocked'), 'no catalog: the team may use nothing')
      continue
    }
    const names = teamNames(team.value, id)
    const audience = { teams: names, ...withoutAgents(apart.get(id)) }
    catalogs.push({
      draft: catalogOf(work, team, { title: names[0] ?? id, audience, grantable }, people),
      id: names[0] ?? id,
    })
    work.report.imported(pathOf(team.path, 'team_id'), 'a catalog')
  }
  const others = { when: ["principal.team == ''", ...Object.values(withoutAgents(apart.get('')))].join(' && ') }
  const rules = [...grantable.rules.values()]
  if (people.keys.some(({ value }) => !value['team_id']))
    work.catalogs.set('litellm', { title: 'Callers without a team', for: others, models: rules })
  for (const { draft, id } of catalogs) {
    if ((draft['models'] as readonly unknown[]).length > 0) work.catalogs.set(freeId(id, new Set(work.catalogs.keys())), draft) // made by catalogOf
  }
  return { apart, blocked: new Set([...people.teams].filter(([, { value }]) => value['blocked'] === true).map(([id]) => id)) }
}

/** What the rules of teams must leave out: agents with a catalog of their own, by team, and teams that may use nothing. */
export interface Callers {
  readonly apart: ReadonlyMap<string, readonly string[]>
  readonly blocked: ReadonlySet<string>
}

/** What a key of a team can be granted at most: what its team is. */
function ofTeam(team: Draft | undefined, { rules, ...rest }: Grantable): Grantable {
  const names = namesIn(team ?? {}, { rules, ...rest })
  return { ...rest, rules: new Map([...rules].filter(([name, rule]) => names.has(name) || names.has(textOf(rule['route'])))) }
}

/** Names of rules that lists of models and access groups stand for; no list, or one that says so, is all of them. */
function namesIn(value: Draft, { rules, accessGroups }: Grantable): Set<string> {
  const names = [...textsIn(value['models']), ...textsIn(value['access_group_ids'])]
  const isAll = names.length === 0 || names.some((name) => ALL.has(name))
  const granted = [
    ...(isAll ? rules.keys() : []),
    ...names.flatMap((name) => (rules.has(name) ? [name] : (accessGroups.get(name) ?? []))),
  ]
  return new Set(granted.filter((name) => rules.has(name)))
}

/** Leaves agents out that have a catalog of their own. */
export const withoutAgents = (agents: readonly string[] | undefined): { readonly when?: string } =>
  agents === undefined ? {} : { when: `!(principal.agent in [${agents.map((agent) => JSON.stringify(agent)).join(', ')}])` }

function teamNames(team: Draft | undefined, id: string): string[] {
  return [...new Set([...textsIn(team?.['team_alias']), id].map(literal))].filter((name) => name !== '')
}

/** A name that no catalog takes for a glob. */
const literal = (name: string) => name.replaceAll('*', '-').replaceAll('${', '-{').slice(0, 256)

/** Whether a key has rules of its own beside those of its team; a list of models that says "all" is none. */
function isNarrower(key: Draft, team: Draft | undefined): boolean {
  const own = textsIn(key['models']).filter((name) => !ALL.has(name))
  if (own.length > 0 && own.toSorted().join('\n') !== textsIn(team?.['models']).toSorted().join('\n')) return true
  return ['max_budget', 'tpm_limit', 'rpm_limit', 'max_parallel_requests', 'budget_id'].some(
    (member) => key[member] !== undefined && key[member] !== null,
  )
}

const ALL = new Set(['all-proxy-models', 'all-team-models', '*'])

type Shown = { readonly title: string; readonly audience: Draft; readonly grantable: Grantable }

function catalogOf(
  work: ImportWork,
  { path, value }: Listed,
  { title, audience, grantable }: Shown,
  { budgets }: ReturnType<typeof parseAnswers>,
): Draft {
  const shared = budgets.get(textOf(value['budget_id']))
  if (value['budget_id'] !== undefined && value['budget_id'] !== null)
    work.report[shared === undefined ? 'skipped' : 'imported'](
      pathOf(path, 'budget_id'),
      shared === undefined ? 'its budget is not in the file' : '"budgets" and "limits" of the catalog',
    )
  const bounded = { path, values: { ...withoutNulls(shared?.value), ...withoutNulls(value) } }
  const budget = budgetOf(work.report, bounded)
  const limits = limitsOf(work.report, bounded)
  return {
    title: title.replaceAll('${', '$${').slice(0, 128),
    for: audience,
    models: grantsOf(work, { path, value }, grantable),
    ...(limits === undefined ? {} : { limits }),
    ...(budget === undefined ? {} : { budgets: [budget] }),
  }
}

const withoutNulls = (value: Draft | undefined): Draft =>
  Object.fromEntries(Object.entries(value ?? {}).filter(([, member]) => member !== null))

function grantsOf(work: ImportWork, { path, value }: Listed, grantable: Grantable): Draft[] {
  const { rules, accessGroups } = grantable
  const chosen = new Map([...namesIn(value, grantable)].map((name) => [name, rules.get(name) ?? {}] as const))
  for (const name of textsIn(value['models'])) {
    if (!ALL.has(name) && !rules.has(name) && !accessGroups.has(name))
      work.report.skipped(
        pathOf(path, 'models'),
        `no model, alias or access group "${name}" was imported, or its team may not use it`,
      )
  }
  for (const [alias, group] of Object.entries(asObject(value['aliases']))) {
    const rule = typeof group === 'string' ? rules.get(group) : undefined
    if (rule === undefined) work.report.skipped(pathOf(pathOf(path, 'aliases'), alias), 'no model of this name was imported')
    else {
      chosen.set(alias, { route: rule['route'], as: alias })
      work.report.imported(pathOf(pathOf(path, 'aliases'), alias), '"as" in the catalog')
    }
  }
  if (value['models'] !== undefined) work.report.imported(pathOf(path, 'models'), '"models" of the catalog')
  return [...chosen].map(([name, rule]) => ({ ...rule, ...modelLimits(work, { path, value }, name) }))
}

function modelLimits(work: ImportWork, { path, value }: Listed, name: string): Draft {
  const calls = countOf(asObject(value['model_rpm_limit'])[name], 1_000_000)
  const tokens = countOf(asObject(value['model_tpm_limit'])[name], 1_000_000_000)
  if (calls !== undefined)
    work.report.imported(pathOf(pathOf(path, 'model_rpm_limit'), name), '"limits" of the model in the catalog')
  if (tokens !== undefined)
    work.report.imported(pathOf(pathOf(path, 'model_tpm_limit'), name), '"limits" of the model in the catalog')
  if (calls === undefined && tokens === undefined) return {}
  return {
    limits: {
      ...(calls === undefined ? {} : { callsPerMinute: calls }),
      ...(tokens === undefined ? {} : { tokensPerMinute: tokens }),
    },
  }
}

type Context = { readonly people: ReturnType<typeof parseAnswers>; readonly grantable: Grantable }

/** The command that makes a key anew, and its agent; nothing for a key that works no more. */
function addKey(work: ImportWork, key: Listed, { people, grantable }: Context): string | undefined {
  const { path, value } = key
  explain(work, key)
  const days = expiry(value['expires'], grantable.now)
  const isBlocked = value['blocked'] === true || people.teams.get(textOf(value['team_id']))?.value['blocked'] === true
  if (isBlocked || days === 0) {
    work.report.skipped(path, isBlocked ? 'the key is blocked' : 'the key has expired')
    return undefined
  }
  const text = (member: string) => (typeof value[member] === 'string' && value[member] !== '' ? value[member] : undefined)
  const team = text('team_id')
  const agent = literal(text('agent_id') ?? text('key_alias') ?? path.replace(/\W+/g, '-').replace(/^-|-$/g, ''))
  const options: readonly (readonly [string, string | undefined])[] = [
    ['--subject', text('user_id') ?? agent],
    ['--kind', text('user_id') === undefined ? undefined : 'user'],
    ['--org', text('organization_id') ?? text('org_id')],
    ['--team', team === undefined ? undefined : teamNames(people.teams.get(team)?.value, team)[0]],
    ['--project', text('project_id')],
    ['--agent', agent],
    ['--user', text('user_id')],
    ...textsIn(asObject(value['metadata'])['tags']).map((tag) => ['--group', tag] as const),
    ['--expires', days === undefined ? undefined : `${days}d`],
    ['--name', text('key_alias')],
  ]
  const words = options.flatMap(([name, word]) => (word === undefined ? [] : [name, quoted(word)]))
  work.commands.push(`tollgate keys create ${words.join(' ')}`)
  for (const member of ['key_alias', 'user_id', 'team_id', 'agent_id', 'project_id', 'organization_id', 'org_id', 'expires'])
    if (value[member] !== undefined && value[member] !== null)
      work.report.imported(pathOf(path, member), 'the command that makes the key')
  return agent
}

/** A word a POSIX shell reads as one; control characters are left out. */
function quoted(word: string): string {
  const clean = word.replace(/\p{Cc}/gu, '')
  return /^[\w@%+=:,./][\w@%+=:,./-]*$/.test(clean) ? clean : `'${clean.replaceAll("'", `'\\''`)}'`
}

/** Whole days until then; undefined: never. */
function expiry(value: unknown, now: Date): number | undefined {
  const at = typeof value === 'string' ? Date.parse(value) : Number.NaN
  return Number.isNaN(at) ? undefined : Math.max(0, Math.ceil((at - now.getTime()) / 86_400_000))
}

/** Says of each member nothing else reads what becomes of it. */
function explain(work: ImportWork, { path, value }: Listed): void {
  const isSet = (member: string) =>
    value[member] !== null && !(Array.isArray(value[member]) && textsIn(value[member]).length === 0)
  const rest = Object.keys(value).filter((member) => !READ.has(member) && !BOOKKEEPING.has(member) && isSet(member))
  explainMembers(work.report, { path, members: rest }, REASONS)
  if (value['team_alias'] !== undefined && value['team_alias'] !== null)
    work.report.imported(pathOf(path, 'team_alias'), 'the team of the catalog')
  const metadata = asObject(value['metadata'])
  for (const member of Object.keys(metadata)) {
    const place = pathOf(pathOf(path, 'metadata'), member)
    if (member === 'tags') work.report.approximated(place, 'groups of the caller: --group')
    else if (member === 'guardrails') work.report.skipped(place, 'guards are named by catalogs: needs review')
    else if (member === 'disable_fallbacks')
      work.report.skipped(place, 'a route falls back for every caller: make a route without later tiers')
    else work.report.skipped(place, 'free metadata is not kept with keys')
  }
}
