import { once } from 'node:events'
import { createServer as createTcpServer } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/core/json.ts'
import type { Caller, UpstreamStep } from '../../src/mcp/upstream/contract.ts'
import {
  answer,
  legacy,
  modern,
  refuse,
  startFakeUpstream,
  stream,
  tool,
  type Behaviour,
  type FakeUpstream,
} from '../support/fake-upstream.ts'
import { callerWith, connectTo, type Overrides, type TestUpstream } from '../support/upstream.ts'

// Group E of the catalogue: what a hostile or broken upstream can do. Row ids are in the names.
const open: AsyncDisposable[] = []
afterEach(async () => {
  for (const resource of open.splice(0).reverse()) await resource[Symbol.asyncDispose]()
})

async function serve(behaviour: Behaviour, overrides: Overrides = {}): Promise<{ fake: FakeUpstream; connected: TestUpstream }> {
  const fake = await startFakeUpstream(behaviour)
  const connected = connectTo(fake.url, overrides)
  open.push(fake, connected)
  await connected.upstream.refresh()
  return { fake, connected }
}

const tools = () => [tool('act')]
const call = ({ upstream }: TestUpstream, caller: Caller = callerWith(), args: JsonObject = {}): Promise<UpstreamStep> =>
  upstream.call({ method: 'tools/call', params: { name: 'act', arguments: args } }, caller)
const done: JsonObject = { resultType: 'complete', content: [{ type: 'text', text: 'done' }] }
const short = { timeouts: { connectMs: 300, firstByteMs: 200, idleMs: 200, totalMs: 600, listMs: 2_000 } }

/** Raw bytes instead of a correct answer to tools/call. */
const raw = (text: string): Behaviour => modern(tools, (_request, response) => void response.socket?.end(text))
const body = (contentType: string, text: string, headers: Record<string, string> = {}): Behaviour =>
  modern(tools, (_request, response) => void response.writeHead(200, { 'content-type': contentType, ...headers }).end(text))
const status = (code: number, headers: Record<string, string> = {}): Behaviour =>
  modern(tools, (_request, response) => void response.writeHead(code, headers).end('a page'))
const events = (write: (send: (message: JsonObject, fields?: string) => void, id: unknown) => void): Behaviour =>
  modern(tools, (request, response) => write(stream(response), request.body['id']))

