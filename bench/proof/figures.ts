import { bulkhead } from './bulkhead.ts'
import { children } from './children.ts'
import { crash } from './crash.ts'
import { crosstalk } from './crosstalk.ts'
import { drain } from './drain.ts'
import { failover } from './failover.ts'
import type { Figure } from './figure.ts'
import { limiter } from './limiter.ts'
import { outage } from './outage.ts'
import { revocation } from './revocation.ts'
import { sessionFlood } from './sessions.ts'
import { coldStart } from './start.ts'

/** Every figure, in the order of the reference. */
export const FIGURES: readonly Figure[] = [
  drain,
  crash,
  outage,
  failover,
  bulkhead,
  limiter,
  sessionFlood,
  crosstalk,
  revocation,
  coldStart,
  children,
]
