import { amplification } from './amplification.ts'
import { bulkhead } from './bulkhead.ts'
import { canaries } from './canaries.ts'
import { children } from './children.ts'
import { crash } from './crash.ts'
import { crosstalk } from './crosstalk.ts'
import { drain } from './drain.ts'
import { failover } from './failover.ts'
import { faults } from './faults.ts'
import type { Figure } from './figure.ts'
import { limiter } from './limiter.ts'
import { memoryCap, overload } from './overload.ts'
import { outage } from './outage.ts'
import { revocation } from './revocation.ts'
import { sessionFlood } from './sessions.ts'
import { soak } from './soak.ts'
import { coldStart } from './start.ts'

/** Every figure, in the order of the reference. */
export const FIGURES: readonly Figure[] = [
  soak,
  faults,
  overload,
  memoryCap,
  drain,
  crash,
  outage,
  failover,
  bulkhead,
  limiter,
  amplification,
  sessionFlood,
  crosstalk,
  canaries,
  revocation,
  coldStart,
  children,
]
