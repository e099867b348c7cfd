// Group C of the security catalogue against the facet: one table, the row's id in the name.
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startGateway, type TestGateway } from '../support/mcp-gateway.ts'
import { modern, modernHeaders, modernMessage, openSession, postRaw, type RawSession } from '../support/mcp-raw.ts'

let gateway: TestGateway
let session: RawSession

beforeAll(async () => {
  gateway = await startGateway({
    offers: { notes: { tools: [{ name: 'say', inputSchema: { type: 'object' } }] } },
    catalogs: { research: { team: 'research', servers: ['notes'] } },
    bounds: { sessionsPerPrincipal: 1000 },
  })
  session = await openSession(gateway.url)
})
afterAll(() => gateway[Symbol.asyncDispose]())

const CALL = modernMessage('tools/call', { name: 'say', arguments: {} })
const text = JSON.stringify(CALL)
/** The call with one piece of its text replaced. */
const swap = (from: string, to: string) => {
  expect(text).toContain(from)
  return text.replace(from, to)
}
const args = (value: string) => swap('"arguments":{}', `"arguments":${value}`)
const deep = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

interface Row {
  readonly id: string
  readonly body: () => string | Uint8Array<ArrayBuffer>
  readonly status: number
  readonly code: number
  readonly headers?: Record<string, string | undefined>
  /** The answer has no id, because the request's could not be read. */
  readonly noId?: true
}

