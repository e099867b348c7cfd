import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { bridgeUrl } from '../../../src/cli/bridge/bridge.ts'
import { headerValue } from '../../../src/cli/bridge/envelope.ts'
import { readLines } from '../../../src/cli/bridge/lines.ts'
import { readEvents } from '../../../src/cli/bridge/sse.ts'
import { parseHeaders } from '../../../src/cli/stdio.ts'
import { LEGACY, sendJson, startGateway } from './bridge-harness.ts'
import { runCli } from './cli-harness.ts'

/** Runs `tollgate stdio` with one call on its standard input, which then ends. */
async function stdioOnce(words: readonly string[], given: Parameters<typeof runCli>[1] = {}) {
  const stdin = new PassThrough()
  stdin.end(`${JSON.stringify(LEGACY.call(1))}\n`)
  return await runCli(['stdio', ...words], { ...given, io: { stdin, ...given.io } })
}

describe('tollgate stdio', () => {
  test('sends the token of TOLLGATE_TOKEN and the headers it was given', async () => {
    await using gateway = await startGateway(({ message }, response) =>
      sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result: {} }),
    )

    const { code, out, err } = await stdioOnce(
      [`http://127.0.0.1:${gateway.port}`, '--header', 'X-Team:${TEAM}', '--header', 'X-B:b c', '--catalog', 'a'],
      {
        io: { env: { TOLLGATE_TOKEN: 'secret', TEAM: 'research' } },
      },
    )

    expect({ code, out, err }).toEqual({ code: 0, out: '{"jsonrpc":"2.0","id":1,"result":{}}\n', err: '' })
    expect(gateway.seen[0]!.headers).toMatchObject({ authorization: 'Bearer secret', 'x-team': 'research', 'x-b': 'b c' })
  })

  test('prefers an Authorization header of its own, and another variable when told', async () => {
    await using gateway = await startGateway(({ message }, response) =>
      sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result: {} }),
    )
    const env = { TOLLGATE_TOKEN: 'one', OTHER: 'two' }
    const url = `http://127.0.0.1:${gateway.port}/mcp`

    await stdioOnce([url, '--header', 'Authorization:Bearer ${OTHER}'], { io: { env } })
    await stdioOnce([url, '--token-env', 'OTHER'], { io: { env } })
    const missing = await stdioOnce([url, '--token-env', 'NONE'], { io: { env } })

    expect(gateway.seen.map(({ headers }) => headers.authorization)).toEqual(['Bearer two', 'Bearer two'])
    expect(missing).toMatchObject({ code: 1, out: '', err: expect.stringContaining('NONE') })
  })

  test.each([
    ['plain http to another machine', ['http://10.1.2.3/mcp'], '--allow-http'],
    ['a password in the URL', ['https://user:pass@gate.example.com/mcp'], '--header'],
    ['a header without a value', ['http://127.0.0.1:1/mcp', '--header', 'X-Team'], 'Name:value'],
    ['a variable that is not set', ['http://127.0.0.1:1/mcp', '--header', 'X-Team:${TEAM}'], 'TEAM'],
  ])('refuses %s before it says anything on standard output', async (_name, words, hint) => {
    const { code, out, err } = await stdioOnce(words)

    expect({ code, out }).toEqual({ code: 1, out: '' })
    expect(err).toContain(hint)
  })

  test('ends its session and lets go of standard input when it is told to stop', async () => {
    const asked = Promise.withResolvers<void>()
    await using gateway = await startGateway(({ method, message }, response) => {
      if (method === 'DELETE') return void response.writeHead(204).end()
      if (message.method !== 'initialize') return asked.resolve()
      sendJson(response, 200, { jsonrpc: '2.0', id: 0, result: { protocolVersion: '2025-11-25' } }, { 'mcp-session-id': 'one' })
    })
    const stdin = new PassThrough()
    const stop = new AbortController()
    const run = runCli(['stdio', `http://127.0.0.1:${gateway.port}/mcp`], { io: { stdin, signal: stop.signal } })
    for (const message of [LEGACY.initialize, LEGACY.call(1)]) stdin.write(`${JSON.stringify(message)}\n`)
    await asked.promise

    stop.abort()
    const { code } = await run

    expect(code).toBe(0)
    expect(stdin.destroyed).toBe(true)
    expect(gateway.seen.at(-1)).toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': 'one' } })
  })

  test.each(['sse-only', 'sse-first'])('refuses the transport %s', async (kind) => {
    expect(await stdioOnce(['http://127.0.0.1:1/mcp', '--transport', kind])).toMatchObject({ code: 2, out: '' })
  })
})

