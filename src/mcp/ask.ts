import { randomUUID } from 'node:crypto'
import { GatewayError } from '../core/errors.ts'
import type { Json, JsonObject } from '../core/json.ts'
import type { Outlet } from './outlet.ts'
import { liveOf, settle, type ClientAnswer, type Session } from './session.ts'
import type { InputRequest } from './upstream/contract.ts'
import { POLLING_VERSION } from './versions.ts'

/** What asking a legacy client takes. */
export interface Question {
  readonly session: Session
  /** The stream of the request that needs the answers; the standalone stream is used when there is none. */
  readonly outlet: Outlet
  readonly requests: Readonly<Record<string, InputRequest>>
  readonly signal: AbortSignal
  readonly timeoutMs: number
}

/**
 * Sends server requests to a legacy client and waits for all answers, keyed like the requests. The ids are ours and count only
 * within this session, so that no other session can answer them.
 */
export async function askClient(question: Question): Promise<Readonly<Record<string, Json>>> {
  const entries = await Promise.all(
    Object.entries(question.requests).map(async ([key, request]) => [key, await askOne(question, request)] as const),
  )
  return Object.fromEntries(entries)
}

async function askOne({ session, outlet, signal, timeoutMs }: Question, request: InputRequest): Promise<Json> {
  const live = liveOf(session)
  live.askCount += 1
  const id = `tollgate-${live.askCount}`
  const { promise, resolve, reject } = Promise.withResolvers<ClientAnswer>()
  const params = paramsFor(session, request)
  const body = JSON.stringify({ jsonrpc: '2.0', id, method: request.method, ...(params === undefined ? {} : { params }) })
  const send = (text: string) => outlet.push(text) || sendStandalone(session, text)
  const giveUp = (error: GatewayError) => {
    send(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id, reason: error.message } }))
    reject(error)
  }
  const abort = () => giveUp(new GatewayError('abandoned', 'the request was cancelled'))
  if (signal.aborted) throw new GatewayError('abandoned', 'the request was cancelled')
  live.asked.set(id, resolve)
  signal.addEventListener('abort', abort, { once: true })
  const timer = setTimeout(
    () => giveUp(new GatewayError('request_timeout', `the client did not answer ${request.method} in time`)),
    timeoutMs,
  )
  try {
    if (!send(body)) throw unreachable(request)
    return readAnswer(request, await promise)
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', abort)
    live.asked.delete(id)
    settle(session)
  }
}

function sendStandalone({ live }: Session, text: string): boolean {
  if (live?.standalone?.attached !== true) return false
  live.standalone.send(text)
  return true
}

/** Revision 2025-11-25 wants an id on elicitations by URL; stateless upstreams give none. */
function paramsFor(session: Session, { method, params }: InputRequest): JsonObject | undefined {
  const isUrl = method === 'elicitation/create' && params?.['mode'] === 'url'
  if (!isUrl || session.protocolVersion !== POLLING_VERSION || params['elicitationId'] !== undefined) return params
  return { ...params, elicitationId: randomUUID() }
}

function readAnswer(request: InputRequest, answer: ClientAnswer): Json {
  if ('result' in answer) return answer.result
  // An error has no place in an answer to the upstream; for elicitation the closest thing is that the user closed the form.
  if (request.method === 'elicitation/create') return { action: 'cancel' }
  throw new GatewayError('invalid_request', `the client answered ${request.method} with an error`)
}

function unreachable(request: InputRequest): GatewayError {
  return new GatewayError(
    'not_acceptable',
    `the server asks for ${request.method}, and this client has no event stream open to be asked on`,
  )
}
