import { join } from 'node:path'
import type { Gateway } from '../config/gateway.ts'
import type { Identity as IdentityConfig, Revocations } from '../config/identity.ts'
import type { Report } from '../core/events.ts'
import { createAuthenticator, type Authenticator } from '../identity/authenticate.ts'
import { openDevelopmentIssuer, type DevelopmentIssuer } from '../identity/development.ts'
import { compileExpression } from '../lib/condition.ts'
import type { BoundedFetch } from '../lib/egress.ts'
import { openKeyStore } from '../store/keys.ts'

/** What the identity side borrows. */
export interface CallersDeps {
  readonly folder: string
  readonly config: Gateway
  readonly revocations: Revocations
  readonly fetch: BoundedFetch
  readonly report: Report
}

/** Who may call: issuers, API keys, deny list, and in development mode an issuer of our own. */
export interface Callers {
  readonly authenticator: Authenticator
  readonly development: DevelopmentIssuer | undefined
  update(config: Gateway, revocations: Revocations): void
  close(): void
}

/** Opens the identity side. Throws when the configuration cannot work. */
export async function openCallers(deps: CallersDeps): Promise<Callers> {
  const state = join(deps.folder, deps.config.state)
  const now = (): number => Date.now()
  const keys = await openKeyStore(state, now)
  keys.watch((error) => deps.report({ type: 'internal-error', error }))
  const development = deps.config.mode === 'development' ? await openDevelopmentIssuer(state, now) : undefined
  const authenticator = createAuthenticator({
    config: withDevelopment(deps.config.identity, development),
    revocations: deps.revocations,
    fetch: deps.fetch,
    now,
    report: deps.report,
    keys,
    compileExpression,
    base: deps.folder,
    tokenBytes: deps.config.bounds.tokenBytes,
  })
  return {
    authenticator,
    development,
    update: (config, revocations) => authenticator.update(withDevelopment(config.identity, development), revocations),
    close() {
      authenticator.close()
      keys.close()
    },
  }
}

function withDevelopment(config: IdentityConfig, development: DevelopmentIssuer | undefined): IdentityConfig {
  return development === undefined ? config : { ...config, issuers: [...config.issuers, development.issuer()] }
}
