import { allocateBalances, type BalancesMemory } from './balances.ts'
import { allocateLimiter, type LimiterMemory } from './limits.ts'

const MAX_WINDOWS = 100_000
/** Calls counted in one minute: eight thousand limited calls a second under ten rules each. */
const MAX_MOMENTS = 5_000_000
const MAX_SESSIONS = 200_000
const MAX_PERIODS = 500_000

/** What all workers of a gateway count in. */
export interface Counters {
  readonly limiter: LimiterMemory
  readonly balances: BalancesMemory
}

/** Counters of a gateway with so many workers. */
export function allocateCounters(workers: number): Counters {
  return {
    limiter: allocateLimiter({ workers, maxWindows: MAX_WINDOWS, maxMoments: MAX_MOMENTS }),
    balances: allocateBalances({ workers, maxSessions: MAX_SESSIONS, maxPeriods: MAX_PERIODS }),
  }
}