describe('what an upstream sends wrongly ends as the right error', () => {
  const id = 3 // discover, tools/list, then the call: ids of one connection count up, so this is never the call's own

  test.each<[string, Behaviour, string]>([
    ['E03 HTML', body('text/html', '<html>'), 'upstream_invalid'],
    ['E03 an empty body', body('application/json', ''), 'upstream_invalid'],
    ['E03 truncated JSON', body('application/json', '{"jsonrpc":"2.0","id":1,"result":{'), 'upstream_invalid'],
    ['E03 a JSON array', body('application/json', '[{"jsonrpc":"2.0","id":1,"result":{}}]'), 'upstream_invalid'],
    ['E03 a wrong id', body('application/json', `{"jsonrpc":"2.0","id":${id + 1000},"result":{}}`), 'upstream_invalid'],
    ['E03 an id of another type', body('application/json', '{"jsonrpc":"2.0","id":"2","result":{}}'), 'upstream_invalid'],
    [
      'E03 result and error',
      modern(tools, ({ body: { id: own } }, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(JSON.stringify({ jsonrpc: '2.0', id: own, result: {}, error: { code: 1, message: 'x' } }))
      }),
      'upstream_invalid',
    ],
    [
      'E03 a media type that only begins right',
      modern(tools, ({ body: { id: own } }, response) => {
        response
          .writeHead(200, { 'content-type': 'application/json-seq' })
          .end(JSON.stringify({ jsonrpc: '2.0', id: own, result: done }))
      }),
      'upstream_invalid',
    ],
    [
      'E03 bytes that are no UTF-8',
      modern(tools, ({ body: { id: own } }, response) => {
        const text = Buffer.from(JSON.stringify({ jsonrpc: '2.0', id: own, result: { content: 'x' } }))
        text[text.indexOf('x"')] = 0xff
        response.writeHead(200, { 'content-type': 'application/json' }).end(text)
      }),
      'upstream_invalid',
    ],
    [
      'E03 an event that is no message',
      modern(tools, (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: hello\n\n')
      }),
      'upstream_invalid',
    ],
    [
      'E03 the answer to another call in a stream',
      events((send) => send({ jsonrpc: '2.0', id: 9_999, result: done })),
      'upstream_invalid',
    ],
    [
      'E03 a stream without an answer',
      modern(tools, (_request, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).end()),
      'upstream_invalid',
    ],
    [
      'E04 a Content-Length that is too long',
      raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 999\r\n\r\n{}'),
      'upstream_invalid',
    ],
    [
      'E04 a Content-Length that is too short',
      raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 1\r\n\r\n{}{}'),
      'upstream_invalid',
    ],
    [
      'E04 bad chunking',
      raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n'),
      'upstream_invalid',
    ],
    ['E04 no HTTP at all', raw('SSH-2.0-OpenSSH_9.6\r\n'), 'upstream_invalid'],
    [
      'E05 a result over the cap',
      modern(tools, (request, response) => answer(response, request, { content: 'x'.repeat(70_000) })),
      'upstream_too_large',
    ],
    [
      'E05 an event over the cap',
      events((send, own) => send({ jsonrpc: '2.0', id: own as number, result: { content: 'x'.repeat(70_000) } })),
      'upstream_too_large',
    ],
    [
      'E05 tiny events without end',
      events((send) => {
        for (let count = 0; count < 2_000; count += 1)
          send({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: count } })
      }),
      'upstream_too_large',
    ],
    [
      'E06 nesting without end',
      modern(tools, ({ body: { id: own } }, response) => {
        response.writeHead(200, { 'content-type': 'application/json' })
        response.end(`{"jsonrpc":"2.0","id":${JSON.stringify(own)},"result":{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}}`)
      }),
      'upstream_invalid',
    ],
    ['E18 an encoding that was not accepted', body('application/json', 'x', { 'content-encoding': 'gzip' }), 'upstream_invalid'],
    ['E19 301', status(301, { location: 'http://127.0.0.1:1/' }), 'upstream_invalid'],
    ['E19 302', status(302, { location: '/other' }), 'upstream_invalid'],
    ['E19 307', status(307, { location: '/other' }), 'upstream_invalid'],
    ['E19 308', status(308, { location: 'http://169.254.169.254/' }), 'upstream_invalid'],
    ['E20 401', status(401), 'upstream_auth'],
    ['E20 403', status(403), 'upstream_auth'],
    ['E20 500', status(500), 'upstream_unavailable'],
    ['E20 503', status(503), 'upstream_unavailable'],
    ['a notification taken instead of an answer', status(202), 'upstream_invalid'],
  ])('%s', async (_name, behaviour, code) => {
    const { connected } = await serve(behaviour, { bounds: { resultBytes: 65_536, eventBytes: 65_536 } })

    const failure = await call(connected).catch((error: unknown) => error)

    expect(failure).toMatchObject({ name: 'GatewayError', code })
    expect(String(failure)).toContain('"fake"')
    expect(String(failure)).not.toMatch(/hello|a page|<html>/)
  })

  test('E20 Retry-After is passed on, within bounds', async () => {
    for (const [given, seconds] of [
      ['7', 7],
      ['999999', 60],
      ['soon', 1],
    ] as const) {
      const { connected } = await serve(status(429, { 'retry-after': given }))

      await expect(call(connected)).rejects.toMatchObject({ code: 'upstream_unavailable', retryAfterSeconds: seconds })
    }
  })

  test.each([404, 400, 500])('a JSON-RPC error with HTTP %i is the answer', async (code) => {
    const { connected } = await serve(
      modern(tools, (request, response) => refuse(response, request, code, { code: -32_601, message: 'no' })),
    )

    expect(await call(connected)).toMatchObject({ kind: 'error', error: { code: -32_601, message: 'no' } })
  })

  test('E16 what comes after the answer is ignored', async () => {
    const { connected } = await serve(
      events((send, own) => {
        send({ jsonrpc: '2.0', id: own as number, result: done })
        send({ jsonrpc: '2.0', id: own as number, result: { content: 'twice' } })
        send({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'error', data: 'late' } })
      }),
    )
    const caller = callerWith({ logLevel: 'debug' })

    expect(await call(connected, caller)).toMatchObject({ kind: 'result', result: done })
    expect(caller.heard).toEqual([])
  })

  test('E21 progress with a token that is not the call’s own reaches nobody', async () => {
    const { connected } = await serve(
      events((send, own) => {
        for (const progressToken of ['x', 1, 99_999])
          send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken, progress: 1 } })
        send({ jsonrpc: '2.0', id: own as number, result: done })
      }),
    )
    const caller = callerWith({ progress: true })

    await call(connected, caller)

    expect(caller.heard).toEqual([])
  })

  test('unknown fields and numbers a double cannot hold survive', async () => {
    const text =
      '{"content":[{"type":"new","x":12345678901234567890}],"_meta":{"a/b":1.0000000000000000001},"later":{"__proto__":1}}'
    const { connected } = await serve(
      modern(tools, ({ body: { id: own } }, response) => {
        response
          .writeHead(200, { 'content-type': 'application/json; charset=utf-8' })
          .end(`{"jsonrpc":"2.0","id":${JSON.stringify(own)},"result":${text}}`)
      }),
    )

    const step = await call(connected)

    expect(step.kind === 'result' && JSON.stringify(step.result)).toBe(text)
  })

  test('E30 an answer cut into single bytes is whole', async () => {
    const { connected } = await serve(
      modern(tools, async ({ body: { id: own } }, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' })
        for (const byte of Buffer.from(
          `: é\r\ndata: ${JSON.stringify({ jsonrpc: '2.0', id: own as number, result: { ...done, é: '😀' } })}\r\n\r\n`,
        )) {
          if (!response.write(Uint8Array.of(byte))) await once(response, 'drain')
          await new Promise(setImmediate)
        }
      }),
    )

    expect(await call(connected)).toMatchObject({ kind: 'result', result: { é: '😀' } })
  })
})

