import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/core/errors.ts'
import type { Json, JsonObject } from '../../src/core/json.ts'
import { identityOf } from '../support/mcp-catalog.ts'
import { createHeld, startGateway, textStep, type GatewayPlan } from '../support/mcp-gateway.ts'
import { eventsOf, openRaw, openSession, postRaw, type RawSession } from '../support/mcp-raw.ts'

const PLAN: GatewayPlan = {
  offers: {
    notes: {
      era: 'legacy',
      tools: [
        { name: 'say', inputSchema: { type: 'object' }, outputSchema: { type: 'array' } },
        { name: 'typed', inputSchema: { type: 'object' }, outputSchema: { type: 'object' } },
      ],
      resources: [{ uri: 'notes://1', name: 'one' }],
    },
  },
  catalogs: { research: { team: 'research', servers: ['notes'] } },
}
const STREAM_FIRST = { Accept: 'text/event-stream, application/json' }
const asksElicitation = {
  who: { method: 'elicitation/create', params: { message: 'Who?', requestedSchema: { type: 'object' } } },
}

/** Posts a request and reads its answer event by event. */
async function openRequest(url: string, session: RawSession, message: JsonObject, headers: Record<string, string> = {}) {
  const response = await openRaw(url, JSON.stringify(message), {
    headers: { 'Mcp-Session-Id': session.id, 'MCP-Protocol-Version': '2025-11-25', ...headers },
  })
  return { response, events: eventsOf(response) }
}

const call = (id: number, name = 'say', more: JsonObject = {}): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, ...more },
})

