import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Identity, Issuer } from '../config/identity.ts'
import type { BoundedFetch } from '../lib/egress.ts'
import { isJsonObject } from '../core/json.ts'
import { fixedKeys, refreshedKeys, type KeySource } from './key-source.ts'
import { readKeySet, type SigningKey } from './key-set.ts'

/** What reading keys borrows. `base` is the folder that relative key files start from. */
export interface JwksDeps {
  readonly fetch: BoundedFetch
  readonly settings: Identity['jwks']
  readonly now: () => number
  readonly base: string
}

const MAX_BYTES = 262_144

/** The keys of an issuer, wherever its configuration says they are. Throws when keys written down or in a file are no keys. */
export function createKeySource(issuer: Issuer, deps: JwksDeps): KeySource {
  const { jwks } = issuer
  if ('keys' in jwks || 'file' in jwks) return fixedKeys(writtenKeys(issuer, deps.base), deps.now())
  const load =
    'url' in jwks
      ? async () => readKeySet(await fetchJson(jwks.url, deps, { signal: deadline(deps), isStranger: false }))
      : async () => await discoverKeys(issuer.issuer, deps)
  return refreshedKeys({ load, settings: deps.settings, now: deps.now })
}

/** Keys that stand in the configuration or in a file beside it; what is wrong with them names the issuer. */
function writtenKeys({ issuer, jwks }: Issuer, base: string): readonly SigningKey[] {
  const place = 'file' in jwks ? `the key set ${jwks.file} of issuer ${issuer}` : `the keys of issuer ${issuer}`
  try {
    if ('file' in jwks) return usableKeys(JSON.parse(readFileSync(resolve(base, jwks.file), 'utf8')))
    return usableKeys({ keys: 'keys' in jwks ? jwks.keys : [] })
  } catch (error) {
    throw new Error(`${place} cannot be used: ${error instanceof Error ? error.message : 'unknown reason'}`, { cause: error })
  }
}

function usableKeys(document: unknown): readonly SigningKey[] {
  const keys = readKeySet(document)
  if (keys.length === 0) throw new Error('it has no key that can verify a signature')
  return keys
}

/**
 * Reads `jwks_uri` from the metadata of the issuer. Tried in the order of the MCP authorization section: RFC 8414 and OpenID with the
 * well-known part before the issuer's path, then OpenID appended to it. `issuer` inside must be the configured one, character by
 * character, or another issuer's keys could pass for its own.
 */
async function discoverKeys(issuer: string, deps: JwksDeps): Promise<readonly SigningKey[]> {
  const signal = deadline(deps)
  let failure: unknown
  for (const url of metadataUrls(issuer)) {
    let metadata: unknown
    try {
      metadata = await fetchJson(url, deps, { signal, isStranger: false })
    } catch (error) {
      failure = error
      continue
    }
    if (!isJsonObject(metadata) || metadata['issuer'] !== issuer) throw new Error('the metadata names another issuer')
    if (typeof metadata['jwks_uri'] !== 'string') throw new Error('the metadata has no jwks_uri')
    // The operator wrote the issuer, not this URL: unless it stays on the issuer's host, it must not lead into the private network.
    const isStranger = new URL(metadata['jwks_uri']).host !== new URL(issuer).host
    return readKeySet(await fetchJson(metadata['jwks_uri'], deps, { signal, isStranger }))
  }
  throw failure instanceof Error ? failure : new Error('the issuer has no metadata')
}

/** The places where an issuer may publish its metadata, in the order they are tried. */
export function metadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/$/, '')
  const inserted = [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}/.well-known/openid-configuration${path}`,
  ]
  return path === '' ? inserted : [...inserted, `${origin}${path}/.well-known/openid-configuration`]
}

/** One limit of time for all the documents of one refresh. */
const deadline = (deps: JwksDeps) => AbortSignal.timeout(deps.settings.timeoutMs)

async function fetchJson(url: string, deps: JwksDeps, from: { signal: AbortSignal; isStranger: boolean }): Promise<unknown> {
  const { status, headers, body } = await deps.fetch(url, {
    headers: { accept: 'application/json, application/jwk-set+json' },
    timeoutMs: deps.settings.timeoutMs,
    maxBytes: MAX_BYTES,
    signal: from.signal,
    literalAllowed: !from.isStranger,
  })
  if (status !== 200) throw new Error(`the issuer answered ${status}`)
  if (!/^application\/(?:[a-z0-9.-]+\+)?json\s*(?:;|$)/i.test(headers['content-type'] ?? '')) {
    throw new Error('the issuer answered with something else than JSON')
  }
  try {
    return JSON.parse(body.toString('utf8'))
  } catch (error) {
    throw new Error('the issuer answered with broken JSON', { cause: error })
  }
}
