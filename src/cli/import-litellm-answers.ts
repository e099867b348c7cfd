import { explainMembers, pathOf } from './import-report.ts'
import { asList, asObject, type ImportWork, textOf } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

/** What `--keys` held: the answers of /key/list, /team/list, /user/list and /budget/list, one of them or an object with several. */
export interface Answers {
  readonly name: string
  readonly value: unknown
}

/** One object of an answer, and where it stands. */
export interface Listed {
  readonly path: string
  readonly value: Draft
}

/** The objects by kind. */
export interface People {
  readonly keys: readonly Listed[]
  readonly teams: ReadonlyMap<string, Listed>
  readonly budgets: ReadonlyMap<string, Listed>
}

type Kind = 'key' | 'team' | 'user' | 'budget'

/** Sorts the objects of the answers by kind. Users carry nothing that could not stand with their keys, and are reported. */
export function parseAnswers(work: ImportWork, { name, value }: Answers): People {
  const keys: Listed[] = []
  const teams = new Map<string, Listed>()
  const budgets = new Map<string, Listed>()
  for (const { path, item } of itemsOf(name, value)) {
    const draft = asObject(item)
    const kind = kindOf(draft)
    if (kind === 'key') keys.push({ path, value: { ...asObject(draft['info']), ...draft } })
    else if (kind === 'team') teams.set(textOf(draft['team_id']), { path, value: draft })
    else if (kind === 'budget') budgets.set(textOf(draft['budget_id']), { path, value: draft })
    else if (kind === 'user') explainUser(work, path, draft)
    else
      work.report.skipped(
        path,
        typeof item === 'string'
          ? 'only a hash: ask /key/list with return_full_object=true'
          : 'neither a key, a team, a user nor a budget',
      )
  }
  for (const { path } of budgets.values()) work.report.imported(path, 'where keys and teams name it')
  return { keys, teams, budgets }
}

function explainUser(work: ImportWork, path: string, user: Draft): void {
  const limits = ['max_budget', 'soft_budget', 'budget_duration', 'tpm_limit', 'rpm_limit', 'models', 'max_parallel_requests']
  const isSet = (member: string) =>
    user[member] !== undefined && user[member] !== null && !(Array.isArray(user[member]) && asList(user[member]).length === 0)
  const members = limits.filter(isSet)
  work.report.skipped(path, 'users are who their credential says they are')
  explainMembers(
    work.report,
    { path, members },
    Object.fromEntries(
      members.map((member) => [member, 'limits of single users: write "limits" and "budgets" with "by": "user"']),
    ),
  )
}

/** Every object of the answers; lists may stand under `keys`, `teams`, `users`, `budgets` or `data`. */
function itemsOf(path: string, value: unknown): { readonly path: string; readonly item: unknown }[] {
  if (Array.isArray(value)) return asList(value).map((item, index) => ({ path: pathOf(path, index), item }))
  return Object.entries(asObject(value)).flatMap(([key, member]) =>
    Array.isArray(member) ? itemsOf(pathOf(path, key), member) : [],
  )
}

function kindOf(value: Draft): Kind | undefined {
  if (['token', 'token_id', 'key_alias', 'key_name'].some((member) => value[member] !== undefined)) return 'key'
  if (value['team_id'] !== undefined && value['user_id'] === undefined) return 'team'
  if (value['user_id'] !== undefined) return 'user'
  return value['budget_id'] === undefined ? undefined : 'budget'
}
