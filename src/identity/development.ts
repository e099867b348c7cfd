import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from 'jose'
import { Identity, type Issuer } from '../config/identity.ts'
import { createFileOnce } from '../lib/atomic-file.ts'

/** Whom a development token names. */
export interface DevelopmentToken {
  readonly team?: string
  readonly subject?: string
  readonly roles?: readonly string[]
  readonly ttlSeconds: number
  /** Instead of the audience that the development issuer accepts everywhere. */
  readonly audience?: string
}

/** An issuer for trying things out: its key lies in the state folder, so whoever can read that folder can be anybody. */
export interface DevelopmentIssuer {
  /** Its configuration, to be added to the configured issuers in development mode only. */
  issuer(audience?: readonly string[]): Issuer
  mint(token: DevelopmentToken): Promise<string>
}

/** The "iss" of development tokens. */
const DEVELOPMENT_ISSUER = 'urn:tollgate:development'

/** The audience of development tokens that name no other: accepted by every endpoint of a gateway in development mode. */
const AUDIENCE = 'urn:tollgate:development'

/** Opens the development issuer of a state folder, with a new key when there is none. `now` is in milliseconds. */
export async function openDevelopmentIssuer(stateDirectory: string, now: () => number): Promise<DevelopmentIssuer> {
  const jwk = await openKey(join(stateDirectory, 'development-issuer.json'))
  const { kty, crv, x, y, kid } = jwk
  const privateKey = await importJWK(jwk, 'ES256')
  const publicJwk = { kty, crv, x, y, kid, alg: 'ES256', use: 'sig' }
  return {
    issuer(audience = []) {
      const settings = {
        issuer: DEVELOPMENT_ISSUER,
        audience: [AUDIENCE, ...audience],
        algorithms: ['ES256'],
        jwks: { keys: [publicJwk] },
        claims: { kind: '/kind' },
      }
      const [issuer] = Identity.parse({ issuers: [settings] }).issuers
      if (issuer === undefined) throw new Error('the development issuer has no configuration')
      return issuer
    },
    async mint({ team, subject, roles = [], ttlSeconds, audience }) {
      const issuedAt = Math.floor(now() / 1000)
      return await new SignJWT({ ...(team === undefined ? {} : { team }), roles: [...roles], kind: 'user' })
        .setProtectedHeader({ alg: 'ES256', kid: kid ?? '', typ: 'JWT' })
        .setIssuer(DEVELOPMENT_ISSUER)
        .setSubject(subject ?? `developer@${team ?? 'tollgate'}`)
        .setAudience(audience ?? AUDIENCE)
        .setIssuedAt(issuedAt)
        .setExpirationTime(issuedAt + ttlSeconds)
        .setJti(crypto.randomUUID())
        .sign(privateKey)
    },
  }
}

async function openKey(path: string): Promise<JWK> {
  await createFileOnce(path, `${JSON.stringify(await newKey())}\n`, 0o600)
  const { mode } = await stat(path)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new Error(`${path} may be read by others; run: chmod 600 ${path}`)
  try {
    // Written by newKey and readable by its owner alone.
    return JSON.parse(await readFile(path, 'utf8')) as JWK
  } catch (error) {
    throw new Error(`${path} is not a key; remove it and start again`, { cause: error })
  }
}

async function newKey(): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid: `development-${crypto.randomUUID().slice(0, 8)}`, alg: 'ES256' }
}
