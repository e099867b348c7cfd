import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { META } from './versions.ts'

/** Bytes of UTF-8 we count as one token: a rule of thumb that holds for English text and JSON, generous for others. */
const BYTES_PER_TOKEN = 4

/** Cuts a result to about so many tokens. What was cut is said in a text and in `_meta`; it stays valid JSON of the same shape. */
export function shortenResult(result: JsonObject, maxTokens: number): JsonObject {
  const content = result['content']
  const budget = { left: maxTokens * BYTES_PER_TOKEN }
  const originalBytes = Buffer.byteLength(JSON.stringify([content, result['structuredContent'] ?? null]))
  if (!Array.isArray(content) || originalBytes <= budget.left) return result
  const kept = content.flatMap((block: Json) => shortenBlock(block, budget))
  const note = `[shortened by the gateway to about ${maxTokens} tokens; the whole result has ${originalBytes} bytes]`
  const { structuredContent: _, ...rest } = result
  const meta = isJsonObject(result['_meta']) ? result['_meta'] : {}
  return {
    ...rest,
    content: [...kept, { type: 'text', text: note }],
    _meta: { ...meta, [META.shortened]: { maxTokens, originalBytes } },
  }
}

/** Texts in order take what is left; a block that cannot be cut is kept whole or left out. */
function shortenBlock(block: Json, budget: { left: number }): readonly Json[] {
  if (!isJsonObject(block) || block['type'] !== 'text' || typeof block['text'] !== 'string') {
    const size = Buffer.byteLength(JSON.stringify(block))
    if (size > budget.left) return []
    budget.left -= size
    return [block]
  }
  if (budget.left <= 0) return []
  const text = cutText(block['text'], budget.left)
  budget.left -= Buffer.byteLength(text)
  if (text.length < block['text'].length) budget.left = 0
  return [{ ...block, text }]
}

/** The longest beginning of a text that fits, never ending inside a character. */
export function cutText(text: string, maxBytes: number): string {
  if (Buffer.byteLength(text) <= maxBytes) return text
  const bytes = Buffer.from(text)
  let end = maxBytes
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.toString('utf8', 0, end)
}
