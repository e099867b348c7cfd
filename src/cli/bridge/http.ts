import { Agent as HttpAgent, request as httpRequest, type IncomingMessage } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'

/** One request to the gateway. */
export interface HttpCall {
  readonly method: 'POST' | 'GET' | 'DELETE'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly signal?: AbortSignal
}

/** Connections to one URL. Redirects are not followed. */
export interface HttpPeer {
  open(call: HttpCall): Promise<IncomingMessage>
  close(): void
}

/** Codes of failures before a single byte of the request left: it certainly was not executed. */
const NOT_SENT = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'EADDRNOTAVAIL'])

/** Idle connections are closed before a usual server would, so that a request rarely meets one that is just ending. */
const IDLE_MS = 3_000

/** Opens requests on kept-alive connections to one URL. */
export function createHttpPeer(url: URL, connectMs: number): HttpPeer {
  const secure = url.protocol === 'https:'
  const settings = { keepAlive: true, timeout: IDLE_MS, scheduling: 'lifo' as const }
  const agent = secure ? new HttpsAgent(settings) : new HttpAgent(settings)
  return {
    open: ({ method, headers, body, signal }) =>
      new Promise((resolve, reject) => {
        const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
        const options = { method, agent, headers: { ...headers, ...length }, ...(signal === undefined ? {} : { signal }) }
        const outgoing = secure ? httpsRequest(url, options) : httpRequest(url, options)
        const connecting = setTimeout(() => outgoing.destroy(notSent(`no connection within ${connectMs} ms`)), connectMs)
        outgoing.on('socket', (socket) => {
          if (!socket.connecting) clearTimeout(connecting)
          else socket.once(secure ? 'secureConnect' : 'connect', () => clearTimeout(connecting))
        })
        outgoing.on('response', (incoming) => {
          clearTimeout(connecting)
          resolve(incoming)
        })
        outgoing.on('error', (error) => {
          clearTimeout(connecting)
          reject(error)
        })
        outgoing.end(body)
      }),
    close: () => agent.destroy(),
  }
}

function notSent(message: string): Error {
  return Object.assign(new Error(message), { code: 'ECONNREFUSED' })
}

/** Tells whether a failed request certainly never reached the other side, so that sending it again is safe. */
export function wasNotSent(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.length > 0 && error.errors.every(wasNotSent)
  return error instanceof Error && 'code' in error && typeof error.code === 'string' && NOT_SENT.has(error.code)
}

/** The whole body as text. Fails when it is longer than `maxBytes`. */
export async function readBody(incoming: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of incoming) {
    size += part.length
    if (size > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`)
    parts.push(part)
  }
  return Buffer.concat(parts).toString('utf8')
}
