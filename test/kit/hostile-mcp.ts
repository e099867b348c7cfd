// A scriptable MCP server on three transports. Every message of the gateway becomes a `Step`, which a script answers in any way there is:
// rightly, twice, with another id, with raw bytes, or never. `honest` is a correct server to deviate from, method by method.
import type { JsonObject } from '../../src/core/json.ts'
import { startHostileHttp } from './hostile-http.ts'
import { startHostileSse } from './hostile-sse.ts'
import type { Desk, Step, Wire } from './hostile-step.ts'
import { startHostileStdio } from './hostile-stdio.ts'

/** Answers one message. */
export type Script = (step: Step) => void | Promise<void>

/** A running server. */
export interface HostileMcp extends AsyncDisposable {
  /** What stands in `servers/<id>.json`. */
  readonly file: JsonObject
  /** Every message that came, oldest first. */
  readonly seen: readonly Seen[]
  /** How many messages of a method came. */
  count(method: string): number
  become(script: Script): void
  /** A message nobody asked for, on every stream that is open for such. */
  push(message: JsonObject): Promise<void>
}

/** A message that came, with the headers it came under. */
export type Seen = Pick<Step, 'method' | 'id' | 'params' | 'message' | 'headers'>

/** Ways to reach a server. */
export type Transport = 'http' | 'sse' | 'stdio'

const STARTERS: Readonly<Record<Transport, (desk: Desk) => Promise<Wire>>> = {
  http: startHostileHttp,
  sse: startHostileSse,
  stdio: startHostileStdio,
}

/** Starts a server that does what the script says. */
export async function startHostileMcp(transport: Transport, first: Script): Promise<HostileMcp> {
  let script = first
  const seen: Seen[] = []
  const wire = await STARTERS[transport]({
    take(step) {
      const { method, id, params, message, headers } = step
      seen.push({ method, id, params, message, headers })
      void script(step)
    },
  })
  return {
    file: wire.file,
    seen,
    count: (method) => seen.filter((one) => one.method === method).length,
    become: (next) => void (script = next),
    push: wire.push,
    [Symbol.asyncDispose]: () => wire[Symbol.asyncDispose](),
  }
}

/** What an honest server offers. */
export interface Offered {
  readonly tools: () => readonly JsonObject[]
  readonly capabilities?: JsonObject
  readonly era?: 'modern' | 'legacy'
}

/** A tool as servers list it. */
export function hostileTool(name: string, more: JsonObject = {}): JsonObject {
  return { name, description: name, inputSchema: { type: 'object' }, ...more }
}

/** A text result. */
export function said(text: string): JsonObject {
  return { resultType: 'complete', content: [{ type: 'text', text }] }
}

/** A correct server; `deviations` takes the place of its answers, by method. */
export function honest(offered: Offered, deviations: Readonly<Record<string, Script>> = {}): Script {
  const { tools, capabilities = { tools: {} }, era = 'modern' } = offered
  const hints = era === 'modern' ? { resultType: 'complete', ttlMs: 0, cacheScope: 'private' } : {}
  const usual: Readonly<Record<string, Script>> = {
    'tools/list': (step) => step.result({ ...hints, tools: [...tools()] }),
    'tools/call': (step) => step.result(said('ok')),
    ...(era === 'modern' ? modernHandshake({ ...hints, capabilities }) : legacyHandshake(capabilities)),
    ...deviations,
  }
  return (step) => {
    const answer = usual[step.method]
    if (answer !== undefined) return answer(step)
    if (step.id !== undefined && step.method !== '') step.error(-32_601, 'Method not found')
  }
}

function modernHandshake(facts: JsonObject): Readonly<Record<string, Script>> {
  return {
    'server/discover': (step) => step.result({ ...facts, supportedVersions: ['2026-07-28'] }),
    'subscriptions/listen': async (step) => {
      const _meta = { 'io.modelcontextprotocol/subscriptionId': step.id ?? '' }
      const notifications = step.params['notifications'] ?? {}
      const params = { notifications, _meta }
      await step.send({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params })
    },
  }
}

function legacyHandshake(capabilities: JsonObject): Readonly<Record<string, Script>> {
  return {
    initialize: (step) =>
      step.result({ protocolVersion: '2025-11-25', capabilities, serverInfo: { name: 'hostile', version: '1' } }),
    ping: (step) => step.result({}),
  }
}
