import type { BudgetRule } from '../core/snapshot.ts'

const HOUR_MS = 3_600_000
const DAY_MS = 24 * HOUR_MS

/** The calendar period, in UTC, that a moment falls in: when it began and when it ends. Sessions and totals have no end. */
export function periodOf(per: BudgetRule['per'], at: number): { readonly from: number; readonly to: number } {
  if (per === 'hour') return from(Math.floor(at / HOUR_MS) * HOUR_MS, HOUR_MS)
  if (per === 'day') return from(Math.floor(at / DAY_MS) * DAY_MS, DAY_MS)
  if (per === 'week') return from(weekStart(at), 7 * DAY_MS)
  if (per === 'month') {
    const date = new Date(at)
    const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()]
    return { from: Date.UTC(year, month, 1), to: Date.UTC(year, month + 1, 1) }
  }
  return { from: 0, to: Number.POSITIVE_INFINITY }
}

function from(start: number, lengthMs: number): { readonly from: number; readonly to: number } {
  return { from: start, to: start + lengthMs }
}

/** The Monday before; 1970-01-01 was a Thursday. */
function weekStart(at: number): number {
  const days = Math.floor(at / DAY_MS)
  return (days - ((days + 3) % 7)) * DAY_MS
}
