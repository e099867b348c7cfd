import type { IncomingHttpHeaders } from 'node:http'
import { errorLine, isRecord, type Call, type Outgoing } from './envelope.ts'

/** One message of the client on its way, and which of its requests still want an answer. */
export interface Flight {
  readonly message: Outgoing
  readonly unanswered: Map<string, Call>
  readonly signal: AbortSignal
  /** Nobody waits for it any more: no answer and no error is written. */
  silent: boolean
  /** The server said something about it. */
  heard: boolean
  renewed: boolean
  relisted: boolean
  abort(): void
}

/** Why a message got no answer: a word for programs, a sentence for people, facts. */
export interface Failure {
  readonly reason: string
  readonly text: string
  readonly facts?: Readonly<Record<string, unknown>>
}

/** How long a server may keep the stream of a call its client gave up. */
const CANCELLED_MS = 10_000

/** A message that is about to be sent. */
export function prepareFlight(message: Outgoing): Flight {
  const controller = new AbortController()
  const flight: Flight = {
    message,
    unanswered: new Map(message.calls.map((call) => [JSON.stringify(call.id), call])),
    signal: controller.signal,
    silent: false,
    heard: false,
    renewed: false,
    relisted: false,
    abort: () => {
      flight.silent = true
      controller.abort()
    },
  }
  return flight
}

/**
 * Handles a cancellation. True when that was all: hanging up is how the modern era cancels. False when the server is to be told;
 * it may then keep its stream for a while.
 */
export function cancelFlight(message: Outgoing, flights: Iterable<Flight>): boolean {
  const key = JSON.stringify(message.params['requestId'])
  for (const flight of flights) {
    if (!flight.unanswered.has(key)) continue
    if (flight.message.version !== undefined) {
      flight.abort()
      return true
    }
    if (flight.message.isBatch || flight.message.method === 'initialize') return false
    flight.silent = true
    setTimeout(flight.abort, CANCELLED_MS).unref()
  }
  return message.version !== undefined
}

/** An error that came with a status: the request's own id is put on it when the server could not read one. */
export function withId(value: unknown, { message, unanswered }: Flight): string {
  const [call] = message.calls
  if (!isRecord(value) || message.isBatch || call === undefined || unanswered.has(JSON.stringify(value['id'])))
    return JSON.stringify(value)
  return JSON.stringify({ ...value, id: call.id })
}

/** Answers every request of a flight that is still open with an error; for the rest a person is told. */
export async function fail(
  { write, warn }: { write(json: string): Promise<void>; warn(text: string): void },
  flight: Flight,
  { reason, text, facts }: Failure,
): Promise<void> {
  if (flight.silent) return
  if (flight.message.calls.length === 0) return warn(`${flight.message.method ?? 'an answer'} was not delivered: ${text}`)
  for (const { id, method } of flight.unanswered.values()) {
    // An open subscription does not fail, it ends (2026-07-28, stdio).
    const ended = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason: text } }
    await write(method === 'subscriptions/listen' && flight.heard ? JSON.stringify(ended) : errorLine(id, reason, text, facts))
  }
  flight.unanswered.clear()
}

/** An HTTP refusal without a JSON-RPC answer, in words a host can show. */
export function refusal(status: number, headers: IncomingHttpHeaders): Failure {
  const retryAfter = headers['retry-after']
  const facts = { httpStatus: status, ...(retryAfter === undefined ? {} : { retryAfter }) }
  if (status === 401)
    return {
      reason: 'unauthenticated',
      text: 'the gateway refused the token (HTTP 401): set TOLLGATE_TOKEN to a valid one',
      facts,
    }
  if (status === 403) return { reason: 'forbidden', text: 'the gateway refused this caller (HTTP 403)', facts }
  if (status >= 300 && status < 400)
    return { reason: 'redirect', text: `the gateway redirects to ${headers.location ?? 'another URL'}; use that URL`, facts }
  return {
    reason: 'http',
    text: `the gateway answered HTTP ${status}${retryAfter === undefined ? '' : `; try again in ${retryAfter} s`}`,
    facts,
  }
}

/** An error in words; Node leaves the message of some empty. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.message !== '') return error.message
  return 'code' in error ? String(error.code) : error.name
}