describe('sessions', () => {
  test.each([
    ['2025-11-25', '2025-11-25'],
    ['2025-06-18', '2025-06-18'],
    ['2025-03-26', '2025-03-26'],
    ['2024-11-05', '2025-11-25'],
    ['2099-01-01', '2025-11-25'],
  ])('a client that asks for %s gets %s and a session id of visible characters', async (asked, given) => {
    await using gateway = await startGateway(PLAN)

    const { id, initialized } = await openSession(gateway.url, { version: asked })

    expect(initialized.answer.result).toMatchObject({ protocolVersion: given, serverInfo: { name: 'tollgate' } })
    expect(id).toMatch(/^[\x21-\x7e]{64,2048}$/)
  })

  test('results carry nothing of the stateless era', async () => {
    const result = {
      resultType: 'complete',
      content: [],
      structuredContent: [1],
      kept: 1,
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'x', version: '1' } },
    }
    await using gateway = await startGateway({ ...PLAN, behaviour: () => ({ kind: 'result', result, bytes: 1 }) })
    const session = await openSession(gateway.url)

    const called = await session.request('tools/call', { name: 'say' })
    const list = await session.request('tools/list')
    const ping = await session.request('ping')

    expect(called.answer.result).toEqual({ content: [], kept: 1 })
    expect(list.answer.result).toEqual({
      tools: [
        { name: 'say', inputSchema: { type: 'object' } },
        { name: 'typed', inputSchema: { type: 'object' }, outputSchema: { type: 'object' } },
      ],
    })
    expect(ping.answer).toEqual({ jsonrpc: '2.0', id: 3, result: {} })
  })

  test('end with DELETE: 404 afterwards, also for a second DELETE', async () => {
    await using gateway = await startGateway(PLAN)
    const session = await openSession(gateway.url)

    const deleted = await session.delete()
    const used = await session.request('tools/list')
    const again = await session.delete()

    expect([deleted.status, used.status, again.status]).toEqual([204, 404, 404])
    expect(gateway.facet.stats().sessions).toBe(0)
  })

  test('a message without a session is told to initialize, one for an unknown session that there is none', async () => {
    await using gateway = await startGateway(PLAN)
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' })

    const without = await postRaw(gateway.url, body)
    const unknown = await postRaw(gateway.url, body, { headers: { 'Mcp-Session-Id': 'nobody' } })
    const get = await fetch(gateway.url, { headers: { Accept: 'text/event-stream' } })

    expect(without).toMatchObject({ status: 400, answer: { id: 1, error: { code: -32600 } } })
    expect(unknown).toMatchObject({ status: 404, answer: { error: { code: -32001 } } })
    expect(get.status).toBe(400)
  })

  test('another node with the same key serves the session, one with another key does not', async () => {
    const { createSealer, createSealKey } = await import('../../src/lib/seal.ts')
    const sealer = createSealer([createSealKey()])
    await using first = await startGateway({ ...PLAN, deps: { sealer } })
    await using second = await startGateway({ ...PLAN, deps: { sealer } })
    await using stranger = await startGateway(PLAN)
    const { id } = await openSession(first.url, { version: '2025-06-18' })
    const use = (url: string) =>
      postRaw(url, JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list' }), { headers: { 'Mcp-Session-Id': id } })

    const [served, refused] = [await use(second.url), await use(stranger.url)]

    expect(served.answer.result.tools).toHaveLength(2)
    expect(second.facet.stats().sessions).toBe(1)
    expect(refused.status).toBe(404)
  })

  test('idle sessions end; a full house puts out the one idle longest, and says 429 when none is', async () => {
    await using gateway = await startGateway({ ...PLAN, bounds: { sessionsPerPrincipal: 2, sessionIdleMs: 120_000 } })
    const [one, two] = [await openSession(gateway.url), await openSession(gateway.url)]

    const refused = await openSession(gateway.url)
    gateway.clock.monotonic += 61_000
    await two.request('ping')
    const third = await openSession(gateway.url)
    const statuses = [
      (await one.request('ping')).status,
      (await two.request('ping')).status,
      (await third.request('ping')).status,
    ]
    gateway.clock.monotonic += 120_001

    expect(refused.initialized.status).toBe(429)
    expect(Number(refused.initialized.headers.get('retry-after'))).toBeGreaterThanOrEqual(1)
    expect(statuses).toEqual([404, 200, 200])
    expect((await two.request('ping')).status).toBe(404)
  })

  test("a drained gateway takes no new sessions and finishes the old ones' calls", async () => {
    const release = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: async () => {
        reached.resolve()
        await release.promise
        return textStep('done')
      },
    })
    const session = await openSession(gateway.url)
    const stream = await session.get()
    const running = session.request('tools/call', { name: 'say' })
    await reached.promise

    await gateway.facet.drain()
    const fresh = await openSession(gateway.url)
    release.resolve()

    expect(fresh.initialized).toMatchObject({ status: 503, answer: { error: { data: { reason: 'draining' } } } })
    expect((await running).answer.result.content[0].text).toBe('done')
    const events = eventsOf(stream)
    while ((await events.next()) !== undefined) continue
  })

  test('capabilities too large for a header are cut to their names', async () => {
    await using gateway = await startGateway(PLAN)

    const session = await openSession(gateway.url, { capabilities: { sampling: { note: 'x'.repeat(10_000) } } })
    await session.request('tools/call', { name: 'say' })

    expect(session.id.length).toBeLessThan(2048)
    expect(gateway.upstreams['notes']!.asked[0]!.caller.capabilities).toEqual({ sampling: {} })
  })

  test('batches are for sessions of 2025-03-26: each message for itself, at most 20', async () => {
    await using gateway = await startGateway(PLAN)
    const old = await openSession(gateway.url, { version: '2025-03-26' })
    const newer = await openSession(gateway.url)
    const batch = (items: readonly Json[], session: RawSession, version: string) =>
      postRaw(gateway.url, JSON.stringify(items), { headers: { 'Mcp-Session-Id': session.id, 'MCP-Protocol-Version': version } })
    const items = [
      call(1),
      call(2, 'nope'),
      { jsonrpc: '2.0', method: 'notifications/cancelled', params: {} },
      { jsonrpc: '2.0', id: 3, Method: 'x' },
    ]

    const answered = await batch(items, old, '2025-03-26')

    expect(answered.status).toBe(200)
    const byId = Object.fromEntries((JSON.parse(answered.text) as { id: number }[]).map((message) => [message.id, message]))
    expect(byId).toMatchObject({ 1: { result: {} }, 2: { error: { code: -32602 } }, 3: { error: { code: -32600 } } })
    expect(new Set(gateway.entries.map(({ exchange }) => exchange)).size).toBe(2)
    expect((await batch([{ jsonrpc: '2.0', method: 'notifications/initialized' }], old, '2025-03-26')).status).toBe(202)
    expect((await batch([], old, '2025-03-26')).status).toBe(400)
    expect(
      (
        await batch(
          Array.from({ length: 21 }, (_, n) => call(n)),
          old,
          '2025-03-26',
        )
      ).status,
    ).toBe(400)
    expect((await batch(items, newer, '2025-11-25')).status).toBe(400)
  })
})

