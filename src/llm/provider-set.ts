import { isDeepStrictEqual } from 'node:util'
import type { Dispatcher } from 'undici'
import type { Provider as ProviderConfig } from '../config/provider.ts'
import type { Signer } from '../credentials/signer.ts'
import { createSentSecrets, type SentSecrets } from '../lib/sent-secrets.ts'
import type { Provider } from './provider.ts'
import { baseUrlOf, createProvider } from './providers/registry.ts'

/** One configured provider, ready to be called. */
export interface LiveProvider {
  readonly id: string
  readonly config: ProviderConfig
  readonly provider: Provider
  readonly signer: Signer
  /** The same value without the credentials the provider was sent: what it says may repeat them. */
  strike<Value>(value: Value): Value
  /** The pool for a URL of this provider; a provider with regions has several origins. */
  pool(url: string): Dispatcher
}

/** The configured providers by id; a reload swaps those whose settings changed and lets requests under way finish on the old ones. */
export interface ProviderSet {
  get(id: string): LiveProvider | undefined
  apply(providers: Readonly<Record<string, ProviderConfig>>): void
  close(): Promise<void>
}

/** What the set borrows. */
export interface ProviderSetDeps {
  createSigner(config: ProviderConfig, baseUrl: string): Signer
  /** A connection pool to the origin of a URL. */
  dispatcher(url: string, connections: number): Dispatcher
  /** What answers for the demo provider, inside the process. */
  demo(): Dispatcher
}

/** Makes an empty set. */
export function createProviderSet(deps: ProviderSetDeps): ProviderSet {
  return new Providers(deps)
}

class Providers implements ProviderSet {
  readonly #deps: ProviderSetDeps
  readonly #live = new Map<string, Live>()

  constructor(deps: ProviderSetDeps) {
    this.#deps = deps
  }

  get(id: string): LiveProvider | undefined {
    return this.#live.get(id)
  }

  apply(providers: Readonly<Record<string, ProviderConfig>>): void {
    for (const [id, live] of this.#live) {
      const config = providers[id]
      // A switch changes no connection: the route looks at it.
      if (config !== undefined && isDeepStrictEqual({ ...config, enabled: true }, { ...live.config, enabled: true })) continue
      this.#live.delete(id)
      void live.close()
    }
    for (const [id, config] of Object.entries(providers)) {
      if (!this.#live.has(id)) this.#live.set(id, new Live(id, config, this.#deps))
    }
  }

  async close(): Promise<void> {
    const all = [...this.#live.values()]
    this.#live.clear()
    await Promise.all(all.map((live) => live.destroy()))
  }
}

class Live implements LiveProvider {
  readonly id: string
  readonly config: ProviderConfig
  readonly provider: Provider
  readonly signer: Signer
  readonly #deps: ProviderSetDeps
  readonly #sent = createSentSecrets()
  readonly #pools = new Map<string, Dispatcher>()

  constructor(id: string, config: ProviderConfig, deps: ProviderSetDeps) {
    this.id = id
    this.config = config
    this.provider = createProvider(config)
    this.signer = remembered(deps.createSigner(config, baseUrlOf(config)), this.#sent)
    this.#deps = deps
  }

  strike<Value>(value: Value): Value {
    return this.#sent.strike(value)
  }

  pool(url: string): Dispatcher {
    const path = url.indexOf('/', 8)
    const origin = path === -1 ? url : url.slice(0, path)
    const known = this.#pools.get(origin)
    if (known !== undefined) return known
    const pool = this.config.type === 'demo' ? this.#deps.demo() : this.#deps.dispatcher(url, this.config.connections)
    this.#pools.set(origin, pool)
    return pool
  }

  /** Requests under way finish. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#pools.values()].map((pool) => pool.close()))
  }

  async destroy(): Promise<void> {
    await Promise.allSettled([...this.#pools.values()].map((pool) => pool.destroy()))
  }
}

function remembered(signer: Signer, sent: SentSecrets): Signer {
  return {
    sign(request, signal) {
      const headers = signer.sign(request, signal)
      return headers instanceof Promise ? headers.then((one) => sent.remember(one)) : sent.remember(headers)
    },
    rejected: () => signer.rejected(),
  }
}
