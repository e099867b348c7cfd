import { PassThrough } from 'node:stream'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toExchangeLine } from '../../../src/telemetry/exchange-line.ts'
import { createLineWriter } from '../../../src/telemetry/line-writer.ts'
import { toLogLine } from '../../../src/telemetry/log-line.ts'
import { createLogger } from '../../../src/telemetry/logger.ts'
import { isSecretName, redact } from '../../../src/telemetry/redact.ts'
import { entry } from '../metering/entry-fixture.ts'

const AT = Date.parse('2026-11-20T12:00:00.123Z')
const JWT = 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJtZSJ9.c2lnbmF0dXJl'

describe('what is taken out of text', () => {
  test.each([
    ['a bearer token', 'sent Authorization: Bearer abc.def-123 to it', 'abc.def-123'],
    ['a bearer token in small letters', 'bearer abcdef123456', 'abcdef123456'],
    ['basic credentials', 'Basic dXNlcjpwYXNz', 'dXNlcjpwYXNz'],
    ['a key of ours', 'key tgk_ab12cd34_0123456789abcdef was refused', 'tgk_ab12cd34_0123456789abcdef'],
    ['a JWT', `token is ${JWT}.`, JWT],
    ['a JWT without signature', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9.', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJtZSJ9'],
    ['an encrypted JWT', 'eyJhbGciOiJkaXIifQ..iv12345.ciphertext99.tag77777', 'ciphertext99'],
    ['a password field', 'password=hunter2&x=1', 'hunter2'],
    ['a password in JSON', '{"password":"hunter2"}', 'hunter2'],
    ['a client secret', 'client_secret: s3cr3t!', 's3cr3t!'],
    ['an API key in a query', 'GET /x?api_key=AbC123', 'AbC123'],
    ['an access token in a query', '/cb?access_token=zzz111', 'zzz111'],
    ['credentials in a URL', 'connect to https://alice:wonder@host/x', 'wonder'],
    ['a key of a model provider', 'sk-abcdefghijklmnop1234', 'sk-abcdefghijklmnop1234'],
    ['a token of a code host', 'ghp_abcdefghijklmnopqrst', 'ghp_abcdefghijklmnopqrst'],
    ['a cloud key id', 'AKIAIOSFODNN7EXAMPLE', 'AKIAIOSFODNN7EXAMPLE'],
    ['a private key', '-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----', 'MIIEvQ'],
    ['half a private key', '-----BEGIN RSA PRIVATE KEY-----\nMIIEvQ', 'MIIEvQ'],
  ])('%s', (_name, text, secret) => {
    expect(redact(text)).not.toContain(secret)
    expect(redact(text)).toContain('[redacted]')
  })

  test.each(['search_notes', 'https://host.example/mcp?x=1', 'used 512 tokens of the budget', 'a basic idea', 'keyboard', 'eyJ'])(
    'nothing of "%s"',
    (text) => {
      expect(redact(text)).toBe(text)
    },
  )

  test('it takes linear time', () => {
    const began = performance.now()
    for (const text of ['Bearer ', 'eyJaaaaa.', '://a:', 'token=', '-----BEGIN PRIVATE KEY-----', 'secret ', ':'.repeat(50)])
      redact(text.repeat(20_000).slice(0, 100_000))
    expect(performance.now() - began).toBeLessThan(2_000)
  })

  test('fields whose name says so are taken out whole', () => {
    expect(
      ['authorization', 'http.request.header.cookie', 'clientSecret', 'x-api-key', 'refresh_token'].filter(
        (name) => !isSecretName(name),
      ),
    ).toEqual([])
    expect(['gen_ai.usage.input_tokens', 'tollgate.reason', 'secretary'].filter(isSecretName)).toEqual([])
  })
})

describe('a log line', () => {
  test('is one JSON object with the agreed keys', () => {
    expect(
      JSON.parse(
        toLogLine('info', 'upstream state', { 'tollgate.server': 'notes', none: undefined, nil: null, n: 3, b: false }, AT),
      ),
    ).toEqual({
      timestamp: '2026-11-20T12:00:00.123Z',
      level: 'info',
      message: 'upstream state',
      'tollgate.server': 'notes',
      n: 3,
      b: false,
    })
  })

  test('stays one line without anything a terminal would act on, whatever is in its fields', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string({ unit: 'binary' }), (message, value) => {
        const line = toLogLine('warn', message, { field: `${value}\r\n{"level":"info"}\u001B[2J\u202E\u0085\u2028` }, AT)
        expect(line.indexOf('\n')).toBe(line.length - 1)
        expect(/[\p{Cc}\u200b-\u200f\u2028-\u202e\u2066-\u2069]/u.test(line.slice(0, -1))).toBe(false)
        expect(JSON.parse(line).level).toBe('warn')
      }),
    )
  })

  test('is bounded and carries no credential', () => {
    const line = toLogLine('error', 'x', { authorization: 'whatever', detail: `Bearer ${JWT}`, long: 'x'.repeat(1_000_000) }, AT)

    expect(line.length).toBeLessThan(5_000)
    expect(JSON.parse(line)).toMatchObject({ authorization: '[redacted]', detail: 'Bearer [redacted]' })
  })
})

