import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import { countOf, listOf } from '../loose-json.ts'

/**
 * Usage of a Gemini answer or chunk. Cached tokens stand inside the prompt, thoughts outside the candidates; chunks carry running totals.
 * A count that is absent is zero, as protobuf leaves zeros out; one that is no count makes the whole unknown.
 */
export function geminiUsage(body: JsonObject): Usage | undefined {
  const meta = body['usageMetadata']
  if (!isJsonObject(meta)) return undefined
  if (meta['promptTokenCount'] === undefined && meta['totalTokenCount'] === undefined) return undefined
  const prompt = count(meta['promptTokenCount'])
  const cached = count(meta['cachedContentTokenCount'])
  const toolUse = count(meta['toolUsePromptTokenCount'])
  const thoughts = count(meta['thoughtsTokenCount'])
  const candidates = candidateTokens(meta, [prompt, toolUse, thoughts])
  if (prompt === undefined || cached === undefined || toolUse === undefined) return undefined
  if (thoughts === undefined || candidates === undefined) return undefined

  const fresh = Math.max(prompt - cached, 0)
  const inputAudio = Math.min(freshOf(meta, 'AUDIO'), fresh)
  const inputImage = Math.min(freshOf(meta, 'IMAGE'), fresh - inputAudio)
  const outputAudio = Math.min(modality(meta['candidatesTokensDetails'], 'AUDIO'), candidates)
  return {
    source: 'provider',
    input: fresh - inputAudio - inputImage + toolUse,
    cacheRead: Math.min(cached, prompt),
    cacheWrite5m: 0,
    cacheWrite1h: 0,
    inputAudio,
    inputImage,
    output: candidates - outputAudio,
    reasoning: thoughts,
    outputAudio,
  }
}

/** Tier an answer was served on, where it is not the standard one; prices differ. */
export function geminiServiceTier(body: JsonObject): string | undefined {
  const meta = body['usageMetadata']
  const traffic = isJsonObject(meta) ? meta['trafficType'] : undefined
  if (typeof traffic !== 'string') return undefined
  if (traffic.includes('PRIORITY')) return 'priority'
  return traffic.includes('FLEX') ? 'flex' : undefined
}

/** The identity of the wire is total = prompt + candidates + toolUse + thoughts; it fills in candidates that were left out. */
function candidateTokens(meta: JsonObject, others: readonly (number | undefined)[]): number | undefined {
  const given = meta['candidatesTokenCount']
  if (given !== undefined && given !== null) return count(given)
  const total = count(meta['totalTokenCount'])
  return total === undefined ? undefined : Math.max(total - others.reduce<number>((sum, other) => sum + (other ?? 0), 0), 0)
}

function freshOf(meta: JsonObject, name: string): number {
  return Math.max(modality(meta['promptTokensDetails'], name) - modality(meta['cacheTokensDetails'], name), 0)
}

function modality(details: Json | undefined, name: string): number {
  let sum = 0
  for (const detail of listOf(details)) {
    if (isJsonObject(detail) && detail['modality'] === name) sum += count(detail['tokenCount']) ?? 0
  }
  return sum
}

function count(value: Json | undefined): number | undefined {
  if (value === undefined || value === null) return 0
  return countOf(value)
}
