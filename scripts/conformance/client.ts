// The client side of the conformance suite: drives our upstream connector against the suite's servers. The suite calls it with the URL as
// the last argument and the scenario in the environment; what it finds out it finds out on the wire, so the exit code says little.
import { Server } from '../../src/config/server.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { isJsonObject } from '../../src/core/json.ts'
import type { CatalogItem, OfferedKind } from '../../src/core/snapshot.ts'
import { createEgress } from '../../src/lib/egress.ts'
import type { Caller, InputRequest, Upstream, UpstreamStep } from '../../src/mcp/upstream/contract.ts'
import { createUpstream } from '../../src/mcp/upstream/upstream.ts'
import { createAuthFetch, FetchDispatcher, type ScenarioContext } from './client-auth.ts'

const MAX_ROUNDS = 5
const START_MS = 60_000

const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? ''
const version = process.env['MCP_CONFORMANCE_PROTOCOL_VERSION'] ?? '2025-11-25'
// `as`: the suite writes an object here
const context = JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}') as JsonObject
const url = process.argv.at(-1) ?? ''

const egress = createEgress({ allow: [] })
const upstream = createUpstream({
  id: 'suite',
  // The suite says which revision it speaks, as an operator who pins the era does; its mocks count every message.
  config: Server.parse({
    type: 'http',
    url,
    era: version === '2026-07-28' ? 'modern' : 'legacy',
    timeouts: { connectMs: 30_000, listMs: START_MS },
  }),
  deps: {
    egress: scenario.startsWith('auth/')
      ? { dispatcher: () => new FetchDispatcher(new URL(url).origin, createAuthFetch(url, scenario, stringsOf(context))) }
      : egress,
    connectStdio: notHere,
    report: (event) => process.stderr.write(`${JSON.stringify(event)}\n`),
    now: Date.now,
    monotonic: () => performance.now(),
    random: Math.random,
    clientInfo: { name: 'tollgate-conformance', version: '1.0.0' },
  },
})

try {
  await upstream.refresh()
  await run(upstream)
} catch (error) {
  process.stderr.write(`${String(error)}\n`)
  process.exitCode = 1
} finally {
  await upstream.close(1_000)
  await egress.close()
}

async function run(server: Upstream): Promise<void> {
  if (server.status().state !== 'ready') throw new Error(server.status().reason)
  if (scenario === 'http-custom-headers') return await runToolCalls(server, context['toolCalls'])
  if (scenario === 'json-schema-2020-12-preservation') return await echoSchema(server)
  if (scenario === 'request-metadata') return await finish(server, 'tools/call', { name: 'none', arguments: {} })
  if (scenario === 'sep-2322-client-request-state') return await runRequestState(server)
  for (const item of itemsOf(server, 'tool')) await callTool(server, item.name, toArguments(item))
  for (const item of itemsOf(server, 'resource')) await finish(server, 'resources/read', { uri: item.name })
  for (const item of itemsOf(server, 'prompt')) await finish(server, 'prompts/get', { name: item.name, arguments: {} })
}

async function runToolCalls(server: Upstream, calls: Json | undefined): Promise<void> {
  for (const call of Array.isArray(calls) ? (calls as readonly Json[]) : []) {
    if (!isJsonObject(call)) continue
    const args = call['arguments']
    await callTool(server, textOf(call['name']), isJsonObject(args) ? args : {})
  }
}

async function echoSchema(server: Upstream): Promise<void> {
  const tool = itemsOf(server, 'tool').find(({ name }) => name === 'json_schema_2020_12_tool')
  await callTool(server, 'json_schema_echo', { schema: tool?.definition.raw['inputSchema'] ?? {} })
}

/** Leaves one call open while another, unrelated one is made: nothing of the first may leak into it. */
async function runRequestState(server: Upstream): Promise<void> {
  const [first, second] = ['test_mrtr_echo_state', 'test_mrtr_no_state']
  const open = await callOnce(server, 'tools/call', { name: first, arguments: {} })
  await callTool(server, 'test_mrtr_unrelated', {})
  await goOn(server, 'tools/call', { name: first, arguments: {} }, open)
  await callTool(server, second, {})
  await callTool(server, 'test_mrtr_no_result_type', {})
}

