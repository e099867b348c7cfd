// Budgets in the memory of this process. A balance is what was settled in a period plus what calls under way have reserved; the ledger holds
// every settled amount, so a balance is recomputed from it when the process starts or a budget is new. Until then its calls are refused: an
// unknown balance is not an empty one.
import { LRUCache } from 'lru-cache'
import type { Report } from '../core/events.ts'
import type { BudgetRule } from '../core/snapshot.ts'
import { periodOf } from './budget-period.ts'
import type { Budgets, Reservation, SpendScope, UsageDimension, UsageQuery, UsageRow } from './contract.ts'

/** What budgets borrow. */
export interface BudgetsDeps {
  /** The ledger's answers. */
  query(query: UsageQuery): Promise<readonly UsageRow[]>
  readonly report: Report
  /** Milliseconds since the epoch. */
  now(): number
  /** Balances kept in memory. */
  readonly maxBalances?: number
}

/** Budgets, and what the wiring needs of them. */
export interface LiveBudgets extends Budgets {
  /** Reads the balances of budgets not known yet; those that are keep theirs, also when their amount changes. */
  prepare(budgets: readonly BudgetRule[]): Promise<void>
}

/** Makes budgets without balances. */
export function createBudgets(deps: BudgetsDeps): LiveBudgets {
  return new MemoryBudgets(deps)
}

interface Balance {
  spent: number
  reserved: number
  /** The soft threshold was told in this period. */
  told: boolean
}

const MAX_BALANCES = 200_000
const MAX_RETRY_S = 86_400
const UNREADY_RETRY_S = 1
/** Runs rarely live longer than this; older ones begin anew after a restart. */
const SESSION_RANGE_MS = 86_400_000

class MemoryBudgets implements LiveBudgets {
  readonly #deps: BudgetsDeps
  readonly #balances: LRUCache<string, Balance>
  /** Catalog, period and subject of budgets whose balances were read: several budgets may share them. */
  readonly #ready = new Set<string>()

  constructor(deps: BudgetsDeps) {
    this.#deps = deps
    this.#balances = new LRUCache({ max: deps.maxBalances ?? MAX_BALANCES })
  }

  async prepare(budgets: readonly BudgetRule[]): Promise<void> {
    const bases = new Map(budgets.map((budget) => [basisOf(budget), budget]))
    for (const basis of this.#ready) if (!bases.has(basis)) this.#ready.delete(basis)
    for (const [basis, budget] of bases) {
      if (this.#ready.has(basis)) continue
      await this.#load(budget)
      this.#ready.add(basis)
    }
  }

  reserve(budgets: readonly BudgetRule[], scope: SpendScope, nanoUsd: number): Reservation {
    const amount = Math.max(0, Math.ceil(nanoUsd))
    const held: { readonly budget: BudgetRule; readonly key: string }[] = []
    for (const budget of budgets) {
      if (!this.#ready.has(basisOf(budget))) return { granted: false, budget, retryAfterSeconds: UNREADY_RETRY_S }
      const key = keyOf(budget, scope)
      const { spent, reserved } = this.#balance(key)
      const isOver = spent + reserved + amount > budget.nanoUsd || spent + reserved >= budget.nanoUsd
      if (isOver) return { granted: false, budget, retryAfterSeconds: this.#retryAfter(budget, scope.at) }
      held.push({ budget, key })
    }
    const keys = [...new Set(held.map(({ key }) => key))]
    for (const key of keys) this.#balance(key).reserved += amount
    let isOpen = true
    return {
      granted: true,
      settle: (cost) => {
        if (!isOpen) return
        isOpen = false
        for (const key of keys) {
          const balance = this.#balance(key)
          balance.reserved = Math.max(0, balance.reserved - amount)
          balance.spent += cost
        }
        for (const { budget, key } of held) this.#tell(budget, this.#balance(key))
      },
    }
  }

  balance(budget: BudgetRule, scope: SpendScope): { readonly spent: number; readonly reserved: number } {
    const { spent, reserved } = this.#balances.peek(keyOf(budget, scope)) ?? { spent: 0, reserved: 0 }
    return { spent, reserved }
  }

  #balance(key: string): Balance {
    const known = this.#balances.get(key)
    if (known !== undefined) return known
    const balance: Balance = { spent: 0, reserved: 0, told: false }
    this.#balances.set(key, balance)
    return balance
  }

  #tell(budget: BudgetRule, balance: Balance): void {
    if (budget.soft === undefined || balance.told || balance.spent < budget.soft * budget.nanoUsd) return
    balance.told = true
    this.#deps.report({ type: 'budget-soft', budget: budget.id, spentNanoUsd: balance.spent, nanoUsd: budget.nanoUsd })
  }

  #retryAfter({ per }: BudgetRule, at: number): number {
    const { to } = periodOf(per, at)
    return Math.max(1, Math.min(MAX_RETRY_S, Math.ceil((to - this.#deps.now()) / 1_000)))
  }

  async #load(budget: BudgetRule): Promise<void> {
    const now = this.#deps.now()
    const { from } = periodOf(budget.per, now)
    const rows = await this.#deps.query({
      from: budget.per === 'session' ? now - SESSION_RANGE_MS : from,
      to: now + SESSION_RANGE_MS,
      by: dimensionsOf(budget),
      where: { catalog: budget.catalog },
    })
    for (const { group, nanoUsd } of rows) {
      const subject = dimensionsOf(budget).map((dimension) => group[dimension] ?? null)
      this.#balance(JSON.stringify([basisOf(budget), from, subject])).spent += Number(nanoUsd)
    }
  }
}

/** What a balance is kept by; amounts and thresholds may change without touching it. */
function basisOf({ catalog, per, by }: BudgetRule): string {
  return JSON.stringify([catalog, per, by])
}

/** Names of different issuers and organisations are different ones; a run belongs to one principal. */
function dimensionsOf({ per, by }: BudgetRule): readonly UsageDimension[] {
  const subject: readonly UsageDimension[] = by === 'catalog' ? [] : by === 'org' ? ['issuer', 'org'] : ['issuer', 'org', by]
  if (per !== 'session') return subject
  return ['issuer', 'org', 'subject', 'session', ...(by === 'catalog' || by === 'org' ? [] : [by])]
}

function keyOf(budget: BudgetRule, { identity, session, at }: SpendScope): string {
  const { principal } = identity
  const valueOf = (dimension: UsageDimension): string | null => {
    if (dimension === 'session') return session
    if (dimension === 'issuer') return principal.issuer
    if (dimension === 'subject') return principal.subject
    // `as`: what is left are names of principals.
    return principal[dimension as 'org' | 'team' | 'project' | 'agent' | 'user'] ?? null
  }
  return JSON.stringify([basisOf(budget), periodOf(budget.per, at).from, dimensionsOf(budget).map(valueOf)])
}