const ROWS: readonly Row[] = [
  { id: 'C01 65 levels', body: () => args(`{"a":${deep(65)}}`), status: 400, code: -32600, noId: true },
  { id: 'C01 200 000 levels', body: () => '['.repeat(200_000), status: 400, code: -32600, noId: true },
  {
    id: 'C02 more than 100 000 values',
    body: () => args(`{"a":[${'1,'.repeat(100_001)}1]}`),
    status: 400,
    code: -32600,
    noId: true,
  },
  {
    id: 'C02 10 000 members in one object',
    body: () => args(JSON.stringify(Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`k${n}`, 0])))),
    status: 400,
    code: -32600,
    noId: true,
  },
  { id: 'C03 method twice', body: () => swap('"method"', '"method":"ping","method"'), status: 400, code: -32600, noId: true },
  { id: 'C03 name twice', body: () => swap('"name":"say"', '"name":"x","name":"say"'), status: 400, code: -32600, noId: true },
  { id: 'C03 an argument twice, deep', body: () => args('{"a":{"b":[{"c":1,"c":1}]}}'), status: 400, code: -32600, noId: true },
  { id: 'C05 Method beside method', body: () => swap('"method"', '"Method":"ping","method"'), status: 400, code: -32600 },
  { id: 'C05 NAME beside name', body: () => swap('"name":"say"', '"NAME":"x","name":"say"'), status: 400, code: -32600 },
  { id: 'C05 Params instead of params', body: () => swap('"params"', '"Params"'), status: 400, code: -32600 },
  { id: 'C05 Arguments instead of arguments', body: () => swap('"arguments"', '"Arguments"'), status: 400, code: -32600 },
  { id: 'C06 a look-alike of params', body: () => swap('"params"', '"paramſ"'), status: 400, code: -32600 },
  { id: 'C06 a look-alike of arguments', body: () => swap('"arguments"', '"argumentſ"'), status: 400, code: -32600 },
  {
    id: 'C06 an escaped second method',
    body: () => swap('"method"', '"\\u006dethod":"x","method"'),
    status: 400,
    code: -32600,
    noId: true,
  },
  { id: 'C07 trailing garbage', body: () => `${text}x`, status: 400, code: -32700, noId: true },
  { id: 'C07 two objects', body: () => text + text, status: 400, code: -32700, noId: true },
  { id: 'C07 NaN', body: () => args('{"a":NaN}'), status: 400, code: -32700, noId: true },
  { id: 'C07 a comment', body: () => args('{/* */}'), status: 400, code: -32700, noId: true },
  { id: 'C07 single quotes', body: () => text.replaceAll('"', "'"), status: 400, code: -32700, noId: true },
  { id: 'C07 leading zeros', body: () => args('{"a":01}'), status: 400, code: -32700, noId: true },
  { id: 'C07 a byte order mark', body: () => `\ufeff${text}`, status: 400, code: -32700, noId: true },
  {
    id: 'C07 bytes that are no UTF-8',
    body: () => new Uint8Array([0x7b, 0x22, 0xff, 0x22, 0x7d]),
    status: 400,
    code: -32700,
    noId: true,
  },
  { id: 'C07 nothing', body: () => '', status: 400, code: -32700, noId: true },
  { id: 'C08 an empty batch', body: () => '[]', status: 400, code: -32600, noId: true },
  { id: 'C08 a batch of one', body: () => `[${text}]`, status: 400, code: -32600, noId: true },
  { id: 'C08 a batch of 1 000', body: () => `[${`${text},`.repeat(999)}${text}]`, status: 400, code: -32600, noId: true },
  ...['null', 'true', '1.5', '1e400', '9007199254740993', '12345678901234567890', '{}', '[1]'].map((id): Row => ({
    id: `C09 id ${id}`,
    body: () => swap('"id":1', `"id":${id}`),
    status: 400,
    code: -32600,
    noId: true,
  })),
  { id: 'C10 no jsonrpc', body: () => swap('"jsonrpc":"2.0",', ''), status: 400, code: -32600 },
  { id: 'C10 jsonrpc 1.0', body: () => swap('"2.0"', '"1.0"'), status: 400, code: -32600 },
  { id: 'C10 jsonrpc as a number', body: () => swap('"2.0"', '2.0'), status: 400, code: -32600 },
  { id: 'C10 method and result', body: () => swap('"params"', '"result":{},"params"'), status: 400, code: -32600 },
  { id: 'C10 result and error', body: () => '{"jsonrpc":"2.0","id":1,"result":{},"error":{}}', status: 400, code: -32600 },
  { id: 'C11 no Mcp-Method', body: () => text, headers: { 'Mcp-Method': undefined }, status: 400, code: -32020 },
  { id: 'C11 no Mcp-Name', body: () => text, headers: { 'Mcp-Name': undefined }, status: 400, code: -32020 },
  { id: 'C11 no version header', body: () => text, headers: { 'MCP-Protocol-Version': undefined }, status: 400, code: -32020 },
  { id: 'C11 another name in the header', body: () => text, headers: { 'Mcp-Name': 'other' }, status: 400, code: -32020 },
  {
    id: 'C12 an old version in the header',
    body: () => text,
    headers: { 'MCP-Protocol-Version': '2025-06-18' },
    status: 400,
    code: -32020,
  },
  { id: 'C12 an old version in the body', body: () => swap('2026-07-28', '2025-06-18'), status: 400, code: -32020 },
  {
    id: 'C13 a sentinel that is no base64',
    body: () => text,
    headers: { 'Mcp-Name': '=?base64?c2F5!?=' },
    status: 400,
    code: -32020,
  },
  { id: 'C14 no capabilities', body: () => swap('clientCapabilities', 'clientKapabilities'), status: 400, code: -32602 },
  { id: 'C14 no version', body: () => swap('protocolVersion', 'protokolVersion'), status: 400, code: -32602 },
  {
    id: 'C15 an unknown version',
    body: () => swap('2026-07-28', '2031-01-01'),
    headers: { 'MCP-Protocol-Version': '2031-01-01' },
    status: 400,
    code: -32022,
  },
  {
    id: 'C16 an unknown method',
    body: () => swap('tools/call', 'tools/burn'),
    headers: { 'Mcp-Method': 'tools/burn' },
    status: 404,
    code: -32601,
  },
  {
    id: 'C16 a method of 10 KB',
    body: () => swap('tools/call', 'm'.repeat(10_240)),
    headers: { 'Mcp-Method': 'm'.repeat(10_240) },
    status: 404,
    code: -32601,
  },
  { id: 'C17 a response', body: () => '{"jsonrpc":"2.0","id":1,"result":{}}', status: 400, code: -32600, noId: true },
  {
    id: 'C17 a notification of servers',
    body: () => '{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}',
    status: 400,
    code: -32600,
    noId: true,
  },
  {
    id: 'C17 progress of nothing a stateless client was asked',
    body: () => '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1}}',
    status: 400,
    code: -32600,
    noId: true,
  },
]

