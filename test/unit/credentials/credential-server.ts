import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { SignerDeps } from '../../../src/credentials/signer.ts'
import { createEgress } from '../../../src/lib/egress.ts'

/** One request a credential server received. */
export interface CredentialRequest {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** A loopback server that hands out credentials, and the deps of a signer that asks it. */
export interface CredentialServer extends AsyncDisposable {
  readonly url: string
  readonly requests: CredentialRequest[]
  readonly secrets: Map<string, string>
  readonly deps: SignerDeps
  /** Milliseconds since the epoch; tests set it. */
  now: number
  /** How many requests came, for tests that wait for one. */
  arrived(count: number): Promise<void>
}

/** Starts a server on a free port of the loopback address; `answer` gives the status and the body. */
export async function startCredentialServer(
  answer: (request: CredentialRequest, count: number) => readonly [number, string],
): Promise<CredentialServer> {
  const requests: CredentialRequest[] = []
  const waiting: { readonly count: number; readonly done: () => void }[] = []
  const server = createServer((incoming, response) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { method = '', url = '', headers } = incoming
      const request = { method, path: url, headers, body: Buffer.concat(chunks).toString('utf8') }
      requests.push(request)
      const [status, body] = answer(request, requests.length)
      response.writeHead(status).end(body)
      for (const { count, done } of waiting) if (requests.length >= count) done()
    })
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  const { port } = server.address() as AddressInfo // a TCP server has one
  const egress = createEgress({ allow: [] })
  const secrets = new Map<string, string>()
  const read = (reference: string) => {
    const value = secrets.get(reference)
    if (value === undefined) throw new Error(`${reference} is not set`)
    return value
  }
  const url = `http://127.0.0.1:${port}`
  const made: CredentialServer = {
    url,
    requests,
    secrets,
    now: Date.UTC(2026, 0, 2, 3, 4, 5),
    deps: { secrets: { read }, fetch: egress.fetch, now: () => made.now, baseUrl: url },
    arrived: (count) => new Promise((done) => (requests.length >= count ? done() : void waiting.push({ count, done }))),
    async [Symbol.asyncDispose]() {
      await egress.close()
      server.closeAllConnections()
      await new Promise<void>((done) => server.close(() => done()))
    },
  }
  return made
}
