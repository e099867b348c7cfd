// One HTTP server that speaks the wire of every provider on its native paths, as scripted per request: by the model name, by the header
// `x-fake`, or by rules posted to /__script; later ones win. What arrived is under /__requests, what it cost under /__bill.
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as z from 'zod'
import { answerProvider, refusePath } from './answering.ts'
import { createScript, type RuleInput } from './behaviour.ts'
import { createBillBook, type Bill } from './bill.ts'
import { shownHeaders } from './credentials.ts'
import { createJournal, type SeenRequest } from './journal.ts'
import { routeOf } from './routes.ts'
import type { ProviderOptions, Setting } from './setting.ts'
import { tokenAnswer } from './token-endpoints.ts'

/** The running fake. */
export interface FakeProviders extends AsyncDisposable {
  readonly url: string
  requests(): readonly SeenRequest[]
  script(...rules: readonly RuleInput[]): void
  setPrices(prices: unknown): void
  bill(): Bill
  /** Resolves when the check holds; it is asked again after every change. */
  until(check: () => boolean): Promise<void>
  /** Forgets the script, the requests and the bill. */
  reset(): void
}

/** Starts it on the loopback address. */
export async function startProviders(options: ProviderOptions = {}): Promise<FakeProviders> {
  const setting: Setting = { options, script: createScript(), journal: createJournal(), book: createBillBook() }
  const { script, journal, book } = setting
  const server = createServer({ keepAliveTimeout: 60_000, maxHeaderSize: 65_536 }, (request, response) => {
    response.on('error', () => undefined)
    response.socket?.setNoDelay(true)
    handle(setting, request, response).catch((error: unknown) => failed(response, error))
  })
  server.listen(options.port ?? 0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return {
    url: `http://127.0.0.1:${port}`,
    requests: journal.requests,
    script: (...rules) => script.add(rules),
    setPrices: book.setPrices,
    bill: book.bill,
    until: journal.until,
    reset: () => {
      script.clear()
      journal.clear()
      book.clear()
    },
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

async function handle(setting: Setting, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const bytes = await read(request)
  const method = request.method ?? 'GET'
  const url = new URL(request.url ?? '/', 'http://127.0.0.1')
  if (url.pathname.startsWith('/__')) return control(setting, `${method} ${url.pathname}`, bytes, response)
  const header = (name: string) => request.headers[name]?.toString()
  const token = tokenAnswer({ method, path: url.pathname, header, body: bytes.toString('utf8') })
  const body = token === undefined ? parsed(bytes) : shownForm(bytes)
  const number = setting.journal.open({ method, path: request.url ?? '/', headers: shownHeaders(request.headers), body })
  response.once('close', () => {
    if (!response.writableFinished) setting.journal.hangUp(number)
  })
  if (token !== undefined) {
    setting.journal.note(number, { status: token.status, outcome: 'complete' })
    response.writeHead(token.status, { 'content-type': token.contentType }).end(token.body)
    return
  }
  const route = routeOf(method, url)
  if (route === undefined) return refusePath(setting, number, response)
  await answerProvider(setting, { number, route, signed: { method, url, headers: request.headers, body: bytes }, body, response })
}

const TEXT_KEPT = 1_048_576

function parsed(bytes: Buffer): unknown {
  const text = bytes.toString('utf8')
  try {
    return text === '' ? undefined : (JSON.parse(text) as unknown)
  } catch {
    // Kept as it came: a test may want to see what was no JSON.
    return text.slice(0, TEXT_KEPT)
  }
}

const SECRET_FIELDS = /^(client_secret|assertion|client_assertion|subject_token|WebIdentityToken)$/

function shownForm(bytes: Buffer): unknown {
  const form = [...new URLSearchParams(bytes.toString('utf8'))]
  return Object.fromEntries(
    form.map(([name, value]) => [name, SECRET_FIELDS.test(name) ? `(${value.length} characters)` : value]),
  )
}

function control({ script, journal, book }: Setting, asked: string, bytes: Buffer, response: ServerResponse): void {
  const send = (value: unknown, status = 200) =>
    void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
  if (asked === 'GET /__requests') return send(journal.requests())
  if (asked === 'GET /__bill') return send(book.bill())
  if (asked === 'POST /__script') script.add(parsed(bytes))
  else if (asked === 'POST /__prices') book.setPrices(parsed(bytes))
  else if (asked === 'POST /__reset') {
    script.clear()
    journal.clear()
    book.clear()
  } else
    return send(
      { error: `no ${asked}; there are GET /__requests, GET /__bill, POST /__script, POST /__prices, POST /__reset` },
      404,
    )
  send({ ok: true })
}

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  // `as`: no encoding is set, so every chunk is a buffer.
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** A mistake in a script is the writer's to see; a caller who left while sending needs no answer. */
function failed(response: ServerResponse, error: unknown): void {
  if (response.headersSent || response.destroyed) return void response.destroy()
  const words = error instanceof z.ZodError ? z.prettifyError(error) : String(error)
  response.writeHead(error instanceof z.ZodError ? 422 : 500, { 'content-type': 'application/json' })
  response.end(JSON.stringify({ error: { message: `fake provider: ${words}`, type: 'fake_misused' } }))
}
