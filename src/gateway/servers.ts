import type { Server } from '../config/server.ts'
import type { Report } from '../core/events.ts'
import { createCredential } from '../credentials/registry.ts'
import type { UpstreamCredential } from '../credentials/credential.ts'
import type { Egress } from '../lib/egress.ts'
import type { Secrets } from '../lib/secrets.ts'
import { createSentSecrets } from '../lib/sent-secrets.ts'
import { createChildGuard } from '../mcp/upstream/child-guard.ts'
import type { Upstream, UpstreamChange } from '../mcp/upstream/contract.ts'
import { createUpstreamSet, type UpstreamSet } from '../mcp/upstream/set.ts'
import { connectStdio } from '../mcp/upstream/stdio-connection.ts'
import { createUpstream } from '../mcp/upstream/upstream.ts'
import { discreetUpstream, rememberedCredential } from './discreet.ts'

/** What the upstream side borrows. */
export interface ServersDeps {
  readonly folder: string
  readonly env: Readonly<Record<string, string | undefined>>
  readonly secrets: Secrets
  readonly egress: Egress
  readonly report: Report
  readonly info: { readonly name: string; readonly version: string }
  readonly graceMs: number
  onChange(change: UpstreamChange): void
}

/** The upstream side: one connector per registered server, one watcher for all children. */
export function openServers(deps: ServersDeps): UpstreamSet {
  const guard = createChildGuard()
  const set = createUpstreamSet({
    create: (id, config) => create(id, config, { ...deps, guard }),
    onChange: (change) => deps.onChange(change),
    now: () => Date.now(),
    graceMs: deps.graceMs,
  })
  return {
    ...set,
    async close(graceMs) {
      await set.close(graceMs)
      guard.close()
    },
  }
}

/** Makes connectors to remote servers, for a worker that has none of the children. */
export function createOwnUpstreams(deps: ServersDeps): (id: string, config: Server) => Upstream {
  const guard = createChildGuard()
  return (id, config) => create(id, config, { ...deps, guard })
}

function create(
  id: string,
  config: Server,
  deps: ServersDeps & { readonly guard: ReturnType<typeof createChildGuard> },
): Upstream {
  const { secrets, egress, report } = deps
  const clientInfo = { ...deps.info }
  const now = (): number => performance.now()
  const sent = createSentSecrets(() => secretsOf(config, secrets))
  const credential = credentialOf(config, deps)
  const upstream = createUpstream({
    id,
    config,
    deps: {
      credential: credential === undefined ? undefined : rememberedCredential(credential, sent),
      egress,
      report,
      clientInfo,
      now: () => Date.now(),
      monotonic: now,
      random: Math.random,
      connectStdio: (child, wishes) =>
        connectStdio(child, {
          id,
          secrets,
          env: deps.env,
          baseDir: deps.folder,
          guard: deps.guard,
          report,
          now,
          clientInfo,
          ...wishes,
        }),
    },
  })
  return discreetUpstream(upstream, sent)
}

/** Secrets that a child has in its environment. */
function secretsOf(config: Server, secrets: Secrets): string[] {
  if (config.type !== 'stdio') return []
  return Object.values(config.env).flatMap((value) => {
    if (!/^(env|file):/.test(value)) return []
    try {
      return secrets.read(value)
    } catch {
      return [] // it was there when the child was started, and is gone now
    }
  })
}

function credentialOf(config: Server, { secrets, egress }: ServersDeps): UpstreamCredential | undefined {
  if (config.type === 'stdio') return undefined
  return createCredential(config.credential, { secrets, fetch: egress.fetch, now: () => Date.now(), url: config.url })
}
