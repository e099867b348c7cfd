import type { Gateway } from '../config/gateway.ts'
import type { ConfigFiles } from '../config/load.ts'
import type { Egress } from '../lib/egress.ts'
import type { Gossip } from '../lib/gossip.ts'
import type { Sealer } from '../lib/seal.ts'
import type { Secrets } from '../lib/secrets.ts'
import type { LlmFacet } from '../llm/contract.ts'
import type { McpFacet } from '../mcp/contract.ts'
import type { UpstreamSet } from '../mcp/upstream/set.ts'
import type { LiveBudgets } from '../metering/budgets.ts'
import type { SharedLimiter } from '../metering/limits.ts'
import type { TokenCounter } from '../metering/token-count.ts'
import type { JournalLedger } from '../metering/ledger.ts'
import type { Callers } from './callers.ts'
import type { Doors } from './doors.ts'
import type { Files } from './files.ts'
import type { LiveGuards } from './guards.ts'
import type { Models } from './models.ts'
import type { Observing } from './observing.ts'

/** What a gateway is started with. */
export interface GatewayOptions {
  readonly files: ConfigFiles
  readonly env: Readonly<Record<string, string | undefined>>
  readonly version: string
  /** Log lines go here. */
  readonly log: NodeJS.WritableStream
}

/** How the gateway names itself, to callers and to upstreams. */
export const NAME = 'tollgate'

/** Everything made before the listeners, by name. */
export interface Parts {
  readonly options: GatewayOptions
  readonly config: Gateway
  readonly secrets: Secrets
  readonly egress: Egress
  readonly observing: Observing
  readonly callers: Callers
  readonly servers: UpstreamSet
  readonly files: Files
  readonly ledger: JournalLedger
  readonly limiter: SharedLimiter
  readonly budgets: LiveBudgets
  readonly facet: McpFacet
  readonly models: Models
  readonly llm: LlmFacet
  readonly guards: LiveGuards
  readonly counter: TokenCounter
  readonly life: Life
  /** The sealer all workers share. */
  readonly sealer: Sealer
  /** The other workers. */
  readonly gossip: Gossip
}

/** Facts about this process that change. */
export interface Life {
  readonly startedAt: number
  readonly instance: string
  ready: boolean
  draining: boolean
  doors: Pick<Doors, 'publicUrl' | 'inFlight'> | undefined
}
