import { randomBytes } from 'node:crypto'
import type { Server } from '../../src/config/server.ts'
import { Server as ServerSchema } from '../../src/config/server.ts'
import type { GatewayEvent } from '../../src/core/events.ts'
import type { JsonObject } from '../../src/core/json.ts'
import type { CatalogItem } from '../../src/core/snapshot.ts'
import { createEgress } from '../../src/lib/egress.ts'
import type { Caller, Upstream } from '../../src/mcp/upstream/contract.ts'
import { createUpstream, type UpstreamDeps } from '../../src/mcp/upstream/upstream.ts'

/** A connector under test, with what it reported. */
export interface TestUpstream extends AsyncDisposable {
  readonly upstream: Upstream
  readonly events: GatewayEvent[]
}

/** What a test may change of an HTTP server file. */
export type Overrides = Partial<Record<Exclude<keyof Server, 'type'>, unknown>>

/** Makes a connector to an HTTP server as gateway.ts would, without refreshing it. */
export function connectTo(url: string, overrides: Overrides = {}, deps: Partial<UpstreamDeps> = {}): TestUpstream {
  return connectServer({ type: 'http', url, ...overrides }, deps)
}

/** Makes a connector to a server of any transport from what its file says. */
export function connectServer(file: Readonly<Record<string, unknown>>, deps: Partial<UpstreamDeps> = {}): TestUpstream {
  const events: GatewayEvent[] = []
  const egress = createEgress({ allow: [] })
  const notHere = () => Promise.reject(new Error('this transport is not part of the test'))
  const upstream = createUpstream({
    id: 'fake',
    config: ServerSchema.parse(file),
    deps: {
      egress,
      connectStdio: notHere,
      report: (event) => void events.push(event),
      now: Date.now,
      monotonic: () => performance.now(),
      random: Math.random,
      clientInfo: { name: 'tollgate', version: '0' },
      ...deps,
    },
  })
  const dispose = async (): Promise<void> => {
    await upstream.close(0)
    await egress.close()
  }
  return { upstream, events, [Symbol.asyncDispose]: dispose }
}

/** A caller and what it was told. */
export interface TestCaller extends Caller {
  readonly heard: { readonly method: string; readonly params: JsonObject }[]
}

/** A caller with no wishes of its own. */
export function callerWith(overrides: Partial<Caller> = {}): TestCaller {
  const heard: { method: string; params: JsonObject }[] = []
  return {
    key: 'alice',
    capabilities: {},
    progress: false,
    trace: { traceId: randomBytes(16).toString('hex'), spanId: randomBytes(8).toString('hex'), sampled: true },
    signal: new AbortController().signal,
    timings: { queueMs: 0, guardMs: 0, upstreamMs: 0 },
    notify: (method, params) => void heard.push({ method, params }),
    ...overrides,
    heard,
  }
}

/** The item a catalog would make of a tool of the upstream. */
export function itemOf(upstream: Upstream, name: string): CatalogItem {
  const definition = upstream.inventory()?.definitions.tool.find((candidate) => candidate.name === name)
  if (!definition) throw new Error(`the upstream offers no tool ${name}`)
  const rule = { file: 'catalogs/test.json', line: 1, column: 1, path: '$' }
  return {
    kind: 'tool',
    catalog: 'test',
    server: upstream.id,
    name,
    definition,
    shown: definition.raw,
    shownDigest: definition.digest,
    rule,
  }
}
