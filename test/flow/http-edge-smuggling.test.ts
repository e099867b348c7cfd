// Rows B01 to B03, B26, B28 and what else two readers of one connection could understand differently, by the byte, at the doors of both
// facets. Each attack carries a valid credential and a second request that would be executed if the first were understood otherwise than
// refused; a control caller is answered before and after on connections of its own.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { createDoorRequests, DOOR_BODIES, DOOR_PATHS, type DoorPath, type DoorRequests } from '../support/door-requests.ts'
import { startModelGateway, type ModelGateway } from '../support/model-gateway.ts'
import { talk, type WireAnswer } from '../support/raw-http.ts'

let door: ModelGateway
let requests: DoorRequests

beforeAll(async () => {
  door = await startModelGateway({ file: { bounds: { headersMs: 300, bodyMs: 300 } } })
  requests = createDoorRequests(door)
})
afterAll(() => door[Symbol.asyncDispose]())

/** How often a provider was asked so far. */
const executed = (): number => door.fakes.requests().length

async function control(): Promise<void> {
  const answer = await talk(door.url, requests.whole('/v1/chat/completions'), { answers: 1 })
  expect(answer.answers.map(({ status }) => status)).toEqual([200])
}

/** Sends an attack and asserts that it was refused, the connection ended and nothing after it was read. */
async function expectRefused(bytes: string | Buffer, statuses: readonly number[] = [400]): Promise<void> {
  await control()
  const before = executed()

  const { answers, closed, text } = await talk(door.url, bytes, { withinMs: 4_500 })

  expect(
    answers.map(({ status }) => status),
    text,
  ).toEqual([expect.toSatisfy((status: number) => statuses.includes(status))])
  expect(closed, 'the connection ends').toBe(true)
  expect(answers[0]?.body).not.toMatch(/node:|\.ts|\bat |llhttp|HPE_/)
  expect(executed()).toBe(before)
  await control()
}

