// What a stateless client carries between the rounds of one call. It comes back from the client, so it is hostile: sealed, bound to the
// principal, the item and the parameters, and short-lived. A call that a legacy upstream holds open is named by a handle inside the seal.
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { CatalogItem } from '../core/snapshot.ts'
import { digestOf } from '../lib/canonical-json.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Incoming } from './incoming.ts'
import { hashOf } from './sessions.ts'

/** What the sealed text of one round holds. */
export interface RoundState {
  /** The upstream's own state, when it gave one. */
  readonly upstream?: string
  /** Handle of a parked call. */
  readonly parked?: string
}

/** Seals and opens the `requestState` of one call. */
export interface RequestStates {
  seal(incoming: Incoming, item: CatalogItem, state: RoundState): string
  /** Undefined when the caller brought none. Throws GatewayError `invalid_params` for anything not made for exactly this call. */
  open(incoming: Incoming, item: CatalogItem): RoundState | undefined
}

const PURPOSE = 'mcp-request-state'

/** States that expire `lifeMs` after they were made. */
export function createRequestStates(deps: { readonly sealer: Sealer; readonly lifeMs: number; now(): Date }): RequestStates {
  return {
    seal(incoming, item, state) {
      return deps.sealer.seal(PURPOSE, { ...bindingOf(incoming, item), ...state, expires: deps.now().getTime() + deps.lifeMs })
    },
    open(incoming, item) {
      const given = incoming.message.params['requestState']
      if (given === undefined) return undefined
      const sealed = typeof given === 'string' ? deps.sealer.open(PURPOSE, given) : undefined
      if (!isJsonObject(sealed) || !isFor(sealed, bindingOf(incoming, item), deps.now())) throw staleState()
      const { upstream, parked } = sealed
      return {
        ...(typeof upstream === 'string' ? { upstream } : {}),
        ...(typeof parked === 'string' ? { parked } : {}),
      }
    },
  }
}

/** Altered, foreign and old states are all told the same. */
export function staleState(): GatewayError {
  return new GatewayError('invalid_params', 'requestState is not valid for this request; start again without it')
}

function isFor(sealed: JsonObject, binding: Readonly<Record<string, string>>, now: Date): boolean {
  const { expires } = sealed
  if (typeof expires !== 'number' || expires <= now.getTime()) return false
  return Object.entries(binding).every(([name, value]) => sealed[name] === value)
}

function bindingOf(incoming: Incoming, item: CatalogItem): Readonly<Record<string, string>> {
  const { inputResponses: _, requestState: __, _meta: ___, ...params } = incoming.message.params
  return {
    principal: hashOf(incoming.request.identity.key),
    endpoint: incoming.request.catalog ?? '',
    server: item.server,
    item: `${item.catalog} ${item.kind} ${item.name}`,
    definition: item.definition.digest,
    params: digestOf([incoming.message.method, params]),
  }
}