describe('time', () => {
  const keepTalking = (everyMs: number): Behaviour =>
    events((send) => {
      const timer = setInterval(
        () => send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'x', progress: 1 } }),
        everyMs,
      )
      timer.unref()
    })

  test.each<[string, Behaviour, string]>([
    ['E01 an upstream that never answers', modern(tools, () => undefined), 'did not begin to answer'],
    [
      'E01 silence after the head',
      modern(tools, (_request, response) => response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders()),
      'went silent',
    ],
    ['E01 progress forever', keepTalking(20), 'did not finish'],
  ])('%s ends at its deadline', async (_name, behaviour, words) => {
    const { connected } = await serve(behaviour, short)

    await expect(call(connected)).rejects.toMatchObject({ code: 'upstream_timeout', message: expect.stringContaining(words) })
  })

  test('E02 a port where nobody listens is down at once and the call says so', async () => {
    const fake = await startFakeUpstream(modern(tools, () => undefined))
    await fake[Symbol.asyncDispose]()
    const connected = connectTo(fake.url)
    open.push(connected)
    await connected.upstream.refresh()

    expect(connected.upstream.status()).toMatchObject({ state: 'down' })
    await expect(call(connected)).rejects.toMatchObject({ code: 'upstream_unavailable' })
  })

  test('E02 a connection that is reset is not tried again', async () => {
    let connections = 0
    const reset = createTcpServer((socket) => {
      connections += 1
      socket.on('error', () => undefined)
      socket.once('data', () => socket.resetAndDestroy())
    })
    reset.listen(0, '127.0.0.1')
    await once(reset, 'listening')
    const { port } = reset.address() as { port: number } // a TCP server has an address object
    const connected = connectTo(`http://127.0.0.1:${port}/mcp`, { era: 'modern' })
    open.push(connected, { [Symbol.asyncDispose]: () => new Promise((resolve) => void reset.close(() => resolve())) })

    await expect(call(connected)).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(connections).toBe(1)
  })

  test('a call that is given up closes its stream at the upstream', async () => {
    const closed = Promise.withResolvers<void>()
    const { fake, connected } = await serve(modern(tools, (_request, response) => void response.on('close', closed.resolve)))
    const controller = new AbortController()

    const pending = call(connected, callerWith({ signal: controller.signal }))
    await fake.seen(({ body: { method } }) => method === 'tools/call')
    controller.abort()

    await expect(pending).rejects.toMatchObject({ code: 'abandoned' })
    await closed.promise
  })

  test('a deadline of the catalog wins over the server’s own', async () => {
    const { connected } = await serve(modern(tools, () => undefined))

    await expect(call(connected, callerWith({ timeoutMs: 100 }))).rejects.toMatchObject({ code: 'upstream_timeout' })
    expect(connected.upstream.status().circuit).toBe('closed')
  })
})

