// A model provider gone bad, in every dialect: it asks the fake providers for the right answer of the path it was called on and hands its
// bytes to a script, which writes them as it likes. What the fakes can do wrong by themselves is said to `fakes.script`.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { routeOf, type WireName } from '../../servers/providers/routes.ts'
import { startFakeProviders } from '../support/fake-providers.ts'
import { writeThrough } from './write-through.ts'

/** The right answer, which a script may spoil. */
export interface RightAnswer {
  readonly path: string
  /** The dialect of the path; undefined for token endpoints and the like. */
  readonly wire: WireName | undefined
  readonly isStream: boolean
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

/** How a script writes. */
export interface ProviderPen {
  /** The status line and the headers; the right ones, with what is given laid over. */
  head(over?: Readonly<Record<string, string>>, status?: number): void
  /** Bytes of the body. Resolves when the wire takes more. */
  write(bytes: string | Buffer): Promise<void>
  end(): void
  /** Bytes past the HTTP writer. */
  raw(bytes: string | Buffer): void
  cut(how: 'close' | 'reset'): void
  /** Aborted when the gateway does not wait any more. */
  readonly gone: AbortSignal
}

/** Answers one request. */
export type ProviderScript = (answer: RightAnswer, pen: ProviderPen) => void | Promise<void>

/** A running one. */
export interface HostileProvider extends AsyncDisposable {
  readonly url: string
  /** The honest ones behind it: their script, their record of requests and their bill. */
  readonly fakes: Awaited<ReturnType<typeof startFakeProviders>>
  become(script: ProviderScript): void
}

/** Starts one; without a script it is honest. */
export async function startHostileProvider(first: ProviderScript = right): Promise<HostileProvider> {
  const fakes = await startFakeProviders()
  let script = first
  const server = createServer((request, response) => {
    response.on('error', () => undefined)
    request.on('error', () => undefined)
    void ask(fakes.url, request).then((answer) => script(answer, penOf(answer, response)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return {
    url: `http://127.0.0.1:${port}`,
    fakes,
    become: (next) => void (script = next),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      await fakes[Symbol.asyncDispose]()
    },
  }
}

/** The right answer as it is. */
export const right: ProviderScript = async ({ body }, pen) => {
  pen.head()
  await pen.write(body)
  pen.end()
}

/** What happens at a byte of the body. `end` ends it cleanly there; bytes stand between what is before and after. */
export type ByteFault = 'close' | 'reset' | 'stall' | 'end' | Buffer

/** The right answer with a fault at one byte of its body. */
export function faultAt(at: number, fault: ByteFault): ProviderScript {
  return async ({ body }, pen) => {
    pen.head({ 'content-length': '' })
    await pen.write(body.subarray(0, at))
    if (fault === 'stall') return
    if (fault === 'end') return pen.end()
    if (!Buffer.isBuffer(fault)) return pen.cut(fault)
    await pen.write(fault)
    await pen.write(body.subarray(at))
    pen.end()
  }
}

/** A content-length that is wrong by so many bytes; then the connection ends. */
export function lyingLength(by: number): ProviderScript {
  return async ({ body }, pen) => {
    pen.raw(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length + by}\r\n\r\n`)
    pen.raw(body)
    pen.cut('close')
  }
}

/** The right answer with other words in its body. Not for Converse streams, whose frames carry checksums. */
export function edited(edit: (text: string) => string): ProviderScript {
  return async ({ body }, pen) => {
    pen.head({ 'content-length': '' })
    await pen.write(edit(body.toString('utf8')))
    pen.end()
  }
}

/** The right answer, in which every count of tokens is this instead. */
export function lyingUsage(count: number | string | null): ProviderScript {
  return edited((text) => text.replaceAll(TOKENS, (_all, name: string) => `"${name}":${JSON.stringify(count)}`))
}

const TOKENS =
  /"(prompt_tokens|completion_tokens|total_tokens|input_tokens|output_tokens|promptTokenCount|candidatesTokenCount|totalTokenCount|inputTokens|outputTokens|totalTokens)"\s*:\s*\d+/g

/** The beginning of the right answer, then the same bytes until nobody listens or so many bytes went out. */
export function endless(bytes: string, upTo: number): ProviderScript {
  return async ({ body }, pen) => {
    pen.head({ 'content-length': '' })
    await pen.write(body.subarray(0, body.indexOf('\n\n') + 2))
    const block = Buffer.from(bytes.repeat(Math.ceil(65_536 / bytes.length)))
    for (let written = 0; written < upTo && !pen.gone.aborted; written += block.length) await pen.write(block)
    pen.end()
  }
}

async function ask(url: string, request: IncomingMessage): Promise<RightAnswer> {
  const chunks: Buffer[] = []
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
  const path = request.url ?? '/'
  const headers = Object.entries(request.headers).flatMap(([name, value]): [string, string][] =>
    HOP.has(name) || value === undefined ? [] : [[name, String(value)]],
  )
  const asked = { method: request.method ?? 'GET', headers, redirect: 'manual' } as const
  const answer = await fetch(url + path, chunks.length === 0 ? asked : { ...asked, body: Buffer.concat(chunks) })
  const contentType = answer.headers.get('content-type') ?? 'application/json'
  return {
    path,
    wire: routeOf(asked.method, new URL(path, url))?.wire,
    isStream: contentType.includes('stream'),
    status: answer.status,
    headers: { 'content-type': contentType },
    body: Buffer.from(await answer.arrayBuffer()),
  }
}

const HOP: ReadonlySet<string> = new Set(['host', 'connection', 'content-length', 'transfer-encoding', 'keep-alive', 'expect'])

function penOf(answer: RightAnswer, response: ServerResponse): ProviderPen {
  const gone = new AbortController()
  response.on('close', () => gone.abort())
  return {
    gone: gone.signal,
    head(over = {}, status = answer.status) {
      const length = answer.isStream ? {} : { 'content-length': String(answer.body.length) }
      const kept = Object.entries({ ...answer.headers, ...length, ...over }).filter(([, value]) => value !== '')
      response.writeHead(status, Object.fromEntries(kept))
      response.flushHeaders()
    },
    write: (bytes) => writeThrough(response, bytes),
    end: () => void response.end(),
    raw: (bytes) => void response.socket?.write(bytes),
    cut(how) {
      if (how === 'reset') response.socket?.resetAndDestroy()
      else response.socket?.destroySoon()
    },
  }
}
