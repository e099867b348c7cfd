import type { Json } from '../../core/json.ts'
import type { StopReason } from '../middle.ts'
import type { Quirks } from '../wire.ts'

const STOPS: Readonly<Record<string, StopReason>> = {
  stop: 'end',
  length: 'length',
  tool_calls: 'tool',
  function_call: 'tool',
  content_filter: 'filtered',
  error: 'malformed',
}

/** Why an answer ended. That a tool is called is seen in the answer: some providers say `stop` then. */
export function stopOf(reason: Json | undefined, quirks: Quirks | undefined, calls: boolean): StopReason {
  const said = typeof reason === 'string' ? reason : 'stop'
  const word = lookUp(quirks?.finishReasons ?? {}, said) ?? said
  const stop = lookUp(STOPS, word) ?? 'end'
  if (stop === 'end' && calls) return 'tool'
  return stop === 'tool' && !calls ? 'end' : stop
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

/** The end of an answer as Chat Completions says it; what it has no word for stands beside, where OpenRouter puts the reason of the model. */
export function finishMembers(stop: StopReason) {
  const finish = { finish_reason: FINISH_REASONS[stop] }
  return stop === 'malformed' || stop === 'paused' ? { ...finish, native_finish_reason: stop } : finish
}
