import type { ServerResponse } from 'node:http'
import { Behaviour, isRecord, readModel, type Counts } from './behaviour.ts'
import { allInput, foldCounts } from './counts.ts'
import { credentialFault, type SignedRequest } from './credentials.ts'
import { deliver, gzipped, pause, refusalOf, streamChunks, wholeChunks, type Chunk } from './delivery.ts'
import { embeddingsAnswer } from './embeddings.ts'
import { createFraming } from './framing.ts'
import { createRandom, createReply, type Reply } from './reply.ts'
import { requestFault } from './request-checks.ts'
import { WIRES, type Route, type Vendor } from './routes.ts'
import type { Setting } from './setting.ts'
import type { Refusal } from './wire.ts'

/** One request to a provider's path. */
export interface Asked {
  readonly number: number
  readonly route: Route
  readonly signed: SignedRequest
  readonly body: unknown
  readonly response: ServerResponse
}

/** Answers one request as its path, its body and its behaviour say. */
export async function answerProvider(setting: Setting, asked: Asked): Promise<void> {
  const { route, signed, number, response } = asked
  const body = isRecord(asked.body) ? asked.body : {}
  const named = readModel(route.model ?? (typeof body['model'] === 'string' ? body['model'] : ''))
  const behaviour = {
    // Azure says what its filters think of the prompt before it says anything else.
    ...(route.vendor === 'azure' && route.wire === 'chat' && isStreamed(asked) ? { empty: 'first' as const } : {}),
    ...named.behaviour,
    ...headerBehaviour(signed.headers['x-fake']),
    ...setting.script.take(signed.url.pathname, named.model),
  }
  setting.journal.note(number, { wire: route.wire, model: named.model })
  const { seed = 1 } = setting.options
  const jitter = (behaviour.jitter ?? 0) * createRandom(seed + number)()
  await pause((behaviour.latency ?? 0) + jitter, response)
  if (response.destroyed) return
  if (behaviour.drop === true) {
    setting.journal.note(number, { outcome: 'dropped' })
    return void response.socket?.destroy()
  }
  const facts = { number, seed, model: named.model, asked: body, askedBytes: signed.body.length, behaviour }
  const refusal = refusalFor(setting, asked, behaviour)
  if (refusal !== undefined) return await sendRefusal(setting, asked, behaviour, refusal)
  await sendAnswer(setting, asked, createReply(facts))
}

/** Answers a path that no provider has. */
export function refusePath({ journal }: Setting, number: number, response: ServerResponse): void {
  journal.note(number, { status: 404, outcome: 'complete' })
  response.writeHead(404, { 'content-type': 'application/json' })
  response.end(
    JSON.stringify({ error: { message: 'no provider has this path', type: 'invalid_request_error', code: 'unknown_url' } }),
  )
}

function headerBehaviour(header: string | string[] | undefined): Behaviour {
  return typeof header === 'string' ? Behaviour.parse(JSON.parse(header)) : {}
}

function refusalFor({ options }: Setting, asked: Asked, behaviour: Behaviour): Refusal | undefined {
  const { route, signed, body } = asked
  const isScripted = behaviour.error200 === true || (behaviour.status ?? 200) >= 400
  if (isScripted && behaviour.errorAt === undefined) return refusalOf(behaviour)
  const wantsKey = route.vendor !== 'openai' || options.requireKey === true
  const credential = wantsKey ? credentialFault(route.vendor, signed, options.awsSecret) : undefined
  if (credential !== undefined) return { status: route.vendor === 'bedrock' ? 403 : 401, message: credential }
  if (route.operation === 'models' || behaviour.lenient === true) return undefined
  if (!isRecord(body)) return { status: 400, message: 'the body is no JSON object' }
  if (route.vendor === 'anthropic' && signed.headers['anthropic-version'] === undefined)
    return { status: 400, message: 'anthropic-version: header is required' }
  if (signed.url.pathname.includes('/deployments/') && !signed.url.searchParams.has('api-version'))
    return { status: 404, message: 'Resource not found' }
  const fault = route.operation === 'chat' ? requestFault(route.wire, route.vendor, body) : undefined
  return fault === undefined ? undefined : { status: 400, message: fault }
}

async function sendRefusal(setting: Setting, asked: Asked, behaviour: Behaviour, refusal: Refusal): Promise<void> {
  const wire = WIRES[asked.route.wire]
  // An error event in a body of its own: how a provider says it with status 200.
  const isStream = behaviour.error200 === true && isStreamed(asked)
  const text = behaviour.rawBody ?? JSON.stringify(wire.errorBody(refusal))
  const bytes = isStream ? createFraming(asked.route.framing, behaviour).encode(wire.errorFrame(refusal, 0)) : Buffer.from(text)
  const retry = {
    ...(behaviour.retryAfter === undefined ? {} : { 'retry-after': behaviour.retryAfter }),
    ...(behaviour.retryAfterMs === undefined ? {} : { 'retry-after-ms': behaviour.retryAfterMs }),
  }
  await send(setting, asked, behaviour, {
    status: behaviour.error200 === true ? 200 : refusal.status,
    headers: { ...wire.errorHeaders?.(refusal), ...retry },
    type: isStream ? createFraming(asked.route.framing, behaviour).contentType : 'application/json',
    length: bytes.length,
    chunks: wholeChunks(bytes, undefined),
  })
}

