import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

// An MCP server of the 2026-07-28 era and a provider of the Chat Completions wire on one port, which say back what they were asked, late and
// out of order when they are told to. It serves figures that look at each answer; those that count CPU have stand-alone mocks.

/** What the next requests meet. */
export type Manner = 'answers' | 'stuck' | 'fails'

/** A running back end. */
export interface BackEnd extends AsyncDisposable {
  readonly port: number
  /** For `servers/<id>.json`. */
  readonly mcpUrl: string
  /** For `baseUrl` of a provider. */
  readonly modelUrl: string
  manner: Manner
  /** Answers are up to so many milliseconds late, each by itself. */
  lateMs: number
  /** Calls of tools and of models that came, those under way, and the most that ever were. */
  readonly seen: { calls: number; underWay: number; most: number }
  /** Told of every call before it is answered. */
  onCall: (request: Asked) => void
}

/** One call as it came. */
export interface Asked {
  readonly kind: 'tool' | 'model'
  readonly text: string
  readonly headers: IncomingMessage['headers']
}

interface Sent {
  readonly id?: string | number
  readonly method?: string
  readonly params?: { readonly name?: string; readonly arguments?: { readonly text?: string; readonly ms?: number } }
  readonly stream?: boolean
  readonly messages?: readonly { readonly content: string }[]
}

const HINTS = { resultType: 'complete', ttlMs: 60_000, cacheScope: 'public' }
const TEXT = { type: 'object', properties: { text: { type: 'string' }, ms: { type: 'integer' } } }
const TOOLS = [
  { name: 'echo', description: 'Says back its text.', inputSchema: TEXT },
  { name: 'wait', description: 'Says back its text after so many milliseconds.', inputSchema: TEXT },
]
const USAGE = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 }
/** Late enough that two failing calls at a time are seen. */
const FAILS_MS = 100
/** Pieces of a stream that is told to last, and how far apart they are. */
const PIECE_MS = 100

/** Starts one on a free port of the loopback interface, or on the one given. */
export async function startBackEnd(port = 0): Promise<BackEnd> {
  const sockets = new Set<Socket>()
  const server = createServer({ keepAliveTimeout: 120_000, requestTimeout: 0 }, (request, response) => {
    void read(request).then((text) => answer(backEnd, { request, response, sent: text === '' ? {} : (JSON.parse(text) as Sent) })) // the gateway sends JSON
  })
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.listen({ port, host: '127.0.0.1', backlog: 4_096 })
  await once(server, 'listening')
  const address = server.address() as AddressInfo // node:net: what a TCP server has
  const backEnd: BackEnd = {
    port: address.port,
    mcpUrl: `http://127.0.0.1:${address.port}/mcp`,
    modelUrl: `http://127.0.0.1:${address.port}/v1`,
    manner: 'answers',
    lateMs: 0,
    seen: { calls: 0, underWay: 0, most: 0 },
    onCall: () => undefined,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
  return backEnd
}

interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly sent: Sent
}

function answer(backEnd: BackEnd, { request, response, sent }: Visit): void {
  if (request.method !== 'POST') return void response.writeHead(405).end()
  const isModel = sent.messages !== undefined
  if (!isModel && sent.method !== 'tools/call') return handshake(response, sent)
  const text = isModel ? (sent.messages?.at(-1)?.content ?? '') : (sent.params?.arguments?.text ?? '')
  count(backEnd, response)
  backEnd.onCall({ kind: isModel ? 'model' : 'tool', text, headers: request.headers })
  if (backEnd.manner === 'stuck') return
  if (backEnd.manner === 'fails') return void setTimeout(() => json(response, downOf(request), 500), FAILS_MS)
  const asked = isModel ? Number(/\bms=(\d+)/.exec(text)?.[1] ?? 0) : (sent.params?.arguments?.ms ?? 0)
  if (sent.stream === true) return void streamed(response, text, asked)
  const late = asked + Math.random() * backEnd.lateMs
  const send = (): void =>
    isModel
      ? json(response, whole(text))
      : json(response, reply(sent, { ...HINTS, content: [{ type: 'text', text }], isError: false }))
  if (late < 1) send()
  else setTimeout(send, late)
}

function count({ seen }: BackEnd, response: ServerResponse): void {
  seen.calls += 1
  seen.underWay += 1
  seen.most = Math.max(seen.most, seen.underWay)
  response.once('close', () => (seen.underWay -= 1))
}

function handshake(response: ServerResponse, sent: Sent): void {
  if (sent.id === undefined) return void response.writeHead(202).end()
  if (sent.method === 'server/discover')
    return json(response, reply(sent, { ...HINTS, supportedVersions: ['2026-07-28'], capabilities: { tools: {} } }))
  if (sent.method === 'tools/list') return json(response, reply(sent, { ...HINTS, tools: TOOLS }))
  json(response, { jsonrpc: '2.0', id: sent.id, error: { code: -32_601, message: 'method not found' } })
}

function reply(sent: Sent, result: object): object {
  return { jsonrpc: '2.0', id: sent.id, result }
}

const HEAD = { id: 'chatcmpl-proof', created: 1_790_000_000, model: 'proof' }

function whole(text: string): object {
  const choices = [
    { index: 0, message: { role: 'assistant', content: text, refusal: null }, logprobs: null, finish_reason: 'stop' },
  ]
  return { ...HEAD, object: 'chat.completion', choices, usage: USAGE }
}

/** The text word by word, and one piece after another for as long as it was told to last. */
async function streamed(response: ServerResponse, text: string, lastsMs: number): Promise<void> {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  response.on('error', () => undefined)
  const send = (delta: object, finish: string | null = null): void => {
    const choices = [{ index: 0, delta, finish_reason: finish }]
    response.write(`data: ${JSON.stringify({ ...HEAD, object: 'chat.completion.chunk', choices, usage: null })}\n\n`)
  }
  send({ role: 'assistant', content: '' })
  for (const word of text.split(/(?<= )/)) send({ content: word })
  const end = performance.now() + lastsMs
  while (performance.now() < end && !response.destroyed) {
    await new Promise((resolve) => setTimeout(resolve, PIECE_MS))
    send({ content: '.' })
  }
  send({}, 'stop')
  response.end(
    `data: ${JSON.stringify({ ...HEAD, object: 'chat.completion.chunk', choices: [], usage: USAGE })}\n\ndata: [DONE]\n\n`,
  )
}

/** The error of a careless server: it says back what it was sent. */
function downOf({ headers }: IncomingMessage): object {
  const { authorization, 'x-key': key } = headers
  return { error: { message: `down for ${authorization ?? ''} ${String(key ?? '')}`, type: 'server_error' } }
}

function json(response: ServerResponse, value: object, status = 200): void {
  const body = JSON.stringify(value)
  response.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }).end(body)
}

async function read(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text
}
