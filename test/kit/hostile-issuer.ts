// An identity provider gone bad: right metadata, keys and tokens until something is said for a path, and tokens forged in the usual ways.
import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import type { JWK } from 'jose'
import { encodePart, makeKey, signToken, type TestKey, type TokenParts } from '../support/issuer.ts'
import { writeThrough } from './write-through.ts'

/** What is served on a path instead of the right document. */
export interface IssuerAnswer {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string>>
  /** A JSON value, or text as it is. */
  readonly body?: unknown
  /** Blanks behind the body, so that it has so many bytes; more than memory is fine. */
  readonly padTo?: number
  readonly delayMs?: number
  /** Milliseconds between single bytes. */
  readonly dripMs?: number
  /** The head and then nothing. */
  readonly hang?: boolean
}

/** A running one. */
export interface HostileIssuer extends AsyncDisposable {
  /** The exact `iss`, and the origin of everything it serves. */
  readonly issuer: string
  readonly key: TestKey
  /** Keys it publishes. */
  keys: readonly JWK[]
  /** Paths asked, in order. */
  readonly asked: readonly string[]
  /** Says what a path answers from now on; undefined makes it right again. */
  answer(path: string, answer: IssuerAnswer | undefined): void
  /** A right token, changed by what a test asks. */
  token(parts?: TokenParts): Promise<string>
  /** Tokens that nobody may accept, by what is wrong with them. */
  forged(parts?: TokenParts): Promise<Readonly<Record<string, string>>>
}

/** Where the keys are. */
export const JWKS_PATH = '/jwks'
/** Where OpenID metadata is. */
export const METADATA_PATH = '/.well-known/openid-configuration'

/** Starts one with a key of this algorithm. */
export async function startHostileIssuer(alg = 'ES256'): Promise<HostileIssuer> {
  const key = await makeKey(alg)
  const answers = new Map<string, IssuerAnswer>()
  const asked: string[] = []
  const server = createServer((request, response) => {
    response.on('error', () => undefined)
    const path = request.url ?? '/'
    asked.push(path)
    void serve(response, answers.get(path) ?? rightAnswer(path))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  const issuer = `http://127.0.0.1:${port}`
  const rightAnswer = (path: string): IssuerAnswer => {
    if (path === JWKS_PATH) return { body: { keys: hostile.keys } }
    return path === METADATA_PATH ? { body: { issuer, jwks_uri: issuer + JWKS_PATH } } : { status: 404, body: {} }
  }
  const token = ({ claims = {}, header = {} }: TokenParts = {}): Promise<string> =>
    signToken(key, { claims: { iss: issuer, ...claims }, header })
  const hostile: HostileIssuer = {
    issuer,
    key,
    keys: [key.publicJwk],
    asked,
    answer: (path, answer) => void (answer === undefined ? answers.delete(path) : answers.set(path, answer)),
    token,
    forged: async (parts) => await forge(await token(parts), key),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
  return hostile
}

async function serve(response: ServerResponse, answer: IssuerAnswer): Promise<void> {
  const { status = 200, headers = {}, body = {}, padTo = 0, delayMs = 0, dripMs = 0, hang = false } = answer
  if (delayMs > 0) await wait(delayMs)
  response.writeHead(status, { 'content-type': 'application/json', ...headers })
  response.flushHeaders()
  if (hang) return
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body))
  const step = dripMs > 0 ? 1 : bytes.length
  for (let at = 0; at < bytes.length && !response.destroyed; at += step) {
    await writeThrough(response, bytes.subarray(at, at + step))
    if (dripMs > 0) await wait(dripMs)
  }
  const blanks = Buffer.alloc(65_536, ' ')
  for (let sent = bytes.length; sent < padTo && !response.destroyed; sent += blanks.length)
    await writeThrough(response, blanks.subarray(0, Math.min(blanks.length, padTo - sent)))
  response.end()
}

async function forge(token: string, key: TestKey): Promise<Record<string, string>> {
  const [header = '', claims = '', signature = ''] = token.split('.')
  const other = await makeKey(key.alg, key.kid)
  const headed = (members: object): string => encodePart({ alg: key.alg, kid: key.kid, typ: 'JWT', ...members })
  const secretly = (secret: string): string => {
    const input = `${headed({ alg: 'HS256' })}.${claims}`
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
  }
  const parsed = JSON.parse(Buffer.from(claims, 'base64url').toString()) as Record<string, unknown> // made by signToken
  return {
    'no algorithm': `${headed({ alg: 'none' })}.${claims}.`,
    'no signature': `${header}.${claims}.`,
    'edited claims': `${header}.${encodePart({ ...parsed, team: 'admin' })}.${signature}`,
    'the public key as a secret': secretly(JSON.stringify(key.publicJwk)),
    'an empty secret': secretly(''),
    'a key of somebody else': await signToken(other, { claims: parsed }),
    'a key in the header': await signToken(other, { claims: parsed, header: { jwk: other.publicJwk } }),
    'a critical extension': `${headed({ crit: ['x'], x: 1 })}.${claims}.${signature}`,
  }
}