async function sendAnswer(setting: Setting, asked: Asked, reply: Reply): Promise<void> {
  const { route, number } = asked
  const { behaviour, counts } = reply
  const wire = WIRES[route.wire]
  const whole = foldCounts(route.operation === 'embeddings' ? 'embeddings' : wire.usage, counts)
  if (route.operation === 'chat' || route.operation === 'embeddings')
    setting.book.charge({ request: number, wire: route.wire, model: reply.askedModel, whole })
  if (isStreamed(asked)) {
    const framing = createFraming(route.framing, behaviour)
    const chunks = streamChunks(wire, wire.stream(reply), framing, behaviour)
    return await send(setting, asked, behaviour, { status: 200, headers: {}, type: framing.contentType, chunks })
  }
  const bytes = Buffer.from(behaviour.rawBody ?? JSON.stringify(wholeAnswer(asked, reply)))
  const says = reply.usage === 'told' && behaviour.rawBody === undefined ? whole : undefined
  await send(setting, asked, behaviour, {
    status: behaviour.status ?? 200,
    headers: route.framing === 'invoke' ? bedrockCounts(counts) : {},
    type: 'application/json',
    length: bytes.length,
    chunks: wholeChunks(bytes, says),
  })
}

function isStreamed({ route, body }: Asked): boolean {
  if (route.operation !== 'chat') return false
  return route.stream ?? (isRecord(body) && body['stream'] === true)
}

function bedrockCounts(counts: Counts): Record<string, string> {
  return {
    'x-amzn-bedrock-input-token-count': String(allInput(counts)),
    'x-amzn-bedrock-output-token-count': String(counts.output + counts.reasoning),
  }
}

const MODELS = ['fake', 'fake-small', 'fake-large']

function wholeAnswer({ route, signed }: Asked, reply: Reply): object {
  const { counts, created } = reply
  if (route.operation === 'chat') return WIRES[route.wire].answer(reply)
  if (route.operation === 'embeddings') return embeddingsAnswer(signed.url.pathname, reply)
  if (route.operation === 'count') return tokenCount(route, allInput(counts))
  if (route.vendor === 'gemini')
    return {
      models: MODELS.map((id) => ({ name: `models/${id}`, supportedGenerationMethods: ['generateContent', 'countTokens'] })),
    }
  if (signed.headers['anthropic-version'] !== undefined) {
    const data = MODELS.map((id) => ({ type: 'model', id, display_name: id, created_at: '2026-09-22T00:00:00Z' }))
    return { data, has_more: false, first_id: MODELS[0], last_id: MODELS.at(-1) }
  }
  return { object: 'list', data: MODELS.map((id) => ({ id, object: 'model', created, owned_by: 'fake' })) }
}

function tokenCount({ wire }: Route, tokens: number): object {
  if (wire === 'gemini') return { totalTokens: tokens, promptTokensDetails: [{ modality: 'TEXT', tokenCount: tokens }] }
  return wire === 'converse' ? { inputTokens: tokens } : { input_tokens: tokens }
}

interface Sending {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly type: string
  /** Bytes of a whole body; absent for a stream. */
  readonly length?: number
  readonly chunks: Iterable<Chunk>
}

async function send({ journal, book }: Setting, asked: Asked, behaviour: Behaviour, sending: Sending): Promise<void> {
  const { number, response, route } = asked
  const { status, length } = sending
  const isPacked = behaviour.gzip === true
  const chunks = isPacked ? gzipped(sending.chunks) : sending.chunks
  journal.note(number, { status })
  response.writeHead(status, {
    'content-type': behaviour.contentType ?? sending.type,
    ...(length === undefined ? { 'cache-control': 'no-cache' } : {}),
    ...(length === undefined || isPacked ? {} : { 'content-length': length + (behaviour.lengthOff ?? 0) }),
    ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
    [REQUEST_ID[route.vendor]]: `req_fake${number}`,
    ...sending.headers,
    ...behaviour.headers,
  })
  const outcome = await deliver(response, chunks, behaviour, (counts) => book.say(number, counts))
  if (outcome === 'complete') book.complete(number)
  journal.note(number, { outcome })
}

const REQUEST_ID: Readonly<Record<Vendor, string>> = {
  openai: 'x-request-id',
  azure: 'apim-request-id',
  anthropic: 'request-id',
  gemini: 'x-goog-request-id',
  vertex: 'x-goog-request-id',
  bedrock: 'x-amzn-requestid',
}
