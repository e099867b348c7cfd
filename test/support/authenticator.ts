import { Identity, Revocations } from '../../src/config/identity.ts'
import type { GatewayEvent } from '../../src/core/events.ts'
import { createAuthenticator, type ApiKeyStore, type Authenticator } from '../../src/identity/authenticate.ts'
import { compileExpression } from '../../src/lib/condition.ts'
import { createEgress } from '../../src/lib/egress.ts'
import { NOW_SECONDS } from './issuer.ts'

/** An authenticator over a clock that stands still until a test moves it, with everything it reported. */
export interface AuthenticatorFixture extends AsyncDisposable {
  readonly authenticator: Authenticator
  readonly clock: { now: number }
  readonly events: GatewayEvent[]
  /** Identity section with defaults filled in. */
  configure(settings: Readonly<Record<string, unknown>>): Identity
  /** The reason of the last refusal reported. */
  lastReason(): string | undefined
}

/** The URL that test tokens are meant for. */
export const RESOURCE = 'https://gate.test/mcp'

const NO_KEYS: ApiKeyStore = {
  find: () => ({ reason: 'unknown_key' }),
  isActive: () => false,
  onChange: () => () => undefined,
}

/** Makes an authenticator from the identity section of tollgate.json, over real sockets. */
export function createAuthenticatorFixture(
  settings: Readonly<Record<string, unknown>>,
  options: {
    readonly revocations?: unknown
    readonly keys?: ApiKeyStore
    readonly tokenBytes?: number
    readonly base?: string
  } = {},
): AuthenticatorFixture {
  const clock = { now: NOW_SECONDS * 1000 }
  const events: GatewayEvent[] = []
  const egress = createEgress({ allow: [] })
  const authenticator = createAuthenticator({
    config: Identity.parse(settings),
    revocations: Revocations.parse(options.revocations ?? {}),
    fetch: egress.fetch,
    now: () => clock.now,
    report: (event) => events.push(event),
    keys: options.keys ?? NO_KEYS,
    compileExpression,
    base: options.base ?? '.',
    tokenBytes: options.tokenBytes ?? 8192,
  })
  return {
    authenticator,
    clock,
    events,
    configure: (next) => Identity.parse(next),
    lastReason: () => events.findLast((event) => event.type === 'auth-denied')?.reason,
    async [Symbol.asyncDispose]() {
      authenticator.close()
      await egress.close()
    },
  }
}
