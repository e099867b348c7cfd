import { bulkhead } from './bulkhead.ts'
import { drain } from './drain.ts'
import { failover } from './failover.ts'
import type { Figure } from './figure.ts'
import { limiter } from './limiter.ts'
import { outage } from './outage.ts'

/** Every figure, in the order of the reference. */
export const FIGURES: readonly Figure[] = [drain, outage, failover, bulkhead, limiter]
