// Who is calling. Three steps: read the one credential a request presents (a JWT, an API key, or none where the configuration accepts
// that), verify it, remember a verified token by its hash. A remembered token is still held against the clock, the deny list and the
// issuer's current keys on every call. Whatever goes wrong is a refusal: no failure yields an identity.
import { hash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Identity as IdentityConfig, Revocations } from '../config/identity.ts'
import { GatewayError } from '../core/errors.ts'
import type { Report } from '../core/events.ts'
import { principalKey, type Identity, type Principal } from '../core/principal.ts'
import { isApiKey } from '../lib/api-key.ts'
import type { BoundedFetch } from '../lib/egress.ts'
import type { CompileExpression } from './claim-mapping.ts'
import { readPresented, type Presented } from './bearer.ts'
import { denied } from './denial.ts'
import { closeIssuers, createIssuers, type IssuerDeps, type TrustedIssuers } from './issuers.ts'
import type { KeyStatus } from './key-source.ts'
import { createDenyList, type DenyList } from './revocation.ts'
import { readToken } from './token.ts'
import { verifyToken, type VerifiedToken } from './verify.ts'

/** The API keys this gateway knows; store/keys.ts has them. */
export interface ApiKeyStore {
  find(key: string): { readonly identity: Identity } | { readonly reason: 'malformed' | 'unknown_key' | 'expired' | 'revoked' }
  /** Whether the key of this id works at this moment. */
  isActive(id: string): boolean
  onChange(listener: () => void): () => void
}

/** What telling callers apart borrows. `base` is the folder of tollgate.json. */
export interface AuthenticatorDeps {
  readonly config: IdentityConfig
  readonly revocations: Revocations
  readonly fetch: BoundedFetch
  readonly now: () => number
  readonly report: Report
  readonly keys: ApiKeyStore
  readonly compileExpression: CompileExpression
  readonly base: string
  readonly tokenBytes: number
}

/** What operators see of one issuer. */
export type IssuerStatus = KeyStatus & { readonly issuer: string }

/** Tells who is calling, and whether they still may. */
export interface Authenticator {
  /** `resource` is the URL of the endpoint called; tokens without a configured audience must name it. */
  authenticate(presented: Presented, resource: string, options?: AuthenticateOptions): Promise<Identity>
  /** Whether the credential that gave this identity would be accepted again now, for the same endpoint. False also when that takes a closer look. */
  holds(identity: Identity): boolean
  /** Whether an identity given earlier would now be refused for good: denied, its key withdrawn, its issuer gone. Expiry of a token does not count. */
  isRevoked(identity: Identity): boolean
  /** Called whenever `isRevoked` may have changed its answer. Returns how to stop listening. */
  onRevoked(listener: () => void): () => void
  /** Takes a new configuration as a whole; throws, with nothing changed, when it cannot work. */
  update(config: IdentityConfig, revocations: Revocations): void
  status(): readonly IssuerStatus[]
  close(): void
}

/** How much work a credential is worth. */
export interface AuthenticateOptions {
  /** Only tokens that were verified before: an address with many forged ones must not keep the signature check busy. */
  readonly knownOnly?: boolean
}

/** Everything that changes together on a reload. */
interface State {
  readonly config: IdentityConfig
  readonly issuers: TrustedIssuers
  readonly denyList: DenyList
  readonly anonymous: Identity | undefined
  readonly verified: LRUCache<string, VerifiedToken>
  /** The token behind an identity that was given out. */
  readonly tokens: WeakMap<Identity, VerifiedToken>
  readonly verifying: Map<string, Promise<VerifiedToken>>
}

