import type { IncomingMessage } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  isRecord,
  mirroredArguments,
  modernHeaders,
  parseJson,
  type Call,
  type MirroredArgument,
  type Outgoing,
} from './envelope.ts'
import { describe, fail, refusal, withId, type Flight } from './flight.ts'
import { readBody, wasNotSent, type HttpCall } from './http.ts'
import { isEventStream, type Session } from './session.ts'
import { readEvents } from './sse.ts'

/** What the caller borrows. */
export interface CallerDeps {
  open(call: HttpCall): Promise<IncomingMessage>
  readonly session: Session
  write(json: string): Promise<void>
  log(text: string): void
  warn(text: string): void
  readonly maxBytes: number
}

/** Sends messages of the client and brings their answers back. */
export interface Caller {
  /** Never rejects: failures become error lines. */
  run(flight: Flight): Promise<void>
}

/** What is borrowed, and the tools of which arguments travel as headers too. */
type Wire = CallerDeps & { readonly mirrored: Map<string, readonly MirroredArgument[]> }

const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }
const HEADER_MISMATCH = -32_020
/** Waits before a request that was certainly not sent is tried again. */
const RETRY_MS: readonly number[] = [200, 600, 1_500]
const MAX_RESUMES = 5
const MAX_PAGES = 64
/** How long a server may keep a stream open behind its answer. */
const TRAILING_MS = 5_000

/** A caller with an empty memory of tools. */
export function createCaller(deps: CallerDeps): Caller {
  const wire: Wire = { ...deps, mirrored: new Map() }
  return { run: (flight) => run(wire, flight) }
}

async function run(wire: Wire, flight: Flight): Promise<void> {
  const { message } = flight
  try {
    wire.session.remember(message)
    const incoming = await post(wire, flight)
    if (message.calls.length === 0) await accept(wire, incoming, message)
    else await answer(wire, incoming, flight)
  } catch (error) {
    await fail(wire, flight, { reason: 'unreachable', text: `the gateway cannot be reached: ${describe(error)}` })
  }
}

function headersOf(wire: Wire, message: Outgoing): Record<string, string> {
  if (message.version === undefined) return { ...HEADERS, ...(message.method === 'initialize' ? {} : wire.session.headers()) }
  const name = message.method === 'tools/call' ? message.params['name'] : undefined
  return { ...HEADERS, ...modernHeaders(message, wire.mirrored.get(String(name)) ?? []) }
}

/** Sends one message. Sent again: when no connection came about, and once when the server forgot the session (404: not executed). */
async function post(wire: Wire, flight: Flight): Promise<IncomingMessage> {
  const { message, signal } = flight
  for (let attempt = 0; ; attempt += 1) {
    const used = message.version === undefined && message.method !== 'initialize' ? wire.session.id : undefined
    try {
      const incoming = await wire.open({ method: 'POST', headers: headersOf(wire, message), body: message.text, signal })
      if (incoming.statusCode !== 404 || used === undefined || flight.renewed) return incoming
      incoming.resume()
      flight.renewed = true
      await wire.session.renew(used)
    } catch (error) {
      const delayMs = RETRY_MS[attempt]
      if (!wasNotSent(error) || delayMs === undefined || signal.aborted) throw error
      await sleep(delayMs, undefined, { signal })
    }
  }
}

/** A notification or an answer of the client: nothing comes back, but a refusal is worth a line to a person. */
async function accept(wire: Wire, incoming: IncomingMessage, message: Outgoing): Promise<void> {
  const { statusCode = 0 } = incoming
  await readBody(incoming, wire.maxBytes)
  if (statusCode >= 300) wire.warn(`the gateway refused ${message.method ?? 'an answer'}: HTTP ${statusCode}`)
  else if (message.method === 'notifications/initialized' && message.version === undefined) wire.session.listen()
}

async function answer(wire: Wire, incoming: IncomingMessage, flight: Flight): Promise<void> {
  const { statusCode = 0, headers } = incoming
  if (statusCode === 200 && isEventStream(incoming)) return answerStream(wire, incoming, flight)
  const text = await readBody(incoming, wire.maxBytes)
  const value = parseJson(text)
  if (await refreshHeaders(wire, flight, value)) return answer(wire, await post(wire, flight), flight)
  const isAnswer =
    Array.isArray(value) || (isRecord(value) && value['jsonrpc'] === '2.0' && ('result' in value || 'error' in value))
  if (!isAnswer || (statusCode === 401 && flight.message.method !== undefined))
    return fail(wire, flight, refusal(statusCode, headers))
  await deliver(wire, statusCode >= 400 ? withId(value, flight) : text, incoming, flight)
  await fail(wire, flight, {
    reason: 'no_answer',
    text: `the gateway answered HTTP ${statusCode} without an answer to this request`,
  })
}

