import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { Client as OldClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as OldTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import {
  ElicitRequestSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/core/json.ts'
import type { Behaviour, GatewayPlan, TestGateway } from '../support/mcp-gateway.ts'
import { createHeld, startGateway, textStep } from '../support/mcp-gateway.ts'

const FORM = {
  message: 'Who?',
  requestedSchema: { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] },
}
const ASK = { who: { method: 'elicitation/create', params: FORM } }

/** `greet` asks for a name, the way its era does; `count` reports progress; `echo` echoes. */
function behaviourOf(era: 'modern' | 'legacy'): Behaviour {
  return (request, caller) => {
    const {
      name,
      arguments: args,
      inputResponses,
    } = request.params as { name: string; arguments?: JsonObject; inputResponses?: JsonObject }
    if (request.method !== 'tools/call')
      return { kind: 'result', result: { contents: [{ uri: 'notes://1', text: 'one' }] }, bytes: 1 }
    if (name === 'count') {
      for (const progress of [1, 2, 3]) caller.notify('notifications/progress', { progress, total: 3 })
      return textStep('counted')
    }
    if (name === 'echo') return textStep(JSON.stringify(args))
    if (era === 'legacy') {
      return { kind: 'input', requests: ASK, held: createHeld((responses) => textStep(greeting(responses))), bytes: 1 }
    }
    return inputResponses === undefined
      ? { kind: 'input', requests: ASK, raw: { resultType: 'input_required', inputRequests: ASK }, state: 'asked', bytes: 1 }
      : textStep(greeting(inputResponses))
  }
}

const greeting = (responses: JsonObject) => {
  const { action, content } = responses['who'] as { action: string; content?: { name?: string } }
  return action === 'accept' ? `Hello ${content?.name}` : 'Nobody'
}

const planFor = (era: 'modern' | 'legacy'): GatewayPlan => ({
  offers: {
    notes: {
      era,
      tools: ['greet', 'count', 'echo'].map((name) => ({ name, description: name, inputSchema: { type: 'object' } })),
      resources: [{ uri: 'notes://1', name: 'one' }],
    },
  },
  catalogs: { research: { team: 'research', servers: ['notes'] } },
  behaviour: behaviourOf(era),
})

interface Connected extends AsyncDisposable {
  /** What both clients can do, in the same words. */
  callTool(name: string, args?: JsonObject, onProgress?: (progress: number) => void): Promise<string>
  listTools(): Promise<string[]>
  listChanged: Promise<void>
  readResource(uri: string): Promise<string>
}

const CLIENTS: Readonly<Record<string, (gateway: TestGateway) => Promise<Connected>>> = {
  'the v1 client': connectOld,
  'the v2 client, legacy': (gateway) => connectNew(gateway, 'legacy'),
  'the v2 client, auto': (gateway) => connectNew(gateway, 'auto'),
  'the v2 client, pinned': (gateway) => connectNew(gateway, { pin: '2026-07-28' }),
}

async function connectOld(gateway: TestGateway): Promise<Connected> {
  const client = new OldClient({ name: 'old', version: '1' }, { capabilities: { elicitation: {} } })
  client.setRequestHandler(ElicitRequestSchema, () => ({ action: 'accept', content: { name: 'Ann' } }))
  const changed = Promise.withResolvers<void>()
  client.setNotificationHandler(ToolListChangedNotificationSchema, () => changed.resolve())
  await client.connect(new OldTransport(new URL(gateway.url)))
  return {
    listChanged: changed.promise,
    listTools: async () => (await client.listTools()).tools.map(({ name }) => name),
    async callTool(name, args = {}, onProgress) {
      const options = onProgress ? { onprogress: ({ progress }: { progress: number }) => onProgress(progress) } : {}
      return textOf(await client.callTool({ name, arguments: args }, undefined, options))
    },
    readResource: async (uri) => JSON.stringify((await client.readResource({ uri })).contents),
    [Symbol.asyncDispose]: () => client.close(),
  }
}

async function connectNew(gateway: TestGateway, mode: 'legacy' | 'auto' | { pin: string }): Promise<Connected> {
  const changed = Promise.withResolvers<void>()
  const client = new Client({ name: 'new', version: '1' }, { capabilities: { elicitation: {} }, versionNegotiation: { mode } })
  client.setRequestHandler('elicitation/create', async () => ({ action: 'accept', content: { name: 'Ann' } }))
  client.setNotificationHandler('notifications/tools/list_changed', () => changed.resolve())
  await client.connect(new StreamableHTTPClientTransport(new URL(gateway.url)))
  const subscription = mode === 'legacy' ? undefined : await client.listen({ toolsListChanged: true })
  return {
    listChanged: changed.promise,
    listTools: async () => (await client.listTools()).tools.map(({ name }) => name),
    async callTool(name, args = {}, onProgress) {
      const options = onProgress ? { onprogress: ({ progress }: { progress: number }) => onProgress(progress) } : {}
      return textOf(await client.callTool({ name, arguments: args }, options))
    },
    readResource: async (uri) => JSON.stringify((await client.readResource({ uri })).contents),
    async [Symbol.asyncDispose]() {
      await subscription?.close()
      await client.close()
    },
  }
}

function textOf(result: unknown): string {
  const { content } = result as { content: { text: string }[] }
  return content.map(({ text }) => text).join()
}

const MATRIX = Object.keys(CLIENTS).flatMap((client) => (['modern', 'legacy'] as const).map((upstream) => ({ client, upstream })))

describe.each(MATRIX)('$client over a $upstream upstream', ({ client: name, upstream }) => {
  test('lists, calls, reads, hears progress and changes, and answers questions', async () => {
    await using gateway = await startGateway(planFor(upstream))
    await using client = await CLIENTS[name]!(gateway)
    const heard: number[] = []

    const tools = await client.listTools()
    const echoed = await client.callTool('echo', { a: [1, 'é'] })
    const counted = await client.callTool('count', {}, (progress) => heard.push(progress))
    const greeted = await client.callTool('greet')
    const contents = await client.readResource('notes://1')
    const unknown = client.callTool('nope')

    expect(tools).toEqual(['greet', 'count', 'echo'])
    expect(echoed).toBe('{"a":[1,"é"]}')
    expect([counted, heard]).toEqual(['counted', [1, 2, 3]])
    expect(greeted).toBe('Hello Ann')
    expect(contents).toContain('"one"')
    await expect(unknown).rejects.toThrow('Unknown tool: nope')
    await expect.poll(() => gateway.facet.stats().streams).toBe(1)
    gateway.facet.upstreamChanged({ server: 'notes', announced: new Set(['tool']) })
    await client.listChanged
  })
})

describe('the v1 client', () => {
  test('hears of a watched resource on its standalone stream', async () => {
    await using gateway = await startGateway(planFor('legacy'))
    const client = new OldClient({ name: 'old', version: '1' })
    const updated = Promise.withResolvers<string>()
    client.setNotificationHandler(ResourceUpdatedNotificationSchema, ({ params }) => updated.resolve(params.uri))
    await client.connect(new OldTransport(new URL(gateway.url)))
    await expect.poll(() => gateway.facet.stats().streams).toBe(1)

    await client.subscribeResource({ uri: 'notes://1' })
    gateway.upstreams['notes']!.watched[0]!.updated({ uri: 'notes://1' })

    expect(await updated.promise).toBe('notes://1')
    await client.close()
  })
})
