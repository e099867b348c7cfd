import { messagesModel, type MessagesModel } from './messages-model.ts'

/** What Converse can be told depends on the model behind it; this is what its name gives away. */
export interface ConverseModel {
  /** What a Claude model takes; absent for models of others. */
  readonly claude?: MessagesModel
  readonly isNova: boolean
  /** Whether it keeps to a JSON Schema, in answers and in strict tools. */
  readonly schemas: boolean
}

/** Tells whether a model name, inference profile or ARN is of a Claude model. */
export function isClaude(model: string): boolean {
  return model.includes('anthropic.')
}

/** Reads the name of a model: a base id, an inference profile or an ARN. */
export function converseModel(model: string): ConverseModel {
  if (!isClaude(model)) return { isNova: model.includes('amazon.nova'), schemas: OPEN_WITH_SCHEMAS.test(model) }
  const claude = messagesModel(model)
  return { claude, isNova: false, schemas: claude.schema }
}

/** Open models whose structured output is documented. */
const OPEN_WITH_SCHEMAS =
  /(?:qwen\.qwen3|openai\.gpt-oss|deepseek\.v3|google\.gemma-3|minimax\.|mistral\.(?:magistral|ministral|mistral-large-3|voxtral)|moonshot\w*\.kimi|nvidia\.nemotron)/
