import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { ERROR_CODES, GatewayError } from '../../../src/core/errors.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import type { EventStream, Responder } from '../../../src/core/responder.ts'
import { isJsonType, readAccept } from '../../../src/mcp/accept.ts'
import { dressResult } from '../../../src/mcp/dress.ts'
import { relayError, toWireError } from '../../../src/mcp/errors.ts'
import { createLens } from '../../../src/pipeline/words.ts'
import { createModernOutlet } from '../../../src/mcp/outlet.ts'
import { createReplayStream, readEventId } from '../../../src/mcp/replay.ts'
import { cutText, shortenResult } from '../../../src/mcp/shorten.ts'
import { createStreamCount } from '../../../src/mcp/stream-count.ts'

interface FakeStream extends EventStream {
  readonly written: string[]
  hangUp(): void
}

function createFakeStream(): FakeStream {
  const listeners: ((byCaller: boolean) => void)[] = []
  const written: string[] = []
  let closed = false
  const close = (byCaller: boolean) => {
    if (closed) return
    closed = true
    for (const listener of listeners) listener(byCaller)
  }
  return {
    written,
    get closed() {
      return closed
    },
    send: (data, { id = '' } = {}) => void (closed || written.push(`${id}|${data}`)),
    comment: (text) => void (closed || written.push(`:${text}`)),
    end: () => close(false),
    hangUp: () => close(true),
    onClose: (listener) => void (closed ? listener(false) : listeners.push(listener)),
  }
}

describe('Accept', () => {
  test.each([
    [undefined, 'json stream'],
    ['application/json, text/event-stream', 'json stream'],
    ['text/event-stream, application/json', 'json stream first'],
    ['text/event-stream', 'stream first'],
    ['application/json', 'json'],
    ['*/*', 'json stream'],
    ['text/html', ''],
    ['application/json;q=0, text/event-stream;q=0.5', 'stream first'],
    ['APPLICATION/JSON; charset=utf-8', 'json'],
  ])('%s: %s', (header, expected) => {
    const { json, stream, prefersStream } = readAccept(header)

    expect([json && 'json', stream && 'stream', prefersStream && 'first'].filter(Boolean).join(' ')).toBe(expected)
  })

  test('content types are compared as media types', () => {
    expect(['application/json', 'Application/JSON; charset=utf-8'].map(isJsonType)).toEqual([true, true])
    expect([undefined, '', 'text/json', 'application/jsonx', 'application/json-seq'].some(isJsonType)).toBe(false)
  })
})

describe('errors', () => {
  test('the table is pinned: code, and status before and in an answer to each era', () => {
    const rows = ERROR_CODES.map((code) => {
      const of = (era: 'modern' | 'legacy', stage: 'envelope' | 'answer') =>
        toWireError(new GatewayError(code, 'x'), era, stage, 'e')
      const statuses = [of('modern', 'envelope'), of('modern', 'answer'), of('legacy', 'answer')].map(({ status }) => status)
      return [code, of('modern', 'answer').error.code, ...statuses].join(' ')
    })

    expect(rows).toEqual([
      'abandoned 499 499 499 499',
      'approval_required 403 200 200 200',
      'budget_exceeded 429 429 429 429',
      'concurrency_limited 429 429 429 429',
      'draining 503 503 503 503',
      'dropped_parameters 400 400 200 200',
      'forbidden 403 403 403 403',
      'guard_blocked 403 200 200 200',
      'header_mismatch -32020 400 400 400',
      'insufficient_scope 403 403 403 403',
      'internal -32603 500 200 200',
      'invalid_params -32602 400 200 200',
      'invalid_request -32600 400 400 400',
      'ledger_unavailable 503 503 503 503',
      'method_not_allowed -32601 405 405 405',
      'method_not_found -32601 404 404 200',
      'misdirected 421 421 421 421',
      'missing_capability -32021 400 400 200',
      'model_disabled 503 503 200 200',
      'not_acceptable -32600 406 406 406',
      'not_found -32602 404 200 200',
      'origin_forbidden 403 403 403 403',
      'overloaded 503 503 503 503',
      'parse_error -32700 400 400 400',
      'payload_too_large -32600 413 413 413',
      'rate_limited 429 429 429 429',
      'request_timeout 408 408 408 408',
      'session_limit 429 429 429 429',
      'session_not_found -32001 404 404 404',
      'unauthenticated 401 401 401 401',
      'unpriced 403 403 200 200',
      'unsupported_media_type -32600 415 415 415',
      'unsupported_version -32022 400 400 400',
      'upstream_auth 502 200 200 200',
      'upstream_cut 502 502 200 200',
      'upstream_invalid 502 200 200 200',
      'upstream_limited 429 429 429 429',
      'upstream_refused 400 400 200 200',
      'upstream_timeout 504 200 200 200',
      'upstream_too_large 502 200 200 200',
      'upstream_unavailable 503 200 200 200',
    ])
  })

  test('a limit says when to come back, in the header and in the data', () => {
    const wire = toWireError(new GatewayError('rate_limited', 'slow down', { retryAfterSeconds: 7 }), 'modern', 'answer', 'e')

    expect(wire.headers).toEqual({ 'retry-after': '7' })
    expect(wire.error.data).toEqual({ reason: 'rate_limited', retryAfterSeconds: 7 })
  })

  test('what was thrown by accident says nothing but where to look', () => {
    const wire = toWireError(new TypeError('secret path /x'), 'modern', 'answer', 'exchange-1')

    expect(wire.error).toEqual({
      code: -32603,
      message: 'the gateway failed to handle this request',
      data: { reason: 'internal', exchange: 'exchange-1' },
    })
  })

  test.each([
    ['modern', -32002, { uri: 'u' }, -32602, 200],
    ['modern', -32601, undefined, -32601, 404],
    ['modern', -32021, { requiredCapabilities: {} }, -32021, 400],
    ['legacy', -32602, { uri: 'u' }, -32002, 200],
    ['legacy', -32602, undefined, -32602, 200],
    ['legacy', -32601, undefined, -32601, 200],
    ['legacy', -32042, { elicitations: [] }, -32042, 200],
  ] as const)('to a %s caller %i becomes the code of its era', (...[era, code, data, expected, status]) => {
    const wire = relayError({ code, message: 'm', ...(data ? { data } : {}) }, era, 'u')

    expect([wire.error.code, wire.status]).toEqual([expected, status])
  })
})