describe('answers', () => {
  test('are JSON for ordinary clients, and one event for those that name streams first', async () => {
    await using gateway = await startGateway(PLAN)
    const session = await openSession(gateway.url)

    const json = await session.request('tools/list')
    const stream = await session.request('tools/list', {}, { headers: STREAM_FIRST })

    expect(json.headers.get('content-type')).toBe('application/json')
    expect(stream.headers.get('content-type')).toBe('text/event-stream')
    expect(stream.answer.result).toEqual(json.answer.result)
    expect(stream.text).toMatch(/^id: 1\.0\nretry: 500\ndata: \n\nid: 1\.1\ndata: /)
  })

  test('errors of unknown resources have the old code', async () => {
    const error = { code: -32602, message: 'gone', data: { uri: 'notes://1' } }
    await using gateway = await startGateway({ ...PLAN, behaviour: () => ({ kind: 'error', error, bytes: 1 }) })
    const session = await openSession(gateway.url)

    const upstream = await session.request('resources/read', { uri: 'notes://1' })
    const own = await session.request('resources/read', { uri: 'notes://2' })

    expect(upstream).toMatchObject({ status: 200, answer: { error: { ...error, code: -32002 } } })
    expect(own).toMatchObject({ status: 200, answer: { error: { code: -32002, data: { uri: 'notes://2' } } } })
  })

  test('wrong arguments are a protocol error for the revisions that say so', async () => {
    const schema = { type: 'object', required: ['a'] }
    await using gateway = await startGateway({ ...PLAN, offers: { notes: { tools: [{ name: 'say', inputSchema: schema }] } } })
    const [old, newer] = [await openSession(gateway.url, { version: '2025-06-18' }), await openSession(gateway.url)]

    const [first, second] = [await old.request('tools/call', { name: 'say' }), await newer.request('tools/call', { name: 'say' })]

    expect(first.answer.error).toMatchObject({ code: -32602, message: expect.stringContaining('"a"') })
    expect(second.answer.result).toMatchObject({ isError: true })
  })

  test('log messages come at the level the session set, progress with the token of the call', async () => {
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: (_request, caller) => {
        caller.notify('notifications/message', { level: 'info', data: caller.logLevel ?? null })
        caller.notify('notifications/progress', { progress: 1 })
        return textStep('done')
      },
    })
    const session = await openSession(gateway.url)

    const silent = await session.request('tools/call', { name: 'say' })
    const set = await session.request('logging/setLevel', { level: 'debug' })
    const loud = await session.request('tools/call', { name: 'say', _meta: { progressToken: 'p' } })
    const wrong = await session.request('logging/setLevel', { level: 'loud' })

    expect(silent.messages).toHaveLength(1)
    expect(set.answer.result).toEqual({})
    expect(loud.messages.slice(0, 2).map(({ params }) => params)).toEqual([
      { level: 'info', data: 'debug' },
      { progress: 1, progressToken: 'p' },
    ])
    expect(wrong.answer.error).toMatchObject({ code: -32602 })
  })

  test('a stream that the upstream suspends ends, and the answer is there for who comes back', async () => {
    const release = Promise.withResolvers<void>()
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: async (_request, caller) => {
        ;(caller as unknown as { suspended(retryMs: number): void }).suspended(10)
        await release.promise
        return textStep('late')
      },
    })
    const session = await openSession(gateway.url)
    const standalone = await session.get()

    const posted = await openRequest(gateway.url, session, call(7), STREAM_FIRST)
    const priming = await posted.events.next()
    const end = await posted.events.next()
    release.resolve()
    const resumed = eventsOf(await session.get({ 'Last-Event-ID': priming?.id ?? '' }))

    expect(priming).toMatchObject({ data: '', retry: '500', id: expect.stringMatching(/^\d+\.0$/) })
    expect(end).toBeUndefined()
    expect(await resumed.message()).toMatchObject({ id: 7, result: { content: [{ text: 'late' }] } })
    expect(await resumed.next()).toBeUndefined()
    await standalone.body?.cancel()
  })

  test('a hang-up does not cancel: what was missed is sent again, and only that', async () => {
    const release = Promise.withResolvers<void>()
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: async (_request, caller) => {
        caller.notify('notifications/progress', { progress: 1 })
        await release.promise
        caller.notify('notifications/progress', { progress: 2 })
        return textStep('done')
      },
    })
    const session = await openSession(gateway.url)
    const { events } = await openRequest(gateway.url, session, call(5, 'say', { _meta: { progressToken: 1 } }))
    await events.next()
    const seen = await events.next()

    await events.cancel()
    await expect.poll(() => gateway.facet.stats().streams).toBe(0)
    release.resolve()
    await expect.poll(() => gateway.entries.length).toBe(1)
    const resumed = eventsOf(await session.get({ 'Last-Event-ID': seen?.id ?? '' }))

    expect(await resumed.message()).toMatchObject({ params: { progress: 2 } })
    expect(await resumed.message()).toMatchObject({ id: 5, result: {} })
    expect(await resumed.next()).toBeUndefined()
  })

  test("cancelling stops the request of this session and nobody else's", async () => {
    const signals: AbortSignal[] = []
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: async (_request, { signal }) => {
        signals.push(signal)
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        throw new Error('aborted')
      },
    })
    const [one, two] = [await openSession(gateway.url), await openSession(gateway.url)]
    const first = one.post(call(1))
    await expect.poll(() => signals.length).toBe(1)
    const second = two.post(call(1))
    await expect.poll(() => signals.length).toBe(2)

    await one.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: '1' } })
    await one.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 99 } })
    const before = signals.map(({ aborted }) => aborted)
    await two.post({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } })

    expect(before).toEqual([false, false])
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, true])
    expect(await second).toMatchObject({ status: 202, text: '' })
    gateway.facet.checkIdentities(() => true)
    expect(await first).toMatchObject({ status: 401 })
  })

  test('an id that is under way cannot be used again', async () => {
    const release = Promise.withResolvers<void>()
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: async () => {
        await release.promise
        return textStep('done')
      },
    })
    const session = await openSession(gateway.url)
    const first = session.post(call(1))
    await expect.poll(() => gateway.upstreams['notes']!.asked.length).toBe(1)

    const second = await session.post(call(1))
    release.resolve()

    expect(second.answer.error).toMatchObject({ code: -32600 })
    expect((await first).answer.result).toBeDefined()
  })
})

