/** Where the admin API is, and a token for it. */
export interface AdminSide {
  readonly adminUrl: string
  readonly token: string
}

/** One entry of the ledger as the admin API gives it. */
export type AdminEntry = Readonly<Record<string, unknown>> & {
  readonly id: string
  readonly attempt: number
  readonly at: number
}

/** The body of one admin answer; throws when it is not a 200. */
export async function askAdmin({ adminUrl, token }: AdminSide, path: string): Promise<string> {
  const response = await fetch(adminUrl + path, { headers: { authorization: `Bearer ${token}` } })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text}`)
  return text
}

/** Metrics by name and labels, as they are exposed. */
export async function readMetrics(admin: AdminSide): Promise<ReadonlyMap<string, number>> {
  const lines = (await askAdmin(admin, '/metrics')).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]))
}

const LIMIT = 10_000

/** Every entry of the ledger, asked for in slices of time; a slice begins with the last moment of the one before. */
export async function readEntries(admin: AdminSide): Promise<AdminEntry[]> {
  const all: AdminEntry[] = []
  let to = new Date(Date.now() + 60_000)
  for (let before = new Set<string>(); ;) {
    const text = await askAdmin(admin, `/admin/v1/entries?from=2020-01-01&to=${to.toISOString()}&limit=${LIMIT}`)
    const { entries } = JSON.parse(text) as { entries: AdminEntry[] } // the shape of the admin API
    all.push(...entries.filter((entry) => !before.has(keyOf(entry))))
    const oldest = entries.at(-1)
    if (oldest === undefined || entries.length < LIMIT) return all
    before = new Set(entries.filter(({ at }) => at === oldest.at).map(keyOf))
    to = new Date(oldest.at + 1)
  }
}

/** What makes an entry unique. */
export function keyOf({ id, attempt }: Pick<AdminEntry, 'id' | 'attempt'>): string {
  return `${id} ${attempt}`
}

/** One line of usage. */
export interface AdminUsage {
  readonly calls: number
  /** Nano-dollars as text, since sums may pass what a number holds. */
  readonly nanoUsd?: string | number | null
}

/** Usage since ever, in groups; one group when none are named. */
export async function readUsage(admin: AdminSide, by: string): Promise<readonly AdminUsage[]> {
  const text = await askAdmin(admin, `/admin/v1/usage?from=2020-01-01${by === '' ? '' : `&by=${by}`}`)
  return (JSON.parse(text) as { rows: AdminUsage[] }).rows // the shape of the admin API
}
