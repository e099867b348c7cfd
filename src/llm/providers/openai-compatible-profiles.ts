import type { PROFILES } from '../../config/provider.ts'
import type { Quirks } from '../wire.ts'

/** One OpenAI-shaped provider: where it is, and how it differs from OpenAI. */
export interface Profile {
  /** Absent where every installation has an address of its own. */
  readonly baseUrl?: string
  readonly quirks: Quirks
}

/** It knows `max_tokens` only, whichever of the two the caller sent. */
const ONLY_MAX_TOKENS = { max_completion_tokens: 'max_tokens' }
/** A member renamed to itself is one OpenAI does not have and this provider does. */
const HAS_TOP_K = { top_k: 'top_k' }

/** The known OpenAI-shaped providers; a new one is a row here and a word in `config/provider.ts`. */
export const PROFILE_TABLE: Readonly<Record<(typeof PROFILES)[number], Profile>> = {
  generic: { quirks: { maxTokensField: 'max_tokens' } },
  mistral: {
    baseUrl: 'https://api.mistral.ai/v1',
    quirks: {
      usage: 'unasked',
      rejects: ['stream_options', 'logit_bias', 'logprobs', 'top_logprobs', 'service_tier', 'store', 'user', 'verbosity'],
      renames: { ...ONLY_MAX_TOKENS, seed: 'random_seed' },
      toolIds: 'nine_alphanumeric',
      toolChoiceRequired: 'any',
      systemRole: 'system',
      finishReasons: { model_length: 'length' },
    },
  },
  groq: {
    baseUrl: 'https://api.groq.com/openai/v1',
    quirks: { rejects: ['logprobs', 'top_logprobs', 'logit_bias', 'n'], reasoningField: 'reasoning', systemRole: 'system' },
  },
  deepseek: {
    baseUrl: 'https://api.deepseek.com/v1',
    quirks: {
      renames: ONLY_MAX_TOKENS,
      reasoningField: 'reasoning_content',
      returnsReasoning: false,
      systemRole: 'system',
      finishReasons: { insufficient_system_resource: 'error' },
    },
  },
  together: {
    baseUrl: 'https://api.together.xyz/v1',
    quirks: { renames: { ...ONLY_MAX_TOKENS, ...HAS_TOP_K }, systemRole: 'system', finishReasons: { eos: 'stop' } },
  },
  openrouter: {
    baseUrl: 'https://openrouter.ai/api/v1',
    quirks: { renames: HAS_TOP_K, reasoningField: 'reasoning', returnsReasoning: true },
  },
  ollama: {
    baseUrl: 'http://127.0.0.1:11434/v1',
    quirks: { renames: ONLY_MAX_TOKENS, reasoningField: 'reasoning', plainContent: true, systemRole: 'system' },
  },
  vllm: {
    baseUrl: 'http://127.0.0.1:8000/v1',
    quirks: { renames: HAS_TOP_K, reasoningField: 'reasoning_content', systemRole: 'system' },
  },
  xai: { baseUrl: 'https://api.x.ai/v1', quirks: { rejects: ['logit_bias'], reasoningField: 'reasoning_content' } },
  fireworks: {
    baseUrl: 'https://api.fireworks.ai/inference/v1',
    quirks: { renames: { ...ONLY_MAX_TOKENS, ...HAS_TOP_K }, systemRole: 'system' },
  },
  cerebras: {
    baseUrl: 'https://api.cerebras.ai/v1',
    quirks: {
      rejects: ['presence_penalty', 'frequency_penalty', 'logit_bias'],
      reasoningField: 'reasoning',
      systemRole: 'system',
    },
  },
  databricks: { quirks: { usage: 'unasked', rejects: ['stream_options'], renames: ONLY_MAX_TOKENS, systemRole: 'system' } },
  perplexity: {
    baseUrl: 'https://api.perplexity.ai',
    quirks: {
      usage: 'unasked',
      rejects: ['stream_options', 'tools', 'tool_choice', 'parallel_tool_calls'],
      renames: { ...ONLY_MAX_TOKENS, ...HAS_TOP_K },
      systemRole: 'system',
    },
  },
}