describe('limits', () => {
  test.each([
    ['application/json, text/event-stream', '2025-11-25'],
    ['text/event-stream, application/json', '2025-11-25'],
  ])('a refusal has its HTTP status and says when to come back (%s)', async (accept) => {
    const govern = () => Promise.reject(new GatewayError('rate_limited', 'slow down', { retryAfterSeconds: 7 }))
    await using gateway = await startGateway({ ...PLAN, deps: { govern } })
    const session = await openSession(gateway.url)

    const refused = await session.request('tools/call', { name: 'say' }, { headers: { Accept: accept } })

    expect(refused.status).toBe(429)
    expect(refused.headers.get('retry-after')).toBe('7')
    expect(refused.answer.error).toEqual({
      code: 429,
      message: 'slow down',
      data: { reason: 'rate_limited', retryAfterSeconds: 7 },
    })
  })

  test('a server that is down is named in the error', async () => {
    await using gateway = await startGateway({ ...PLAN, deps: { upstream: () => undefined } })
    const session = await openSession(gateway.url)

    const { status, answer } = await session.request('tools/call', { name: 'say' })

    expect(status).toBe(200)
    expect(answer.error).toEqual({
      code: 503,
      message: 'server "notes" is not available',
      data: { reason: 'upstream_unavailable' },
    })
  })

  test('a fault of our own says nothing but where to look, and is reported', async () => {
    const fault = new TypeError('secret')
    await using gateway = await startGateway({
      ...PLAN,
      deps: {
        sessionOf: () => {
          throw fault
        },
      },
    })
    const session = await openSession(gateway.url)

    const { answer } = await session.request('tools/call', { name: 'say' })

    expect(answer.error).toMatchObject({ code: -32603, message: 'the gateway failed to handle this request' })
    expect(gateway.events).toMatchObject([{ type: 'internal-error', error: fault }])
  })
})

