import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { inputTokens, NO_TOKENS, outputTokens, type Usage } from '../../core/usage.ts'
import { countOf, objectOf } from '../loose-json.ts'

/** Usage of a whole Chat Completions answer, of an embeddings answer, or of one chunk; undefined when it holds none that can be believed. */
export function usageOfChat(body: JsonObject): Usage | undefined {
  const own = body['usage']
  if (isJsonObject(own)) return fromUsage(own)
  const groq = body['x_groq']
  return isJsonObject(groq) && isJsonObject(groq['usage']) ? fromUsage(groq['usage']) : undefined
}

/** Writes usage as Chat Completions says it. */
export function toChatUsage(usage: Usage): JsonObject {
  const [prompt, completion] = [inputTokens(usage), outputTokens(usage)]
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: prompt + completion,
    prompt_tokens_details: {
      cached_tokens: usage.cacheRead,
      audio_tokens: usage.inputAudio,
      cache_write_tokens: usage.cacheWrite5m + usage.cacheWrite1h,
    },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoning,
      audio_tokens: usage.outputAudio,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}

function fromUsage(usage: JsonObject): Usage | undefined {
  const prompt = countOf(usage['prompt_tokens'])
  const completion = countOf(usage['completion_tokens'] ?? 0)
  if (prompt === undefined || completion === undefined) return undefined
  const tools = serverTools(usage)
  return {
    ...NO_TOKENS,
    ...inputKinds(usage, prompt),
    ...outputKinds(usage, prompt, completion),
    source: 'provider',
    ...(tools === undefined ? {} : { serverTools: tools }),
  }
}

/** Cached, written, audio and image tokens stand inside `prompt_tokens`: each is taken out once, so that no token is counted twice. */
function inputKinds(usage: JsonObject, prompt: number) {
  const details = objectOf(usage['prompt_tokens_details'])
  const rest = createRest(prompt)
  const cacheRead = rest.take(details['cached_tokens'] ?? usage['prompt_cache_hit_tokens'] ?? usage['cached_tokens'])
  const cacheWrite5m = rest.take(details['cache_write_tokens'])
  const inputAudio = rest.take(details['audio_tokens'])
  const inputImage = rest.take(details['image_tokens'])
  return { cacheRead, cacheWrite5m, inputAudio, inputImage, input: rest.left() }
}

/** Reasoning stands inside `completion_tokens`, but beside it at providers (xAI, Gemini) whose `total_tokens` says so. */
function outputKinds(usage: JsonObject, prompt: number, completion: number) {
  const details = objectOf(usage['completion_tokens_details'])
  const told = countOf(details['reasoning_tokens'] ?? usage['reasoning_tokens']) ?? 0
  const beside = Math.max(0, (countOf(usage['total_tokens']) ?? 0) - prompt - completion)
  const isBeside = beside > 0 && (told === 0 || told === beside)
  const rest = createRest(completion)
  const outputAudio = rest.take(details['audio_tokens'])
  const reasoning = isBeside ? beside : rest.take(told)
  return { outputAudio, reasoning, output: rest.left() }
}

function createRest(whole: number) {
  let left = whole
  return {
    take(value: Json | undefined): number {
      const taken = Math.min(countOf(value) ?? 0, left)
      left -= taken
      return taken
    },
    left: () => left,
  }
}

function serverTools(usage: JsonObject): Record<string, number> | undefined {
  const searches = countOf(usage['num_search_queries'])
  const named = Object.entries(objectOf(usage['server_tool_use'])).flatMap(([name, value]) => {
    const calls = countOf(value)
    return calls === undefined ? [] : [[name, calls] as const]
  })
  const all = searches === undefined ? named : [...named, ['web_search_requests', searches] as const]
  return all.length === 0 ? undefined : Object.fromEntries(all)
}
