import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** One request a token endpoint received. */
export interface TokenRequest {
  readonly authorization: string | undefined
  readonly form: Readonly<Record<string, string>>
}

/** A real OAuth token endpoint whose answers a test sets. */
export interface TokenEndpoint extends AsyncDisposable {
  readonly url: string
  readonly requests: TokenRequest[]
  status: number
  /** The answer; `n` is how many were given before. */
  answer: (n: number) => unknown
}

/** Starts a token endpoint on a free port of the loopback address. */
export async function startTokenEndpoint(): Promise<TokenEndpoint> {
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString('utf8')))
      endpoint.requests.push({ authorization: request.headers.authorization, form })
      response.writeHead(endpoint.status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(endpoint.answer(endpoint.requests.length)))
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo
  const endpoint: TokenEndpoint = {
    url: `http://127.0.0.1:${port}/token`,
    requests: [],
    status: 200,
    answer: (n) => ({ access_token: `token-${n}`, token_type: 'Bearer', expires_in: 3600 }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((done) => server.close(() => done()))
    },
  }
  return endpoint
}
