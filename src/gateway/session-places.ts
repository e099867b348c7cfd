import type { Bounds } from '../config/gateway.ts'
import type { Gossip } from '../lib/gossip.ts'
import type { SessionPlaces } from '../mcp/sessions.ts'
import type { LimitRule } from '../metering/contract.ts'
import type { SharedLimiter } from '../metering/limits.ts'

/** What workers tell each other when a principal has no place left. */
export const CROWDED = 'sessions-crowded'

/** Places for sessions in the counters all workers share. */
export function createSessionPlaces(limiter: SharedLimiter, bounds: Bounds, gossip: Gossip): SessionPlaces {
  const all: LimitRule = { key: '["sessions"]', kind: 'concurrent', max: bounds.sessions, label: 'sessions' }
  const rulesOf = (key: string): readonly LimitRule[] => [
    {
      key: JSON.stringify(['sessions', key]),
      kind: 'concurrent',
      max: bounds.sessionsPerPrincipal,
      label: 'sessions of a principal',
    },
    all,
  ]
  return {
    take(key) {
      const full = limiter.take(rulesOf(key))
      if (full === undefined) return undefined
      return full === all ? 'gateway' : 'principal'
    },
    give: (key) => limiter.give(rulesOf(key)),
    crowded: (key) => gossip.tell(CROWDED, key, null),
  }
}