test.each<[string, (call: Behaviour) => Behaviour]>([
  ['modern', (behaviour) => modern(tools, behaviour)],
  ['legacy', (behaviour) => legacy(tools, behaviour)],
])('closing ends calls under way with an error, %s', async (_era, behaviourWith) => {
  const { fake, connected } = await serve(behaviourWith(() => undefined))
  const pending = call(connected)
  await fake.seen(({ body: { method } }) => method === 'tools/call')

  const [ending] = await Promise.allSettled([pending, connected.upstream.close(50)])

  expect(ending).toMatchObject({ status: 'rejected', reason: { code: 'upstream_unavailable' } })
})

describe('load', () => {
  test('calls over the places wait in line, calls over the queue are refused, and a place given up is free', async () => {
    const waiting: (() => void)[] = []
    const { fake, connected } = await serve(
      modern(tools, (request, response) => void waiting.push(() => answer(response, request, done))),
      { concurrency: { max: 1, queue: 1 } },
    )
    const controller = new AbortController()

    const first = call(connected)
    await fake.seen(({ body: { method } }) => method === 'tools/call')
    const second = call(connected, callerWith({ signal: controller.signal }))
    await expect(call(connected)).rejects.toMatchObject({ code: 'overloaded', retryAfterSeconds: 1 })
    controller.abort()
    await expect(second).rejects.toMatchObject({ code: 'abandoned' })
    const third = callerWith()
    const last = call(connected, third)
    waiting.shift()?.()
    await first
    await fake.seen(() => fake.called('tools/call').length === 2)
    waiting.shift()?.()

    expect(await last).toMatchObject({ kind: 'result' })
    expect(third.timings.queueMs).toBeGreaterThan(0)
    expect(fake.called('tools/call')).toHaveLength(2)
  })

  test('the circuit opens after failures in a row and closes again by one probe', async () => {
    let now = 0
    const fake = await startFakeUpstream(modern(tools, (_request, response) => void response.writeHead(500).end()))
    const config = { breaker: { failures: 2, minOpenMs: 10_000, maxOpenMs: 10_000 } }
    const connected = connectTo(fake.url, config, { monotonic: () => now + performance.now() })
    open.push(fake, connected)
    await connected.upstream.refresh()

    for (let count = 0; count < 2; count += 1)
      await expect(call(connected)).rejects.toMatchObject({ code: 'upstream_unavailable' })
    const asked = fake.called('tools/call').length
    await expect(call(connected)).rejects.toMatchObject({ code: 'upstream_unavailable', retryAfterSeconds: expect.any(Number) })
    expect(connected.upstream.status().circuit).toBe('open')
    expect(fake.called('tools/call')).toHaveLength(asked)

    fake.become(modern(tools, (request, response) => answer(response, request, done)))
    now += 10_000
    expect(await call(connected)).toMatchObject({ kind: 'result' })
    expect(connected.upstream.status().circuit).toBe('closed')
  })

  test('errors that are the caller’s own do not open the circuit', async () => {
    const { connected } = await serve(
      modern(tools, (request, response) => refuse(response, request, 400, { code: -32_602, message: 'no' })),
      { breaker: { failures: 1 } },
    )

    for (let count = 0; count < 3; count += 1) await call(connected)

    expect(connected.upstream.status().circuit).toBe('closed')
  })

  test('one broken upstream changes nothing for another', async () => {
    const { connected: broken } = await serve(
      modern(tools, () => undefined),
      { ...short, concurrency: { max: 2, queue: 0 } },
    )
    const { connected: healthy } = await serve(modern(tools, (request, response) => answer(response, request, done)))

    const stuck = Promise.allSettled([call(broken), call(broken), call(broken)])
    const begun = performance.now()
    for (let count = 0; count < 20; count += 1) expect(await call(healthy)).toMatchObject({ kind: 'result' })
    expect(performance.now() - begun).toBeLessThan(1_000)

    expect((await stuck).every(({ status: ending }) => ending === 'rejected')).toBe(true)
    expect(healthy.upstream.status()).toMatchObject({ state: 'ready', circuit: 'closed' })
  })
})

