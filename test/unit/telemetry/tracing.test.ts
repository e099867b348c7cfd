import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Entry } from '../../../src/core/entry.ts'
import type { LogFields } from '../../../src/telemetry/log-line.ts'
import type { Logger } from '../../../src/telemetry/logger.ts'
import { planSpans, type SpanFacts, type TracedBy } from '../../../src/telemetry/spans.ts'
import { createTracing } from '../../../src/telemetry/tracing.ts'
import { entry } from '../metering/entry-fixture.ts'

const trace: TracedBy = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'aaaaaaaaaaaaaaaa',
  parentSpanId: 'bbbbbbbbbbbbbbbb',
  sampled: true,
}
const facts: SpanFacts = {
  protocolVersion: '2026-07-28',
  requestId: 7,
  upstream: { transport: 'tcp', address: '127.0.0.1', port: 9_000 },
}
const plan = (fields: Partial<Entry>, by: TracedBy = trace) => planSpans(by, entry(fields), facts, () => 'cccccccccccccccc')

function silentLogger(): Logger & { warnings: { message: string; fields: LogFields | undefined }[] } {
  const warnings: { message: string; fields: LogFields | undefined }[] = []
  return {
    error: () => undefined,
    warn: (message, fields) => void warnings.push({ message, fields }),
    info: () => undefined,
    debug: () => undefined,
    enabled: () => true,
    warnings,
  }
}

test('a call is a server span under its caller and, below it, the client span whose id the upstream was told', () => {
  const [server, client] = plan({})

  expect(server).toMatchObject({
    name: 'tools/call search_notes',
    kind: 'server',
    spanId: 'cccccccccccccccc',
    parentSpanId: 'bbbbbbbbbbbbbbbb',
    start: 1_700_000_000_000,
    end: 1_700_000_000_012.5,
    isError: false,
  })
  expect(server?.attributes).toMatchObject({
    'mcp.method.name': 'tools/call',
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'search_notes',
    'mcp.protocol.version': '2026-07-28',
    'jsonrpc.request.id': '7',
    'network.transport': 'tcp',
    'network.protocol.name': 'http',
    'tollgate.team': 'research',
  })
  expect(client).toMatchObject({
    name: 'tools/call search',
    kind: 'client',
    spanId: 'aaaaaaaaaaaaaaaa',
    parentSpanId: 'cccccccccccccccc',
  })
  expect(client?.attributes).toMatchObject({
    'gen_ai.tool.name': 'search',
    'server.address': '127.0.0.1',
    'server.port': 9_000,
    'tollgate.server': 'notes',
  })
})

test('a span of embeddings says so', () => {
  const [server] = plan({ kind: 'model', method: '/v1/embeddings', target: 'fast' })

  expect(server?.attributes).toMatchObject({ 'gen_ai.operation.name': 'embeddings', 'gen_ai.request.model': 'fast' })
})

test('a call that never left is one span, under the id that was chosen for it', () => {
  expect(plan({ status: 'denied', server: null, upstreamMs: 0 })).toMatchObject([
    { kind: 'server', spanId: 'aaaaaaaaaaaaaaaa', isError: false },
  ])
})

test('a resource is not in the name of its span', () => {
  expect(plan({ kind: 'resource', method: 'resources/read', target: 'notes://secret-plan' })[0]?.name).toBe('resources/read')
})

test('the span of the HTTP request is linked when the message named another parent', () => {
  const link = { traceId: '1'.repeat(32), spanId: '2'.repeat(16) }
  expect(plan({}, { ...trace, link })[0]?.link).toEqual(link)
})

describe('errors by the conventions', () => {
  test.each([
    ['a tool that says so', { status: 'tool_error', error: null }, 'tool_error', undefined, true, true],
    ['an internal error', { status: 'error', error: '-32603' }, '-32603', '-32603', true, true],
    ['a server error', { status: 'error', error: '-32001' }, '-32001', '-32001', true, true],
    ['wrong parameters', { status: 'error', error: '-32602' }, '-32602', '-32602', false, true],
    ['an upstream that is late', { status: 'error', error: 'upstream_timeout' }, 'upstream_timeout', undefined, true, true],
    ['nothing wrong', { status: 'ok', error: null }, undefined, undefined, false, false],
  ] as const)('%s', (_name, fields, ...expected) => {
    const [server, client] = plan(fields)
    expect([
      server?.attributes['error.type'],
      server?.attributes['rpc.response.status_code'],
      server?.isError,
      client?.isError,
    ]).toEqual(expected)
  })
})

test('sampled spans reach the collector with their ids and the headers it asks for, others do not', async () => {
  const requests: { url: string | undefined; key: unknown; body: Buffer }[] = []
  const collector = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      requests.push({ url: request.url, key: request.headers['x-collector-key'], body: Buffer.concat(chunks) })
      response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end()
    })
  }).listen(0, '127.0.0.1')
  await once(collector, 'listening')
  onTestFinished(() => void collector.close())
  const { port } = collector.address() as AddressInfo
  const tracing = await createTracing({
    url: `http://127.0.0.1:${port}/v1/traces`,
    headers: { 'x-collector-key': 'k' },
    serviceName: 'gate',
    version: '1',
    logger: silentLogger(),
  })

  tracing.exchange(trace, entry(), facts)
  tracing.exchange({ ...trace, sampled: false, traceId: 'd'.repeat(32) }, entry(), facts)
  await tracing.close()

  expect(requests.map(({ url, key }) => ({ url, key }))).toEqual([{ url: '/v1/traces', key: 'k' }])
  const { body } = requests[0]!
  const holds = (hex: string) => body.includes(Buffer.from(hex, 'hex'))
  expect([holds(trace.traceId), holds(trace.spanId), holds(trace.parentSpanId!), holds('d'.repeat(32))]).toEqual([
    true,
    true,
    true,
    false,
  ])
  expect(['gate', 'tools/call search_notes', 'mcp.method.name'].filter((text) => !body.includes(text))).toEqual([])
})

test('a collector that is not there is said once and hurts nobody', async () => {
  const logger = silentLogger()
  const tracing = await createTracing({
    url: 'http://127.0.0.1:9/v1/traces',
    headers: {},
    serviceName: 'gate',
    version: '1',
    logger,
  })

  tracing.exchange(trace, entry(), facts)
  tracing.exchange(
    trace,
    new Proxy(entry(), {
      get: () => {
        throw new Error('no')
      },
    }),
    facts,
  )
  await tracing.close()

  expect(logger.warnings.length).toBeLessThanOrEqual(1)
})
