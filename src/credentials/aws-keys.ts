import type { AwsCredentials } from '../config/provider.ts'
import { isJsonObject } from '../core/json.ts'
import type { BoundedAnswer, BoundedFetchOptions } from '../lib/egress.ts'
import { createSigV4, type AwsKeys } from './aws-sigv4.ts'
import { createSecretValue } from './secret.ts'
import type { SignableRequest, SignerDeps } from './signer.ts'
import { TokenCache, type Fetched } from './token-cache.ts'

/** Where access keys come from. */
export interface AwsKeySource {
  /** Not a promise when usable keys are at hand. Fails with `upstream_auth`. */
  get(signal?: AbortSignal): AwsKeys | Promise<AwsKeys>
  /** The keys were refused: they are had anew. */
  rejected(): void
}

type Configured<Type extends AwsCredentials['type']> = Extract<AwsCredentials, { type: Type }>
type KeyDeps = SignerDeps & { readonly region: string }

/** Makes the source of the keys that sign requests to Bedrock. A Bedrock API key is no such key: it is sent as it is. */
export function createAwsKeySource(credentials: Exclude<AwsCredentials, { type: 'api_key' }>, deps: KeyDeps): AwsKeySource {
  switch (credentials.type) {
    case 'static':
      return staticKeys(credentials, deps)
    case 'assume_role':
      return assumeRole(credentials, deps)
    case 'web_identity':
      return webIdentity(credentials, deps)
    case 'container':
      return containerKeys(credentials, deps)
    case 'metadata':
      return cached(deps, () => fetchMetadataKeys(credentials.url.replace(/\/+$/, ''), deps))
  }
}

function staticKeys(config: Configured<'static'>, deps: KeyDeps): AwsKeySource {
  const read = (reference: string) => createSecretValue(reference, deps.secrets, deps.now)
  const [id, secret] = [read(config.accessKeyId), read(config.secretAccessKey)]
  const token = config.sessionToken === undefined ? undefined : read(config.sessionToken)
  return {
    get: () => ({
      accessKeyId: id.read(),
      secretAccessKey: secret.read(),
      ...(token === undefined ? {} : { sessionToken: token.read() }),
    }),
    rejected() {
      for (const value of [id, secret, token]) value?.forget()
    },
  }
}

function assumeRole(config: Configured<'assume_role'>, deps: KeyDeps): AwsKeySource {
  const source = staticKeys(config.source, deps)
  const sts = createSigV4('sts')
  const url = config.stsUrl ?? stsUrl(deps.region)
  const form = new URLSearchParams({
    Action: 'AssumeRole',
    Version: '2011-06-15',
    RoleArn: config.roleArn,
    RoleSessionName: config.sessionName,
  })
  if (config.externalId !== undefined) form.set('ExternalId', config.externalId)
  const fetchKeys = async () => {
    const request: SignableRequest = { method: 'POST', url, headers: FORM_HEADERS, body: Buffer.from(form.toString()) }
    const signed = sts.sign(request, await source.get(), deps.region, deps.now())
    return readStsAnswer(
      await send(url, deps, { method: 'POST', headers: { ...FORM_HEADERS, ...signed }, body: form.toString() }),
      deps,
    )
  }
  return cached(deps, fetchKeys, () => source.rejected())
}

function webIdentity(config: Configured<'web_identity'>, deps: KeyDeps): AwsKeySource {
  const token = createSecretValue(config.token, deps.secrets, deps.now)
  const fetchKeys = async () => {
    // The kubelet replaces the token in its file, so it is never taken from memory.
    token.forget()
    const form = new URLSearchParams({
      Action: 'AssumeRoleWithWebIdentity',
      Version: '2011-06-15',
      RoleArn: config.roleArn,
      RoleSessionName: config.sessionName,
      WebIdentityToken: token.read(),
    })
    const url = config.stsUrl ?? stsUrl(deps.region)
    return readStsAnswer(await send(url, deps, { method: 'POST', headers: FORM_HEADERS, body: form.toString() }), deps)
  }
  return cached(deps, fetchKeys)
}

function containerKeys(config: Configured<'container'>, deps: KeyDeps): AwsKeySource {
  const token = config.token === undefined ? undefined : createSecretValue(config.token, deps.secrets, deps.now)
  const fetchKeys = async () => {
    token?.forget()
    const headers: Record<string, string> = token === undefined ? {} : { authorization: token.read() }
    return readKeysJson(await send(config.url, deps, { headers }), deps)
  }
  return cached(deps, fetchKeys)
}

