import { lookup as resolve, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { Pool, type Dispatcher } from 'undici'
import { addressRanges, isLoopbackAddress, isMetadataAddress, isSpecialAddress } from './address.ts'

// The one way out of the process. Names are resolved by us and every address is checked before the socket connects to exactly that
// address, so an answer that changes between check and use (DNS rebinding) changes nothing. Redirects are never followed.

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
export interface DispatcherOptions {
  /** True when the operator wrote the URL: a literal address or `localhost` in it is allowed as written (metadata addresses are not). */
  readonly literalAllowed: boolean
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

/** Which addresses besides the public Internet may be reached, and whom TLS trusts. */
export interface EgressOptions {
  /** CIDR ranges, addresses, or `host:port`. */
  readonly allow: readonly string[]
  readonly tls?: { /** PEM bundle, instead of the public roots. */ readonly ca?: string }
}

/** Why something did not go out or come back. The message names no address and no answer, so it is no port scanner. */
export class EgressError extends Error {
  readonly reason: 'refused' | 'timeout' | 'too-large' | 'unreachable' | 'aborted'

  constructor(reason: EgressError['reason'], message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'EgressError'
    this.reason = reason
  }
}

const FETCH_POOLS = 64
const MAX_HEADER_BYTES = 16_384

/** Makes the one egress of a process. Throws an Error for an `allow` entry that is neither a range nor `host:port`. */
export function createEgress(options: EgressOptions): Egress {
  const allowed = parseAllow(options.allow)
  const pools = new Map<string, Dispatcher>()

  const dispatcher = (url: string, wanted: DispatcherOptions): Dispatcher => {
    const target = checkedUrl(url)
    checkLiteral(target, wanted.literalAllowed, allowed)
    const ca = options.tls?.ca
    return new Pool(target.origin, {
      connections: wanted.connections ?? null,
      pipelining: 1,
      allowH2: false,
      headersTimeout: 0,
      bodyTimeout: 0,
      maxHeaderSize: MAX_HEADER_BYTES,
      connect: {
        timeout: wanted.connectTimeoutMs,
        lookup: checkedLookup(target, wanted.literalAllowed, allowed),
        ...(ca === undefined ? {} : { ca }),
      },
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
      const target = checkedUrl(url)
      return await exchange(poolFor(target, wanted.literalAllowed ?? true, wanted.timeoutMs), target, wanted)
    },
    async close() {
      const open = [...pools.values()]
      pools.clear()
      await Promise.allSettled(open.map((pool) => pool.destroy()))
    },
  }
}

/** Parses a URL that we may speak to: http or https, no credentials, no blanks or control characters, no backslash. */
function checkedUrl(url: string): URL {
  if (/[\s\\]/.test(url) || !URL.canParse(url)) throw new EgressError('refused', 'the URL is malformed')
  const parsed = new URL(url)
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')
    throw new EgressError('refused', 'only http and https URLs are allowed')
  if (parsed.username !== '' || parsed.password !== '') throw new EgressError('refused', 'a URL must not carry credentials')
  return parsed
}

interface Allowed {
  ranges(address: string): boolean
  hosts: ReadonlySet<string>
}

/** Throws an Error for an `allow` entry that is neither a range nor `host:port`. */
export function checkEgressEntry(entry: string): void {
  parseAllow([entry])
}

function parseAllow(entries: readonly string[]): Allowed {
  const isHostPort = (entry: string) => /^(?:\[[^\]]+\]|[^:/[\]]+):\d{1,5}$/.test(entry)
  const ranges = addressRanges(entries.filter((entry) => !isHostPort(entry)))
  return {
    ranges: (address) => ranges.has(address),
    hosts: new Set(entries.filter(isHostPort).map((entry) => entry.toLowerCase())),
  }
}

function portOf(url: URL): string {
  return url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
}

function isLocalhost(host: string): boolean {
  return /^(?:[a-z0-9.-]+\.)?localhost\.?$/.test(host)
}

/** Literal addresses never reach `lookup`, so they are checked here, before a pool exists. */
function checkLiteral(url: URL, literalAllowed: boolean, allowed: Allowed): void {
  const host = url.hostname.replace(/^\[|\]$/g, '')
  if (isIP(host) === 0 || !isSpecialAddress(host)) return
  if (allowed.hosts.has(`${url.hostname}:${portOf(url)}`) || allowed.ranges(host)) return
  if (literalAllowed && !isMetadataAddress(host)) return
  throw new EgressError('refused', 'the address is not allowed; list it in egress.allow to permit it')
}

function checkedLookup(url: URL, literalAllowed: boolean, allowed: Allowed): LookupFunction {
  const named = allowed.hosts.has(`${url.hostname}:${portOf(url)}`)
  const loopback = literalAllowed && isLocalhost(url.hostname)
  const permitted = (address: string): boolean =>
    named || !isSpecialAddress(address) || allowed.ranges(address) || (loopback && isLoopbackAddress(address))

  return (hostname, options, callback) => {
    resolve(hostname, { family: options.family ?? 0, hints: options.hints ?? 0, all: true }, (error, addresses) => {
      const refusal = error ?? refusalOf(addresses, permitted)
      const first = addresses?.[0]
      if (refusal || !first) return callback(refusal ?? new EgressError('unreachable', 'the name has no address'), '', 4)
      if (options.all === true) return callback(null, addresses)
      return callback(null, first.address, first.family)
    })
  }
}

/** One address that is not allowed refuses the whole name: mixed answers are how rebinding starts. */
function refusalOf(addresses: readonly LookupAddress[], permitted: (address: string) => boolean): EgressError | undefined {
  if (addresses.every(({ address }) => permitted(address))) return undefined
  return new EgressError('refused', 'the name resolves to an address that is not allowed; list it in egress.allow to permit it')
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
