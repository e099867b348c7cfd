import { GatewayError } from '../core/errors.ts'
import { createSecretValue } from './secret.ts'
import type { Signer, SignerDeps } from './signer.ts'

/** How one secret becomes headers, and which URLs they may be sent to. */
export interface SecretHeaders {
  toHeaders(secret: string): Readonly<Record<string, string>>
  isOurs(url: string): boolean
}

/** Signs with one secret by reference: the same header object until the secret changes. */
export function secretSigner(reference: string, deps: SignerDeps, { toHeaders, isOurs }: SecretHeaders): Signer {
  const secret = createSecretValue(reference, deps.secrets, deps.now)
  let made: { readonly value: string; readonly headers: Readonly<Record<string, string>> } | undefined
  return {
    sign(request) {
      if (!isOurs(request.url)) throw new GatewayError('upstream_auth', 'the credential is for another host')
      const value = secret.read()
      if (made?.value !== value) made = { value, headers: checked(toHeaders(value)) }
      return made.headers
    },
    rejected: () => secret.forget(),
  }
}

/** Tells whether a URL is of the origin of another: the only one its credential may be sent to. */
export function isOfOrigin(baseUrl: string): (url: string) => boolean {
  const { origin } = new URL(baseUrl)
  const prefix = `${origin}/`
  return (url) => url.startsWith(prefix) || new URL(url).origin === origin
}

function checked(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  if (Object.values(headers).every((value) => /^[\x20-\x7e]+$/.test(value))) return Object.freeze(headers)
  throw new GatewayError('upstream_auth', 'the credential for this provider is not usable', {
    cause: new Error('it holds characters that a header cannot carry'),
  })
}
