import { createRollingCount } from './rolling-count.ts'

const WINDOW_SECONDS = 10
const SHARE = 0.2
/** A quiet route may retry this often in a window: callers must not suffer before the breaker of a dead target opens, which takes 5 failures. */
const FLOOR = 10

/** Keeps retries a fraction of the requests, so that a provider in trouble is not asked more often than one that is well. */
export interface RetryBudget {
  arrived(): void
  /** Takes one retry, or says no. */
  take(): boolean
}

/** A budget of 20 % of the requests of the last 10 s, at least 10. `now` is monotonic milliseconds. */
export function createRetryBudget(now: () => number): RetryBudget {
  const requests = createRollingCount(WINDOW_SECONDS, now)
  const retries = createRollingCount(WINDOW_SECONDS, now)
  return {
    arrived: () => requests.add(),
    take() {
      if (retries.total >= Math.max(FLOOR, Math.floor(requests.total * SHARE))) return false
      retries.add()
      return true
    },
  }
}
