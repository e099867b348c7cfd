import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { inputTokens, NO_TOKENS, outputTokens, type Usage } from '../../core/usage.ts'
import { countOf } from '../loose-json.ts'

/** Items of an answer that are calls of tools the provider ran and bills by the call. */
const SERVER_TOOLS: Readonly<Record<string, string>> = {
  web_search_call: 'web_search_requests',
  file_search_call: 'file_search_requests',
  code_interpreter_call: 'code_interpreter_requests',
  image_generation_call: 'image_generation_requests',
}

/** Usage of a response object, or of a stream event that carries one. */
export function usageOfResponse(body: JsonObject): Usage | undefined {
  const response = isJsonObject(body['response']) ? body['response'] : body
  const counts = response['usage']
  if (!isJsonObject(counts)) return undefined
  return fromUsage(counts, serverToolsOf(response['output']))
}

function fromUsage(counts: JsonObject, serverTools: Usage['serverTools']): Usage | undefined {
  const input = countOf(counts['input_tokens'])
  const output = countOf(counts['output_tokens'])
  const read = detail(counts['input_tokens_details'], 'cached_tokens')
  const written = detail(counts['input_tokens_details'], 'cache_write_tokens')
  const reasoning = detail(counts['output_tokens_details'], 'reasoning_tokens')
  if (input === undefined || output === undefined || read === undefined || written === undefined || reasoning === undefined)
    return undefined
  const cacheRead = Math.min(read, input)
  const cacheWrite = Math.min(written, input - cacheRead)
  const cacheWrite1h = Math.min(longWrites(counts['input_tokens_details']), cacheWrite)
  return {
    ...NO_TOKENS,
    input: input - cacheRead - cacheWrite,
    cacheRead,
    cacheWrite5m: cacheWrite - cacheWrite1h,
    cacheWrite1h,
    output: output - Math.min(reasoning, output),
    reasoning: Math.min(reasoning, output),
    source: 'provider',
    ...(serverTools === undefined ? {} : { serverTools }),
  }
}

/** Writes the usage of a response object. */
export function toResponseUsage(usage: Usage): JsonObject {
  const input = inputTokens(usage)
  const output = outputTokens(usage)
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: usage.cacheRead, cache_write_tokens: usage.cacheWrite5m + usage.cacheWrite1h },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: input + output,
  }
}

/** A count inside a details object: 0 where the provider does not break it out, undefined where what it says cannot be a count. */
function detail(details: Json | undefined, name: string): number | undefined {
  if (details === undefined || details === null) return 0
  if (!isJsonObject(details)) return undefined
  const value = details[name]
  return value === undefined || value === null ? 0 : countOf(value)
}

/** Writes with the 12-hour lifetime, which cost more: they are counted with the longer kind. */
function longWrites(details: Json | undefined): number {
  const split = isJsonObject(details) ? details['cache_write_tokens_details'] : undefined
  return detail(split, 'ttl_12h_tokens') ?? 0
}

function serverToolsOf(output: Json | undefined): Usage['serverTools'] {
  if (!Array.isArray(output)) return undefined
  const calls: Record<string, number> = {}
  for (const item of output) {
    const type = isJsonObject(item) ? item['type'] : undefined
    const name = typeof type === 'string' && Object.hasOwn(SERVER_TOOLS, type) ? SERVER_TOOLS[type] : undefined
    if (name !== undefined) calls[name] = (calls[name] ?? 0) + 1
  }
  return Object.keys(calls).length === 0 ? undefined : calls
}