async function callTool(server: Upstream, name: string, args: JsonObject): Promise<void> {
  await finish(server, 'tools/call', { name, arguments: args })
}

async function finish(server: Upstream, method: string, params: JsonObject): Promise<void> {
  try {
    await goOn(server, method, params, await callOnce(server, method, params))
  } catch (error) {
    // One call that fails must not keep the others from being seen.
    process.stderr.write(`${method} ${JSON.stringify(params['name'] ?? params['uri'])}: ${String(error)}\n`)
  }
}

async function goOn(server: Upstream, method: string, params: JsonObject, first: UpstreamStep): Promise<void> {
  let step = first
  for (let round = 0; step.kind === 'input' && round < MAX_ROUNDS; round += 1) {
    const responses = Object.fromEntries(Object.entries(step.requests).map(([key, request]) => [key, answerTo(request)]))
    const state = step.state === undefined ? {} : { requestState: step.state }
    step = step.held
      ? await step.held.resume(responses, createCaller())
      : await callOnce(server, method, { ...params, inputResponses: responses, ...state })
  }
}

async function callOnce(server: Upstream, method: string, params: JsonObject): Promise<UpstreamStep> {
  const item = method === 'tools/call' ? itemsOf(server, 'tool').find(({ name }) => name === params['name']) : undefined
  return await server.call({ method, params, ...(item ? { item } : {}) }, createCaller())
}

function itemsOf(server: Upstream, kind: OfferedKind): CatalogItem[] {
  const rule = { file: 'conformance', line: 1, column: 1, path: '$' }
  return (server.inventory()?.definitions[kind] ?? []).map((definition) => ({
    kind,
    catalog: 'conformance',
    server: server.id,
    name: definition.name,
    definition,
    shown: definition.raw,
    shownDigest: definition.digest,
    rule,
  }))
}

function createCaller(): Caller {
  return {
    key: 'conformance',
    capabilities: { elicitation: { form: {}, url: {} }, sampling: {}, roots: { listChanged: true } },
    progress: false,
    trace: { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331', sampled: true },
    signal: new AbortController().signal,
    timings: { queueMs: 0, guardMs: 0, upstreamMs: 0 },
    notify: () => undefined,
  }
}

/** Arguments of the right type for every required property. */
function toArguments(item: CatalogItem): JsonObject {
  if (item.name === 'add_numbers') return { a: 5, b: 3 }
  const schema = item.definition.raw['inputSchema']
  const properties = isJsonObject(schema) && isJsonObject(schema['properties']) ? schema['properties'] : {}
  const samples: Readonly<Record<string, Json>> = { string: 'text', integer: 1, number: 1, boolean: true, array: [], object: {} }
  return Object.fromEntries(
    Object.entries(properties).map(([name, property]) => [
      name,
      samples[isJsonObject(property) ? textOf(property['type']) : ''] ?? 'text',
    ]),
  )
}

/** Accepts every question: a form with its defaults and a true for what has none. */
function answerTo({ method, params }: InputRequest): Json {
  if (method === 'roots/list') return { roots: [{ uri: 'file:///conformance', name: 'conformance' }] }
  if (method === 'sampling/createMessage')
    return { role: 'assistant', content: { type: 'text', text: 'text' }, model: 'none', stopReason: 'endTurn' }
  const schema = params?.['requestedSchema']
  const properties = isJsonObject(schema) && isJsonObject(schema['properties']) ? schema['properties'] : {}
  const content: Record<string, Json> = {}
  for (const [name, property] of Object.entries(properties)) {
    if (!isJsonObject(property)) continue
    const value = property['default'] ?? (property['type'] === 'boolean' ? true : undefined)
    if (value !== undefined) content[name] = value
  }
  return { action: 'accept', content }
}

function textOf(value: Json | undefined): string {
  return typeof value === 'string' ? value : ''
}

function stringsOf(object: JsonObject): ScenarioContext {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, typeof value === 'string' ? value : undefined]))
}

function notHere(): Promise<never> {
  return Promise.reject(new Error('the suite speaks HTTP only'))
}
