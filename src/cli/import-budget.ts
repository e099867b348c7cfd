import type { ImportReport } from './import-report.ts'
import { countOf, numberOf } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

const SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400, w: 604_800, mo: 2_592_000 }
const PERIODS = [
  { per: 'hour', seconds: 3_600 },
  { per: 'day', seconds: 86_400 },
  { per: 'week', seconds: 604_800 },
  { per: 'month', seconds: 2_592_000 },
] as const

/** Members of a key or team that limit it, and the path of the object they stand in. */
export interface Bounded {
  readonly path: string
  readonly values: Draft
}

/** A spending limit as a budget of a catalog; periods of ours are calendar ones, and of a length that is none of them the amount is scaled. */
export function budgetOf(report: ImportReport, { path, values }: Bounded, by?: string): Draft | undefined {
  const amount = numberOf(values['max_budget'])
  if (amount === undefined || amount < 0 || amount >= 1_000_000) {
    if (amount !== undefined) report.skipped(`${path}.max_budget`, 'budgets go from 0 to 999999 dollars')
    return undefined
  }
  const { per, factor } = periodOf(values['budget_duration'])
  const soft = numberOf(values['soft_budget'])
  const share = soft === undefined || amount === 0 ? undefined : soft / amount
  report.imported(`${path}.max_budget`, '"budgets" of the catalog')
  if (values['budget_duration'] !== undefined && values['budget_duration'] !== null)
    report.approximated(
      `${path}.budget_duration`,
      factor === 1 ? `per ${per}, by the calendar in UTC` : `per ${per}, by the calendar in UTC, with the amount in proportion`,
    )
  if (share !== undefined) report.imported(`${path}.soft_budget`, '"soft" of the budget, as a share')
  return {
    usd: (amount * factor).toFixed(6).replace(/\.?0+$/, ''),
    per,
    ...(by === undefined ? {} : { by }),
    ...(share === undefined || share <= 0 || share > 1 ? {} : { soft: Math.round(share * 10_000) / 10_000 }),
  }
}

function periodOf(duration: unknown): { readonly per: string; readonly factor: number } {
  const [, count = '', unit = ''] = /^(\d{1,6})(mo|[smhdw])$/.exec(typeof duration === 'string' ? duration : '') ?? []
  const seconds = Number(count) * (SECONDS[unit] ?? 0)
  if (!(seconds > 0)) return { per: 'total', factor: 1 }
  const exact = PERIODS.find((period) => period.seconds === seconds)
  if (exact !== undefined) return { per: exact.per, factor: 1 }
  const next = PERIODS.find((period) => period.seconds > seconds) ?? PERIODS[3]
  return { per: next.per, factor: next.seconds / seconds }
}

const LIMITS = [
  ['rpm_limit', 'callsPerMinute', 1_000_000],
  ['tpm_limit', 'tokensPerMinute', 1_000_000_000],
  ['max_parallel_requests', 'concurrent', 100_000],
] as const

/** Limits on calls and tokens as `limits` of a catalog or model. */
export function limitsOf(report: ImportReport, { path, values }: Bounded): Draft | undefined {
  const limits: Draft = {}
  for (const [member, name, most] of LIMITS) {
    const count = countOf(values[member], most)
    if (count === undefined) continue
    limits[name] = count
    report.imported(`${path}.${member}`, `"limits.${name}" of the catalog`)
  }
  return Object.keys(limits).length === 0 ? undefined : limits
}
