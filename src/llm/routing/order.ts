// In which order targets are tried.
// 1. Lower tiers first. 2. Within a tier by the strategy: as written, by weighted dice, by time to first content, or by price. 3. With
// `sticky`, dice and latency give way to rendezvous hashing: each session ranks the targets by a hash of its own, so it keeps its target
// while that one is well, and when one goes away only its sessions move.
import { hash } from 'node:crypto'
import type { ModelRoute, ModelTarget } from '../../core/snapshot.ts'
import type { TargetHealth } from './target-health.ts'

/** What the order of targets depends on. */
export interface OrderInput {
  readonly route: ModelRoute
  readonly stickyKey: string
  health(target: ModelTarget): Pick<TargetHealth, 'firstTokenMs' | 'inFlight' | 'isWorthMeasuring'>
  /** Nano-dollars for 1,000 tokens in and 1,000 out; null when unknown. */
  price(target: ModelTarget): number | null
  random(): number
}

/** A target with its place in words. */
export interface Ranked {
  readonly target: ModelTarget
  readonly reason: string
}

/** Puts targets in the order they are tried. Pure but for the dice. */
export function orderTargets(targets: readonly ModelTarget[], input: OrderInput): Ranked[] {
  if (input.route.targets.length === 1) return rank(targets, input)
  const tiers = [...new Set(targets.map(({ tier }) => tier))].toSorted((a, b) => a - b)
  const hasTiers = input.route.targets.some(({ tier }) => tier !== input.route.targets[0]?.tier)
  return tiers.flatMap((tier) =>
    rank(
      targets.filter((target) => target.tier === tier),
      input,
    ).map(({ target, reason }) => ({ target, reason: hasTiers ? `${reason}, tier ${tier}` : reason })),
  )
}

/** Which canary, if any, this request tries first. A session that is sticky always falls on the same side. */
export function drawCanary(
  canaries: readonly ModelTarget[],
  { route, stickyKey, random }: Pick<OrderInput, 'route' | 'stickyKey' | 'random'>,
): ModelTarget | undefined {
  if (canaries.length === 0) return undefined
  const roll = 100 * (route.sticky ? unitHash(stickyKey, `canary ${route.id}`) : random())
  let sum = 0
  return canaries.find(({ canary = 0 }) => {
    sum += canary
    return roll < sum
  })
}

function rank(targets: readonly ModelTarget[], input: OrderInput): Ranked[] {
  const { strategy, sticky } = input.route
  switch (strategy) {
    case 'ordered':
      return targets.map((target) => ({ target, reason: `place ${input.route.targets.indexOf(target) + 1} as written` }))
    case 'weighted':
      return sticky ? byRendezvous(targets, input) : byDice(targets, input)
    case 'lowest_latency':
      return sticky ? byRendezvous(targets, input) : byLatency(targets, input)
    case 'lowest_cost':
      return byPrice(targets, input)
  }
}

/** An exponential waiting time from an even number in (0, 1]: the shortest of several is drawn by weight. Weight 0 waits forever. */
function waiting(even: number, weight: number): number {
  return weight === 0 ? Infinity : -Math.log(even) / weight
}

function byDice(targets: readonly ModelTarget[], { random }: OrderInput): Ranked[] {
  return sortBy(targets, ({ weight }) => waiting(1 - random(), weight)).map((target) => ({
    target,
    reason: weightWords(target),
  }))
}

function byRendezvous(targets: readonly ModelTarget[], { stickyKey }: OrderInput): Ranked[] {
  return sortBy(targets, ({ key, weight }) => waiting(unitHash(stickyKey, key), weight)).map((target) => ({
    target,
    reason: `sticky, ${weightWords(target)}`,
  }))
}

function weightWords({ weight }: ModelTarget): string {
  return weight === 0 ? 'weight 0: only when the others fail' : `weight ${weight}`
}

/** One that nobody has measured goes first, for one request at a time; the rest of them wait behind those that are known. */
function byLatency(targets: readonly ModelTarget[], { health }: OrderInput): Ranked[] {
  const known = targets.map((target) => ({ target, ...pick(health(target)) }))
  const explored = known.find(({ isWorthMeasuring }) => isWorthMeasuring)
  const place = ({ target, firstTokenMs, inFlight }: (typeof known)[number]): readonly [number, number] => {
    if (target === explored?.target) return [0, 0]
    return firstTokenMs === undefined ? [2, inFlight] : [1, firstTokenMs]
  }
  return known
    .toSorted((a, b) => place(a)[0] - place(b)[0] || place(a)[1] - place(b)[1])
    .map(({ target, firstTokenMs }) => ({
      target,
      reason: firstTokenMs === undefined ? 'not measured lately' : `first content after ${Math.round(firstTokenMs)} ms`,
    }))
}

function pick({ firstTokenMs, inFlight, isWorthMeasuring }: ReturnType<OrderInput['health']>) {
  return { firstTokenMs, inFlight, isWorthMeasuring }
}

function byPrice(targets: readonly ModelTarget[], { price }: OrderInput): Ranked[] {
  const priced = targets.map((target) => ({ target, nanoUsd: price(target) }))
  return priced
    .toSorted((a, b) => difference(a.nanoUsd ?? Infinity, b.nanoUsd ?? Infinity))
    .map(({ target, nanoUsd }) => ({
      target,
      reason: nanoUsd === null ? 'no known price' : `$${nanoUsd / 1e9} for 1,000 tokens in and 1,000 out`,
    }))
}

function sortBy(targets: readonly ModelTarget[], value: (target: ModelTarget) => number): ModelTarget[] {
  if (targets.length < 2) return [...targets]
  return targets
    .map((target) => ({ target, at: value(target) }))
    .toSorted((a, b) => difference(a.at, b.at))
    .map(({ target }) => target)
}

/** Two infinities are equal, so that targets without a value keep the order they are written in. */
function difference(a: number, b: number): number {
  return a === b ? 0 : a - b
}

/** A number above 0 and below 1 that two texts always give. */
function unitHash(one: string, other: string): number {
  const digest = hash('sha256', JSON.stringify([one, other]))
  return (Number.parseInt(digest.slice(0, 12), 16) + 1) / (2 ** 48 + 1)
}
