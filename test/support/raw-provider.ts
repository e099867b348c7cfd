import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request as its bytes came. */
interface SeenRaw {
  readonly path: string | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: string
}

/** A provider that keeps the bytes it was sent and answers with bytes of the test. */
export interface RawProvider extends AsyncDisposable {
  readonly url: string
  readonly seen: SeenRaw[]
}

/** Starts one; `answer` gives the body for a path, as an event stream when one was asked for. */
export async function startRawProvider(answer: (path: string, isStream: boolean) => string): Promise<RawProvider> {
  const seen: SeenRaw[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      seen.push({ path: request.url, headers: request.headers, body })
      const isStream = body.includes('"stream":true')
      response.writeHead(200, { 'content-type': isStream ? 'text/event-stream' : 'application/json' })
      response.end(answer(request.url ?? '', isStream))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
