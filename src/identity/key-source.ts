// Where the keys of one issuer come from, and how long they are trusted. Three rules: a known key never waits for the network (keys
// older than maxAge are refreshed beside the request); an unknown "kid" fetches at most once per cooldown, however many ask; when the
// issuer cannot be reached, known keys keep working for staleMs beyond maxAge and are refused after that.
import type { Identity } from '../config/identity.ts'
import { denied } from './denial.ts'
import { findKey, type SigningKey } from './key-set.ts'

/** What operators see of one issuer's keys. */
export interface KeyStatus {
  readonly keys: readonly string[]
  /** Milliseconds since the epoch; absent until keys were read once. */
  readonly fetchedAt?: number
  readonly lastError?: string
  /** The last refresh failed and the keys are older than maxAge. */
  readonly stale: boolean
  /** Tokens of this issuer can be verified. */
  readonly usable: boolean
}

/** The keys of one issuer. */
export interface KeySource {
  /** The key for a token header; undefined when the issuer has no such key. Throws `key_unavailable` when its keys cannot be read. */
  find(kid: string | undefined, alg: string): Promise<SigningKey | undefined>
  /** Whether a key found earlier is still one of the issuer's; checked for every cached token. */
  holds(key: SigningKey): boolean
  status(): KeyStatus
  close(): void
}

/** What a refreshing source borrows. `load` reads the keys from wherever they are; its time is bounded by itself. */
export interface KeySourceDeps {
  readonly load: () => Promise<readonly SigningKey[]>
  readonly settings: Identity['jwks']
  readonly now: () => number
}

/** First wait before a failed refresh is tried again without anybody asking; doubles up to the cooldown. */
const FIRST_RETRY_MS = 1_000

/** Keys that never change: written in the configuration or read from a file with it. */
export function fixedKeys(keys: readonly SigningKey[], readAt: number): KeySource {
  return {
    find: (kid, alg) => Promise.resolve(findKey(keys, kid, alg)),
    holds: () => true,
    status: () => ({ keys: keys.map(nameOf), fetchedAt: readAt, stale: false, usable: keys.length > 0 }),
    close: () => undefined,
  }
}

/** Keys that are fetched, kept and refreshed. The first fetch starts at once, so that the status is known before the first call. */
export function refreshedKeys(deps: KeySourceDeps): KeySource {
  return new RefreshedKeys(deps)
}

class RefreshedKeys implements KeySource {
  readonly #deps: KeySourceDeps
  #keys: readonly SigningKey[] = []
  #fingerprints: ReadonlySet<string> = new Set()
  #fetchedAt: number | undefined
  #attemptedAt = Number.NEGATIVE_INFINITY
  #soughtAt = Number.NEGATIVE_INFINITY
  #failures = 0
  #lastError: string | undefined
  #refreshing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(deps: KeySourceDeps) {
    this.#deps = deps
    void this.#refresh()
  }

  async find(kid: string | undefined, alg: string): Promise<SigningKey | undefined> {
    if (this.#fetchedAt === undefined) await this.#firstKeys()
    if (!this.#isUsable()) {
      await this.#refreshAfterCooldown()
      if (!this.#isUsable()) throw denied('key_unavailable')
    }
    this.#refreshWhenOld()
    const known = findKey(this.#keys, kid, alg)
    if (known !== undefined || kid === undefined || this.#keys.some((key) => key.kid === kid)) return known
    await this.#seekNewKey()
    return findKey(this.#keys, kid, alg)
  }

  holds(key: SigningKey): boolean {
    this.#refreshWhenOld()
    return this.#fingerprints.has(key.fingerprint) && this.#isUsable()
  }

  status(): KeyStatus {
    return {
      keys: this.#keys.map(nameOf),
      ...(this.#fetchedAt === undefined ? {} : { fetchedAt: this.#fetchedAt }),
      ...(this.#lastError === undefined ? {} : { lastError: this.#lastError }),
      stale: this.#fetchedAt !== undefined && this.#age() > this.#deps.settings.maxAgeMs && this.#lastError !== undefined,
      usable: this.#isUsable(),
    }
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
  }

  #age(): number {
    return this.#deps.now() - (this.#fetchedAt ?? Number.NEGATIVE_INFINITY)
  }

  #isUsable(): boolean {
    return this.#age() <= this.#deps.settings.maxAgeMs + this.#deps.settings.staleMs
  }

  /** Everybody who comes before the first keys waits for the same fetch; after a failure nobody waits until the cooldown is over. */
  async #firstKeys(): Promise<void> {
    await (this.#refreshing ?? this.#refreshAfterCooldown())
    if (this.#fetchedAt === undefined) throw denied('key_unavailable')
  }

  async #refreshAfterCooldown(): Promise<void> {
    if (this.#refreshing === undefined && this.#deps.now() - this.#attemptedAt < this.#deps.settings.cooldownMs) return
    await this.#refresh()
  }

  #refreshWhenOld(): void {
    if (this.#age() > this.#deps.settings.maxAgeMs && this.#refreshing === undefined) void this.#refreshAfterCooldown()
  }

  /** An unknown name: the issuer may have rotated its keys. Counted apart from the other fetches, so that a rotation right after one is seen. */
  async #seekNewKey(): Promise<void> {
    const now = this.#deps.now()
    if (this.#refreshing === undefined && now - this.#soughtAt < this.#deps.settings.cooldownMs) return
    if (this.#refreshing === undefined) this.#soughtAt = now
    await this.#refresh()
  }

  #refresh(): Promise<void> {
    this.#refreshing ??= this.#load().finally(() => {
      this.#refreshing = undefined
    })
    return this.#refreshing
  }

  async #load(): Promise<void> {
    clearTimeout(this.#timer)
    this.#attemptedAt = this.#deps.now()
    try {
      const keys = await this.#deps.load()
      // What is the same key stays the same object, with its imported form.
      const before = new Map(this.#keys.map((key) => [key.fingerprint, key]))
      this.#keys = keys.map((key) => before.get(key.fingerprint) ?? key)
      this.#fingerprints = new Set(keys.map((key) => key.fingerprint))
      this.#fetchedAt = this.#deps.now()
      this.#lastError = undefined
      this.#failures = 0
    } catch (error) {
      this.#lastError = error instanceof Error ? error.message : 'the keys cannot be read'
      this.#failures += 1
    }
    this.#schedule()
  }

  /** Without traffic too: so that a removed key is forgotten in time, and an issuer that was down at the start comes back. */
  #schedule(): void {
    if (this.#closed) return
    const { maxAgeMs, cooldownMs } = this.#deps.settings
    const retryMs = Math.min(FIRST_RETRY_MS * 2 ** Math.min(this.#failures - 1, 16), Math.max(cooldownMs, FIRST_RETRY_MS))
    this.#timer = setTimeout(() => void this.#refresh(), this.#lastError === undefined ? maxAgeMs : retryMs)
    this.#timer.unref()
  }
}

function nameOf(key: SigningKey): string {
  return key.kid ?? '(unnamed)'
}
