import type { PROFILES } from '../config/provider.ts'

type Profile = (typeof PROFILES)[number]

/** What a vendor of another gateway is here, and the variable its key usually stands in. */
export type Vendor =
  | { readonly type: 'openai' | 'anthropic' | 'gemini'; readonly variable: string }
  | { readonly type: 'vertex' | 'bedrock' | 'azure' }
  | { readonly type: 'openai_compatible'; readonly profile: Profile; readonly variable?: string }

const compatible = (profile: Profile, variable?: string): Vendor => ({
  type: 'openai_compatible',
  profile,
  ...(variable === undefined ? {} : { variable }),
})

const OPENAI: Vendor = { type: 'openai', variable: 'OPENAI_API_KEY' }
const ANTHROPIC: Vendor = { type: 'anthropic', variable: 'ANTHROPIC_API_KEY' }
const GEMINI: Vendor = { type: 'gemini', variable: 'GEMINI_API_KEY' }

const COMMON: Readonly<Record<string, Vendor>> = {
  openai: OPENAI,
  anthropic: ANTHROPIC,
  bedrock: { type: 'bedrock' },
  mistral: compatible('mistral', 'MISTRAL_API_KEY'),
  groq: compatible('groq', 'GROQ_API_KEY'),
  deepseek: compatible('deepseek', 'DEEPSEEK_API_KEY'),
  openrouter: compatible('openrouter', 'OPENROUTER_API_KEY'),
  ollama: compatible('ollama'),
  xai: compatible('xai', 'XAI_API_KEY'),
  cerebras: compatible('cerebras', 'CEREBRAS_API_KEY'),
  databricks: compatible('databricks', 'DATABRICKS_API_KEY'),
}

/** Provider names of LiteLLM. */
export const LITELLM_VENDORS: Readonly<Record<string, Vendor>> = {
  ...COMMON,
  'text-completion-openai': OPENAI,
  anthropic_text: ANTHROPIC,
  gemini: GEMINI,
  vertex_ai: { type: 'vertex' },
  vertex_ai_beta: { type: 'vertex' },
  bedrock_converse: { type: 'bedrock' },
  azure: { type: 'azure' },
  azure_text: { type: 'azure' },
  together_ai: compatible('together', 'TOGETHERAI_API_KEY'),
  ollama_chat: compatible('ollama'),
  vllm: compatible('vllm'),
  hosted_vllm: compatible('vllm'),
  fireworks_ai: compatible('fireworks', 'FIREWORKS_API_KEY'),
  perplexity: compatible('perplexity', 'PERPLEXITYAI_API_KEY'),
  azure_ai: compatible('generic', 'AZURE_AI_API_KEY'),
  openai_like: compatible('generic'),
  custom_openai: compatible('generic'),
  litellm_proxy: compatible('generic', 'LITELLM_PROXY_API_KEY'),
  lm_studio: compatible('generic'),
  llamafile: compatible('generic'),
}

/** Provider names of Portkey. */
export const PORTKEY_VENDORS: Readonly<Record<string, Vendor>> = {
  ...COMMON,
  google: GEMINI,
  'vertex-ai': { type: 'vertex' },
  'azure-openai': { type: 'azure' },
  'azure-ai': compatible('generic', 'AZURE_AI_API_KEY'),
  'mistral-ai': compatible('mistral', 'MISTRAL_API_KEY'),
  'together-ai': compatible('together', 'TOGETHER_API_KEY'),
  'fireworks-ai': compatible('fireworks', 'FIREWORKS_API_KEY'),
  'perplexity-ai': compatible('perplexity', 'PERPLEXITY_API_KEY'),
  'x-ai': compatible('xai', 'XAI_API_KEY'),
  vllm: compatible('vllm'),
}

/** The name prices are kept under: the type, or the profile of a compatible provider. */
export function priceNameOf(vendor: Vendor): string {
  return vendor.type === 'openai_compatible' ? vendor.profile : vendor.type
}
