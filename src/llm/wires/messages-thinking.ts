import type { JsonObject } from '../../core/json.ts'
import { budgetOf, effortOf } from '../effort.ts'
import type { Reasoning } from '../middle.ts'
import type { Scope } from './messages-scope.ts'
import type { Message } from './messages-turns.ts'

/** How hard to think, as this wire says it, and how long the answer may get. */
export interface Thinking {
  readonly thinking?: JsonObject
  readonly effort?: string
  readonly maxTokens: number
}

const DEFAULT_MAX_TOKENS = 4_096
const LEAST_BUDGET = 1_024
const DEFAULT_BUDGET = 8_192

/** Decides on thinking, and on the bound this wire demands. */
export function toThinkingConfig(scope: Scope, messages: readonly Message[]): Thinking {
  const { request, target, model, dropped } = scope
  const maxTokens = request.maxTokens ?? target.maxOutputTokens ?? DEFAULT_MAX_TOKENS
  const wanted = request.reasoning
  if (wanted === undefined) return { maxTokens }
  if (wanted.effort === 'none' || wanted.budgetTokens === 0)
    return model.thinking === 'adaptive' ? { thinking: { type: 'disabled' }, maxTokens } : { maxTokens }
  if (request.dialect === 'messages' && wanted.budgetTokens === undefined && wanted.adaptive !== true && model.effort)
    return { ...effortMember(wanted, scope), maxTokens }
  if (model.thinking === 'none' || target.reasons === false) {
    dropped.add('reasoning')
    return { maxTokens }
  }
  if (model.thinking === 'adaptive')
    return { thinking: { type: 'adaptive', ...displayOf(wanted) }, ...effortMember(wanted, scope), maxTokens }
  const effort = model.effort && wanted.effort !== undefined ? effortMember(wanted, scope) : {}
  return { ...withBudget(wanted, scope, breaksOff(messages)), ...effort }
}

function withBudget(wanted: Reasoning, { request, target, dropped }: Scope, isBroken: boolean): Thinking {
  const asked = Math.max(LEAST_BUDGET, budgetOf(wanted) ?? DEFAULT_BUDGET)
  const most = request.maxTokens ?? target.maxOutputTokens ?? asked + DEFAULT_MAX_TOKENS
  // The budget counts towards the bound: a quarter of it is left for the answer.
  const budget = asked < most ? asked : Math.max(LEAST_BUDGET, Math.floor(most * 0.75))
  if (isBroken || budget >= most) {
    dropped.add('reasoning')
    return { maxTokens: most }
  }
  if (wanted.budgetTokens !== undefined && budget !== wanted.budgetTokens) dropped.add('reasoning')
  return { thinking: { type: 'enabled', budget_tokens: budget, ...displayOf(wanted) }, maxTokens: most }
}

/** With a budget, a turn whose tools were called must begin with its thoughts: without them the model cannot go on thinking. */
function breaksOff(messages: readonly Message[]): boolean {
  const last = messages.findLast(({ role }) => role === 'assistant')
  const first = last?.content[0]?.['type']
  return last?.content.at(-1)?.['type'] === 'tool_use' && first !== 'thinking' && first !== 'redacted_thinking'
}

function effortMember(wanted: Reasoning, { model, dropped }: Scope): { readonly effort?: string } {
  const effort = effortOf(wanted)
  if (effort === undefined || effort === 'none') return {}
  if (effort === 'minimal') return { effort: 'low' }
  if (effort !== 'xhigh' || model.xhigh) return { effort }
  dropped.add('reasoning')
  return { effort: 'high' }
}

function displayOf({ summary }: Reasoning): { readonly display?: string } {
  if (summary === undefined) return {}
  return { display: summary === 'omitted' || summary === 'none' ? 'omitted' : 'summarized' }
}
