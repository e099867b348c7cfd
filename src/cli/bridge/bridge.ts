// A stdio MCP server in front of a gateway's URL. Three steps: each line of the client goes out as one POST with its bytes unchanged,
// in the client's own era; answers, and streams of events, come back as lines; what can't be answered becomes a JSON-RPC error of its
// request, so that the host shows it. It never sends a request twice unless the first one certainly was not executed.
// These files import nothing but Node's own modules and each other, and need Node 18: they are also the program inside an MCPB bundle.
import type { Writable } from 'node:stream'
import { setTimeout as sleep } from 'node:timers/promises'
import { createCaller } from './calls.ts'
import { errorLine, isRecord, parseJson, readOutgoing, type Outgoing } from './envelope.ts'
import { cancelFlight, prepareFlight, type Flight } from './flight.ts'
import { createHttpPeer, type HttpPeer } from './http.ts'
import { createLineWriter, readLines } from './lines.ts'
import { createSession } from './session.ts'

/** Where a bridge connects and how. */
export interface BridgeOptions {
  /** The MCP URL of the gateway; see `bridgeUrl`. */
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  /** The value of `Authorization`, asked for before every request. */
  authorization?(): Promise<string | undefined>
  /** Never standard output. `debug` lines are wanted only when asked for. */
  log(level: 'info' | 'debug', text: string): void
  /** How long answers under way are waited for after the client closed its side. */
  readonly graceMs?: number
}

/** The client's side. */
export interface BridgeStreams {
  readonly input: AsyncIterable<Buffer | string>
  readonly output: Writable
  /** Ends the bridge. */
  readonly signal: AbortSignal
}

/** Longest line, event and answer. */
const MAX_BYTES = 64 * 1024 * 1024
const MAX_FLIGHTS = 1_000
const CONNECT_MS = 10_000
const GRACE_MS = 5_000
const END_MS = 2_000

/** Checks the URL of a bridge: https, or http to this machine, or any http when that is allowed. Throws with what to do. */
export function bridgeUrl(text: string, allowHttp: boolean): URL {
  const url = parseUrl(text)
  if (url.protocol !== 'https:' && url.protocol !== 'http:')
    throw new Error(`the URL must begin with https://, not ${url.protocol}`)
  if (url.username !== '' || url.password !== '')
    throw new Error('the URL must not hold a password; use TOLLGATE_TOKEN or --header')
  const isLocal = /^(localhost|.*\.localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname)
  if (url.protocol === 'http:' && !isLocal && !allowHttp) {
    throw new Error(`${url.origin} would carry your token unencrypted; use https, or --allow-http when that network is yours`)
  }
  return url
}

/** By trying: the shorter ways are younger than the Node of some hosts. */
function parseUrl(text: string): URL {
  try {
    return new URL(text)
  } catch (error) {
    throw new Error(`"${text}" is not a URL; give the MCP URL of the gateway, such as https://gate.example.com/mcp`, {
      cause: error,
    })
  }
}

/** Relays until the client closes its side (or the signal), then ends the session. Resolves when nothing is left open. */
export async function runBridge(options: BridgeOptions, streams: BridgeStreams): Promise<void> {
  const peer = createHttpPeer(options.url, CONNECT_MS)
  const stop = new AbortController()
  const halt = (): void => stop.abort()
  const writer = createLineWriter(streams.output, halt)
  streams.signal.addEventListener('abort', halt)
  if (streams.signal.aborted) halt()
  const open = withHeaders(peer, options)
  const log = (text: string): void => options.log('debug', text)
  const relay = async (text: string): Promise<void> => {
    const value = parseJson(text)
    if (isRecord(value) && value['jsonrpc'] === '2.0') await writer.write(text)
    else options.log('info', 'the gateway sent something that is not JSON-RPC; left out')
  }
  const session = createSession({ open, relay, log, maxBytes: MAX_BYTES, signal: stop.signal })
  const caller = createCaller({
    open,
    session,
    write: (text) => writer.write(text),
    log,
    warn: (text) => options.log('info', text),
    maxBytes: MAX_BYTES,
  })
  const flights = new Set<Flight>()
  const running = new Set<Promise<void>>()
  let gate = Promise.resolve()

  /** An initialize, a notification and an answer arrive before what the client said after them. */
  const send = (message: Outgoing): void => {
    if (message.method === 'notifications/cancelled' && cancelFlight(message, flights)) return
    if (message.calls.length > 0 && flights.size >= MAX_FLIGHTS) {
      for (const { id } of message.calls)
        void writer.write(errorLine(id, 'overloaded', `more than ${MAX_FLIGHTS} requests under way`))
      return
    }
    const flight = prepareFlight(message)
    flights.add(flight)
    const done = gate
      .then(() => caller.run(flight))
      .finally(() => {
        flights.delete(flight)
        running.delete(done)
      })
    running.add(done)
    if (message.calls.length === 0 || message.method === 'initialize')
      gate = Promise.race([done, sleep(CONNECT_MS, undefined, { ref: false })])
  }

  const ended = whenAborted(stop.signal)
  const read = readAll(streams.input, send, (text) => void writer.write(text)).catch((error: unknown) =>
    log(`the client's side broke: ${String(error)}`),
  )
  await Promise.race([ended, read])
  for (const flight of flights) if (stop.signal.aborted || flight.message.method === 'subscriptions/listen') flight.abort()
  await Promise.race([Promise.all(running), ended, sleep(options.graceMs ?? GRACE_MS, undefined, { ref: false })])
  halt()
  for (const flight of flights) flight.abort()
  await session.end(END_MS)
  peer.close()
  streams.signal.removeEventListener('abort', halt)
}

/** Opens requests with the caller's own headers on them. */
function withHeaders(peer: HttpPeer, options: BridgeOptions): HttpPeer['open'] {
  return async (call) => {
    const authorization = await options.authorization?.()
    const own = authorization === undefined ? {} : { authorization }
    return await peer.open({ ...call, headers: { ...own, ...options.headers, ...call.headers } })
  }
}

function whenAborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    signal.addEventListener('abort', () => resolve())
  })
}

async function readAll(
  input: BridgeStreams['input'],
  send: (message: Outgoing) => void,
  write: (text: string) => void,
): Promise<void> {
  for await (const line of readLines(input, MAX_BYTES)) {
    if ('tooLong' in line) write(errorLine(null, 'too_large', `a line of ${line.tooLong} bytes is longer than ${MAX_BYTES}`))
    else if (line.text.trim() !== '') {
      const message = readOutgoing(line.text)
      if (message === undefined)
        write(
          JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32700, message: 'a line must be one JSON-RPC message' } }),
        )
      else send(message)
    }
  }
}
