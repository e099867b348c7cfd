import type { Json } from '../../core/json.ts'
import { textOf } from '../loose-json.ts'
import type { StopReason } from '../middle.ts'
import type { Quirks } from '../wire.ts'
import { toStop, type Holdings } from './stop-reason.ts'

const STOPS: Readonly<Record<string, StopReason>> = {
  stop: 'end',
  length: 'length',
  tool_calls: 'tool',
  function_call: 'tool',
  content_filter: 'filtered',
  error: 'malformed',
}

/** Why an answer ended, from its own word and from what it holds. */
export function stopOf(reason: Json | undefined, quirks: Quirks | undefined, holds: Holdings): StopReason {
  const said = textOf(reason)
  return toStop(lookUp(STOPS, lookUp(quirks?.finishReasons ?? {}, said) ?? said), holds)
}

function lookUp<Value>(table: Readonly<Record<string, Value>>, name: string): Value | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined
}

const FINISH_REASONS: Readonly<Record<StopReason, string>> = {
  end: 'stop',
  length: 'length',
  tool: 'tool_calls',
  filtered: 'content_filter',
  malformed: 'stop',
  paused: 'stop',
}

/**
 * The end of an answer as Chat Completions says it. A refusal in words is an end there, and clients of OpenAI would not show it after
 * `content_filter`. What it has no word for stands beside, where OpenRouter puts the reason of the model.
 */
export function finishMembers(stop: StopReason, hasRefusal: boolean) {
  const finish = { finish_reason: stop === 'filtered' && hasRefusal ? 'stop' : FINISH_REASONS[stop] }
  return stop === 'malformed' || stop === 'paused' ? { ...finish, native_finish_reason: stop } : finish
}
