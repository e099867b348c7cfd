import type { Decision } from '../core/decision.ts'
import type { Entry, EntryStatus } from '../core/entry.ts'
import type { JsonObject } from '../core/json.ts'
import type { TextLens } from '../core/text-lens.ts'

/** What one governed answer says of itself, for the guard and the ledger. */
export interface AnswerFacts {
  readonly status: Extract<EntryStatus, 'ok' | 'tool_error' | 'input_required' | 'error'>
  /** JSON-RPC code of an upstream error, as text; `invalid_params` when the gateway answered that in the upstream's place. */
  readonly error?: string
  readonly bytes: number
}

/** One exchange as its facet describes it. A facet never decides, meters or judges: govern does, through these. */
export interface FacetCall<Answer> {
  readonly kind: Entry['kind']
  /** The name the caller asked for. */
  readonly target: string
  /** Asks policy; called once, before anything else. */
  decide(): Decision
  /** The arguments the upstream gets, for their digest. */
  readonly args?: JsonObject
  /** Where the words of the request are. */
  requestText(): TextLens
  /** Opens the upstream. Called at most once, and only when everything before said yes. */
  open(decision: Decision): Promise<Answer>
  facts(answer: Answer): AnswerFacts
  /** Where the words of the answer are. */
  responseText(answer: Answer): TextLens
  /** What to throw when policy says no: unknown and forbidden must look the same. */
  refusal(decision: Decision): Error
}
