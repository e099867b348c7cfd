import type { JsonObject } from '../core/json.ts'
import type { InFlight } from '../lib/in-flight.ts'
import type { McpDeps } from './contract.ts'
import type { StreamCount } from './stream-count.ts'
import type { Incoming } from './incoming.ts'
import type { Listeners } from './listeners.ts'
import type { Lists } from './lists.ts'
import type { Parked } from './parked.ts'
import type { RequestStates } from './request-state.ts'
import type { Sessions } from './sessions.ts'
import type { ArgumentValidator } from './validate.ts'

/** The parts of the facet that both eras use, made once in facet.ts. */
export interface McpParts {
  readonly deps: McpDeps
  readonly serverInfo: JsonObject
  readonly lists: Lists
  readonly validator: ArgumentValidator
  readonly states: RequestStates
  readonly parked: Parked
  readonly sessions: Sessions
  readonly listeners: Listeners
  readonly streams: StreamCount
  /** Requests under way, so that a revoked caller's are stopped. */
  readonly active: InFlight<AbortController, Incoming>
  isDraining(): boolean
}
