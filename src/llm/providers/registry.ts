import type { Provider as ProviderConfig } from '../../config/provider.ts'
import type { Provider } from '../provider.ts'
import { anthropic } from './anthropic.ts'
import { azure } from './azure.ts'
import { bedrock } from './bedrock.ts'
import { demo } from './demo.ts'
import { gemini } from './gemini.ts'
import { openaiCompatible } from './openai-compatible.ts'
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

/** The provider of a configuration: the factory named like its type. */
export function createProvider(config: ProviderConfig): Provider {
  return (FACTORIES[config.type] as (config: ProviderConfig) => Provider)(config)
}