describe.each(DOOR_PATHS)('at %s', (path) => {
  const hidden = () => requests.whole(path)
  const chunked = (body: string) => `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n\r\n`

  test('the requests these attacks are made of are executed when in order', async () => {
    const before = executed()

    const plain = await talk(door.url, requests.whole(path), { answers: 1 })
    const pieces = await talk(
      door.url,
      `${requests.front(path)}Transfer-Encoding: chunked\r\n\r\n${chunked(DOOR_BODIES[path])}`,
      {
        answers: 1,
      },
    )

    expect([plain, pieces].map(({ answers }) => answers[0]?.status)).toEqual([200, 200])
    if (path === '/v1/chat/completions') expect(executed()).toBeGreaterThan(before)
  })

  const lengths: readonly [string, string][] = [
    ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'],
    ['chunks and a length', 'Transfer-Encoding: chunked\r\nContent-Length: 5\r\n'],
    ['two lengths that differ', 'Content-Length: 5\r\nContent-Length: 0\r\n'],
    ['two lengths that agree', 'Content-Length: 5\r\nContent-Length: 5\r\n'],
    ['a list of lengths', 'Content-Length: 5, 5\r\n'],
    ['two numbers in a length', 'Content-Length: 5 5\r\n'],
    ['a length in hex', 'Content-Length: 0x4\r\n'],
    ['a negative length', 'Content-Length: -1\r\n'],
    ['a length with a plus', 'Content-Length: +5\r\n'],
    ['a length with an exponent', 'Content-Length: 1e1\r\n'],
    ['a length of twenty digits', 'Content-Length: 99999999999999999999\r\n'],
    ['a length just over what 64 bits hold', 'Content-Length: 18446744073709551621\r\n'],
    ['an empty length', 'Content-Length:\r\n'],
    ['a length in full-width digits', 'Content-Length: \uff15\r\n'],
    ['chunked and then identity', 'Transfer-Encoding: chunked, identity\r\n'],
    ['chunked twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n'],
    ['an unknown coding', 'Transfer-Encoding: xchunked\r\n'],
    ['an unknown coding beside a length', 'Transfer-Encoding: cow\r\nContent-Length: 5\r\n'],
    ['a coding in quotes', 'Transfer-Encoding: "chunked"\r\n'],
    ['a coding with a vertical tab', 'Transfer-Encoding: \u000bchunked\r\n'],
    ['a coding behind a folded line', 'Transfer-Encoding:\r\n chunked\r\n'],
    ['a space before the colon of the coding', 'Transfer-Encoding : chunked\r\n'],
  ]
  test.each(lengths)('B01: %s ends the connection and nothing is routed', async (_name, framing) => {
    await expectRefused(`${requests.front(path)}${framing}\r\n0\r\n\r\n${hidden()}`)
  })

  const lines: readonly [string, (head: string) => string][] = [
    ['bare line feeds', (head) => head.replaceAll('\r\n', '\n')],
    ['one bare line feed', (head) => head.replace('\r\nContent-Type', '\nContent-Type')],
    ['bare carriage returns', (head) => head.replaceAll('\r\n', '\r')],
    ['one bare carriage return', (head) => head.replace('\r\nContent-Type', '\rContent-Type')],
    ['a bare carriage return in a value', (head) => head.replace('application/json', 'application/json\rX-Team: admin')],
    ['a space before a colon', (head) => head.replace('Content-Type:', 'Content-Type :')],
    ['a tab before a colon', (head) => head.replace('Content-Type:', 'Content-Type\t:')],
    ['a folded line', (head) => head.replace('\r\nContent-Type', '\r\n X-Folded: a\r\nContent-Type')],
    ['a line folded by a tab', (head) => head.replace('\r\nContent-Type', '\r\n\tX-Folded: a\r\nContent-Type')],
    ['a NUL in a value', (head) => head.replace('application/json', 'application/json\u0000')],
    ['a NUL in a name', (head) => head.replace('Content-Type', 'Content\u0000-Type')],
    ['a bell in a value', (head) => head.replace('application/json', 'application/json\u0007')],
    ['a line without a colon', (head) => head.replace('\r\nContent-Type', '\r\nnothing\r\nContent-Type')],
    ['an empty name', (head) => head.replace('\r\nContent-Type', '\r\n: value\r\nContent-Type')],
    ['a blank in a name', (head) => head.replace('Content-Type', 'Content Type')],
    ['a quote in a name', (head) => head.replace('Content-Type', '"Content-Type"')],
    ['a tab in the request line', (head) => head.replace('POST ', 'POST\t')],
    ['a line feed in the target', (head) => head.replace(path, `${path}\n`)],
    ['a NUL in the target', (head) => head.replace(path, `${path}\u0000`)],
    ['no version', (head) => head.replace(' HTTP/1.1', '')],
  ]
  test.each(lines)('B02: %s ends the connection and nothing is routed', async (_name, spoil) => {
    await expectRefused(`${spoil(`${requests.front(path)}Content-Length: 0\r\n\r\n`)}${hidden()}`)
  })

  const chunks: readonly [string, string, readonly number[]][] = [
    ['a size that is no number', 'zz\r\nhello\r\n0\r\n\r\n', [400]],
    ['a size with a prefix', '0x5\r\nhello\r\n0\r\n\r\n', [400]],
    ['a negative size', '-5\r\nhello\r\n0\r\n\r\n', [400]],
    ['a size with a blank before it', ' 5\r\nhello\r\n0\r\n\r\n', [400]],
    ['a size of more than 64 bits', 'FFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n', [400]],
    ['a size that wraps around to five', '10000000000000005\r\nhello\r\n0\r\n\r\n', [400]],
    ['an empty size', '\r\nhello\r\n0\r\n\r\n', [400]],
    ['a size ended by a bare line feed', '5\nhello\r\n0\r\n\r\n', [400]],
    ['a piece longer than its size', '2\r\nhello\r\n0\r\n\r\n', [400]],
    ['a piece ended by a bare line feed', '5\r\nhello\n0\r\n\r\n', [400]],
    ['an extension with a bare line feed', '5;a\nhello\r\n0\r\n\r\n', [400]],
    ['extensions without end', `5;${'a'.repeat(20_000)}\r\nhello\r\n0\r\n\r\n`, [400, 413]],
    ['a trailer that is no header', '0\r\nnothing\r\n\r\n', [400]],
    ['trailers without end', `0\r\n${'X-Trailer: a\r\n'.repeat(2_000)}\r\n`, [400, 431]],
  ]
  test.each(chunks)('B03: %s ends the connection and nothing is routed', async (_name, body, statuses) => {
    await expectRefused(`${requests.front(path)}Transfer-Encoding: chunked\r\n\r\n${body}${hidden()}`, statuses)
  })

  test.each([
    ['chunks without an end', `Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n`],
    ['a piece that never comes', `Transfer-Encoding: chunked\r\n\r\nFFFF\r\nhello`],
    ['a body shorter than its length', `Content-Length: 100\r\n\r\n{`],
  ])('B03: %s is given up after the time for a body', async (_name, rest) => {
    await expectRefused(`${requests.front(path)}${rest}`, [408])
  })

  test('B03: trailers change nothing: they name no caller, no length and no session', async () => {
    const trailers = 'Authorization: Bearer other\r\nContent-Length: 5\r\nMcp-Session-Id: stolen\r\n'
    const body = DOOR_BODIES[path]
    const framed = `${Buffer.byteLength(body).toString(16)}\r\n${body}\r\n0\r\n${trailers}\r\n`

    const { answers } = await talk(door.url, `${requests.front(path)}Transfer-Encoding: chunked\r\n\r\n${framed}`, {
      answers: 1,
      withinMs: 3_000,
    })

    expect(answers.map(({ status }) => status)).toEqual([expect.toSatisfy((status: number) => status === 200 || status === 400)])
    await control()
  })

  const encodings: readonly [string, Buffer][] = [
    ['an overlong slash', Buffer.from([0xc0, 0xaf])],
    ['an overlong NUL', Buffer.from([0xe0, 0x80, 0x80])],
    ['a lone continuation', Buffer.from([0x80])],
    ['a sequence cut short', Buffer.from([0xe2, 0x82])],
    ['half a surrogate pair', Buffer.from([0xed, 0xa0, 0x80])],
    ['a character past the last', Buffer.from([0xf5, 0x80, 0x80, 0x80])],
    ['a byte that is never used', Buffer.from([0xff])],
  ]
  test.each(encodings)('B26: %s in a text is a parse error', async (_name, bytes) => {
    const before = executed()
    const [first = '', last = ''] = DOOR_BODIES[path].split(/(?<=":")(?=hi"|tools)/)
    const body = Buffer.concat([Buffer.from(first), bytes, Buffer.from(last)])

    const answer = await send(path, body)

    expect(last).not.toBe('')
    expectParseError(path, answer)
    expect(executed()).toBe(before)
  })

  test.each([
    ['UTF-16 with its mark', (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')],
    ['UTF-16 without a mark', (text: string) => Buffer.from(text, 'utf16le')],
    ['UTF-16, the other byte first', (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le').swap16()],
    ['a mark before UTF-8', (text: string) => Buffer.from(`\ufeff${text}`)],
  ])('B26: a body in %s is a parse error', async (_name, encode) => {
    const before = executed()

    const answer = await send(path, encode(DOOR_BODIES[path]))

    expectParseError(path, answer)
    expect(executed()).toBe(before)
  })
})

async function send(path: DoorPath, body: Buffer): Promise<WireAnswer | undefined> {
  const head = Buffer.from(`${requests.front(path)}Content-Length: ${body.length}\r\n\r\n`)
  const { answers } = await talk(door.url, Buffer.concat([head, body]), { answers: 1 })
  return answers[0]
}

function expectParseError(path: DoorPath, answer: WireAnswer | undefined): void {
  expect(answer?.status, answer?.body).toBe(400)
  const { error } = JSON.parse(answer?.body ?? '') as { error: unknown } // both facets put their error there
  expect(error).toMatchObject(path === '/mcp' ? { code: -32_700 } : { type: 'invalid_request_error' })
}

describe('other protocols on the plain port', () => {
  const HELLO = Buffer.from('160301006c010000680303', 'hex')
  const rows: readonly [string, () => string | Buffer][] = [
    ['the preface of HTTP/2', () => 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['a TLS hello', () => Buffer.concat([HELLO, Buffer.alloc(97, 1)])],
    ['HTTP/0.9', () => 'GET /mcp\r\n\r\n'],
    ['HTTP/0.9 with a line feed alone', () => 'GET /mcp\n'],
    ['a version of the future', () => requests.front('/mcp', { line: 'POST /mcp HTTP/3.0' }) + 'Content-Length: 0\r\n\r\n'],
    ['a version nobody made', () => requests.front('/mcp', { line: 'POST /mcp HTTP/1.9' }) + 'Content-Length: 0\r\n\r\n'],
    [
      'another protocol with the same numbers',
      () => requests.front('/mcp', { line: 'POST /mcp HTCP/1.1' }) + 'Content-Length: 0\r\n\r\n',
    ],
    ['the banner of SSH', () => 'SSH-2.0-OpenSSH_9.6\r\n'],
    ['the line of the PROXY protocol', () => `PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\n${requests.whole('/mcp')}`],
    ['the second version of the PROXY protocol', () => Buffer.from('0d0a0d0a000d0a515549540a2111000c', 'hex')],
    ['SOCKS', () => Buffer.from('050100', 'hex')],
    ['nothing but zeros', () => Buffer.alloc(64)],
  ]
  test.each(rows)('B28: %s is refused and the connection ends', async (_name, bytes) => {
    await expectRefused(bytes(), [400, 408, 421, 426, 505])
  })

  test('B28: HTTP/1.0 is answered, and its connection is kept only when it asks for that', async () => {
    const line = `GET /v1/models HTTP/1.0\r\nHost: ${new URL(door.url).host}\r\nAuthorization: Bearer ${door.token}\r\n`

    const once = await talk(door.url, `${line}\r\n`, { withinMs: 2_000 })
    const twice = await talk(door.url, `${line}Connection: keep-alive\r\n\r\n${line}\r\n`, { withinMs: 2_000 })

    expect([once, twice].map(({ answers, closed }) => [answers.map(({ status }) => status), closed])).toEqual([
      [[200], true],
      [[200, 200], true],
    ])
  })

  test('B28: an offer to upgrade is not taken', async () => {
    const offers = [
      'Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n',
      'Connection: Upgrade\r\nUpgrade: websocket\r\n',
    ]
    for (const headers of offers) {
      const { text } = await talk(door.url, requests.whole('/mcp', { headers }), { answers: 1, withinMs: 1_000 })

      expect(text).not.toMatch(/^HTTP\/1\.1 101/)
    }
    await control()
  })
})
