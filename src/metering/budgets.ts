// Budgets in the memory of this process, which all its workers share. A balance is what was settled in a period plus what calls under way have
// reserved; the ledger holds every settled amount, so one worker reads a balance from it when the process starts or a budget is new. Until then
// its calls are refused: an unknown balance is not an empty one. What is settled while the ledger is asked is added to its answer; calls that
// began before their catalog had the budget are not in it.
import type { Report } from '../core/events.ts'
import type { BudgetRule } from '../core/snapshot.ts'
import { type Account, type Balance, Balances, type BalancesMemory, type Claim, type Refusal } from './balances.ts'
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
  readonly memory: BalancesMemory
  /** Which worker this is. */
  readonly worker: number
  /** Hears of a call that was refused because its balance is not read. Default: it is read when it is time to try again. */
  unread?(): void
}

/** Budgets, and what the wiring needs of them. */
export interface LiveBudgets extends Budgets {
  /**
   * Reads the balances of budgets not known yet; those that are keep theirs, also when their amount changes. Never rejects: a budget that cannot
   * be read is reported, refuses, and is read again when calls come.
   */
  prepare(budgets: readonly BudgetRule[]): Promise<void>
  /** Reads again what could not be read, when it is time. */
  retry(): void
  /** Gives back what a worker that is gone had reserved. */
  forget(worker: number): void
}

/** One worker's hand on the budgets. */
export function createBudgets(deps: BudgetsDeps): LiveBudgets {
  return new MemoryBudgets(deps)
}

const MAX_RETRY_S = 86_400
const UNREADY_RETRY_S = 1
const FULL_RETRY_S = 60
/** Runs rarely live longer than this; older ones begin anew after a restart. */
const SESSION_RANGE_MS = 86_400_000

/** A call is paid for within this time after it came, unless the clock was set back meanwhile. */
const LONGEST_CALL_MS = 600_000

class MemoryBudgets implements LiveBudgets {
  readonly #deps: BudgetsDeps
  readonly #balances: Balances
  /** Budgets in force, by catalog, period and subject: several that differ in their amount share balances. */
  #wanted = new Map<string, BudgetRule>()
  /** One reading after the other. */
  #work: Promise<void> = Promise.resolve()
  #retryAt = Number.POSITIVE_INFINITY
  /** The latest moment seen. */
  #latest = 0

  constructor(deps: BudgetsDeps) {
    this.#deps = deps
    this.#balances = new Balances(deps.memory, deps.worker)
  }

