import { createHash } from 'node:crypto'
import type { Credential } from '../config/server.ts'
import { clientCredentials } from './client-credentials.ts'
import type { CredentialDeps, UpstreamCredential } from './credential.ts'
import { staticHeaders } from './static.ts'

type Signer = Pick<UpstreamCredential, 'headers' | 'rejected'>
type Factories = {
  readonly [Type in Credential['type']]: (config: Extract<Credential, { type: Type }>, deps: CredentialDeps) => Signer
}

const FACTORIES: Factories = {
  bearer: staticHeaders,
  header: staticHeaders,
  basic: staticHeaders,
  client_credentials: clientCredentials,
}

/** The credential of one server; without a configured one, calls carry none. The caller's own credential is never among them. */
export function createCredential(config: Credential | undefined, deps: CredentialDeps): UpstreamCredential {
  const { origin } = new URL(deps.url)
  const signer: Signer = config === undefined ? UNSIGNED : createSigner(config, deps)
  const settings = JSON.stringify([origin, deps.url, config ?? null])
  return { fingerprint: createHash('sha256').update(settings).digest('hex').slice(0, 16), origin, ...signer }
}

const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})
const UNSIGNED: Signer = { headers: () => NO_HEADERS, rejected: () => undefined }

function createSigner(config: Credential, deps: CredentialDeps): Signer {
  return (FACTORIES[config.type] as (config: Credential, deps: CredentialDeps) => Signer)(config, deps)
}
