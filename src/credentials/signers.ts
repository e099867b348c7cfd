import type { Provider } from '../config/provider.ts'
import { awsSigner } from './aws.ts'
import { azureSigner } from './azure.ts'
import { googleSigner } from './google.ts'
import { isOfOrigin, secretSigner } from './secret-signer.ts'
import type { Signer, SignerDeps } from './signer.ts'

type Factories = {
  readonly [Type in Provider['type']]: (provider: Extract<Provider, { type: Type }>, deps: SignerDeps) => Signer
}

const UNSIGNED: Signer = { sign: () => NO_HEADERS, rejected: () => undefined }
const NO_HEADERS: Readonly<Record<string, string>> = Object.freeze({})

const FACTORIES: Factories = {
  openai: ({ key }, deps) => bearer(key, deps),
  openai_compatible: ({ key }, deps) => (key === undefined ? UNSIGNED : bearer(key, deps)),
  anthropic: ({ key }, deps) => keyHeader('x-api-key', key, deps),
  gemini: ({ key }, deps) => keyHeader('x-goog-api-key', key, deps),
  vertex: ({ credentials }, deps) => googleSigner(credentials, deps),
  bedrock: ({ credentials, region, baseUrl }, deps) =>
    awsSigner(credentials, deps, { region, ...(baseUrl === undefined ? {} : { baseUrl }) }),
  azure: ({ credentials }, deps) => azureSigner(credentials, deps),
  demo: () => UNSIGNED,
}

/** The signer of one provider. The caller's own credential is never among what it adds. */
export function createSigner(provider: Provider, deps: SignerDeps): Signer {
  return (FACTORIES[provider.type] as (provider: Provider, deps: SignerDeps) => Signer)(provider, deps)
}

function bearer(reference: string, deps: SignerDeps): Signer {
  return secretSigner(reference, deps, {
    isOurs: isOfOrigin(deps.baseUrl),
    toHeaders: (key) => ({ authorization: `Bearer ${key}` }),
  })
}

function keyHeader(name: string, reference: string, deps: SignerDeps): Signer {
  return secretSigner(reference, deps, { isOurs: isOfOrigin(deps.baseUrl), toHeaders: (key) => ({ [name]: key }) })
}
