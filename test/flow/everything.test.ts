import { Client, StreamableHTTPClientTransport, type ClientOptions } from '@modelcontextprotocol/client'
import { Client as LegacyClient } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport as LegacyTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema, LoggingMessageNotificationSchema } from '@modelcontextprotocol/sdk/types.js'
import { request } from 'undici'
import { describe, expect, test } from 'vitest'
import { startEverythingFixture } from '../support/everything.ts'

const INFORMATION = { name: 'test', version: '1.0.0' }
const SAID = 'This is a simple text response for testing.'

describe('the everything fixture', () => {
  test.each([
    { era: 'both', mode: 'legacy', spoken: 'legacy' },
    { era: 'both', mode: 'auto', spoken: 'modern' },
    { era: 'legacy', mode: 'auto', spoken: 'legacy' },
    { era: 'modern', mode: { pin: '2026-07-28' }, spoken: 'modern' },
  ] as const)('with era $era serves a $mode client in the $spoken era', async ({ era, mode, spoken }) => {
    await using everything = await startEverythingFixture(era)
    await using client = await connect(everything.url, { versionNegotiation: { mode } })

    const result = await client.callTool({ name: 'test_simple_text', arguments: {} })

    expect(client.getProtocolEra()).toBe(spoken)
    expect(result.content).toEqual([{ type: 'text', text: SAID }])
  })

  test('asks a legacy client over the stream of its call', async () => {
    await using everything = await startEverythingFixture()
    await using client = await connectLegacy(everything.url)
    client.setRequestHandler(ElicitRequestSchema, ({ params }) => ({ action: 'accept', content: { response: params.message } }))

    const result = await client.callTool({ name: 'test_elicitation', arguments: { message: 'Tea?' } })

    expect(result.content).toEqual([{ type: 'text', text: 'Elicitation completed: action=accept, content={"response":"Tea?"}' }])
  })

  test('asks a modern client by its result', async () => {
    await using everything = await startEverythingFixture()
    await using client = await connect(everything.url, {
      versionNegotiation: { mode: 'auto' },
      capabilities: { elicitation: {} },
    })
    client.setRequestHandler('elicitation/create', () => ({ action: 'accept', content: { name: 'Ada', color: 'green' } }))

    const result = await client.callTool({ name: 'test_input_required_result_multi_round', arguments: {} })

    expect(result.content).toEqual([{ type: 'text', text: 'Ada likes green.' }])
  })

  test('logs three lines to a legacy client before it answers', async () => {
    await using everything = await startEverythingFixture()
    await using client = await connectLegacy(everything.url)
    const lines: unknown[] = []
    client.setNotificationHandler(LoggingMessageNotificationSchema, ({ params }) => void lines.push(params.data))

    await client.callTool({ name: 'test_tool_with_logging', arguments: {} })

    expect(lines).toEqual(['Tool execution started', 'Tool processing data', 'Tool execution completed'])
  })

  test('closes the stream of a legacy call early and gives the answer to the client that comes back', async () => {
    await using everything = await startEverythingFixture()
    const transport = new LegacyTransport(new URL(everything.url))
    await using client = await connectLegacy(everything.url, transport)
    const headers = { 'mcp-session-id': transport.sessionId ?? '', 'mcp-protocol-version': '2025-11-25' }

    const first = await fetch(everything.url, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json', accept: 'application/json, text/event-stream' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 'again', method: 'tools/call', params: { name: 'test_reconnection' } }),
    })
    const primed = await first.text()
    const lastId = /^id: (.*)$/m.exec(primed)?.[1] ?? ''
    const resumed = await fetch(everything.url, { headers: { ...headers, accept: 'text/event-stream', 'last-event-id': lastId } })
    const replayed = await readUntil(resumed, '"again"')

    expect(primed).toBe(`id: ${lastId}\nretry: 200\ndata: \n\n`)
    expect(replayed).toContain('Answered after the stream was closed.')
    expect((await client.callTool({ name: 'test_reconnection', arguments: {} })).isError).toBeUndefined()
  })

  test('tells a modern listener that a watched resource was updated', async () => {
    await using everything = await startEverythingFixture()
    await using client = await connect(everything.url, { versionNegotiation: { mode: 'auto' } })
    const updated = Promise.withResolvers<string>()
    client.setNotificationHandler('notifications/resources/updated', ({ params }) => updated.resolve(params.uri))

    await client.listen({ resourceSubscriptions: ['test://watched-resource'] })
    await client.callTool({ name: 'test_trigger_resource_update', arguments: {} })

    expect(await updated.promise).toBe('test://watched-resource')
  })

  test('leaves a hand-written schema as it is', async () => {
    await using everything = await startEverythingFixture()
    await using client = await connect(everything.url, {})

    const { tools } = await client.listTools()

    const schema = tools.find((tool) => tool.name === 'json_schema_2020_12_tool')?.inputSchema
    expect(schema).toMatchObject({
      $defs: { address: { $anchor: 'addressDef' } },
      allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
      else: { required: ['email'] },
      additionalProperties: false,
    })
  })

  test.each(['evil.example.com', '127.0.0.1.evil.example.com'])('refuses the host %s', async (host) => {
    await using everything = await startEverythingFixture()

    const { statusCode, body } = await request(everything.url, { method: 'POST', headers: { host }, body: '{}' })
    await body.dump()

    expect(statusCode).toBe(403)
  })
})

async function connect(url: string, options: ClientOptions): Promise<Client & AsyncDisposable> {
  const client = new Client(INFORMATION, options)
  await client.connect(new StreamableHTTPClientTransport(new URL(url)))
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() })
}

async function connectLegacy(
  url: string,
  transport = new LegacyTransport(new URL(url)),
): Promise<LegacyClient & AsyncDisposable> {
  const client = new LegacyClient(INFORMATION, { capabilities: { elicitation: {}, sampling: {} } })
  await client.connect(transport)
  return Object.assign(client, { [Symbol.asyncDispose]: () => client.close() })
}

/** Reads a stream that stays open until it has said something; leaving the loop hangs up. */
async function readUntil(response: Response, wanted: string): Promise<string> {
  let seen = ''
  for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    seen += chunk
    if (seen.includes(wanted)) break
  }
  return seen
}
