import type { Part, StopReason } from '../middle.ts'

/** What an answer holds that decides how it ended. */
export interface Holdings {
  readonly call: boolean
  readonly refusal: boolean
}

/** Looks through the parts of a whole answer. */
export function holdingsOf(parts: readonly Part[]): Holdings {
  return { call: parts.some(({ type }) => type === 'tool-call'), refusal: parts.some(({ type }) => type === 'refusal') }
}

/** Why an answer ended. Providers label a call or a refusal as a plain end: there, what the answer holds counts more than its label. */
export function toStop(said: StopReason | undefined, { call, refusal }: Holdings): StopReason {
  if (said !== undefined && said !== 'end' && said !== 'tool') return said
  if (call) return 'tool'
  return refusal ? 'filtered' : 'end'
}