describe('hostile JSON is refused and reaches no upstream', () => {
  test.each(ROWS)('$id', async ({ body, status, code, headers, noId }) => {
    const before = gateway.upstreams['notes']!.asked.length

    const answer = await postRaw(gateway.url, body(), { headers: { ...modernHeaders(CALL), ...headers } })

    expect(answer.status).toBe(status)
    expect(answer.answer.error?.code).toBe(code)
    expect('id' in answer.answer).toBe(noId !== true)
    expect(answer.answer.error?.message.length).toBeLessThan(400)
    expect(gateway.upstreams['notes']!.asked.length).toBe(before)
  })

  test('C15 the versions to choose from come along', async () => {
    const body = swap('2026-07-28', '2031-01-01')

    const { answer } = await postRaw(gateway.url, body, {
      headers: { ...modernHeaders(CALL), 'MCP-Protocol-Version': '2031-01-01' },
    })

    expect(answer.error?.data).toEqual({
      supported: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'],
      requested: '2031-01-01',
    })
  })

  test('C16 a method with line breaks and an escape sequence is quoted without them', async () => {
    const { answer } = await session.post({ jsonrpc: '2.0', id: 1, method: 'a\nb\u001b[31m\u2028c' })

    expect(answer.error).toEqual({ code: -32601, message: 'Method not found: a?b?[31m?c' })
  })

  test('C17 a response that answers nothing in its session is refused', async () => {
    const { status } = await session.post({ jsonrpc: '2.0', id: 'tollgate-1', result: {} })

    expect(status).toBe(400)
  })

  test('C18 session headers mean nothing to a stateless request', async () => {
    const { status } = await modern(
      gateway.url,
      'tools/list',
      {},
      { headers: { 'Mcp-Session-Id': 'nobody', 'Last-Event-ID': '1.1' } },
    )

    expect(status).toBe(200)
  })

  test('other content types are refused, and an Accept header that takes neither form', async () => {
    const plain = await postRaw(gateway.url, text, { headers: { ...modernHeaders(CALL), 'Content-Type': 'text/plain' } })
    const jsonLike = await postRaw(gateway.url, text, {
      headers: { ...modernHeaders(CALL), 'Content-Type': 'application/json-seq' },
    })
    const charset = await postRaw(gateway.url, text, {
      headers: { ...modernHeaders(CALL), 'Content-Type': 'application/JSON; charset=utf-8' },
    })
    const html = await postRaw(gateway.url, text, {
      headers: { ...modernHeaders(CALL), Accept: 'text/html, application/json;q=0' },
    })

    expect([plain.status, jsonLike.status, charset.status, html.status]).toEqual([415, 415, 200, 406])
  })
})

describe('strange but legal JSON goes through', () => {
  test.each(['0', '-1', '""', '"\\u0061"', `"${'x'.repeat(300)}"`, '9007199254740991'])(
    'C09 the id %s comes back byte for byte',
    async (id) => {
      const called = await postRaw(gateway.url, swap('"id":1', `"id":${id}`), { headers: modernHeaders(CALL) })
      const failed = await postRaw(gateway.url, swap('"id":1', `"id":${id}`).replaceAll('"say"', '"nope"'), {
        headers: { ...modernHeaders(CALL), 'Mcp-Name': 'nope' },
      })

      expect(called.text).toContain(`"id":${id},"result"`)
      expect(failed.text).toContain(`"id":${id},"error"`)
    },
  )

  test('C04 __proto__, constructor and toString are carried as data', async () => {
    const value = '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"toString":1}'

    const { status } = await postRaw(gateway.url, args(value), { headers: modernHeaders(CALL) })

    expect(status).toBe(200)
    expect(JSON.stringify(gateway.upstreams['notes']!.asked.at(-1)!.request.params['arguments'])).toBe(value)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test('C13 a name in the sentinel is the same name', async () => {
    const { status } = await postRaw(gateway.url, text, { headers: { ...modernHeaders(CALL), 'Mcp-Name': '=?base64?c2F5?=' } })

    expect(status).toBe(200)
  })

  test('C19 the worst legal bodies do not hold up others', async () => {
    const big = [args(`{"a":"${'\\u0041'.repeat(690_000)}"}`), args(`{"a":[${'{},'.repeat(49_000)}{}]}`)]

    for (const body of big) {
      const started = performance.now()
      const { status } = await postRaw(gateway.url, body, { headers: modernHeaders(CALL) })
      expect(status).toBe(200)
      expect(performance.now() - started).toBeLessThan(1_000)
    }
  })

  test('C20 mutated envelopes get documented errors only', async () => {
    const headers = modernHeaders(CALL)
    const pieces = ['"', '{', '}', '[', ']', ':', ',', '\\', 'null', '1e999', '"id"', '\u0000', 'é', '"method"']
    await fc.assert(
      fc.asyncProperty(fc.nat(text.length), fc.nat(8), fc.constantFrom(...pieces), async (at, cut, piece) => {
        const answer = await postRaw(gateway.url, text.slice(0, at) + piece + text.slice(at + cut), { headers })
        expect([200, 202, 400, 404]).toContain(answer.status)
        if (answer.answer.error)
          expect([-32700, -32600, -32601, -32602, -32020, -32021, -32022]).toContain(answer.answer.error.code)
      }),
      { numRuns: 400 },
    )
  })
})