describe('dress', () => {
  const occasion = { method: 'tools/call', serverInfo: { name: 'g', version: '1' } }

  test('a result can go through both eras and keep everything else', () => {
    const result: JsonObject = { content: [], isError: false, 'x-any': { deep: [1] }, _meta: { 'a/b': 1 } }

    const modern = dressResult(result, { ...occasion, era: 'modern' })
    const back = dressResult(modern, { ...occasion, era: 'legacy' })

    expect(modern['resultType']).toBe('complete')
    expect(back).toEqual(result)
  })

  test("cache hints of a read: the upstream's time when it is one, never shared", () => {
    const read = (ttlMs: JsonObject) =>
      dressResult({ contents: [], ...ttlMs }, { ...occasion, method: 'resources/read', era: 'modern' })

    expect(read({ ttlMs: 5, cacheScope: 'public' })).toMatchObject({ ttlMs: 5, cacheScope: 'private' })
    for (const ttlMs of [-1, 1.5, 'x', null]) expect(read({ ttlMs })).toMatchObject({ ttlMs: 0 })
    expect(
      dressResult({ contents: [], ttlMs: 5, cacheScope: 'x' }, { ...occasion, method: 'resources/read', era: 'legacy' }),
    ).toEqual({ contents: [] })
  })
})

describe('lens', () => {
  test('finds the words and nothing else, and replaces them in place', () => {
    const result: JsonObject = {
      content: [
        { type: 'text', text: 'one' },
        { type: 'image', data: 'AAAA', mimeType: 'image/png' },
        { type: 'resource', resource: { uri: 'u:1', mimeType: 'text/plain', text: 'two' } },
      ],
      structuredContent: { type: 'three', n: 4, list: ['five'], mimeType: 'x', data: 'six' },
    }
    const lens = createLens(result)

    const before = lens.parts.map(({ path, text }) => `${path}=${text}`)
    lens.replace('content[0].text', 'ONE')
    lens.replace('structuredContent.list[0]', 'FIVE')
    lens.replace('no.such', 'x')

    expect(before).toEqual([
      'content[0].text=one',
      'content[2].resource.uri=u:1',
      'content[2].resource.text=two',
      'structuredContent.type=three',
      'structuredContent.list[0]=five',
      'structuredContent.mimeType=x',
      'structuredContent.data=six',
    ])
    expect(result).toMatchObject({ content: [{ text: 'ONE' }, {}, {}], structuredContent: { list: ['FIVE'] } })
    expect(lens.parts[0]?.text).toBe('ONE')
  })

  test('a member named __proto__ is words like any other', () => {
    const root = JSON.parse('{"arguments":{"__proto__":{"a":"x"}}}') as JsonObject

    const lens = createLens(root, ['arguments'])
    lens.replace('arguments.__proto__.a', 'y')

    expect(JSON.stringify(root)).toBe('{"arguments":{"__proto__":{"a":"y"}}}')
  })
})

