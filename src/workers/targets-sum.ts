import type { TargetReading } from '../admin/targets.ts'

const WORST = ['closed', 'half-open', 'open'] as const

/** One list of targets out of one per worker. Breakers belong to each worker: the worst one is shown, counts are added. */
export function sumTargets(lists: readonly (readonly TargetReading[])[]): TargetReading[] {
  const sums = new Map<string, TargetReading>()
  for (const target of lists.flat()) {
    const known = sums.get(target.key)
    sums.set(target.key, known === undefined ? target : sumOf(known, target))
  }
  return [...sums.values()]
}

function sumOf(one: TargetReading, other: TargetReading): TargetReading {
  const worst = WORST.indexOf(other.circuit) > WORST.indexOf(one.circuit) ? other : one
  const { reason: _, firstTokenMs: __, ...rest } = one
  const reason = worst.reason ?? one.reason ?? other.reason
  const firstTokenMs = slower(one.firstTokenMs, other.firstTokenMs)
  return {
    ...rest,
    circuit: worst.circuit,
    retryInSeconds: Math.max(one.retryInSeconds, other.retryInSeconds),
    inFlight: one.inFlight + other.inFlight,
    requests: one.requests + other.requests,
    failures: one.failures + other.failures,
    ...(reason === undefined ? {} : { reason }),
    ...(firstTokenMs === undefined ? {} : { firstTokenMs }),
  }
}

function slower(one: number | undefined, other: number | undefined): number | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return Math.max(one, other)
}
