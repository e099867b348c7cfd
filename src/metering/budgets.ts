// Budgets in the memory of this process. A balance is what was settled in a period plus what calls under way have reserved; the ledger holds
// every settled amount, so a balance is read from it when the process starts or a budget is new. Until then its calls are refused: an unknown
// balance is not an empty one. What is settled while the ledger is asked is added to its answer; calls that began before their catalog had the
// budget are not in it.
import type { Report } from '../core/events.ts'
import type { BudgetRule } from '../core/snapshot.ts'
import { type Account, type Balance, Balances } from './balances.ts'
import { periodOf } from './budget-period.ts'
import { type SumsRead, readSums } from './budget-sums.ts'
import type { Budgets, Reservation, SpendScope, UsageDimension, UsageQuery, UsageRow } from './contract.ts'

/** What budgets borrow. */
export interface BudgetsDeps {
  /** The ledger's answers: of all that was recorded before it was asked, and of nothing later. */
  query(query: UsageQuery): Promise<readonly UsageRow[]>
  readonly report: Report
  /** Milliseconds since the epoch. */
  now(): number
  /** Balances of runs kept in memory. */
  readonly maxBalances?: number
  /** Balances of calendar periods kept in memory. */
  readonly maxPeriods?: number
}

/** Budgets, and what the wiring needs of them. */
export interface LiveBudgets extends Budgets {
  /**
   * Reads the balances of budgets not known yet; those that are keep theirs, also when their amount changes. Never rejects: a budget that cannot
   * be read is reported, refuses, and is read again when calls come.
   */
  prepare(budgets: readonly BudgetRule[]): Promise<void>
}

/** Makes budgets without balances. */
export function createBudgets(deps: BudgetsDeps): LiveBudgets {
  return new MemoryBudgets(deps)
}

const MAX_SESSIONS = 200_000
const MAX_PERIODS = 500_000
const MAX_RETRY_S = 86_400
const UNREADY_RETRY_S = 1
const FULL_RETRY_S = 60
/** Runs rarely live longer than this; older ones begin anew after a restart. */
const SESSION_RANGE_MS = 86_400_000

class MemoryBudgets implements LiveBudgets {
  readonly #deps: BudgetsDeps
  readonly #balances: Balances
  /** Budgets in force, by catalog, period and subject: several that differ in their amount share balances. */
  #wanted = new Map<string, BudgetRule>()
  /** Of these, the ones whose balances were read. */
  readonly #ready = new Set<string>()
  /** What was settled of the budget that is being read, since the ledger was asked. */
  #reading: { readonly basis: string; readonly settled: Map<string, number> } | undefined
  /** One reading after the other. */
  #work: Promise<void> = Promise.resolve()
  #retryAt = Number.POSITIVE_INFINITY

  constructor(deps: BudgetsDeps) {
    this.#deps = deps
    this.#balances = new Balances({ maxSessions: deps.maxBalances ?? MAX_SESSIONS, maxPeriods: deps.maxPeriods ?? MAX_PERIODS })
  }