describe('shortened results', () => {
  test('any text cut to any length is a valid beginning of it', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.nat(40), (text, maxBytes) => {
        const whole = Buffer.from(text).toString()
        const cut = cutText(whole, maxBytes)
        expect(whole.startsWith(cut)).toBe(true)
        expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(
          Math.max(maxBytes, Buffer.byteLength(whole) <= maxBytes ? maxBytes : 0),
        )
        expect(Buffer.from(cut).toString()).toBe(cut)
      }),
    )
  })

  test('texts are cut in order, later ones go, structured content goes', () => {
    const result = {
      content: ['a', 'b', 'c'].map((letter) => ({ type: 'text', text: letter.repeat(30) })),
      structuredContent: { a: 1 },
      kept: 1,
    }

    const short = shortenResult(result, 10)

    expect(short).toMatchObject({ kept: 1, _meta: { 'dev.tollgate/shortened': { maxTokens: 10 } } })
    expect(short['content']).toEqual([
      { type: 'text', text: 'a'.repeat(30) },
      { type: 'text', text: 'b'.repeat(10) },
      { type: 'text', text: expect.stringContaining('shortened') },
    ])
    expect(short).not.toHaveProperty('structuredContent')
    expect(shortenResult(result, 1000)).toBe(result)
  })
})

describe('a late answer', () => {
  test('starts a stream with a comment, so that nobody thinks the call is dead', () => {
    vi.useFakeTimers()
    const stream = createFakeStream()
    const sent: unknown[] = []
    const responder: Responder = {
      send: (status) => void sent.push(status),
      stream: () => stream,
      bytes: () => {
        throw new Error('no bytes here')
      },
      started: false,
      hungUp: false,
      onHangUp: () => undefined,
    }
    const options = { accept: readAccept(undefined), streams: createStreamCount(), lateMs: 5_000 }
    const outlet = createModernOutlet(responder, options)

    outlet.expectDelay()
    vi.advanceTimersByTime(4_999)
    const early = [...stream.written]
    vi.advanceTimersByTime(1)
    outlet.answer(200, {}, '{}')
    outlet.answer(200, {}, 'twice')
    vi.useRealTimers()

    expect(early).toEqual([])
    expect(stream.written).toEqual([':ka', '|{}'])
    expect(stream.closed).toBe(true)
    expect(sent).toEqual([])
    expect(options.streams.size).toBe(0)
  })
})

describe('streams that survive their connection', () => {
  const make = (maxBytes = 1_000) => {
    const delivered = vi.fn<() => void>()
    return {
      delivered,
      stream: createReplayStream({ name: '3', maxBytes, monotonic: () => 0, delivered, priming: { retryMs: 5 } }),
    }
  }

  test('a cut connection gets what it missed and is done with the end', () => {
    const { stream, delivered } = make()
    const [first, second] = [createFakeStream(), createFakeStream()]

    stream.attach(first)
    stream.send('a')
    first.hangUp()
    stream.send('b')
    stream.finish()
    const undelivered = delivered.mock.calls.length
    stream.attach(second, 1)

    expect(first.written).toEqual(['3.0|', '3.1|a'])
    expect(undelivered).toBe(0)
    expect(second.written).toEqual(['3.2|b'])
    expect(second.closed).toBe(true)
    expect(delivered).toHaveBeenCalledOnce()
  })

  test('only the latest events are kept, within the bound', () => {
    const { stream } = make(10)
    const late = createFakeStream()

    for (const data of ['12345', '67890', 'abcde']) stream.send(data)
    stream.attach(late, 0)

    expect(late.written).toEqual(['3.0|', '3.2|67890', '3.3|abcde'])
  })

  test('a connection that is dead when it comes does not count as delivery', () => {
    const { stream, delivered } = make()
    const dead = createFakeStream()
    dead.hangUp()
    stream.send('a')
    stream.finish()

    stream.attach(dead, 0)

    expect(delivered).not.toHaveBeenCalled()
    expect(stream.attached).toBe(false)
  })

  test.each(['', '1', '1.', '.1', 'a.1', '1.1.1', ' 1.1', '99999999999999999.1'])('"%s" is no event id', (id) => {
    expect(readEventId(id)).toBeUndefined()
  })
})