describe('questions to a legacy client', () => {
  const declared = { capabilities: { elicitation: {}, sampling: {} } }

  test('a stateless upstream is asked again with the answers and its own state', async () => {
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: ({ params }) =>
        params['requestState'] === 's1'
          ? textStep(JSON.stringify(params['inputResponses']))
          : { kind: 'input', requests: asksElicitation, raw: {}, state: 's1', bytes: 1 },
    })
    const session = await openSession(gateway.url, declared)

    const { response, events } = await openRequest(gateway.url, session, call(1))
    await events.next()
    const asked = await events.message()
    const accepted = await session.post({ jsonrpc: '2.0', id: asked.id ?? '', result: { action: 'accept', content: { n: 1 } } })
    const answer = await events.message()

    expect(response.headers.get('content-type')).toBe('text/event-stream')
    expect(asked).toMatchObject({ method: 'elicitation/create', params: asksElicitation.who.params })
    expect(accepted.status).toBe(202)
    expect(answer.result.content[0].text).toBe('{"who":{"action":"accept","content":{"n":1}}}')
    expect(gateway.entries.map(({ status }) => status)).toEqual(['ok'])
  })

  test("a legacy upstream's held call goes on; a client's error closes the form", async () => {
    const held = createHeld((responses) => textStep(JSON.stringify(responses)))
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: () => ({ kind: 'input', requests: asksElicitation, held, bytes: 1 }),
    })
    const session = await openSession(gateway.url, declared)

    const { events } = await openRequest(gateway.url, session, call(1))
    await events.next()
    const asked = await events.message()
    await session.post({ jsonrpc: '2.0', id: asked.id ?? '', error: { code: -1, message: 'no' } })

    expect((await events.message()).result.content[0].text).toBe('{"who":{"action":"cancel"}}')
    expect(held.ended.map(({ how }) => how)).toEqual(['resumed'])
  })

  test('answers count only in the session that was asked, and once', async () => {
    const held = createHeld(() => textStep('done'))
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: () => ({ kind: 'input', requests: asksElicitation, held, bytes: 1 }),
    })
    const [asked, other] = [await openSession(gateway.url, declared), await openSession(gateway.url, declared)]
    const { events } = await openRequest(gateway.url, asked, call(1))
    await events.next()
    const { id = '' } = await events.message()
    const response: JsonObject = { jsonrpc: '2.0', id, result: { action: 'accept' } }

    const statuses = [
      (await other.post(response)).status,
      (await asked.post(response)).status,
      (await asked.post(response)).status,
    ]

    expect(statuses).toEqual([400, 202, 400])
    expect((await events.message()).result).toBeDefined()
    expect(held.ended).toHaveLength(1)
  })

  test('a capability that was not declared is not asked for', async () => {
    const held = createHeld(() => textStep('never'))
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: () => ({ kind: 'input', requests: asksElicitation, held, bytes: 1 }),
    })
    const session = await openSession(gateway.url)

    const { status, answer } = await session.request('tools/call', { name: 'say' })

    expect(status).toBe(200)
    expect(answer.error).toMatchObject({ code: -32021 })
    expect(held.ended).toEqual([{ how: 'cancelled' }])
  })

  test('a client that only takes JSON is asked on its standalone stream', async () => {
    const held = createHeld(() => textStep('done'))
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: () => ({ kind: 'input', requests: asksElicitation, held, bytes: 1 }),
    })
    const session = await openSession(gateway.url, declared)
    const json = { headers: { Accept: 'application/json' } }

    const refused = await session.request('tools/call', { name: 'say' }, json)
    const standalone = eventsOf(await session.get())
    await standalone.next()
    const running = session.request('tools/call', { name: 'say' }, json)
    const asked = await standalone.message()
    await session.post({ jsonrpc: '2.0', id: asked.id ?? '', result: { action: 'accept' } })

    expect(refused.answer.error?.message).toContain('no event stream open')
    expect((await running).answer.result.content[0].text).toBe('done')
    await standalone.cancel()
  })

  test('an upstream that keeps asking is stopped after ten rounds', async () => {
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: () => ({ kind: 'input', requests: {}, raw: {}, state: 's', bytes: 1 }),
    })
    const session = await openSession(gateway.url, declared)

    const { answer } = await session.request('tools/call', { name: 'say' })

    expect(answer.error).toMatchObject({ data: { reason: 'upstream_invalid' } })
    expect(gateway.upstreams['notes']!.asked).toHaveLength(11)
  })
})

