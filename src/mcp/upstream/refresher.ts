import { backoffMs } from '../../lib/backoff.ts'

/** What a refresher runs and when. */
export interface RefresherOptions<Kind> {
  /** Asks the server; `kinds` is empty for everything. Rejects when it failed. Never two at once. */
  readonly run: (kinds: ReadonlySet<Kind>, notices: ReadonlySet<Kind>) => Promise<void>
  readonly everyMs: number
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly random: () => number
}

const BACKOFF = { minMs: 500, maxMs: 30_000 }
const NOTICE_MS = 1_000
/** Notices served at once before the pace of one a second holds. */
const NOTICE_BURST = 3

/**
 * Decides when a server is asked again what it offers: on demand, on its notices (at most one a second, after a small burst), every so
 * often, and after failures with growing waits. Requests that come while one is under way are served by the next one together.
 */
export class Refresher<Kind> {
  readonly #options: RefresherOptions<Kind>
  #running: Promise<void> | undefined
  #next: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #noticeTimer: NodeJS.Timeout | undefined
  #notices = new Set<Kind>()
  #tokens = NOTICE_BURST
  #tokensAt = 0
  #failures = 0
  #stopped = false

  constructor(options: RefresherOptions<Kind>) {
    this.#options = options
  }

  /** Asks for everything now; resolves when that is done, whether it worked or not. */
  async all(): Promise<void> {
    if (this.#stopped) return
    if (this.#running === undefined) return await this.#start(new Set(), this.#takeNotices())
    this.#next ??= this.#running.then(() => {
      this.#next = undefined
      return this.#stopped ? undefined : this.#start(new Set(), this.#takeNotices())
    })
    await this.#next
  }

  /** The server said that these kinds changed. */
  notice(kinds: Iterable<Kind>): void {
    for (const kind of kinds) this.#notices.add(kind)
    if (this.#noticeTimer !== undefined || this.#stopped) return
    this.#noticeTimer = setTimeout(() => void this.#serveNotices(), this.#tokenInMs()).unref()
  }

  /** Something is wrong, or right again: ask soon. */
  soon(afterMs: number): void {
    this.#schedule(afterMs)
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearTimeout(this.#noticeTimer)
  }

  async #serveNotices(): Promise<void> {
    this.#noticeTimer = undefined
    if (this.#running !== undefined) await this.#running
    if (this.#stopped || this.#notices.size === 0) return
    if (this.#running !== undefined) return this.notice([])
    this.#tokens -= 1
    const notices = this.#takeNotices()
    await this.#start(notices, notices)
  }

  #takeNotices(): Set<Kind> {
    const notices = this.#notices
    this.#notices = new Set()
    return notices
  }

  #tokenInMs(): number {
    const now = this.#options.now()
    this.#tokens = Math.min(NOTICE_BURST, this.#tokens + Math.floor((now - this.#tokensAt) / NOTICE_MS))
    if (this.#tokens === NOTICE_BURST) this.#tokensAt = now
    else this.#tokensAt += Math.floor((now - this.#tokensAt) / NOTICE_MS) * NOTICE_MS
    return this.#tokens > 0 ? 0 : Math.max(1, this.#tokensAt + NOTICE_MS - now)
  }

  #start(kinds: ReadonlySet<Kind>, notices: ReadonlySet<Kind>): Promise<void> {
    clearTimeout(this.#timer)
    this.#running = this.#run(kinds, notices).finally(() => (this.#running = undefined))
    return this.#running
  }

  async #run(kinds: ReadonlySet<Kind>, notices: ReadonlySet<Kind>): Promise<void> {
    const { run, everyMs, random } = this.#options
    try {
      await run(kinds, notices)
      this.#failures = 0
      // a tenth of jitter keeps many servers from being asked at the same moment
      this.#schedule(everyMs * (0.9 + 0.1 * random()))
    } catch {
      // the run has reported why; here only the pace matters
      this.#failures += 1
      this.#schedule(backoffMs(this.#failures, BACKOFF, random))
    }
  }

  #schedule(afterMs: number): void {
    clearTimeout(this.#timer)
    if (!this.#stopped) this.#timer = setTimeout(() => void this.all(), afterMs).unref()
  }
}
