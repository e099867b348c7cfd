// The tree of a Portkey config, flattened. A fallback puts its children into tiers one after the other; a load balancer puts them side by side
// and multiplies shares down the tree; a condition puts "when" on everything below it. Children inherit what Portkey lets them inherit.
import { explainMembers, type ImportReport, pathOf } from './import-report.ts'
import { ConditionError, toCondition } from './import-portkey-conditions.ts'
import { asList, asObject, numberOf } from './import-work.ts'
import type { Draft } from './mcp-json.ts'

/** A target of the tree with its place in tiers, its share, its conditions, and its members with the inherited ones. */
export interface Leaf {
  readonly path: string
  readonly tier: number
  readonly weight: number
  readonly when: readonly string[]
  readonly members: Draft
}

const INHERITED = [
  'override_params',
  'default_params',
  'drop_params',
  'retry',
  'custom_host',
  'forward_headers',
  'request_timeout',
  'strict_open_ai_compliance',
] as const
const MERGED = new Set<string>(['override_params', 'default_params'])
const MAX_DEPTH = 20

type Node = { readonly value: Draft; readonly path: string; readonly inherited: Draft; readonly depth: number }

/** The leaves of a config, tiers counted from 1. */
export function flatten(report: ImportReport, config: Draft): Leaf[] {
  return leavesOf(report, { value: config, path: '', inherited: {}, depth: 0 }).map((leaf) => ({ ...leaf, tier: leaf.tier + 1 }))
}

function leavesOf(report: ImportReport, node: Node): Leaf[] {
  const { value, path } = node
  const members = inherit(node)
  const targets = asList(value['targets']).map(asObject)
  if (targets.length === 0) return [{ path: path || '$', tier: 0, weight: 1, when: [], members }]
  if (node.depth >= MAX_DEPTH) {
    report.skipped(path, 'nested too deep')
    return []
  }
  const passed = Object.fromEntries(
    INHERITED.flatMap((member) => (members[member] === undefined ? [] : [[member, members[member]]])),
  )
  const place = pathOf(path, 'targets')
  const children = targets.map((target, index) => ({
    target,
    path: pathOf(place, index),
    leaves: leavesOf(report, { value: target, path: pathOf(place, index), inherited: passed, depth: node.depth + 1 }),
  }))
  const strategy = asObject(value['strategy'])
  const at = pathOf(path, 'strategy')
  explainStrategy(report, at, strategy)
  switch (strategy['mode']) {
    case 'fallback':
      report.imported(pathOf(at, 'mode'), '"tier" of the targets')
      return inSequence(children)
    case 'loadbalance':
      report.imported(pathOf(at, 'mode'), '"strategy": "weighted"')
      return sideBySide(report, children)
    case 'conditional':
      return byCondition(report, at, { strategy, children })
    default:
      if (strategy['mode'] !== undefined && strategy['mode'] !== 'single')
        report.approximated(pathOf(at, 'mode'), 'not a mode that is known: the first target')
      else if (strategy['mode'] !== undefined) report.imported(pathOf(at, 'mode'), 'the first target')
      for (const child of children.slice(1)) report.skipped(child.path, 'only the first target of a single strategy is used')
      return children[0]?.leaves ?? []
  }
}

function inherit({ value, inherited }: Node): Draft {
  const members: Draft = { ...inherited, ...value }
  for (const member of MERGED)
    if (inherited[member] !== undefined && value[member] !== undefined)
      members[member] = { ...asObject(inherited[member]), ...asObject(value[member]) }
  return members
}

type Child = { readonly target: Draft; readonly path: string; readonly leaves: readonly Leaf[] }

function inSequence(children: readonly Child[]): Leaf[] {
  let first = 0
  return children.flatMap(({ leaves }) => {
    const placed = leaves.map((leaf) => ({ ...leaf, tier: leaf.tier + first }))
    first = Math.max(first, ...placed.map(({ tier }) => tier + 1))
    return placed
  })
}

