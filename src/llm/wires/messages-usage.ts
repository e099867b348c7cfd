import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import { countOf } from '../loose-json.ts'

/** Collects the usage of one answer. Later fields replace earlier ones, one by one, unless they are null: the counts are running totals. */
export interface UsageMeter {
  take(usage: Json | undefined): void
  /** The same object until something changes; undefined while input or output is not known. */
  usage(): Usage | undefined
  serviceTier(): string | undefined
}

/** Makes a meter for one answer. */
export function createUsageMeter(): UsageMeter {
  let known: Record<string, Json | undefined> = {}
  let counted: Usage | undefined
  let isStale = false
  return {
    take(usage) {
      if (!isJsonObject(usage)) return
      known = replaced(known, usage)
      isStale = true
    },
    usage() {
      if (isStale) counted = toUsage(known)
      isStale = false
      return counted
    },
    serviceTier: () => tierOf(known),
  }
}

/** Usage of a whole answer or of one event of a stream. */
export function usageOfMessage(body: JsonObject): Usage | undefined {
  const message = body['message']
  const usage = isJsonObject(message) ? message['usage'] : body['usage']
  if (!isJsonObject(usage)) return undefined
  // A message_delta may repeat only what changed.
  return toUsage(body['type'] === 'message_delta' ? { input_tokens: 0, ...present(usage) } : usage)
}

/** The tier that served, when the usage names one. */
export function tierOf(usage: JsonObject): string | undefined {
  const tier = usage['service_tier']
  return typeof tier === 'string' ? tier : undefined
}

function replaced(known: JsonObject, later: JsonObject): Record<string, Json | undefined> {
  const next: Record<string, Json | undefined> = { ...known }
  for (const [name, value] of Object.entries(present(later))) {
    const before = known[name]
    next[name] = isJsonObject(before) && isJsonObject(value) ? { ...before, ...present(value) } : value
  }
  return next
}

function present(members: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== null && value !== undefined))
}

interface Counts {
  readonly input: number
  readonly cacheRead: number
  readonly cacheWrite5m: number
  readonly cacheWrite1h: number
  readonly output: number
  readonly thinking: number
}

const NONE: Counts = { input: 0, cacheRead: 0, cacheWrite5m: 0, cacheWrite1h: 0, output: 0, thinking: 0 }

function toUsage(usage: JsonObject): Usage | undefined {
  const top = countsOf(usage)
  if (top === undefined) return undefined
  const iterations = usage['iterations']
  // With compaction the top level covers only the last iteration: the sum of all of them is what was used.
  const all = Array.isArray(iterations) && iterations.length > 0 ? iterations.map(countsOfIteration) : [top]
  const sum = all.reduce<Counts | undefined>(add, NONE)
  if (sum === undefined) return undefined
  const reasoning = Math.min(sum.output, Math.max(sum.thinking, top.thinking))
  const serverTools = serverToolsOf(usage['server_tool_use'])
  return {
    input: sum.input,
    cacheRead: sum.cacheRead,
    cacheWrite5m: sum.cacheWrite5m,
    cacheWrite1h: sum.cacheWrite1h,
    inputAudio: 0,
    inputImage: 0,
    output: sum.output - reasoning,
    reasoning,
    outputAudio: 0,
    source: 'provider',
    ...(serverTools === undefined ? {} : { serverTools }),
  }
}

const countsOfIteration = (iteration: Json) => (isJsonObject(iteration) ? countsOf({ input_tokens: 0, ...iteration }) : undefined)

function add(sum: Counts | undefined, one: Counts | undefined): Counts | undefined {
  if (sum === undefined || one === undefined) return undefined
  return {
    input: sum.input + one.input,
    cacheRead: sum.cacheRead + one.cacheRead,
    cacheWrite5m: sum.cacheWrite5m + one.cacheWrite5m,
    cacheWrite1h: sum.cacheWrite1h + one.cacheWrite1h,
    output: sum.output + one.output,
    thinking: sum.thinking + one.thinking,
  }
}

/** Undefined when input or output is missing or any count is no count: then nothing here can be trusted. */
function countsOf(usage: JsonObject): Counts | undefined {
  const input = countOf(usage['input_tokens'])
  const output = countOf(usage['output_tokens'])
  const cacheRead = countOf(usage['cache_read_input_tokens'] ?? 0)
  const writes = writesOf(usage)
  const details = usage['output_tokens_details']
  const thinking = countOf((isJsonObject(details) ? details['thinking_tokens'] : 0) ?? 0)
  if (input === undefined || output === undefined || cacheRead === undefined || writes === undefined) return undefined
  return { input, output, cacheRead, ...writes, thinking: thinking ?? 0 }
}

/** Cache writes by lifetime. What the split does not cover was written for five minutes, the default. */
function writesOf(usage: JsonObject): { readonly cacheWrite5m: number; readonly cacheWrite1h: number } | undefined {
  const split = usage['cache_creation']
  const short = countOf((isJsonObject(split) ? split['ephemeral_5m_input_tokens'] : 0) ?? 0)
  const long = countOf((isJsonObject(split) ? split['ephemeral_1h_input_tokens'] : 0) ?? 0)
  if (short === undefined || long === undefined) return undefined
  const total = countOf(usage['cache_creation_input_tokens'] ?? short + long)
  if (total === undefined) return undefined
  const cacheWrite1h = Math.min(long, total)
  return { cacheWrite1h, cacheWrite5m: total - cacheWrite1h }
}

function serverToolsOf(value: Json | undefined): Readonly<Record<string, number>> | undefined {
  if (!isJsonObject(value)) return undefined
  const used = Object.entries(value).flatMap(([name, calls]): [string, number][] => {
    const count = countOf(calls)
    return count === undefined || count === 0 ? [] : [[name, count]]
  })
  return used.length === 0 ? undefined : Object.fromEntries(used)
}
