// AWS Signature Version 4, in three steps: (1) the request is written down in the canonical form, (2) a key for one day, region and service is
// derived from the secret and kept, (3) the hash of the form is signed with it. Only headers that no proxy changes are signed: host,
// content-type and x-amz-*. The path is encoded once more than it is sent, as for every service but S3.
import { createHmac, hash } from 'node:crypto'
import type { SignableRequest } from './signer.ts'

/** An access key; with a session token it is a temporary one. */
export interface AwsKeys {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken?: string
}

/** Signs requests to one service. */
export interface SigV4 {
  /** The headers to add to the request. `now`: milliseconds since the epoch. */
  sign(request: SignableRequest, keys: AwsKeys, region: string, now: number): Readonly<Record<string, string>>
}

const MAX_DERIVED_KEYS = 32

/** Makes a signer for a service by its name in signatures: `bedrock`, `sts`. */
export function createSigV4(service: string): SigV4 {
  const derived = new Map<string, { readonly secret: string; readonly key: Buffer }>()

  const deriveKey = (keys: AwsKeys, day: string, region: string): Buffer => {
    const name = `${day}/${region}/${keys.accessKeyId}`
    const known = derived.get(name)
    if (known?.secret === keys.secretAccessKey) return known.key
    const key = [day, region, service, 'aws4_request'].reduce(hmac, Buffer.from(`AWS4${keys.secretAccessKey}`))
    if (derived.size >= MAX_DERIVED_KEYS) derived.clear()
    derived.set(name, { secret: keys.secretAccessKey, key })
    return key
  }

  return {
    sign(request, keys, region, now) {
      const time = toBasicTime(now)
      const day = time.slice(0, 8)
      const added: Record<string, string> = { 'x-amz-date': time }
      if (keys.sessionToken !== undefined) added['x-amz-security-token'] = keys.sessionToken
      const { form, signedHeaders } = toCanonicalForm(request, added)
      const scope = `${day}/${region}/${service}/aws4_request`
      const text = `AWS4-HMAC-SHA256\n${time}\n${scope}\n${sha256(form)}`
      const signature = hmac(deriveKey(keys, day, region), text).toString('hex')
      const authorization = `AWS4-HMAC-SHA256 Credential=${keys.accessKeyId}/${scope}, SignedHeaders=${signedHeaders}, Signature=${signature}`
      return { ...added, authorization }
    },
  }
}

/** The canonical form of a request with the headers that signing adds; exported because a wrong signature is found by comparing it. */
export function toCanonicalForm(
  request: SignableRequest,
  added: Readonly<Record<string, string>>,
): { readonly form: string; readonly signedHeaders: string } {
  const place = placeOf(request.url)
  const headers: [string, string][] = [['host', place.host]]
  for (const members of [request.headers, added]) {
    for (const name of Object.keys(members)) {
      const lower = name.toLowerCase()
      if (lower === 'content-type' || lower.startsWith('x-amz-')) headers.push([lower, oneLine(members[name] ?? '')])
    }
  }
  headers.sort(([a], [b]) => (a < b ? -1 : 1))
  let lines = ''
  let signedHeaders = ''
  for (const [name, value] of headers) {
    lines += `${name}:${value}\n`
    signedHeaders += signedHeaders === '' ? name : `;${name}`
  }
  const form = `${request.method}\n${place.path}\n${place.query}\n${lines}\n${signedHeaders}\n${sha256(request.body)}`
  return { form, signedHeaders }
}

const oneLine = (value: string) => value.trim().replaceAll(/ +/g, ' ')

interface Place {
  readonly host: string
  readonly path: string
  readonly query: string
}

function placeOf(text: string): Place {
  const url = new URL(text)
  return { host: url.host, path: url.pathname.split('/').map(encode).join('/'), query: toCanonicalQuery(url) }
}

function toCanonicalQuery(url: URL): string {
  if (url.search === '') return ''
  const pairs = [...url.searchParams].map(([name, value]) => `${encode(name)}=${encode(value)}`)
  return pairs.sort().join('&')
}

const encode = (text: string) =>
  encodeURIComponent(text).replaceAll(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
const hmac = (key: Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest()
const sha256 = (data: Buffer | string) => hash('sha256', data, 'hex')
const toBasicTime = (now: number) => `${new Date(now).toISOString().slice(0, 19).replaceAll(/[-:]/g, '')}Z`
