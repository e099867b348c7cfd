import type { JsonObject } from '../core/json.ts'
import type { RoutePlan } from './contract.ts'
import { decodeMessagesCount } from './dialects/messages.ts'
import type { Operation } from './provider.ts'
import { wordsOf } from './run/estimate.ts'

/** Whether a count has to be made here: there are targets, and what keeps each of them out is that its provider cannot count. */
export function needsOwnCount(operation: Operation, { targets, considered }: RoutePlan): boolean {
  if (operation !== 'count_tokens' || targets.length > 0) return false
  return considered.some(({ reason }) => reason === 'the provider offers no count_tokens')
}

/** Counts the input tokens of a Messages request by ourselves. Throws a GatewayError for a body that is no such request. */
export async function countHere(json: JsonObject, countTokens: (text: string) => Promise<number>): Promise<number> {
  decodeMessagesCount(json)
  const { system, messages, tools } = json
  const words = wordsOf([system ?? null, messages ?? null])
  // Of tools the names of members count too.
  return await countTokens(tools === undefined || tools === null ? words : `${words}\n${JSON.stringify(tools)}`)
}