describe('sessions of a legacy upstream', () => {
  test('E20 a session that ended is opened again once, and the call is made once', async () => {
    const behaviour = legacy(tools, (request, response) => answer(response, request, done))
    const { fake, connected } = await serve(behaviour)
    await call(connected)

    behaviour.sessions.clear()

    expect(await call(connected)).toMatchObject({ kind: 'result' })
    expect(fake.called('initialize')).toHaveLength(2)
    expect(fake.called('tools/call').map(({ headers }) => headers['mcp-session-id'])).toEqual([
      'session-1',
      'session-1',
      'session-2',
    ])
  })

  test('E20 an upstream that forgets every session is tried twice and no more', async () => {
    const behaviour = legacy(tools, (request, response) => answer(response, request, done))
    const { fake, connected } = await serve(behaviour)
    fake.become((request, response) => {
      behaviour.sessions.clear()
      if (request.body['method'] === 'initialize' || request.body['method'] === 'notifications/initialized')
        return behaviour(request, response)
      return refuse(response, request, 404, { code: -32_001, message: 'unknown session' })
    })

    await expect(call(connected)).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(fake.called('tools/call')).toHaveLength(2)
  })

  test('a session is ended with DELETE', async () => {
    const { fake, connected } = await serve(legacy(tools, (request, response) => answer(response, request, done)))

    await connected.upstream.close(0)

    expect(fake.requests.at(-1)).toMatchObject({ method: 'DELETE' })
  })

  test('a stream that breaks before the answer is resumed by GET with the last event id', async () => {
    const { fake, connected } = await serve(
      legacy(tools, (request, response) => {
        const send = stream(response)
        if (request.method === 'POST') {
          send({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'one' } }, 'id: e1\nretry: 10\n')
          return void setImmediate(() => response.destroy())
        }
        const own = fake.called('tools/call').at(-1)?.body['id'] as number // the call under test posted one
        send({ jsonrpc: '2.0', id: own, result: done }, 'id: e2\n')
      }),
    )

    expect(await call(connected)).toMatchObject({ kind: 'result' })
    expect(fake.requests.at(-1)?.headers['last-event-id']).toBe('e1')
    expect(fake.called('tools/call')).toHaveLength(1)
  })

  test('callers that answer questions have sessions of their own, others share one', async () => {
    const { fake, connected } = await serve(legacy(tools, (request, response) => answer(response, request, done)))
    const capabilities = { elicitation: {} }

    for (const key of ['alice', 'bob', 'alice']) await call(connected, callerWith({ key, capabilities }))
    for (const key of ['carol', 'dave']) await call(connected, callerWith({ key }))

    const sessions = fake.called('tools/call').map(({ headers }) => headers['mcp-session-id'])
    expect(new Set(sessions.slice(0, 3)).size).toBe(2)
    expect(sessions[0]).toBe(sessions[2])
    expect(new Set(sessions.slice(3)).size).toBe(1)
    expect(sessions).not.toContain(undefined)
    expect(fake.called('initialize').map(({ body: { params } }) => (params as JsonObject)['capabilities'])).toEqual([
      {},
      capabilities,
      capabilities,
    ])
  })

  test('E14 E15 a question for a caller that cannot answer is refused to the upstream and shown to nobody', async () => {
    const { fake, connected } = await serve(
      legacy(tools, async (request, response) => {
        const send = stream(response)
        send({ jsonrpc: '2.0', id: 'q1', method: 'elicitation/create', params: { message: 'Password?' } })
        await fake.seen(({ body: { id: answered } }) => answered === 'q1')
        send({ jsonrpc: '2.0', id: request.body['id'], result: done })
        response.end()
      }),
    )

    expect(await call(connected)).toMatchObject({ kind: 'result' })
    expect(fake.requests.find(({ body: { id: answered } }) => answered === 'q1')?.body['error']).toMatchObject({ code: -32_603 })
  })

  test('a ping is answered, whatever stream it comes on', async () => {
    const { fake } = await serve((request, response) => {
      if (request.body['method'] !== 'initialize')
        return void response.writeHead(request.body['id'] === undefined ? 202 : 405).end()
      const send = stream(response)
      send({ jsonrpc: '2.0', id: 'p1', method: 'ping' })
      send({ jsonrpc: '2.0', id: request.body['id'] ?? 0, result: { protocolVersion: '2025-11-25', capabilities: {} } })
      response.end()
    })

    const answered = await fake.seen(({ body: { id } }) => id === 'p1')

    expect(answered.body).toEqual({ jsonrpc: '2.0', id: 'p1', result: {} })
  })

  test('a held call that nobody answers is cancelled at the upstream and frees its place', async () => {
    const { fake, connected } = await serve(
      legacy(tools, (_request, response) => {
        stream(response)({ jsonrpc: '2.0', id: 'q1', method: 'elicitation/create', params: { message: 'Who?' } })
      }),
      { concurrency: { max: 1, queue: 0 } },
    )
    const caller = callerWith({ capabilities: { elicitation: {} } })

    const [first, second] = [await call(connected, caller), await call(connected, caller)]
    for (const step of [first, second]) if (step.kind === 'input') step.held?.cancel('nobody answered')

    expect([first.kind, second.kind]).toEqual(['input', 'input'])
    const cancelled = await fake.seen(({ body: { method } }) => method === 'notifications/cancelled')
    expect(cancelled.body['params']).toMatchObject({ reason: 'nobody answered' })
  })
})

test('E17 an answer that nobody asked for closes the connection and the next call works', async () => {
  let closed = Promise.withResolvers<void>()
  const { fake, connected } = await serve(
    modern(tools, (request, response) => {
      const { socket } = response
      socket?.once('close', closed.resolve)
      answer(response, request, done)
      setTimeout(() => socket?.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'), 20)
    }),
  )

  for (let count = 0; count < 3; count += 1) {
    expect(await call(connected)).toMatchObject({ kind: 'result' })
    await closed.promise
    closed = Promise.withResolvers()
  }
  expect(fake.called('tools/call')).toHaveLength(3)
})