/** Relays a stream until every request is answered, resuming it where it was cut when the server offers that. */
async function answerStream(wire: Wire, first: IncomingMessage, flight: Flight): Promise<void> {
  const place: StreamPlace = { last: undefined, retryMs: 1_000 }
  let incoming = first
  for (let resumes = 0; ; resumes += 1) {
    await readStream(wire, incoming, flight, place)
    if (flight.unanswered.size === 0 || flight.silent) return
    if (place.last === undefined || flight.message.version !== undefined || resumes >= MAX_RESUMES) break
    await sleep(Math.min(place.retryMs, 30_000), undefined, { signal: flight.signal })
    const headers = { accept: 'text/event-stream', ...wire.session.headers(), 'last-event-id': place.last }
    incoming = await wire.open({ method: 'GET', headers, signal: flight.signal })
    if (incoming.statusCode === 200) continue
    incoming.resume()
    break
  }
  await fail(wire, flight, {
    reason: 'cut',
    text: 'the gateway ended the stream without an answer; the call may have been executed',
  })
}

/** Where a stream stands, for resuming it. */
interface StreamPlace {
  last: string | undefined
  retryMs: number
}

async function readStream(wire: Wire, incoming: IncomingMessage, flight: Flight, place: StreamPlace): Promise<void> {
  const events = readEvents(incoming, wire.maxBytes)
  try {
    for (let step = await events.next(); step.done !== true; step = await events.next()) {
      place.last = step.value.id ?? place.last
      place.retryMs = step.value.retryMs ?? place.retryMs
      if (step.value.data !== '') await deliver(wire, step.value.data, incoming, flight)
      if (flight.unanswered.size === 0) return void letEnd(events, incoming)
    }
  } catch (error) {
    wire.log(`a stream was cut: ${describe(error)}`)
  }
}

/** Reads what is left behind the answer, so that the connection can be used again; not for long. */
async function letEnd(events: AsyncIterator<unknown>, incoming: IncomingMessage): Promise<void> {
  const timer = setTimeout(() => incoming.destroy(), TRAILING_MS).unref()
  let done: boolean | undefined = false
  while (done !== true)
    done = await events.next().then(
      (step) => step.done,
      () => true,
    )
  clearTimeout(timer)
}

/** Writes one message (or batch) of the server, and learns from it. */
async function deliver(wire: Wire, text: string, incoming: IncomingMessage, flight: Flight): Promise<void> {
  const value = parseJson(text)
  if (!isRecord(value) && !Array.isArray(value)) return wire.warn('the gateway sent something that is not JSON-RPC; left out')
  for (const part of Array.isArray(value) ? value : [value]) {
    if (!isRecord(part) || 'method' in part) continue
    const key = JSON.stringify(part['id'])
    const call = flight.unanswered.get(key)
    if (call === undefined || flight.silent) return wire.log(`an answer nobody waits for: id ${key}`)
    flight.unanswered.delete(key)
    learn(wire, call, part['result'], incoming)
  }
  flight.heard = true
  await wire.write(text)
}

function learn(wire: Wire, { method }: Call, result: unknown, { headers }: IncomingMessage): void {
  const id = headers['mcp-session-id']
  if (method === 'initialize' && result !== undefined) wire.session.opened(typeof id === 'string' ? id : undefined, result)
  if (method === 'tools/list') for (const [name, args] of mirroredArguments(result)) wire.mirrored.set(name, args)
}

/** After "header mismatch" for a tool (not executed): reads the list of tools once, so that its arguments travel as headers too. */
async function refreshHeaders(wire: Wire, flight: Flight, value: unknown): Promise<boolean> {
  const { message } = flight
  const code = isRecord(value) && isRecord(value['error']) ? value['error']['code'] : undefined
  if (code !== HEADER_MISMATCH || message.method !== 'tools/call' || message.version === undefined || flight.relisted)
    return false
  flight.relisted = true
  const { progressToken: _token, ...meta } = isRecord(message.params['_meta']) ? message.params['_meta'] : {}
  let cursor: unknown
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const params = { _meta: meta, ...(cursor === undefined ? {} : { cursor }) }
    const list: Outgoing = {
      ...message,
      method: 'tools/list',
      params,
      text: JSON.stringify({ jsonrpc: '2.0', id: `tollgate-${page}`, method: 'tools/list', params }),
    }
    const incoming = await wire.open({ method: 'POST', headers: headersOf(wire, list), body: list.text, signal: flight.signal })
    const body = parseJson(await readBody(incoming, wire.maxBytes))
    const result = isRecord(body) ? body['result'] : undefined
    for (const [name, args] of mirroredArguments(result)) wire.mirrored.set(name, args)
    cursor = isRecord(result) ? result['nextCursor'] : undefined
    if (cursor === undefined) return true
  }
  return true
}
