import type { Provider as ProviderConfig } from '../../config/provider.ts'
import type { Provider } from '../provider.ts'
import { anthropic } from './anthropic.ts'
import { azure } from './azure.ts'
import { bedrock } from './bedrock.ts'
import { demo } from './demo.ts'
import { gemini } from './gemini.ts'
import { baseUrlOf as compatibleBaseUrl, openaiCompatible } from './openai-compatible.ts'
import { openai } from './openai.ts'
import { vertex } from './vertex.ts'

type Factories = {
  readonly [Type in ProviderConfig['type']]: (config: Extract<ProviderConfig, { type: Type }>) => Provider
}

const FACTORIES: Factories = {
  openai,
  anthropic,
  gemini,
  vertex,
  bedrock,
  azure,
  openai_compatible: openaiCompatible,
  demo,
}

/** Where the requests of a provider go: what its credential is for. */
export function baseUrlOf(config: ProviderConfig): string {
  switch (config.type) {
    case 'openai_compatible':
      return compatibleBaseUrl(config)
    case 'vertex':
      return config.baseUrl ?? 'https://aiplatform.googleapis.com'
    case 'bedrock':
      return config.baseUrl ?? `https://bedrock-runtime.${config.region}.amazonaws.com`
    case 'demo':
      return 'http://demo.invalid'
    default:
      return config.baseUrl
  }
}

/** The provider of a configuration: the factory named like its type. */
export function createProvider(config: ProviderConfig): Provider {
  return (FACTORIES[config.type] as (config: ProviderConfig) => Provider)(config)
}
