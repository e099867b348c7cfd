import { createHash, createHmac } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import type { Vendor } from './routes.ts'

/** What a request is checked against. */
export interface SignedRequest {
  readonly method: string
  readonly url: URL
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

const SECRET_HEADERS = new Set(['authorization', 'x-api-key', 'api-key', 'x-goog-api-key', 'x-amz-security-token', 'cookie'])

/** A name for a secret that does not give it away. */
function fingerprint(secret: string): string {
  return `sha256:${createHash('sha256').update(secret).digest('hex').slice(0, 12)}`
}

/** Headers fit to be shown: of credentials only the scheme and a fingerprint. */
export function shownHeaders(headers: IncomingHttpHeaders): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      const text = Array.isArray(value) ? value.join(', ') : (value ?? '')
      if (!SECRET_HEADERS.has(name)) return [name, text]
      const [, scheme = '', rest = ''] = /^([\w-]+ )?(.*)$/s.exec(text) ?? []
      return [name, `${scheme}${fingerprint(rest)}`]
    }),
  )
}

const isBearer = (text: string | undefined) => /^Bearer \S+$/.test(text ?? '')

/** Says what is wrong with the credential of a request; undefined when it is as the vendor wants it. */
export function credentialFault(vendor: Vendor, request: SignedRequest, awsSecret: string | undefined): string | undefined {
  const { authorization } = request.headers
  const has = (name: string) => typeof request.headers[name] === 'string' && request.headers[name] !== ''
  const wanted = {
    openai: () => isBearer(authorization) || 'needs authorization: Bearer',
    anthropic: () => has('x-api-key') || isBearer(authorization) || 'needs x-api-key',
    gemini: () => has('x-goog-api-key') || isBearer(authorization) || 'needs x-goog-api-key',
    vertex: () => isBearer(authorization) || 'needs authorization: Bearer',
    azure: () => has('api-key') || isBearer(authorization) || 'needs api-key or authorization: Bearer',
    bedrock: () => isBearer(authorization) || (signatureFault(request, awsSecret) ?? true),
  }
  const fault = wanted[vendor]()
  return fault === true ? undefined : String(fault)
}

const AUTHORIZATION =
  /^AWS4-HMAC-SHA256 Credential=([^/, ]+)\/(\d{8})\/([a-z0-9-]+)\/([a-z0-9-]+)\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/

function signatureFault(request: SignedRequest, secret: string | undefined): string | undefined {
  const { headers } = request
  const found = AUTHORIZATION.exec(headers.authorization ?? '')
  if (found === null) return 'the Authorization header is no SigV4 signature and no bearer token'
  const [, keyId = '', day = '', region = '', service = '', names = '', signature = ''] = found
  const time = String(headers['x-amz-date'] ?? '')
  const signed = names.split(';')
  if (!/^\d{8}T\d{6}Z$/.test(time)) return 'x-amz-date is missing or is no basic ISO 8601 time'
  if (time.slice(0, 8) !== day) return 'the scope names another day than x-amz-date'
  if (service !== 'bedrock') return `the scope names the service ${service}, not bedrock`
  if (signed.join(';') !== signed.toSorted().join(';')) return 'SignedHeaders are not in order'
  for (const name of ['host', 'x-amz-date', ...(headers['x-amz-security-token'] === undefined ? [] : ['x-amz-security-token'])])
    if (!signed.includes(name)) return `SignedHeaders leave out ${name}`
  const missing = signed.find((name) => headers[name] === undefined)
  if (missing !== undefined) return `SignedHeaders name ${missing}, which is not there`
  // Keys that the fake gave out itself (token-endpoints.ts) carry their secret in their name.
  const known = keyId.startsWith(FAKE_KEY) ? `fake-secret-${keyId.slice(FAKE_KEY.length)}` : secret
  if (known === undefined) return undefined
  const signing = { secret: known, time, scope: [day, region, service, 'aws4_request'] }
  return signatureOf(request, signed, signing) === signature ? undefined : 'the signature does not match'
}

const FAKE_KEY = 'ASIAFAKE'

interface Signing {
  readonly secret: string
  readonly time: string
  readonly scope: readonly string[]
}

function signatureOf({ method, url, headers, body }: SignedRequest, signed: readonly string[], signing: Signing): string {
  const segments = url.pathname.split('/').map(encode)
  const query = [...url.searchParams].map(([name, value]) => `${encode(name)}=${encode(value)}`).toSorted()
  const lines = signed.map((name) => `${name}:${String(headers[name]).trim().replaceAll(/ +/g, ' ')}\n`)
  const canonical = [method, segments.join('/'), query.join('&'), lines.join(''), signed.join(';'), sha256(body)].join('\n')
  const text = ['AWS4-HMAC-SHA256', signing.time, signing.scope.join('/'), sha256(canonical)].join('\n')
  const key = signing.scope.reduce<Buffer | string>((made, part) => hmac(made, part), `AWS4${signing.secret}`)
  return hmac(key, text).toString('hex')
}

/** RFC 3986: everything but letters, digits, "-", ".", "_" and "~". */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16).toUpperCase()}`)
}

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest()
