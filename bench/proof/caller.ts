import { Pool } from 'undici'
import type { Site } from './gate.ts'

/** What became of one exchange. */
export interface Outcome {
  /** 0 when the connection failed. */
  readonly status: number
  readonly ms: number
  /** The text of the tool or of the model; the body when it is neither. */
  readonly text: string
  /** Whether the answer is whole and a success. */
  readonly ok: boolean
  readonly retryAfter: string | undefined
  /** The exchange as the gateway calls it. */
  readonly exchange: string
}

/** Somebody who calls tools and models with one token. */
export interface Caller extends AsyncDisposable {
  tool(name: string, input: object, options?: AskOptions): Promise<Outcome>
  chat(text: string, options?: AskOptions & { readonly stream?: boolean; readonly model?: string }): Promise<Outcome>
  list(): Promise<Outcome>
  post(path: string, body: string, headers?: Readonly<Record<string, string>>): Promise<Outcome>
}

/** What a request may say of itself. */
export interface AskOptions {
  readonly path?: string
  readonly id?: number
  readonly signal?: AbortSignal
}

const VERSION = '2026-07-28'
const META = {
  'io.modelcontextprotocol/protocolVersion': VERSION,
  'io.modelcontextprotocol/clientInfo': { name: 'proof', version: '1' },
  'io.modelcontextprotocol/clientCapabilities': {},
}

/** Makes a caller with connections of its own. */
export function createCaller(site: Pick<Site, 'url'>, token: string, connections = 64): Caller {
  const pool = new Pool(site.url, { connections, pipelining: 1, headersTimeout: 120_000, bodyTimeout: 120_000 })
  const send = async (
    path: string,
    body: string,
    headers: Readonly<Record<string, string>>,
    signal?: AbortSignal,
  ): Promise<Outcome> => {
    const begun = performance.now()
    try {
      const all = {
        authorization: `Bearer ${token}`,
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...headers,
      }
      const answer = await pool.request({ path, method: 'POST', headers: all, body, ...(signal === undefined ? {} : { signal }) })
      const text = await answer.body.text()
      const retryAfter = answer.headers['retry-after']
      return {
        status: answer.statusCode,
        ms: performance.now() - begun,
        ...reading(answer.statusCode, text),
        retryAfter: typeof retryAfter === 'string' ? retryAfter : undefined,
        exchange: String(answer.headers['x-tollgate-exchange'] ?? answer.headers['x-request-id'] ?? ''),
      }
    } catch (error) {
      // A connection that failed is an outcome like others; a figure says whether it may.
      return { status: 0, ms: performance.now() - begun, text: String(error), ok: false, retryAfter: undefined, exchange: '' }
    }
  }
  const mcp = (
    method: string,
    params: object,
    { path = '/mcp', id = 1, signal }: AskOptions & { readonly name?: string },
    name?: string,
  ): Promise<Outcome> => {
    const headers = { 'mcp-protocol-version': VERSION, 'mcp-method': method, ...(name === undefined ? {} : { 'mcp-name': name }) }
    return send(path, JSON.stringify({ jsonrpc: '2.0', id, method, params: { ...params, _meta: META } }), headers, signal)
  }
  return {
    tool: (name, input, options = {}) => mcp('tools/call', { name, arguments: input }, options, name),
    list: () => mcp('tools/list', {}, {}),
    chat: (text, { stream = false, model = 'chat', signal } = {}) =>
      send('/v1/chat/completions', JSON.stringify({ model, stream, messages: [{ role: 'user', content: text }] }), {}, signal),
    post: (path, body, headers = {}) => send(path, body, headers),
    async [Symbol.asyncDispose]() {
      await pool.destroy()
    },
  }
}

interface Answer {
  readonly result?: { readonly content?: readonly { readonly text?: string }[]; readonly isError?: boolean }
  readonly error?: unknown
  readonly choices?: readonly {
    readonly message?: { readonly content?: string }
    readonly delta?: { readonly content?: string }
  }[]
}

/** The words of an answer in either facet, whole or streamed, and whether it came to its proper end. */
function reading(status: number, text: string): { readonly text: string; readonly ok: boolean } {
  if (status !== 200) return { text, ok: false }
  const isStream = !text.startsWith('{')
  const frames = isStream ? text.split('\n').flatMap((line) => (line.startsWith('data: ') ? [line.slice(6)] : [])) : [text]
  const answers = frames.filter((frame) => frame.startsWith('{')).map((frame) => JSON.parse(frame) as Answer) // both sides are ours
  if (answers.some(({ error, result }) => error !== undefined || result?.isError === true)) return { text, ok: false }
  const isModel = answers.some(({ choices }) => choices !== undefined)
  if (isModel && isStream) {
    const words = answers.map(({ choices }) => choices?.[0]?.delta?.content ?? '').join('')
    return { text: words, ok: frames.at(-1) === '[DONE]' }
  }
  const last = answers.at(-1)
  return { text: last?.choices?.[0]?.message?.content ?? last?.result?.content?.[0]?.text ?? text, ok: last !== undefined }
}

/** Runs so many at a time until the work says there is none left. */
export async function together(workers: number, work: (worker: number) => Promise<boolean>): Promise<void> {
  await Promise.all(
    Array.from({ length: workers }, async (_, worker) => {
      while (await work(worker));
    }),
  )
}

/** Begins work at a steady pace, whatever becomes of it, until the time is over; resolves when all of it has ended. */
export async function atPace(
  options: { readonly perSecond: number; readonly milliseconds: number; readonly signal?: AbortSignal },
  work: (index: number) => Promise<void>,
): Promise<void> {
  const underWay = new Set<Promise<void>>()
  const begun = performance.now()
  let index = 0
  while (performance.now() - begun < options.milliseconds && options.signal?.aborted !== true) {
    for (const due = ((performance.now() - begun) * options.perSecond) / 1_000; index < due; index += 1) {
      const one: Promise<void> = work(index).finally(() => underWay.delete(one))
      underWay.add(one)
    }
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  await Promise.all(underWay)
}

/** Waits until something holds; false when it does not within the time. */
export async function holds(question: () => boolean | Promise<boolean>, withinMs: number): Promise<boolean> {
  const end = performance.now() + withinMs
  while (!(await question())) {
    if (performance.now() > end) return false
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return true
}

/** Lets time pass; only between samples of a measurement. */
export async function pause(milliseconds: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, milliseconds))
}
