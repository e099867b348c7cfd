import { lookup as systemLookup, type LookupAddress } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { addressRanges, isLoopbackAddress, isMetadataAddress, isSpecialAddress } from './address.ts'
import { EgressError } from './egress-error.ts'

// What may be spoken to. A URL is checked before anything is opened for it; names are resolved by us and every address is checked before
// the socket connects to exactly that address, so an answer that changes between check and use (DNS rebinding) changes nothing.

/** Which addresses and ports besides the public Internet on 443 may be reached. */
export interface EgressRules {
  /** CIDR ranges, addresses, or `host:port`. */
  readonly allow: readonly string[]
  /** Ports that a URL of a stranger may name; 443 when absent. */
  readonly ports?: readonly number[]
  /** How names are resolved; the system's resolver when absent. */
  readonly resolve?: Resolve
}

/** Every address of a name, in the order they are to be tried. */
export type Resolve = (
  name: string,
  options: { readonly family: number; readonly hints: number; readonly all: true },
  callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

/** Whose words a URL is. */
export interface UrlOrigin {
  /** True when the operator wrote the URL: a literal address, `localhost` and any port in it are allowed as written (metadata addresses are not). */
  readonly literalAllowed: boolean
}

/** The checks of one process. */
export interface EgressPolicy {
  /** The parsed URL. Throws an EgressError for one that is malformed, or whose scheme, port or literal address is not allowed. */
  check(url: string, origin: UrlOrigin): URL
  /** A resolver for the host of a checked URL: it fails unless every address of the name is allowed. */
  lookup(url: URL, origin: UrlOrigin): LookupFunction
}

const HTTPS_ONLY: readonly number[] = [443]

/** Makes the checks. Throws an Error for an `allow` entry that is neither a range nor `host:port`. */
export function createEgressPolicy({ allow, ports = HTTPS_ONLY, resolve = lookupAll }: EgressRules): EgressPolicy {
  const allowed = parseAllow(allow)
  return {
    check(url, origin) {
      const target = parseUrl(url)
      if (allowed.hosts.has(placeOf(target))) return target
      if (!origin.literalAllowed && !ports.includes(Number(portOf(target))))
        throw new EgressError('refused', 'the port is not allowed; list it in egress.ports to permit it')
      checkLiteral(hostOf(target), origin, allowed)
      return target
    },
    lookup: (url, origin) => checkedLookup(permissionOf(url, origin, allowed), resolve),
  }
}

/** Throws an Error for an `allow` entry that is neither a range nor `host:port`. */
export function checkEgressEntry(entry: string): void {
  parseAllow([entry])
}

/** Port of a URL, also where it is the usual one of its scheme. */
export function portOf(url: URL): string {
  return url.port === '' ? (url.protocol === 'https:' ? '443' : '80') : url.port
}

/** Host of a URL as resolvers and sockets want it: IPv6 without brackets. */
export function hostOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '')
}

/** Tells whether a host is this machine by name. */
export function isLocalhost(host: string): boolean {
  return /^(?:[a-z0-9.-]+\.)?localhost\.?$/.test(host)
}

function placeOf(url: URL): string {
  return `${url.hostname}:${portOf(url)}`
}

/** Parses a URL that we may speak to: http or https, no credentials, no blanks or control characters, no backslash. */
function parseUrl(url: string): URL {
  if (/[\s\\]/.test(url) || !URL.canParse(url)) throw new EgressError('refused', 'the URL is malformed')
  const parsed = new URL(url)
  if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')
    throw new EgressError('refused', 'only http and https URLs are allowed')
  if (parsed.username !== '' || parsed.password !== '') throw new EgressError('refused', 'a URL must not carry credentials')
  return parsed
}

interface Allowed {
  ranges(address: string): boolean
  readonly hosts: ReadonlySet<string>
}

function parseAllow(entries: readonly string[]): Allowed {
  const isHostPort = (entry: string) => /^(?:\[[^\]]+\]|[^:/[\]]+):\d{1,5}$/.test(entry)
  const ranges = addressRanges(entries.filter((entry) => !isHostPort(entry)))
  return {
    ranges: (address) => ranges.has(address),
    hosts: new Set(entries.filter(isHostPort).map((entry) => entry.toLowerCase())),
  }
}

/** Literal addresses never reach `lookup`, so they are checked before anything is opened. */
function checkLiteral(host: string, { literalAllowed }: UrlOrigin, allowed: Allowed): void {
  if (isIP(host) === 0 || !isSpecialAddress(host) || allowed.ranges(host)) return
  if (literalAllowed && !isMetadataAddress(host)) return
  throw new EgressError('refused', 'the address is not allowed; list it in egress.allow to permit it')
}

type Permission = (address: string) => boolean

function permissionOf(url: URL, { literalAllowed }: UrlOrigin, allowed: Allowed): Permission {
  const isNamed = allowed.hosts.has(placeOf(url))
  const isLocal = literalAllowed && isLocalhost(url.hostname)
  return (address) => isNamed || !isSpecialAddress(address) || allowed.ranges(address) || (isLocal && isLoopbackAddress(address))
}

function checkedLookup(isPermitted: Permission, resolve: Resolve): LookupFunction {
  return (hostname, options, callback) => {
    const family = options.family === 'IPv6' ? 6 : options.family === 'IPv4' ? 4 : (options.family ?? 0)
    resolve(hostname, { family, hints: options.hints ?? 0, all: true }, (error, addresses) => {
      const refusal = error ?? refusalOf(addresses, isPermitted)
      const first = addresses?.[0]
      if (refusal || !first) return callback(refusal ?? new EgressError('unreachable', 'the name has no address'), '', 4)
      if (options.all === true) return callback(null, addresses)
      return callback(null, first.address, first.family)
    })
  }
}

/** One address that is not allowed refuses the whole name: mixed answers are how rebinding starts. */
function refusalOf(addresses: readonly LookupAddress[], isPermitted: Permission): EgressError | undefined {
  if (addresses.every(({ address }) => isPermitted(address))) return undefined
  return new EgressError('refused', 'the name resolves to an address that is not allowed; list it in egress.allow to permit it')
}

const lookupAll: Resolve = (name, options, callback) => systemLookup(name, options, callback)