test.each([
  ['https://gate.example.com/mcp', false],
  ['http://localhost:8080/mcp', false],
  ['http://[::1]:8080/mcp', false],
  ['http://127.9.9.9/mcp', false],
  ['http://10.1.2.3/mcp', true],
])('a bridge may use %s (plain http allowed: %s)', (url, allowed) => {
  expect(bridgeUrl(url, allowed).href).toBe(url)
})

test.each([
  'http://127.0.0.1.evil.example/mcp',
  'http://localhost.evil.example/',
  'http://127.0.0.1@evil.example/',
  'ftp://h/',
  'nowhere',
])('a bridge may not use %s', (url) => {
  expect(() => bridgeUrl(url, false)).toThrow(/use https|password|begin with|not a URL/)
})

test('a header line keeps what follows the first colon and refuses line breaks', () => {
  expect(parseHeaders(['Authorization:Bearer a:b', 'X-Empty:'], {})).toEqual({ authorization: 'Bearer a:b', 'x-empty': '' })
  expect(() => parseHeaders(['X:${V}'], { V: 'a\r\nEvil: 1' })).toThrow('line break')
})

test.each([
  ['plain', 'plain'],
  ['a b\tc', 'a b\tc'],
  ['', '=?base64??='],
  [' a', '=?base64?IGE=?='],
  ['a\n', '=?base64?YQo=?='],
  ['é', '=?base64?w6k=?='],
  ['=?base64?x?=', '=?base64?PT9iYXNlNjQ/eD89?='],
])('the header value of %j is %j', (text, value) => {
  expect(headerValue(text)).toBe(value)
})

describe('the readers', () => {
  const LINES = 'first\r\n\nsecond é\nthird'
  test.each(cuts(Buffer.from(LINES)))('cut lines the same wherever the bytes are cut (%i)', async (at) => {
    const read = await collect(readLines(chunks(Buffer.from(LINES), at), 100))

    expect(read).toEqual([{ text: 'first\r' }, { text: '' }, { text: 'second é' }, { text: 'third' }])
  })

  test('keep nothing of a line that is too long, and go on behind it', async () => {
    const read = await collect(readLines(chunks(Buffer.from(`ok\n${'x'.repeat(50)}\nagain\n`), 7), 10))

    expect(read).toEqual([{ text: 'ok' }, { tooLong: 50 }, { text: 'again' }])
  })

  const EVENTS = '\uFEFFid: 1\r\ndata: a é\r\n\r\n: comment\n\nevent: x\rdata:b\rdata: c\r\rretry: 5\n\ndata: unfinished'
  test.each(cuts(Buffer.from(EVENTS)))('read events the same wherever the bytes are cut (%i)', async (at) => {
    const read = await collect(readEvents(chunks(Buffer.from(EVENTS), at), 1_000))

    expect(read).toEqual([{ id: '1', data: 'a é' }, { data: 'b\nc' }, { data: '', retryMs: 5 }])
  })

  test('refuse an event that never ends', async () => {
    await expect(collect(readEvents(chunks(Buffer.from(`data: ${'x'.repeat(500)}`), 100), 200))).rejects.toThrow(
      'longer than 200',
    )
    await expect(collect(readEvents(chunks(Buffer.from('data: x\n'.repeat(100)), 100), 200))).rejects.toThrow('longer than 200')
  })
})

function cuts(bytes: Buffer): number[] {
  return Array.from({ length: bytes.length }, (_, index) => index + 1)
}

/** The bytes in pieces of one size, so that every place is cut by one of the sizes. */
async function* chunks(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let from = 0; from < bytes.length; from += size) yield await Promise.resolve(bytes.subarray(from, from + size))
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}
