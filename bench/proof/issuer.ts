import { exportJWK, generateKeyPair, SignJWT } from 'jose'

/** Who a token is for. */
export interface Bearer {
  readonly team: string
  readonly subject?: string
  readonly roles?: readonly string[]
  readonly id?: string
  readonly session?: string
}

/** An issuer of tokens whose public key stands in the gateway's file. */
export interface Issuer {
  /** For `identity.issuers`. */
  readonly file: object
  token(bearer: Bearer): Promise<string>
}

const NAME = 'https://proof.test'

/** Makes an issuer with a fresh key. */
export async function createIssuer(): Promise<Issuer> {
  const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true })
  const key = { ...(await exportJWK(publicKey)), kid: 'proof', alg: 'ES256', use: 'sig' }
  return {
    file: { issuer: NAME, audience: ['proof'], jwks: { keys: [key] } },
    async token({ team, subject = 'driver', roles, id, session }) {
      const jwt = new SignJWT({
        team,
        ...(roles === undefined ? {} : { roles }),
        ...(session === undefined ? {} : { session_id: session }),
      })
      if (id !== undefined) jwt.setJti(id)
      return await jwt
        .setProtectedHeader({ alg: 'ES256', kid: 'proof' })
        .setIssuer(NAME)
        .setAudience('proof')
        .setSubject(subject)
        .setIssuedAt()
        .setExpirationTime('12h')
        .sign(privateKey)
    },
  }
}