  prepare(budgets: readonly BudgetRule[]): Promise<void> {
    const before = this.#wanted
    this.#wanted = new Map(budgets.map((budget) => [basisOf(budget), budget]))
    for (const basis of before.keys()) if (!this.#wanted.has(basis)) this.#balances.setState(basis, 'unread')
    return this.#readWanted()
  }

  retry(): void {
    if (this.#now() >= this.#retryAt) void this.#readWanted()
  }

  forget(worker: number): void {
    this.#balances.forget(worker)
  }

  /** Never goes back: a clock that does would grant a period whose balance is gone once more. */
  #now(): number {
    this.#latest = Math.max(this.#latest, this.#deps.now())
    return this.#latest
  }

  reserve(budgets: readonly BudgetRule[], scope: SpendScope, nanoUsd: number): Reservation {
    const amount = Math.max(0, Math.ceil(nanoUsd))
    const now = this.#now()
    // A call belongs to the period it began in, but for one whose clock went back: the time of others is ahead of its own.
    const at = now - scope.at > LONGEST_CALL_MS ? now : scope.at
    const claims = budgets.map((budget): PaidClaim => ({
      budget,
      account: accountOf(budget, { ...scope, at }),
      ...amountsOf(budget),
    }))
    const refusal = this.#balances.reserve(claims, amount, now)
    if (refusal !== undefined) return this.#refused(refusal, claims, now)
    let isOpen = true
    return {
      granted: true,
      settle: (cost) => {
        if (!isOpen) return
        isOpen = false
        for (const { claim, spent } of this.#balances.settle(claims, amount, cost)) this.#tell(claims, claim, spent)
      },
    }
  }

  balance(budget: BudgetRule, scope: SpendScope): Balance {
    return this.#balances.find(accountOf(budget, scope))
  }

  #refused({ kind, claim }: Refusal, claims: readonly PaidClaim[], now: number): Reservation {
    const { account } = claim
    const { budget } = paidBy(claims, claim)
    if (kind === 'unread') {
      if (this.#deps.unread === undefined) this.retry()
      else this.#deps.unread()
      return { granted: false, budget, retryAfterSeconds: UNREADY_RETRY_S }
    }
    if (kind === 'full') return { granted: false, budget, retryAfterSeconds: FULL_RETRY_S }
    const retryAfterSeconds = Math.max(1, Math.min(MAX_RETRY_S, Math.ceil((account.until - now) / 1_000)))
    return { granted: false, budget, retryAfterSeconds }
  }

  #tell(claims: readonly PaidClaim[], claim: Claim, spentNanoUsd: number): void {
    const { budget } = paidBy(claims, claim)
    this.#deps.report({ type: 'budget-soft', budget: budget.id, spentNanoUsd, nanoUsd: budget.nanoUsd })
  }

  #readWanted(): Promise<void> {
    this.#retryAt = Number.POSITIVE_INFINITY
    this.#work = this.#work.then(() => this.#readAll())
    return this.#work
  }

  async #readAll(): Promise<void> {
    for (const [basis, budget] of this.#wanted) {
      if (this.#balances.state(basis) === 'ready') continue
      try {
        await this.#read(basis, budget)
      } catch (error) {
        this.#balances.setState(basis, 'unread')
        this.#retryAt = this.#now() + UNREADY_RETRY_S * 1_000
        this.#deps.report({ type: 'internal-error', error: new Error(`the balances of budget ${budget.id}`, { cause: error }) })
      }
    }
  }

  async #read(basis: string, budget: BudgetRule): Promise<void> {
    const now = this.#now()
    const { maxSessions, maxPeriods } = this.#deps.memory
    const { from, to } = periodOf(budget.per, now)
    const isSession = budget.per === 'session'
    const toAccount = (subject: readonly (string | null)[]) => makeAccount({ basis, from, isSession, until: to }, subject)
    const read: SumsRead = {
      from: isSession ? now - SESSION_RANGE_MS : from,
      to: now + SESSION_RANGE_MS,
      by: dimensionsOf(budget),
      catalog: budget.catalog,
      ...(isSession ? { enough: maxSessions } : { max: maxPeriods }),
    }
    // An answer holds nothing that is settled after its question; the newest moments are asked for first, and those are settled meanwhile.
    const query = (asked: UsageQuery, isFirst: boolean) => {
      if (isFirst) this.#balances.setState(basis, 'reading')
      return this.#deps.query(asked)
    }
    const sums = await readSums(read, query)
    if (this.#wanted.get(basis) === undefined) return this.#balances.setState(basis, 'unread') // taken away meanwhile
    const accounts = [...sums.values()].map(({ subject, nanoUsd }) => ({ account: toAccount(subject), nanoUsd }))
    this.#balances.assign(basis, accounts, to)
    this.#balances.setState(basis, 'ready')
  }
}

interface PaidClaim extends Claim {
  readonly budget: BudgetRule
}

function amountsOf({ nanoUsd, soft }: BudgetRule): Pick<Claim, 'nanoUsd' | 'softNanoUsd'> {
  return soft === undefined ? { nanoUsd } : { nanoUsd, softNanoUsd: soft * nanoUsd }
}

/** The claim as it was made: a refusal names one of those it was given. */
function paidBy(claims: readonly PaidClaim[], claim: Claim): PaidClaim {
  const found = claims.find((one) => one === claim)
  if (found === undefined) throw new Error('a claim of another call')
  return found
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
