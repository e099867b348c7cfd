import type { IncomingMessage } from 'node:http'
import { isRecord, parseJson, type Outgoing } from './envelope.ts'
import { readBody, type HttpCall } from './http.ts'
import { readEvents } from './sse.ts'

/** What a session borrows: requests with the caller's headers on them, and the way back to the client. */
export interface SessionDeps {
  open(call: HttpCall): Promise<IncomingMessage>
  /** Passes one message of the server on. */
  relay(text: string): Promise<void>
  log(text: string): void
  readonly maxBytes: number
  readonly signal: AbortSignal
}

/** The legacy session of the client (`initialize` to DELETE). A modern client has none. */
export interface Session {
  readonly id: string | undefined
  headers(): Record<string, string>
  /** Remembers what a new session would have to begin with. */
  remember(message: Outgoing): void
  opened(id: string | undefined, result: unknown): void
  /** Opens the stream of server messages that belong to no request. */
  listen(): void
  /** Begins a new session in the place of `stale`, which the server forgot. Shared by all who ask. */
  renew(stale: string): Promise<void>
  end(timeoutMs: number): Promise<void>
}

const INITIALIZED = '{"jsonrpc":"2.0","method":"notifications/initialized"}'
const FIRST_DELAY_MS = 1_000
const MAX_DELAY_MS = 30_000

/** A session that is not open yet. */
export function createSession(deps: SessionDeps): Session {
  const { open, log, signal } = deps
  let id: string | undefined
  let version: string | undefined
  let initialize: string | undefined
  let initialized = INITIALIZED
  let renewing: Promise<void> | undefined

  const session: Session = {
    get id() {
      return id
    },
    headers: () => ({
      ...(id === undefined ? {} : { 'mcp-session-id': id }),
      ...(version === undefined ? {} : { 'mcp-protocol-version': version }),
    }),
    remember: ({ method, text }) => {
      if (method === 'initialize') initialize = text
      else if (method === 'notifications/initialized') initialized = text
    },
    opened: (given, result) => {
      id = given
      version = isRecord(result) && typeof result['protocolVersion'] === 'string' ? result['protocolVersion'] : undefined
    },
    listen: () => {
      if (id !== undefined) void listen(session, deps)
    },
    renew: (stale) => {
      if (id !== stale) return renewing ?? Promise.resolve()
      renewing ??= begin().finally(() => (renewing = undefined))
      return renewing
    },
    end: async (timeoutMs) => {
      if (id === undefined) return
      const call: HttpCall = { method: 'DELETE', headers: session.headers(), signal: AbortSignal.timeout(timeoutMs) }
      await open(call).then(
        (incoming) => incoming.resume(),
        (error: unknown) => log(`the session was not ended: ${String(error)}`),
      )
    },
  }

  async function begin(): Promise<void> {
    if (initialize === undefined) throw new Error('the gateway ended the session')
    id = undefined
    version = undefined
    log('the gateway forgot the session; beginning a new one')
    const headers = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
    const incoming = await open({ method: 'POST', headers, body: initialize, signal })
    const result = await readResult(incoming, deps.maxBytes)
    const given = incoming.headers['mcp-session-id']
    session.opened(typeof given === 'string' ? given : undefined, result)
    const accepted = await open({ method: 'POST', headers: { ...headers, ...session.headers() }, body: initialized, signal })
    accepted.resume()
    session.listen()
  }

  return session
}

async function readResult(incoming: IncomingMessage, maxBytes: number): Promise<unknown> {
  if (incoming.statusCode !== 200) {
    incoming.resume()
    throw new Error(`the gateway refused a new session: HTTP ${incoming.statusCode}`)
  }
  if (!isEventStream(incoming)) return resultOf(await readBody(incoming, maxBytes))
  for await (const { data } of readEvents(incoming, maxBytes)) {
    const result = resultOf(data)
    if (result !== undefined) return result
  }
  throw new Error('the gateway did not answer initialize')
}

function resultOf(text: string): unknown {
  const value = parseJson(text)
  return isRecord(value) ? value['result'] : undefined
}

/** Tells whether an answer is a stream of events. */
export function isEventStream(incoming: IncomingMessage): boolean {
  return /^text\/event-stream\b/i.test(incoming.headers['content-type'] ?? '')
}

/** Keeps the stream of server messages open for as long as its session lives, and resumes it where it was cut. */
async function listen(session: Session, deps: SessionDeps): Promise<void> {
  const { log, signal } = deps
  const stream: ServerStream = { id: session.id, last: undefined, delayMs: FIRST_DELAY_MS }
  const isOver = (): boolean => signal.aborted || session.id !== stream.id
  while (!isOver()) {
    try {
      if (!(await follow(session, stream, deps))) return
    } catch (error) {
      if (!isOver()) log(`the stream of server messages was cut: ${String(error)}`)
    }
    if (!isOver()) await pause(Math.min(stream.delayMs, MAX_DELAY_MS), signal)
  }
}

/** Where a stream of server messages stands. */
interface ServerStream {
  readonly id: string | undefined
  last: string | undefined
  delayMs: number
}

/** Reads the stream to its end. False when the server has none and asking again is of no use. */
async function follow(
  session: Session,
  stream: ServerStream,
  { open, relay, log, maxBytes, signal }: SessionDeps,
): Promise<boolean> {
  const resume = stream.last === undefined ? {} : { 'last-event-id': stream.last }
  const incoming = await open({
    method: 'GET',
    headers: { accept: 'text/event-stream', ...session.headers(), ...resume },
    signal,
  })
  const { statusCode = 0 } = incoming
  if (statusCode !== 200 || !isEventStream(incoming)) {
    incoming.resume()
    log(`no stream of server messages: HTTP ${statusCode}`)
    stream.delayMs = Math.min(stream.delayMs * 2, MAX_DELAY_MS)
    // 405: the server has no such stream. No other 4xx but 429 changes by asking again.
    return statusCode >= 500 || statusCode === 429
  }
  stream.delayMs = FIRST_DELAY_MS
  for await (const event of readEvents(incoming, maxBytes)) {
    stream.last = event.id ?? stream.last
    stream.delayMs = event.retryMs ?? stream.delayMs
    if (event.data !== '' && session.id === stream.id) await relay(event.data)
  }
  return true
}

/** Waits, or less when the signal comes. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms)
    timer.unref()
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer)
        resolve()
      },
      { once: true },
    )
  })
}
