import type { Principal } from '../../core/principal.ts'
import type { JsonObject } from '../../core/json.ts'
import type { ModelGrant, ModelTarget } from '../../core/snapshot.ts'
import { isWithinRegion } from '../../lib/region.ts'
import type { Operation } from '../provider.ts'

/** What targets are screened against. */
export interface ScreenQuery {
  readonly grant: ModelGrant
  readonly principal: Principal
  /** Absent: only asked about, as in explain; conditions on it are then left open. */
  readonly request: JsonObject | undefined
  readonly operation: Operation
  readonly budgeted: boolean
  readonly time: Date
}

/** What is known of targets beyond the configuration. */
export interface TargetFacts {
  /** Why the provider cannot do this with the model, in words; undefined when it can. */
  serves(target: ModelTarget, operation: Operation): string | undefined
  /** Nano-dollars of a call with these counts; null when unknown. */
  estimate(target: ModelTarget, inputTokens: number, outputTokens: number): number | null
}

/** Why a target may not answer this request, whatever its health; undefined when it may. Pure. */
export function screenTarget(target: ModelTarget, query: ScreenQuery, facts: TargetFacts): string | undefined {
  if (!target.enabled) return 'switched off'
  return (
    outsidePins(target, query.grant) ??
    conditionMiss(target, query) ??
    facts.serves(target, query.operation) ??
    priceMiss(target, query, facts)
  )
}

/** The pins of the route and of the catalog must both hold. */
function outsidePins({ region }: ModelTarget, { route, regions }: ModelGrant): string | undefined {
  for (const pins of [route.regions, regions])
    if (pins !== undefined && !pins.some((pin) => isWithinRegion(region, pin))) return `outside the regions ${pins.join(', ')}`
  return undefined
}

function conditionMiss({ when }: ModelTarget, { principal, request, time }: ScreenQuery): string | undefined {
  if (when === undefined) return undefined
  const outcome = when.evaluate({ principal, time, ...(request === undefined ? {} : { request }) })
  if (outcome.kind === 'true' || outcome.kind === 'unknown') return undefined
  const what = outcome.kind === 'error' ? `could not be evaluated (${outcome.message})` : 'is false'
  return `when \`${when.source}\` ${what}`
}

function priceMiss(target: ModelTarget, { budgeted, grant }: ScreenQuery, facts: TargetFacts): string | undefined {
  if (!budgeted || grant.route.unpriced === 'allow') return undefined
  return facts.estimate(target, 1_000, 1_000) === null ? 'no known price, and a budget applies' : undefined
}
