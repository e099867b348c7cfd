import { isIP, type LookupFunction, type Socket } from 'node:net'
import { buildConnector, Pool } from 'undici'
import { isSpecialAddress } from './address.ts'
import { EgressError } from './egress-error.ts'
import { createEgressPolicy, hostOf, isLocalhost, portOf } from './egress-policy.ts'
import { compileGlob } from './glob.ts'

// Through an outbound proxy every target gets a tunnel of its own (CONNECT), plain HTTP too. The proxy's credentials travel in the CONNECT
// request only, so no target can see them. Names are resolved by the proxy, which then decides what they may mean.

/** An outbound proxy. */
export interface ProxyOptions {
  readonly url: string
  /** `user:password`. */
  readonly credentials?: string
  /** Hosts that are reached without it; `*` stands for any run of characters. */
  readonly direct: readonly string[]
}

/** The way through an outbound proxy. */
export interface EgressProxy {
  /** Tells whether a target is reached without the proxy: hosts of `direct`, `localhost`, and literal addresses that are not public. */
  isDirect(url: URL): boolean
  /** Opens connections to targets through tunnels. `precheck`, when given, must resolve the target's name first. */
  connector(options: TunnelOptions): buildConnector.connector
  close(): Promise<void>
}

/** How a tunnel is opened. */
export interface TunnelOptions {
  readonly target: URL
  readonly timeoutMs: number
  readonly ca: string | undefined
  readonly precheck: LookupFunction | undefined
}

/** Makes the way through a proxy. Throws an EgressError for a proxy URL that cannot be used. */
export function createEgressProxy({ url, credentials, direct }: ProxyOptions, ca: string | undefined): EgressProxy {
  const place = new URL(url)
  // The operator wrote the proxy, which is usually in the private network.
  const policy = createEgressPolicy({ allow: [`${place.hostname}:${portOf(place)}`] })
  const origin = { literalAllowed: true }
  const checked = policy.check(url, origin)
  const matchers = direct.map((glob) => compileGlob(glob.toLowerCase()))
  const trust = ca === undefined ? {} : { ca }
  const pool = new Pool(checked.origin, {
    headersTimeout: 0,
    allowH2: false,
    connect: { lookup: policy.lookup(checked, origin), ...trust },
  })
  const authorization =
    credentials === undefined ? {} : { 'proxy-authorization': `Basic ${Buffer.from(credentials).toString('base64')}` }

  const tunnel = async ({ target, timeoutMs, precheck }: TunnelOptions): Promise<Socket> => {
    const signal = AbortSignal.timeout(timeoutMs)
    if (precheck !== undefined && isIP(hostOf(target)) === 0) await resolved(precheck, hostOf(target))
    const path = `${target.hostname}:${portOf(target)}`
    const { socket, statusCode } = await pool.connect({ path, headers: { host: path, ...authorization }, signal })
    if (statusCode === 200) return socket as Socket // undici types it as a Duplex; a CONNECT is answered with the socket itself
    socket.on('error', () => undefined).destroy()
    throw new EgressError('unreachable', 'the proxy does not let this through')
  }

  return {
    isDirect(target) {
      const host = hostOf(target)
      return isLocalhost(host) || (isIP(host) !== 0 && isSpecialAddress(host)) || matchers.some((matches) => matches(host))
    },
    connector(options) {
      const secure = buildConnector({ timeout: options.timeoutMs, allowH2: false, ...trust })
      const connect = async (...[wanted, callback]: Parameters<buildConnector.connector>): Promise<void> => {
        let socket: Socket
        try {
          socket = await tunnel(options)
        } catch (cause) {
          // An error of the tunnel must not look like one of an open connection, which would be tried again for ever.
          callback(toEgressError(cause), null)
          return
        }
        if (wanted.protocol === 'https:') secure({ ...wanted, httpSocket: socket }, callback)
        else callback(null, socket)
      }
      return (wanted, callback) => void connect(wanted, callback)
    },
    close: () => pool.destroy(),
  }
}

function resolved(lookup: LookupFunction, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    lookup(host, { all: true }, (error) => (error === null ? resolve() : reject(error)))
  })
}

function toEgressError(cause: unknown): EgressError {
  if (cause instanceof EgressError) return cause
  if (cause instanceof Error && cause.name === 'TimeoutError')
    return new EgressError('timeout', 'the proxy did not answer in time', cause)
  return new EgressError('unreachable', 'the proxy cannot be reached', cause)
}