test('the line of an exchange has the keys of every line and the facts of the entry', () => {
  const line = toExchangeLine(entry({ status: 'tool_error', target: 'a\nb\u202E', rule: null }), AT)

  expect(line.split('\n').length).toBe(2)
  expect(line).not.toContain('\u202E')
  expect(JSON.parse(line)).toEqual({
    timestamp: '2026-11-20T12:00:00.123Z',
    level: 'info',
    message: 'exchange',
    trace_id: '0af7651916cd43dd8448eb211c80319c',
    request_id: '01900000-0000-7000-8000-000000000001',
    'mcp.method.name': 'tools/call',
    'gen_ai.operation.name': 'execute_tool',
    'gen_ai.tool.name': 'a\nb\u202E',
    'error.type': 'tool_error',
    'tollgate.status': 'tool_error',
    'tollgate.decision': 'allow',
    'tollgate.reason': 'allowed',
    'tollgate.catalog': 'research',
    'tollgate.server': 'notes',
    'tollgate.team': 'research',
    'tollgate.project': 'atlas',
    'tollgate.agent': 'agent-1',
    'tollgate.subject': 'subject-1',
    'tollgate.session': 'session-1',
    'tollgate.duration_ms': 12.5,
    'tollgate.gateway_ms': 0.5,
    'tollgate.queue_ms': 0,
    'tollgate.guard_ms': 0,
    'tollgate.upstream_ms': 12,
    'tollgate.request_bytes': 100,
    'tollgate.response_bytes': 200,
  })
})

test.each([
  ['/v1/chat/completions', 'chat'],
  ['/v1/messages', 'chat'],
  ['/v1/embeddings', 'embeddings'],
])('the line of a model call at %s says %s', (method, operation) => {
  const line = toExchangeLine(entry({ kind: 'model', method, target: 'fast' }), AT)

  expect(JSON.parse(line)).toMatchObject({
    'http.route': method,
    'gen_ai.operation.name': operation,
    'gen_ai.request.model': 'fast',
  })
})

test('the logger writes lines of its level and above', async () => {
  const stream = new PassThrough()
  const logger = createLogger({ level: 'warn', stream, now: () => AT })

  logger.info('not this')
  logger.warn('this', { a: 1 })
  logger.error('and this')
  const text = await new Promise<string>((resolve) => {
    let seen = ''
    stream.on('data', (chunk: Buffer) => {
      seen += chunk.toString()
      if (seen.includes('and this')) resolve(seen)
    })
  })

  expect(
    text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line)),
  ).toEqual([
    { timestamp: '2026-11-20T12:00:00.123Z', level: 'warn', message: 'this', a: 1 },
    { timestamp: '2026-11-20T12:00:00.123Z', level: 'error', message: 'and this' },
  ])
  expect([logger.enabled('error'), logger.enabled('info')]).toEqual([true, false])
})

describe('the buffered writer', () => {
  test('hands lines over together, after a while, when they are many, and when asked', async () => {
    const stream = new PassThrough()
    const chunks: string[] = []
    stream.on('data', (chunk: Buffer) => chunks.push(chunk.toString()))
    const writer = createLineWriter(stream)

    writer.write('one\n')
    writer.write('two\n')
    expect(chunks).toEqual([])
    await expect.poll(() => chunks).toEqual(['one\ntwo\n'])
    writer.write('three\n')
    writer.flush()
    writer.write(`${'x'.repeat(70_000)}\n`)
    await expect.poll(() => chunks.join('').length).toBe(8 + 6 + 70_001)
  })

  test('lets lines go when nobody reads, instead of keeping them all', () => {
    const stream = new PassThrough()
    const writer = createLineWriter(stream)

    for (let number = 0; number < 400; number += 1) writer.write(`${'x'.repeat(100_000)}\n`)

    expect(stream.writableLength + stream.readableLength).toBeLessThan(20_000_000)
    expect(writer.dropped).toBeGreaterThan(100)
  })
})