  prepare(budgets: readonly BudgetRule[]): Promise<void> {
    this.#wanted = new Map(budgets.map((budget) => [basisOf(budget), budget]))
    for (const basis of this.#ready) {
      if (this.#wanted.has(basis)) continue
      this.#ready.delete(basis)
      this.#balances.forget(basis)
    }
    return this.#readWanted()
  }

  reserve(budgets: readonly BudgetRule[], scope: SpendScope, nanoUsd: number): Reservation {
    const amount = Math.max(0, Math.ceil(nanoUsd))
    const held: { readonly budget: BudgetRule; readonly account: Account }[] = []
    for (const budget of budgets) {
      const account = accountOf(budget, scope)
      const retryAfterSeconds = this.#refusal(budget, account, amount)
      if (retryAfterSeconds !== undefined) return { granted: false, budget, retryAfterSeconds }
      held.push({ budget, account })
    }
    const accounts = new Map(held.map(({ account }) => [account.key, account]))
    for (const account of accounts.values()) this.#balances.hold(account, amount)
    let isOpen = true
    return {
      granted: true,
      settle: (cost) => {
        if (!isOpen) return
        isOpen = false
        const settled = new Map([...accounts].map(([key, account]) => [key, this.#settle(account, amount, cost)]))
        for (const { budget, account } of held) this.#tell(budget, settled.get(account.key))
      },
    }
  }

  balance(budget: BudgetRule, scope: SpendScope): { readonly spent: number; readonly reserved: number } {
    const { spent, reserved } = this.#balances.find(accountOf(budget, scope)) ?? { spent: 0, reserved: 0 }
    return { spent, reserved }
  }

  /** Seconds until the call may be tried again; undefined when the budget covers it. */
  #refusal(budget: BudgetRule, account: Account, amount: number): number | undefined {
    const now = this.#deps.now()
    if (!this.#ready.has(account.basis)) {
      if (now >= this.#retryAt) void this.#readWanted()
      return UNREADY_RETRY_S
    }
    if (!this.#balances.hasRoom(account, now)) return FULL_RETRY_S
    const { spent, reserved } = this.#balances.find(account) ?? { spent: 0, reserved: 0 }
    const isOver = spent + reserved + amount > budget.nanoUsd || spent + reserved >= budget.nanoUsd
    return isOver ? Math.max(1, Math.min(MAX_RETRY_S, Math.ceil((account.until - now) / 1_000))) : undefined
  }

  #settle(account: Account, amount: number, cost: number): Balance {
    const balance = this.#balances.settle(account, amount, cost)
    const isReading = this.#reading?.basis === account.basis
    if (isReading) this.#reading?.settled.set(account.key, (this.#reading.settled.get(account.key) ?? 0) + cost)
    else if (balance.open === 0 && !this.#ready.has(account.basis)) this.#balances.drop(account)
    return balance
  }

  #tell(budget: BudgetRule, balance: Balance | undefined): void {
    if (balance === undefined || budget.soft === undefined || balance.told || balance.spent < budget.soft * budget.nanoUsd) return
    balance.told = true
    this.#deps.report({ type: 'budget-soft', budget: budget.id, spentNanoUsd: balance.spent, nanoUsd: budget.nanoUsd })
  }

  #readWanted(): Promise<void> {
    this.#retryAt = Number.POSITIVE_INFINITY
    this.#work = this.#work.then(() => this.#readAll())
    return this.#work
  }

  async #readAll(): Promise<void> {
    for (const [basis, budget] of this.#wanted) {
      if (this.#ready.has(basis)) continue
      try {
        await this.#read(basis, budget)
      } catch (error) {
        this.#retryAt = this.#deps.now() + UNREADY_RETRY_S * 1_000
        this.#deps.report({ type: 'internal-error', error: new Error(`the balances of budget ${budget.id}`, { cause: error }) })
      } finally {
        this.#reading = undefined
      }
    }
  }

  async #read(basis: string, budget: BudgetRule): Promise<void> {
    const now = this.#deps.now()
    const { from, to } = periodOf(budget.per, now)
    const isSession = budget.per === 'session'
    const toAccount = (subject: readonly (string | null)[]) => makeAccount({ basis, from, isSession, until: to }, subject)
    const settled = new Map<string, number>()
    this.#reading = { basis, settled }
    const read: SumsRead = {
      from: isSession ? now - SESSION_RANGE_MS : from,
      to: now + SESSION_RANGE_MS,
      by: dimensionsOf(budget),
      catalog: budget.catalog,
      ...(isSession ? { enough: this.#deps.maxBalances ?? MAX_SESSIONS } : { max: this.#deps.maxPeriods ?? MAX_PERIODS }),
    }
    // An answer holds nothing that is settled after its question; the newest moments are asked for first, and those are settled meanwhile.
    const query = (asked: UsageQuery, isFirst: boolean) => {
      if (isFirst) settled.clear()
      return this.#deps.query(asked)
    }
    const sums = await readSums(read, query)
    if (this.#wanted.get(basis) === undefined) return // taken away meanwhile
    const accounts = new Map([...sums.values()].map(({ subject, nanoUsd }) => [toAccount(subject), nanoUsd]))
    const known = new Set([...accounts.keys()].map(({ key }) => key))
    for (const [account, nanoUsd] of accounts) this.#balances.assign(account, nanoUsd + (settled.get(account.key) ?? 0))
    for (const { account } of this.#balances.of(basis))
      if (!known.has(account.key) && account.until === to) this.#balances.assign(account, settled.get(account.key) ?? 0)
    this.#ready.add(basis)
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

function accountOf(budget: BudgetRule, { identity, session, at }: SpendScope): Account {
  const { principal } = identity
  const valueOf = (dimension: UsageDimension): string | null => {
    if (dimension === 'session') return session
    if (dimension === 'issuer') return principal.issuer
    if (dimension === 'subject') return principal.subject
    // `as`: what is left are names of principals.
    return principal[dimension as 'org' | 'team' | 'project' | 'agent' | 'user'] ?? null
  }
  const { from, to } = periodOf(budget.per, at)
  return makeAccount(
    { basis: basisOf(budget), from, isSession: budget.per === 'session', until: to },
    dimensionsOf(budget).map(valueOf),
  )
}

function makeAccount(
  { basis, from, isSession, until }: Omit<Account, 'key'> & { readonly from: number },
  subject: readonly (string | null)[],
): Account {
  return { key: JSON.stringify([basis, from, subject]), basis, isSession, until }
}
