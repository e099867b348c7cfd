import { GatewayError } from '../core/errors.ts'
import type { UsageDimension, UsageQuery, UsageRow } from './contract.ts'

/** Which sums are read. */
export interface SumsRead {
  readonly from: number
  readonly to: number
  readonly by: readonly UsageDimension[]
  readonly catalog: string
  /** With so many groups the older ones are left out. */
  readonly enough?: number
  /** More groups than this are an error. */
  readonly max?: number
}

/** What one subject spent. */
export interface SubjectSum {
  readonly subject: readonly (string | null)[]
  readonly nanoUsd: number
}

/** Asks the ledger; `isFirst` until a question has been answered. */
type Ask = (query: UsageQuery, isFirst: boolean) => Promise<readonly UsageRow[]>

/**
 * Sums of a span of time by subject, newest first. The ledger refuses an answer of too many groups; such a span is halved until each part has
 * few enough, and the sums of the parts are added.
 */
export async function readSums({ from, to, by, catalog, enough, max }: SumsRead, ask: Ask): Promise<Map<string, SubjectSum>> {
  const sums = new Map<string, SubjectSum>()
  const spans = [{ from, to }]
  let isFirst = true
  for (let span = spans.pop(); span !== undefined; span = spans.pop()) {
    if (sums.size >= (enough ?? Number.POSITIVE_INFINITY)) break
    const rows = await answered(ask({ ...span, by, where: { catalog } }, isFirst), span.to - span.from > 1)
    if (rows === undefined) {
      const middle = Math.floor((span.from + span.to) / 2)
      spans.push({ from: span.from, to: middle }, { from: middle, to: span.to })
      continue
    }
    isFirst = false
    for (const { group, nanoUsd } of rows) {
      const subject = by.map((dimension) => group[dimension] ?? null)
      const key = JSON.stringify(subject)
      sums.set(key, { subject, nanoUsd: (sums.get(key)?.nanoUsd ?? 0) + Number(nanoUsd) })
    }
    if (sums.size > (max ?? Number.POSITIVE_INFINITY)) throw new Error(`more than ${max} subjects in one period`)
  }
  return sums
}

/** Undefined when the answer would have too many groups and the span can be halved. */
async function answered(rows: Promise<readonly UsageRow[]>, canHalve: boolean): Promise<readonly UsageRow[] | undefined> {
  try {
    return await rows
  } catch (error) {
    if (canHalve && error instanceof GatewayError && error.code === 'invalid_request') return undefined
    throw error
  }
}
