import { Pool, type Dispatcher } from 'undici'
import { EgressError } from './egress-error.ts'
import { createEgressPolicy, type EgressRules, type UrlOrigin } from './egress-policy.ts'
import { createEgressProxy, type ProxyOptions } from './egress-proxy.ts'

export { EgressError } from './egress-error.ts'

// The one way out of a gateway, under one policy (egress-policy.ts). Redirects are never followed; answers are never unpacked.

/** One bounded HTTP exchange whose answer is read whole. Rejects with an EgressError. */
export type BoundedFetch = (url: string, options: BoundedFetchOptions) => Promise<BoundedAnswer>

/** What to send, and the bounds of the answer. */
export interface BoundedFetchOptions {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs: number
  readonly maxBytes: number
  readonly signal?: AbortSignal
  /** False for URLs that a stranger named (a discovery document): a literal private address is refused too. Default true. */
  readonly literalAllowed?: boolean
}

/** An answer read whole. Header names are lower case; repeated headers are joined by a comma. */
export interface BoundedAnswer {
  readonly status: number
  readonly headers: Record<string, string>
  readonly body: Buffer
}

/** Where a dispatcher connects to, and how. */
export interface DispatcherOptions extends UrlOrigin {
  readonly connections?: number
  readonly connectTimeoutMs: number
}

/** The way out: every outbound connection of the process is made here. */
export interface Egress {
  readonly fetch: BoundedFetch
  /** A connection pool to the origin of the URL; the caller closes it. Throws an EgressError for a URL that is not allowed. */
  dispatcher(url: string, options: DispatcherOptions): Dispatcher
  close(): Promise<void>
}

/** What may be reached, which way, and whom TLS trusts. */
export interface EgressOptions extends EgressRules {
  readonly tls?: { /** PEM bundle, instead of the public roots. */ readonly ca?: string }
  /** An outbound proxy for targets in the Internet. */
  readonly proxy?: ProxyOptions
}

const FETCH_POOLS = 64
const MAX_HEADER_BYTES = 16_384

/** Makes the one egress of a process. Throws an Error for an `allow` entry that is neither a range nor `host:port`. */
export function createEgress(options: EgressOptions): Egress {
  const policy = createEgressPolicy(options)
  const ca = options.tls?.ca
  const proxy = options.proxy === undefined ? undefined : createEgressProxy(options.proxy, ca)
  const pools = new Map<string, Dispatcher>()

  const connectOf = (target: URL, wanted: DispatcherOptions): NonNullable<Pool.Options['connect']> => {
    const lookup = policy.lookup(target, wanted)
    const timeoutMs = wanted.connectTimeoutMs
    if (proxy === undefined || proxy.isDirect(target)) return { timeout: timeoutMs, lookup, ...(ca === undefined ? {} : { ca }) }
    // What a stranger named must be public for us too, not only for the proxy.
    return proxy.connector({ target, timeoutMs, ca, precheck: wanted.literalAllowed ? undefined : lookup })
  }

  const dispatcher = (url: string, wanted: DispatcherOptions): Dispatcher => {
    const target = policy.check(url, wanted)
    return new Pool(target.origin, {
      connections: wanted.connections ?? null,
      pipelining: 1,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEADER_BYTES,
      connect: connectOf(target, wanted),
    })
  }

  const poolFor = (url: URL, literalAllowed: boolean, timeoutMs: number): Dispatcher => {
    const key = `${url.origin} ${literalAllowed}`
    const known = pools.get(key)
    if (known) return known
    const oldest = pools.size >= FETCH_POOLS ? pools.entries().next().value : undefined
    if (oldest) {
      pools.delete(oldest[0])
      oldest[1].close().catch(() => undefined)
    }
    const made = dispatcher(url.href, { literalAllowed, connections: 4, connectTimeoutMs: Math.min(timeoutMs, 5_000) })
    pools.set(key, made)
    return made
  }

  return {
    dispatcher,
    async fetch(url, wanted) {
      const literalAllowed = wanted.literalAllowed ?? true
      const target = policy.check(url, { literalAllowed })
      return await exchange(poolFor(target, literalAllowed, wanted.timeoutMs), target, wanted)
    },
    async close() {
      const open = [...pools.values()]
      pools.clear()
      await Promise.allSettled([...open.map((pool) => pool.destroy()), proxy?.close()])
    },
  }
}

async function exchange(pool: Dispatcher, url: URL, options: BoundedFetchOptions): Promise<BoundedAnswer> {
  const timeout = AbortSignal.timeout(options.timeoutMs)
  const signal = options.signal ? AbortSignal.any([options.signal, timeout]) : timeout
  try {
    const answer = await pool.request({
      path: url.pathname + url.search,
      method: options.method ?? 'GET',
      headers: { 'accept-encoding': 'identity', ...options.headers },
      body: options.body ?? null,
      signal,
    })
    const body = await readBounded(answer.body, options.maxBytes)
    return { status: answer.statusCode, headers: joined(answer.headers), body }
  } catch (error) {
    throw toEgressError(error, { timedOut: timeout.aborted, aborted: options.signal?.aborted === true })
  }
}

async function readBounded(body: AsyncIterable<Buffer> & { destroy(): void }, maxBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxBytes) {
      body.destroy()
      throw new EgressError('too-large', `the answer is larger than ${maxBytes} bytes`)
    }
    chunks.push(chunk)
  }
  return Buffer.concat(chunks, size)
}

function joined(headers: Readonly<Record<string, string | string[] | undefined>>): Record<string, string> {
  const result: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) result[name] = Array.isArray(value) ? value.join(', ') : value
  }
  return result
}

function toEgressError(error: unknown, state: { timedOut: boolean; aborted: boolean }): EgressError {
  if (error instanceof EgressError) return error
  if (state.aborted) return new EgressError('aborted', 'the request was given up', error)
  if (state.timedOut) return new EgressError('timeout', 'no complete answer in time', error)
  return new EgressError('unreachable', 'the server cannot be reached', error)
}
