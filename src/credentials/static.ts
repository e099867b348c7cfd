import type { Credential } from '../config/server.ts'
import { GatewayError } from '../core/errors.ts'
import type { CredentialDeps } from './credential.ts'
import { createSecretValue } from './secret.ts'

type Static = Exclude<Credential, { type: 'client_credentials' }>

/** A fixed header, bearer token or user name and password; the secret is read anew after a rotation. */
export function staticHeaders(
  config: Static,
  deps: CredentialDeps,
): { headers(): Readonly<Record<string, string>>; rejected(): void } {
  const secret = createSecretValue(referenceOf(config), deps.secrets, deps.now)
  let made: { readonly value: string; readonly headers: Readonly<Record<string, string>> } | undefined
  return {
    headers() {
      const value = secret.read()
      // The same object while the secret is the same, so that it is known again.
      if (made?.value !== value) made = { value, headers: checkHeaders(toHeaders(config, value)) }
      return made.headers
    },
    rejected: () => secret.forget(),
  }
}

function referenceOf(config: Static): string {
  switch (config.type) {
    case 'bearer':
      return config.token
    case 'header':
      return config.value
    case 'basic':
      return config.password
  }
}

function toHeaders(config: Static, secret: string): Record<string, string> {
  switch (config.type) {
    case 'bearer':
      return { authorization: `Bearer ${secret}` }
    case 'header':
      return { [config.name.toLowerCase()]: `${config.prefix ?? ''}${secret}` }
    case 'basic':
      return { authorization: `Basic ${Buffer.from(`${config.username}:${secret}`).toString('base64')}` }
  }
}

function checkHeaders(headers: Record<string, string>): Record<string, string> {
  if (Object.values(headers).every((value) => /^[\x20-\x7e]+$/.test(value))) return headers
  throw new GatewayError('upstream_auth', 'the credential for this server is not usable', {
    cause: new Error('it holds characters that a header cannot carry'),
  })
}