describe('roots', () => {
  test("a change of roots reaches the upstreams of the caller's catalogs", async () => {
    const informed: string[] = []
    await using gateway = await startGateway(PLAN)
    gateway.upstreams['notes']!.inform = (method, _params, key) => void informed.push(`${method} ${key}`)
    const session = await openSession(gateway.url, { capabilities: { roots: { listChanged: true } } })

    const { status } = await session.post({ jsonrpc: '2.0', method: 'notifications/roots/list_changed' })

    expect(status).toBe(202)
    expect(informed).toEqual([`notifications/roots/list_changed ${identityOf('research').key}`])
  })
})

describe('the standalone stream', () => {
  test('tells changes of lists and watched resources; a second one is refused', async () => {
    await using gateway = await startGateway(PLAN)
    const session = await openSession(gateway.url)
    const events = eventsOf(await session.get())
    await events.next()

    const second = await session.get()
    const subscribed = await session.request('resources/subscribe', { uri: 'notes://1' })
    const unknown = await session.request('resources/subscribe', { uri: 'notes://2' })
    gateway.upstreams['notes']!.watched[0]!.updated({ uri: 'notes://1' })
    const updated = await events.message()
    gateway.facet.upstreamChanged({ server: 'notes', announced: new Set(['tool']) })
    const changed = await events.message()
    const unsubscribed = await session.request('resources/unsubscribe', { uri: 'notes://1' })

    expect(second.status).toBe(409)
    expect([subscribed.answer.result, unsubscribed.answer.result]).toEqual([{}, {}])
    expect(unknown.answer.error).toMatchObject({ code: -32002 })
    expect(updated).toEqual({ jsonrpc: '2.0', method: 'notifications/resources/updated', params: { uri: 'notes://1' } })
    expect(changed).toEqual({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' })
    expect(gateway.upstreams['notes']!.unwatched).toEqual(['notes://1'])
    await events.cancel()
  })

  test('can be resumed after a cut, with what was said meanwhile', async () => {
    await using gateway = await startGateway(PLAN)
    const session = await openSession(gateway.url)
    const first = eventsOf(await session.get())
    const priming = await first.next()
    await session.request('resources/subscribe', { uri: 'notes://1' })

    await first.cancel()
    await expect.poll(() => gateway.facet.stats().streams).toBe(0)
    gateway.upstreams['notes']!.watched[0]!.updated({ uri: 'notes://1' })
    const second = eventsOf(await session.get({ 'Last-Event-ID': priming?.id ?? '' }))

    expect(await second.message()).toMatchObject({ method: 'notifications/resources/updated' })
    await second.cancel()
  })

  test('ends with its session', async () => {
    const identities = { a: identityOf('research', 'a'), b: identityOf('research', 'b') }
    await using gateway = await startGateway({ ...PLAN, identities })
    const [mine, other] = [await openSession(gateway.url, { token: 'a' }), await openSession(gateway.url, { token: 'b' })]
    const [stream, kept] = [eventsOf(await mine.get()), eventsOf(await other.get())]
    await stream.next()

    gateway.facet.checkIdentities(({ principal }) => principal.subject === 'a')

    expect(await stream.next()).toBeUndefined()
    expect(gateway.facet.stats()).toMatchObject({ sessions: 1, streams: 1 })
    await kept.cancel()
  })
})