/** Makes the authenticator of a gateway. Throws when the configuration cannot work. */
export function createAuthenticator(deps: AuthenticatorDeps): Authenticator {
  const listeners = new Set<() => void>()
  const notify = () => listeners.forEach((listener) => listener())
  const stopWatching = deps.keys.onChange(notify)
  let state = createState(deps.config, deps.revocations, deps)

  return {
    async authenticate(presented, resource, { knownOnly = false } = {}) {
      const trail: Trail = {}
      try {
        return await identify(presented, { state, deps, resource, trail, knownOnly })
      } catch (error) {
        throw reportDenial(error, { deps, resource, trail })
      }
    },
    holds: (identity) => holds(identity, state, deps.now()),
    isRevoked: (identity) => isRevoked(identity, state, deps.keys),
    onRevoked(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    update(config, revocations) {
      const before = state
      state = createState(config, revocations, deps, before.issuers)
      closeIssuers(before.issuers, state.issuers)
      notify()
    },
    status: () => [...state.issuers].map(([issuer, { keys }]) => ({ issuer, ...keys.status() })),
    close() {
      stopWatching()
      listeners.clear()
      closeIssuers(state.issuers)
    },
  }
}

/** What became known of a credential on the way, for the report of a refusal. Only issuers we know are named. */
interface Trail {
  issuer?: string
}

interface Attempt {
  readonly state: State
  readonly deps: AuthenticatorDeps
  readonly resource: string
  readonly trail: Trail
  readonly knownOnly: boolean
}

async function identify(presented: Presented, attempt: Attempt): Promise<Identity> {
  const { state, deps } = attempt
  const credential = readPresented(presented, deps.tokenBytes)
  const identity = credential === undefined ? state.anonymous : await identifyBy(credential, attempt)
  if (identity === undefined) throw denied('missing')
  if (state.denyList.has(identity)) throw denied('revoked')
  return identity
}

async function identifyBy(credential: string, attempt: Attempt): Promise<Identity> {
  if (!isApiKey(credential)) return (await verifiedToken(credential, attempt)).identity
  if (!attempt.state.config.apiKeys) throw denied('unknown_key')
  const found = attempt.deps.keys.find(credential)
  if ('reason' in found) throw denied(found.reason)
  return found.identity
}

async function verifiedToken(text: string, attempt: Attempt): Promise<VerifiedToken> {
  const { state, deps, trail } = attempt
  const cacheKey = hash('sha256', `${text}\n${attempt.resource}`, 'base64')
  const known = state.verified.get(cacheKey)
  if (known !== undefined) {
    trail.issuer = known.issuer.config.issuer
    if (deps.now() > known.expiresAt) throw denied('expired')
    if (known.issuer.keys.holds(known.key)) return known
    state.verified.delete(cacheKey)
  }
  if (attempt.knownOnly)
    throw new GatewayError('rate_limited', 'too many refused tokens from this address', { retryAfterSeconds: 1 })
  const token = readToken(text)
  const issuer = state.issuers.get(token.issuer)
  if (issuer === undefined) throw denied('unknown_issuer')
  trail.issuer = token.issuer
  const underWay = state.verifying.get(cacheKey)
  if (underWay !== undefined) return await underWay
  const verifying = verifyToken(token, issuer, attempt.resource, deps.now)
  state.verifying.set(cacheKey, verifying)
  try {
    const verified = await verifying
    state.verified.set(cacheKey, verified)
    state.tokens.set(verified.identity, verified)
    return verified
  } finally {
    state.verifying.delete(cacheKey)
  }
}

function reportDenial(error: unknown, { deps, resource, trail }: Omit<Attempt, 'state' | 'knownOnly'>): GatewayError {
  const denial =
    error instanceof GatewayError
      ? error
      : new GatewayError('unauthenticated', 'the credential cannot be verified', { cause: error })
  const reason = denial.details?.['reason']
  const route = URL.canParse(resource) ? new URL(resource).pathname : resource
  const issuer = trail.issuer === undefined ? {} : { issuer: trail.issuer }
  deps.report({ type: 'auth-denied', reason: typeof reason === 'string' ? reason : 'failed', ...issuer, route })
  if (!(error instanceof GatewayError)) deps.report({ type: 'internal-error', error })
  return denial
}

function createState(config: IdentityConfig, revocations: Revocations, deps: AuthenticatorDeps, before?: TrustedIssuers): State {
  const issuerDeps: IssuerDeps = { fetch: deps.fetch, now: deps.now, base: deps.base, compileExpression: deps.compileExpression }
  return {
    config,
    issuers: createIssuers(config, issuerDeps, before),
    denyList: createDenyList(revocations),
    anonymous: anonymousIdentity(config),
    verified: new LRUCache({ max: config.cache.entries }),
    tokens: new WeakMap(),
    verifying: new Map(),
  }
}

/** Tokens verified under another configuration are unknown here: they are verified again. */
function holds(identity: Identity, state: State, now: number): boolean {
  if (state.denyList.has(identity)) return false
  if (identity === state.anonymous) return true
  const token = state.tokens.get(identity)
  return token !== undefined && now <= token.expiresAt && token.issuer.keys.holds(token.key)
}

function isRevoked(identity: Identity, state: State, keys: ApiKeyStore): boolean {
  if (state.denyList.has(identity)) return true
  switch (identity.method) {
    case 'jwt':
      return !state.issuers.has(identity.principal.issuer)
    case 'api-key':
      return !state.config.apiKeys || identity.credentialId === undefined || !keys.isActive(identity.credentialId)
    case 'anonymous':
      return state.anonymous?.key !== identity.key
  }
}

/** Callers without a credential, where the configuration accepts them: one principal under an issuer of its own. */
function anonymousIdentity({ anonymous }: IdentityConfig): Identity | undefined {
  if (anonymous === undefined) return undefined
  const { team, project, agent, groups } = anonymous
  const principal: Principal = {
    issuer: 'urn:tollgate:anonymous',
    subject: 'anonymous',
    kind: 'agent',
    ...(team === undefined ? {} : { team }),
    ...(project === undefined ? {} : { project }),
    ...(agent === undefined ? {} : { agent }),
    groups,
    roles: [],
    scopes: [],
  }
  return Object.freeze({ principal, key: principalKey(principal), method: 'anonymous' })
}
