import { createServer as createPlainServer, type RequestListener, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { createServer as createTcpServer, type Server as NetServer, type Socket } from 'node:net'
import { readFileSync } from 'node:fs'
import { GatewayError } from '../core/errors.ts'

/** Where and how a listener listens, and what it bears. */
export interface ListenOptions {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly tls?: { readonly cert: string; readonly key: string; readonly clientCa?: string | undefined } | undefined
  readonly headerBytes: number
  readonly headersMs: number
  readonly requestMs: number
  readonly connections: number
  readonly connectionsPerAddress: number
  /** The port is shared by all workers of this gateway: the first one makes sure that nobody else has it, the others join. */
  readonly sharing?: 'first' | 'joining'
}

/** A bound listener. */
export interface Listener {
  /** `http://127.0.0.1:8080`, with the port that was really bound. */
  readonly url: string
  readonly port: number
  /** Reads the certificate files again. Throws when they cannot be used; the old ones stay. */
  reloadTls(): void
  /** Stops accepting; idle connections close now, busy ones when their answers are complete. Resolves when none is left. */
  drain(): Promise<void>
  /** Ends what is left. */
  destroy(): void
}

const DRAIN_SWEEP_MS = 50

/** Binds one HTTP or HTTPS listener with every time and size bound set. */
export async function listen(options: ListenOptions, handler: RequestListener): Promise<Listener> {
  const server = makeServer(options, handler)
  server.maxConnections = options.connections
  server.on('connection', perAddress(options.connectionsPerAddress))
  server.on('clientError', refuse)
  if (options.sharing === 'first' && options.port !== 0) await probe(options)
  await bind(server, options)
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : options.port
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    url: `${options.tls === undefined ? 'http' : 'https'}://${host === '0.0.0.0' ? '127.0.0.1' : host}:${port}`,
    port,
    reloadTls() {
      if (options.tls !== undefined && 'setSecureContext' in server) server.setSecureContext(readTls(options.tls))
    },
    drain() {
      return new Promise((resolve) => {
        // A connection that was busy when closing began becomes idle later, and nobody else would close it then.
        const sweep = setInterval(() => server.closeIdleConnections(), DRAIN_SWEEP_MS)
        server.close(() => {
          clearInterval(sweep)
          resolve()
        })
        server.closeIdleConnections()
      })
    },
    destroy() {
      server.closeAllConnections()
    },
  }
}

function makeServer(options: ListenOptions, handler: RequestListener): Server | TlsServer {
  const shared = {
    maxHeaderSize: options.headerBytes,
    headersTimeout: options.headersMs,
    requestTimeout: options.requestMs,
    connectionsCheckingInterval: 2_000,
    keepAliveTimeout: 65_000,
    noDelay: true,
    insecureHTTPParser: false,
    joinDuplicateHeaders: false,
    requireHostHeader: true,
  }
  return options.tls === undefined
    ? createPlainServer(shared, handler)
    : createTlsServer({ ...shared, ...readTls(options.tls) }, handler)
}

function readTls(tls: NonNullable<ListenOptions['tls']>): {
  cert: Buffer
  key: Buffer
  ca?: Buffer
  requestCert: boolean
  rejectUnauthorized: boolean
  minVersion: 'TLSv1.2'
} {
  const pair = { cert: readFileSync(tls.cert), key: readFileSync(tls.key), minVersion: 'TLSv1.2' as const }
  if (tls.clientCa === undefined) return { ...pair, requestCert: false, rejectUnauthorized: false }
  return { ...pair, ca: readFileSync(tls.clientCa), requestCert: true, rejectUnauthorized: true }
}

/** A shared port can be bound while a stranger shares it: an exclusive one is bound first, to see. */
async function probe(options: ListenOptions): Promise<void> {
  const { sharing: _, ...exclusive } = options
  const server = createTcpServer()
  await bind(server, exclusive)
  await new Promise((resolve) => server.close(resolve))
}

function bind(server: NetServer, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const where = `${options.host}:${options.port}`
      const why =
        error.code === 'EADDRINUSE' ? 'another program listens there; stop it or change the port in tollgate.json' : error.message
      reject(new GatewayError('internal', `the ${options.name} listener cannot bind ${where}: ${why}`, { cause: error }))
    })
    const { host, port } = options
    server.listen({ host, port, backlog: 1024, ...(options.sharing === undefined ? {} : { reusePort: true }) }, resolve)
  })
}

function perAddress(max: number): (socket: Socket) => void {
  const counts = new Map<string, number>()
  return (socket) => {
    const address = socket.remoteAddress ?? ''
    const count = (counts.get(address) ?? 0) + 1
    counts.set(address, count)
    socket.once('close', () => {
      const left = (counts.get(address) ?? 1) - 1
      if (left <= 0) counts.delete(address)
      else counts.set(address, left)
    })
    if (count > max) socket.destroy()
  }
}

const REFUSALS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
}

/** What Node hangs on a socket while an answer is under way; its own handler of broken requests looks there too. */
type Answering = Socket & { readonly _httpMessage?: { readonly headersSent: boolean } | null }

function refuse(error: NodeJS.ErrnoException, socket: Answering): void {
  // A refusal in the middle of an answer would be read as a part of it.
  if (error.code === 'ECONNRESET' || !socket.writable || socket._httpMessage?.headersSent === true) {
    socket.destroy()
    return
  }
  const status = REFUSALS[error.code ?? ''] ?? '400 Bad Request'
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