function sideBySide(report: ImportReport, children: readonly Child[]): Leaf[] {
  return children.flatMap(({ target, path, leaves }) => {
    const share = Math.max(0, numberOf(target['weight']) ?? 1)
    if (target['weight'] !== undefined) report.imported(pathOf(path, 'weight'), '"weight" of the targets')
    if (leaves.some(({ tier }) => tier > 0))
      report.approximated(path, 'a fallback inside a load balancer: its later targets stand in for all of them')
    const sums = new Map<number, number>()
    for (const { tier, weight } of leaves) sums.set(tier, (sums.get(tier) ?? 0) + weight)
    return leaves.map((leaf) => ({ ...leaf, weight: (share * leaf.weight) / (sums.get(leaf.tier) || 1) }))
  })
}

type Choice = { readonly strategy: Draft; readonly children: readonly Child[] }

function byCondition(report: ImportReport, path: string, { strategy, children }: Choice): Leaf[] {
  const leaves: Leaf[] = []
  const earlier: string[] = []
  const add = (name: unknown, place: string, conditions: readonly string[]): boolean => {
    const child = children.find(({ target }) => target['name'] === name)
    if (child === undefined) report.skipped(place, 'no target has this name')
    for (const leaf of child?.leaves ?? []) leaves.push({ ...leaf, when: [...leaf.when, ...conditions] })
    return child !== undefined
  }
  for (const [index, item] of asList(strategy['conditions']).entries()) {
    const place = pathOf(pathOf(path, 'conditions'), index)
    const { query, then: name } = asObject(item)
    try {
      const condition = toCondition(query)
      if (!add(name, place, [...earlier.map((before) => `!${before}`), condition])) continue
      earlier.push(condition)
      if (condition.includes('request.metadata'))
        report.approximated(place, '"when" of the targets: metadata is the member "metadata" of the request, not a header')
      else report.imported(place, '"when" of the targets')
    } catch (error) {
      if (!(error instanceof ConditionError)) throw error
      report.skipped(place, `the condition cannot be said here: ${error.message}`)
    }
  }
  report.imported(pathOf(path, 'mode'), '"when" of the targets')
  if (
    strategy['default'] !== undefined &&
    add(
      strategy['default'],
      pathOf(path, 'default'),
      earlier.map((before) => `!${before}`),
    )
  )
    report.imported(pathOf(path, 'default'), 'the target when no condition holds')
  const named = new Set([strategy['default'], ...asList(strategy['conditions']).map((item) => asObject(item)['then'])])
  for (const { target, path: place } of children)
    if (!named.has(target['name'])) report.skipped(place, 'no condition leads to it')
  return leaves
}

const BREAKER =
  '~the breaker opens at 5 failures that are half of what ended in 10 seconds, for 5 seconds, doubling to 60; it is not set'
const STRATEGY: Readonly<Record<string, string>> = {
  on_status_codes: '~upstream faults, 429 and "not found" move on to the next target; which codes is not set',
  cb_config: BREAKER,
}

function explainStrategy(report: ImportReport, path: string, strategy: Draft): void {
  const known = new Set(['mode', 'conditions', 'default', 'sticky'])
  explainMembers(report, { path, members: Object.keys(strategy).filter((member) => !known.has(member)) }, STRATEGY)
  for (const member of Object.keys(asObject(strategy['cb_config'])))
    report.approximated(pathOf(pathOf(path, 'cb_config'), member), BREAKER.slice(1))
  const sticky = asObject(strategy['sticky'])
  if (strategy['sticky'] === undefined) return
  if (sticky['enabled'] === false) report.imported(pathOf(path, 'sticky'), 'not sticky')
  else {
    report.imported(pathOf(path, 'sticky'), '"sticky" of the route')
    for (const member of ['hash_fields', 'ttl'])
      if (sticky[member] !== undefined)
        report.approximated(
          pathOf(pathOf(path, 'sticky'), member),
          'what is kept together is the session of the caller, as long as its target is well',
        )
  }
}

/** Tells whether any strategy of the tree keeps callers at their target. */
export function isSticky(config: Draft): boolean {
  const { sticky } = asObject(config['strategy'])
  return (
    (sticky !== undefined && asObject(sticky)['enabled'] !== false) ||
    asList(config['targets']).some((target) => isSticky(asObject(target)))
  )
}

/** Tells whether any strategy of the tree shares requests out. */
export function isBalanced(config: Draft): boolean {
  return (
    asObject(config['strategy'])['mode'] === 'loadbalance' ||
    asList(config['targets']).some((target) => isBalanced(asObject(target)))
  )
}
