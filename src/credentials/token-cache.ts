// One short-lived credential for all calls: (1) it is fetched on first use, and at most once at a time; (2) from 80 % of its usable life on it
// is fetched anew beside the calls that still use it; (3) a failing endpoint is left alone for a growing while. The fetch belongs to nobody: a
// caller that goes away leaves the shared wait and the fetch goes on for the others.
import { GatewayError } from '../core/errors.ts'

/** What a fetch brought, and how long it lasts when that is known. */
export interface Fetched<Value> {
  readonly value: Value
  /** Milliseconds from the moment the fetch began. */
  readonly lifetimeMs?: number | undefined
}

/** How a cached credential is had. */
export interface TokenCacheOptions<Value> {
  fetch(): Promise<Fetched<Value>>
  /** Told when what the fetch uses may be stale: it failed, or its result was refused. */
  forget?(): void
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** What a caller is told when the fetch failed with something else than a GatewayError. */
  readonly failure: string
}

interface Kept<Value> {
  readonly value: Value
  /** From here on a new one is fetched beside the calls. */
  readonly refreshAt: number
  /** From here on it is not used any more. */
  readonly usableUntil: number
}

const MARGIN_MS = 30_000
/** For answers that name no lifetime, which RFC 6749 5.1 allows. */
const DEFAULT_LIFETIME_MS = 300_000
const REJECTION_PAUSE_MS = 10_000
const MAX_FAILURE_PAUSE_MS = 30_000

/** Keeps one fetched credential fresh. */
export class TokenCache<Value = string> {
  readonly #options: TokenCacheOptions<Value>
  #kept: Kept<Value> | undefined
  #fetching: Promise<Kept<Value>> | undefined
  #rejectedAt = Number.NEGATIVE_INFINITY
  #failures = 0
  #failure: { readonly error: GatewayError; readonly until: number } | undefined

  constructor(options: TokenCacheOptions<Value>) {
    this.#options = options
  }

  /** The credential: at once when a usable one is at hand, else when it arrives. Throws, or rejects, with a GatewayError. */
  get(signal?: AbortSignal): Value | Promise<Value> {
    if (signal?.aborted === true) throw abandoned()
    const now = this.#options.now()
    if (this.#kept !== undefined && now < this.#kept.usableUntil) {
      // The old one is still good, so a failure of this fetch is nobody's failure yet.
      if (now >= this.#kept.refreshAt && !this.#isPaused(now)) this.#fetch().catch(() => undefined)
      return this.#kept.value
    }
    if (this.#failure !== undefined && this.#isPaused(now)) throw this.#failure.error
    return untilAborted(this.#fetch(), signal)
  }

  /** The credential was refused: the next call fetches anew. */
  rejected(): void {
    const now = this.#options.now()
    // An upstream that refuses every credential must not make us fetch one per call.
    if (now - this.#rejectedAt < REJECTION_PAUSE_MS) return
    this.#rejectedAt = now
    this.#kept = undefined
    this.#options.forget?.()
  }

  #isPaused(now: number): boolean {
    return this.#failure !== undefined && now < this.#failure.until
  }

  #fetch(): Promise<Kept<Value>> {
    this.#fetching ??= this.#attempt()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#fetching = undefined
      })
    return this.#fetching
  }

  async #attempt(): Promise<Kept<Value>> {
    const startedAt = this.#options.now()
    const { value, lifetimeMs } = await this.#options.fetch()
    const lifetime = lifetimeMs !== undefined && lifetimeMs > 0 ? lifetimeMs : DEFAULT_LIFETIME_MS
    // What lives shorter than twice the margin is used for half its life.
    const usable = Math.max(lifetime - MARGIN_MS, lifetime / 2)
    this.#kept = { value, refreshAt: startedAt + usable * 0.8, usableUntil: startedAt + usable }
    this.#failures = 0
    this.#failure = undefined
    return this.#kept
  }

  #fail(cause: unknown): never {
    const error = cause instanceof GatewayError ? cause : new GatewayError('upstream_auth', this.#options.failure, { cause })
    const pauseMs = Math.min(1000 * 2 ** Math.min(this.#failures, 16), MAX_FAILURE_PAUSE_MS)
    this.#failure = { error, until: this.#options.now() + pauseMs }
    this.#failures += 1
    this.#options.forget?.()
    throw error
  }
}

async function untilAborted<Value>(shared: Promise<Kept<Value>>, signal: AbortSignal | undefined): Promise<Value> {
  if (signal === undefined) return (await shared).value
  const { promise, reject } = Promise.withResolvers<never>()
  const leave = () => reject(abandoned())
  signal.addEventListener('abort', leave, { once: true })
  try {
    return (await Promise.race([shared, promise])).value
  } finally {
    signal.removeEventListener('abort', leave)
  }
}

const abandoned = () => new GatewayError('abandoned', 'the caller went away')