const METADATA_PATH = '/latest/meta-data/iam/security-credentials/'

/** IMDSv2: a session token, then the name of the role of the machine, then its keys. */
async function fetchMetadataKeys(url: string, deps: KeyDeps): Promise<Fetched<AwsKeys>> {
  const session = await send(`${url}/latest/api/token`, deps, {
    method: 'PUT',
    headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' },
  })
  const headers = { 'x-aws-ec2-metadata-token': session.body.toString('utf8').trim() }
  const roles = await send(`${url}${METADATA_PATH}`, deps, { headers })
  const role = roles.body.toString('utf8').split('\n', 1)[0]?.trim() ?? ''
  if (!/^[\w+=,.@-]{1,128}$/.test(role)) throw new Error('the metadata service named no role')
  return readKeysJson(await send(`${url}${METADATA_PATH}${role}`, deps, { headers }), deps)
}

function cached(deps: KeyDeps, fetchKeys: () => Promise<Fetched<AwsKeys>>, forget: () => void = () => undefined): AwsKeySource {
  return new TokenCache<AwsKeys>({
    fetch: fetchKeys,
    forget,
    now: deps.now,
    failure: 'the gateway could not get AWS credentials for this provider',
  })
}

const FORM_HEADERS = { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8', accept: 'text/xml' }
const TIMEOUT_MS = 10_000
const MAX_BYTES = 65_536

async function send(
  url: string,
  deps: KeyDeps,
  options: Omit<BoundedFetchOptions, 'timeoutMs' | 'maxBytes'>,
): Promise<BoundedAnswer> {
  const answer = await deps.fetch(url, { ...options, timeoutMs: TIMEOUT_MS, maxBytes: MAX_BYTES })
  if (answer.status === 200) return answer
  const code = textOf(answer.body.toString('utf8'), 'Code')
  throw new Error(`the source of AWS credentials answered ${answer.status}${code === undefined ? '' : ` ${code}`}`)
}

function stsUrl(region: string): string {
  return `https://sts.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}/`
}

function readStsAnswer(answer: BoundedAnswer, deps: KeyDeps): Fetched<AwsKeys> {
  const xml = answer.body.toString('utf8')
  return toFetched(
    {
      id: textOf(xml, 'AccessKeyId'),
      secret: textOf(xml, 'SecretAccessKey'),
      token: textOf(xml, 'SessionToken'),
      expires: textOf(xml, 'Expiration'),
    },
    deps.now(),
  )
}

function readKeysJson(answer: BoundedAnswer, deps: KeyDeps): Fetched<AwsKeys> {
  const json: unknown = JSON.parse(answer.body.toString('utf8'))
  if (!isJsonObject(json)) throw new Error('the source of AWS credentials answered with something else than an object')
  const { AccessKeyId: id, SecretAccessKey: secret, Token: token, Expiration: expires } = json
  return toFetched({ id, secret, token, expires }, deps.now())
}

function toFetched(
  found: { readonly id: unknown; readonly secret: unknown; readonly token: unknown; readonly expires: unknown },
  now: number,
): Fetched<AwsKeys> {
  const { id, secret, token } = found
  if (!isPlain(id) || !isPlain(secret)) throw new Error('the source of AWS credentials gave no access key')
  const lifetimeMs = typeof found.expires === 'string' ? Date.parse(found.expires) - now : Number.NaN
  return {
    value: { accessKeyId: id, secretAccessKey: secret, ...(isPlain(token) ? { sessionToken: token } : {}) },
    lifetimeMs: Number.isFinite(lifetimeMs) ? lifetimeMs : undefined,
  }
}

/** What a header can carry: no blanks, no control characters. */
const isPlain = (value: unknown): value is string => typeof value === 'string' && /^[\x21-\x7e]{1,16384}$/.test(value)

/** The text of the first element of a name, whatever its prefix and attributes. Answers of STS have no CDATA and no such names twice. */
export function textOf(xml: string, name: string): string | undefined {
  const found = new RegExp(`<(?:[\\w-]{1,64}:)?${name}(?:\\s[^<>]*)?>([^<>]*)</`).exec(xml)
  return found?.[1]?.trim().replaceAll(/&(lt|gt|quot|apos|amp);/g, (_entity, entity: string) => ENTITIES[entity] ?? '')
}

const ENTITIES: Readonly<Record<string, string>> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' }
