import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { JWK } from 'jose'

/** How a key server answers: with its keys, or in one of the ways a broken one does. */
export type JwksMode = 'keys' | 'error' | 'html' | 'garbage' | 'huge' | 'hang' | 'wrong-type' | 'redirect'

/** A real HTTP server of keys whose answers a test can change, and which counts what it is asked. */
export interface JwksServer extends AsyncDisposable {
  readonly url: string
  readonly origin: string
  keys: readonly JWK[]
  mode: JwksMode
  /** Bodies for other paths, for instance discovery documents. */
  readonly documents: Map<string, unknown>
  /** Paths asked, in order. */
  readonly requests: string[]
  /** Held answers are sent when this is called (mode `hang`). */
  release(): void
}

/** Starts a key server on a free port of the loopback address. */
export async function startJwksServer(keys: readonly JWK[] = []): Promise<JwksServer> {
  const held: (() => void)[] = []
  const server = createServer((request, response) => answer(request, response))
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const origin = `http://127.0.0.1:${port}`
  const jwksServer: JwksServer = {
    url: `${origin}/jwks`,
    origin,
    keys,
    mode: 'keys',
    documents: new Map(),
    requests: [],
    release: () => held.splice(0).forEach((answerNow) => answerNow()),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((done) => server.close(() => done()))
    },
  }

  function answer(request: IncomingMessage, response: ServerResponse): void {
    const path = request.url ?? '/'
    jwksServer.requests.push(path)
    if (path !== '/jwks') {
      const document = jwksServer.documents.get(path)
      return send(response, document === undefined ? 404 : 200, 'application/json', JSON.stringify(document ?? {}))
    }
    const body = JSON.stringify({ keys: jwksServer.keys })
    switch (jwksServer.mode) {
      case 'keys':
        return send(response, 200, 'application/json', body)
      case 'error':
        return send(response, 500, 'application/json', '{}')
      case 'html':
        return send(response, 200, 'text/html', '<html>sign in</html>')
      case 'garbage':
        return send(response, 200, 'application/json', '{"keys":[')
      case 'wrong-type':
        return send(response, 200, 'text/plain', body)
      case 'redirect':
        response.setHeader('location', `${origin}/elsewhere`)
        return send(response, 302, 'application/json', '{}')
      case 'huge':
        return send(response, 200, 'application/json', `{"keys":[],"pad":"${'x'.repeat(1_000_000)}"}`)
      case 'hang':
        held.push(() => send(response, 200, 'application/json', body))
    }
  }

  return jwksServer
}

function send(response: ServerResponse, status: number, type: string, body: string): void {
  response.writeHead(status, { 'content-type': type })
  response.end(body)
}
