import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { NO_TOKENS, type Usage } from '../../core/usage.ts'
import { createSseParser } from '../../lib/sse.ts'
import type { ModelRequest } from '../request.ts'

/** What an estimate is made from. */
export interface EstimateOptions {
  countTokens(text: string): Promise<number>
  readonly request: ModelRequest
  /** What of the answer went to the caller: frames of its dialect, or a whole body. */
  readonly frames: readonly string[]
  /** How many times more than `frames` was delivered. */
  readonly factor: number
}

/** Counts by ourselves, for what a provider did not count: the words of the request, and of the answer as far as it went. */
export async function estimateUsage({ countTokens, request, frames, factor }: EstimateOptions): Promise<Usage> {
  const input = await countTokens(wordsOf(request.json))
  const words = frames.length === 0 ? '' : answerWords(frames.join(''))
  const output = words === '' ? 0 : Math.ceil((await countTokens(words)) * Math.max(1, factor))
  return { ...NO_TOKENS, input, output, source: 'estimated' }
}

/** A rough count without waiting: four bytes to a token. For admission, where a count must be there at once. */
export function roughTokens(bytes: number): number {
  return Math.ceil(bytes / 4)
}

/** Members that hold no words of their own: names, kinds and bytes. */
const WORDLESS = new Set([
  'id',
  'call_id',
  'tool_call_id',
  'tool_use_id',
  'item_id',
  'object',
  'type',
  'role',
  'model',
  'status',
  'finish_reason',
  'stop_reason',
  'data',
  'image_url',
  'url',
  'file_id',
  'file_data',
  'media_type',
  'signature',
  'encrypted_content',
  'system_fingerprint',
])
const MAX_WORDS = 1_000_000

/** Every text of a JSON value that a model reads or writes, in order. */
export function wordsOf(json: Json | undefined): string {
  const words: string[] = []
  collect(json, words, { left: MAX_WORDS })
  return words.join('\n')
}

function collect(value: Json | undefined, into: string[], budget: { left: number }): void {
  if (budget.left <= 0) return
  if (typeof value === 'string') {
    into.push(value.length > budget.left ? value.slice(0, budget.left) : value)
    budget.left -= value.length
  } else if (Array.isArray(value)) for (const item of value as readonly Json[]) collect(item, into, budget)
  else if (isJsonObject(value)) collectMembers(value, into, budget)
}

function collectMembers(object: JsonObject, into: string[], budget: { left: number }): void {
  for (const [name, member] of Object.entries(object)) if (!WORDLESS.has(name)) collect(member, into, budget)
}

/** The words of an answer: of a JSON body, or of the data of event-stream frames, where deltas join without a break. */
function answerWords(text: string): string {
  if (text.startsWith('{')) return wordsOf(parsed(text))
  const words: string[] = []
  const parser = createSseParser({ onEvent: ({ data }) => collect(parsed(data), words, { left: MAX_WORDS }) }, text.length + 1)
  parser.push(Buffer.from(text))
  return words.join('')
}

function parsed(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json // whatever JSON.parse gives is JSON
  } catch {
    return undefined
  }
}
