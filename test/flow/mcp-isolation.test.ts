// Group D of the security catalogue against the facet: callers, sessions and states never mix. The row's id is in each name.
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/core/json.ts'
import type { Identity } from '../../src/core/principal.ts'
import { createSealer, createSealKey } from '../../src/lib/seal.ts'
import { identityOf, snapshotOf } from '../support/mcp-catalog.ts'
import { createHeld, startGateway, textStep, type GatewayPlan, type TestGateway } from '../support/mcp-gateway.ts'
import {
  eventsOf,
  modern,
  modernHeaders,
  modernMessage,
  openRaw,
  openSession,
  postRaw,
  type RawSession,
} from '../support/mcp-raw.ts'

/** Rows that this suite does not run, and where or why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  D03: 'credentials per caller are chosen by the connector; the facet hands it the key of the caller, which D01 checks',
  D07: 'the cache of verified tokens belongs to identity',
  D11: 'the tasks extension is not offered, so no task id is ever handed out',
  D13: 'no default identity exists: McpRequest cannot be made without one',
  D14: 'headers of upstream requests are built by the connector: see upstream-isolation.test.ts',
  D15: 'headers of upstream requests are built by the connector',
  D16: 'upstream challenges are read by the connector: see upstream-isolation.test.ts',
  D22: 'upstream sessions belong to the connector',
  D26: 'the LLM facet does not exist yet',
}

const tool = (name: string): JsonObject => ({ name, inputSchema: { type: 'object' } })
const PLAN: GatewayPlan = {
  offers: {
    shared: { tools: [tool('whoami')], resources: [{ uri: 'shared://1', name: 'one' }] },
    secret: { tools: [tool('secret')], resources: [{ uri: 'secret://1', name: 'one' }], prompts: [{ name: 'secret' }] },
  },
  catalogs: {
    research: { team: 'research', servers: ['shared'] },
    operations: { team: 'operations', servers: ['shared', 'secret'] },
  },
  identities: {
    ann: identityOf('research', 'ann'),
    ben: identityOf('research', 'ben'),
    otto: identityOf('operations', 'otto'),
  },
  behaviour: (_request, caller) => textStep(caller.key),
}
const ask = { who: { method: 'elicitation/create', params: { message: '?', requestedSchema: { type: 'object' } } } }
const post = (gateway: TestGateway, session: RawSession, token: string, message: JsonObject) =>
  postRaw(gateway.url, JSON.stringify(message), {
    token,
    headers: { 'Mcp-Session-Id': session.id, 'MCP-Protocol-Version': '2025-11-25' },
  })
const call = (id: string | number, name = 'whoami', more: JsonObject = {}): JsonObject => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, ...more },
})

test('rows not run here have a reason', () => {
  expect(Object.values(ELSEWHERE).every((reason) => reason.length > 20)).toBe(true)
})

describe('answers', () => {
  test('D01 many callers with the same ids, an upstream that answers out of order: everybody gets their own', async () => {
    const identities = Object.fromEntries(
      Array.from({ length: 50 }, (_, n): [string, Identity] => [`c${n}`, identityOf(n % 2 ? 'research' : 'operations', `c${n}`)]),
    )
    const waiting: (() => void)[] = []
    await using gateway = await startGateway({
      ...PLAN,
      identities,
      async behaviour(request, caller) {
        await new Promise<void>((resolve) => {
          waiting.push(resolve)
          if (waiting.length === 50) for (const release of waiting.splice(0).toReversed()) release()
        })
        return textStep(`${caller.key} ${JSON.stringify(request.params['arguments'])}`)
      },
    })

    for (const round of [0, 1, 2, 3]) {
      const answers = await Promise.all(
        Object.keys(identities).map(async (token) => {
          const { answer } = await modern(gateway.url, 'tools/call', { name: 'whoami', arguments: { token, round } }, { token })
          return [token, answer.result.content[0].text]
        }),
      )
      for (const [token, text] of answers) {
        expect(text).toBe(`${identities[String(token)]!.key} ${JSON.stringify({ token, round })}`)
      }
    }
  })

  test('D02 progress and log messages stay on the stream of their own call', async () => {
    const bothIn = Promise.withResolvers<void>()
    let arrived = 0
    await using gateway = await startGateway({
      ...PLAN,
      async behaviour(_request, caller) {
        arrived += 1
        if (arrived === 2) bothIn.resolve()
        await bothIn.promise
        for (const progress of [1, 2]) {
          caller.notify('notifications/progress', { progress, message: caller.key })
          caller.notify('notifications/message', { level: 'error', data: caller.key })
          await Promise.resolve()
        }
        return textStep(caller.key)
      },
    })
    const meta = { progressToken: 1, 'io.modelcontextprotocol/logLevel': 'debug' }

    const [ann, otto] = await Promise.all(
      ['ann', 'otto'].map((token) => modern(gateway.url, 'tools/call', { name: 'whoami', _meta: meta }, { token })),
    )

    for (const [answer, name, other] of [
      [ann, 'ann', 'otto'],
      [otto, 'otto', 'ann'],
    ] as const) {
      expect(answer!.messages).toHaveLength(5)
      expect(answer!.text).toContain(`\\"${name}\\"`)
      expect(answer!.text).not.toContain(`\\"${other}\\"`)
    }
  })

  test('D12 what another team has is unknown by name, URI, prompt, completion and subscription', async () => {
    await using gateway = await startGateway(PLAN)
    const compare = async (method: string, real: JsonObject, invented: JsonObject) => {
      const clean = (text: string) => text.replaceAll(/invented|secret/g, 'X')
      const [one, two] = [
        await modern(gateway.url, method, real, { token: 'ann' }),
        await modern(gateway.url, method, invented, { token: 'ann' }),
      ]
      expect({ status: one.status, text: clean(one.text) }).toEqual({ status: two.status, text: clean(two.text) })
      expect(one.answer.error?.code).toBe(-32602)
    }
    const argument = { name: 'a', value: '' }

    await compare('tools/call', { name: 'secret' }, { name: 'invented' })
    await compare('prompts/get', { name: 'secret' }, { name: 'invented' })
    await compare('resources/read', { uri: 'secret://1' }, { uri: 'invented://1' })
    await compare(
      'completion/complete',
      { ref: { type: 'ref/prompt', name: 'secret' }, argument },
      { ref: { type: 'ref/prompt', name: 'invented' }, argument },
    )
    const session = await openSession(gateway.url, { token: 'ann' })
    const subscribed = await session.request('resources/subscribe', { uri: 'secret://1' })
    const endpoint = await postRaw(`${gateway.origin}/mcp/operations`, JSON.stringify(modernMessage('tools/list')), {
      token: 'ann',
      headers: modernHeaders(modernMessage('tools/list')),
    })
    const nowhere = await postRaw(`${gateway.origin}/mcp/nowhere`, JSON.stringify(modernMessage('tools/list')), {
      token: 'ann',
      headers: modernHeaders(modernMessage('tools/list')),
    })

    expect(subscribed.answer.error).toMatchObject({ code: -32002 })
    expect(endpoint.status).toBe(404)
    expect(endpoint.text).toBe(nowhere.text)
    expect(gateway.upstreams['secret']!.asked).toEqual([])
    expect(gateway.upstreams['secret']!.watched).toEqual([])
  })

  test('D24 an answer is private, whatever the upstream says', async () => {
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: () => ({ kind: 'result', result: { contents: [], ttlMs: 60_000, cacheScope: 'public' }, bytes: 1 }),
    })

    const read = await modern(gateway.url, 'resources/read', { uri: 'shared://1' }, { token: 'ann' })
    const list = await modern(gateway.url, 'tools/list', {}, { token: 'ann' })

    expect([read.answer.result.cacheScope, list.answer.result.cacheScope]).toEqual(['private', 'private'])
  })
})

describe('sessions', () => {
  test('D04 a second stream is refused to the owner and unknown to others, and the first one stays', async () => {
    await using gateway = await startGateway(PLAN)
    const session = await openSession(gateway.url, { token: 'ann' })
    const events = eventsOf(await session.get())
    await events.next()

    const own = await session.get()
    const foreign = await fetch(gateway.url, {
      headers: { Accept: 'text/event-stream', Authorization: 'Bearer ben', 'Mcp-Session-Id': session.id },
    })
    gateway.facet.upstreamChanged({ server: 'shared', announced: new Set(['tool']) })

    expect([own.status, foreign.status]).toEqual([409, 404])
    expect((await events.message()).method).toBe('notifications/tools/list_changed')
    await events.cancel()
  })

  test('D05 subjects with separators in them stay apart', async () => {
    const subjects = ['a@b/c:d|e.f%20 g', 'a@b/c:d|e.f%20', 'a@b/c:d|e.f%20 g"],["', '"', 'a', 'a ', 'ａ']
    const identities = Object.fromEntries(subjects.map((subject, n) => [`s${n}`, identityOf('research', subject)]))
    await using gateway = await startGateway({ ...PLAN, identities })
    const sessions = await Promise.all(Object.keys(identities).map((token) => openSession(gateway.url, { token })))

    for (const [n, session] of sessions.entries()) {
      const statuses = await Promise.all(
        Object.keys(identities).map(async (token) => (await post(gateway, session, token, call(1))).status),
      )
      expect(statuses).toEqual(subjects.map((_, m) => (m === n ? 200 : 404)))
    }
  })

  test('D06 session ids and states do not repeat and hold 128 random bits and more', () => {
    const sealer = createSealer([createSealKey()])
    const count = 100_000
    const ids = new Set<string>()
    const ones = Array.from({ length: 96 }, () => 0)
    for (let n = 0; n < count; n += 1) {
      const id = sealer.seal('session', 0)
      ids.add(id)
      const nonce = Buffer.from(id, 'base64url').subarray(4, 16)
      for (let bit = 0; bit < 96; bit += 1) ones[bit]! += ((nonce[bit >> 3] ?? 0) >> (bit & 7)) & 1
    }

    expect(ids.size).toBe(count)
    // Five standard deviations: a fair bit strays further once in two million tries.
    for (const seen of ones) expect(Math.abs(seen - count / 2)).toBeLessThan(5 * Math.sqrt(count / 4))
  })

  test('D08 a session of somebody else is unknown, and it is reported', async () => {
    await using gateway = await startGateway(PLAN)
    const session = await openSession(gateway.url, { token: 'ann' })

    const statuses = await Promise.all(
      ['ben', 'otto', 'ann'].map(async (token) => (await post(gateway, session, token, call(1))).status),
    )
    const anonymous = await post(gateway, session, 'nobody', call(1))
    const other = await postRaw(`${gateway.origin}/mcp/research`, JSON.stringify(call(1)), {
      token: 'ann',
      headers: { 'Mcp-Session-Id': session.id },
    })
    const deleted = await fetch(gateway.url, {
      method: 'DELETE',
      headers: { Authorization: 'Bearer ben', 'Mcp-Session-Id': session.id },
    })

    expect(statuses).toEqual([404, 404, 200])
    expect([anonymous.status, other.status, deleted.status]).toEqual([401, 404, 404])
    expect(gateway.events.filter(({ type }) => type === 'session-hijack')).toHaveLength(4)
    expect((await post(gateway, session, 'ann', call(2))).status).toBe(200)
  })

  test('D09 a session id brought to initialize is ignored', async () => {
    await using gateway = await startGateway(PLAN)

    const session = await openSession(gateway.url, { token: 'ann', headers: { 'Mcp-Session-Id': 'mine' } })

    expect(session.id).not.toBe('mine')
    expect(session.id.length).toBeGreaterThan(64)
  })

  test("D17 cancelling another session's id, an unknown one, a finished one or initialize changes nothing", async () => {
    const started = Promise.withResolvers<AbortSignal>()
    const release = Promise.withResolvers<void>()
    await using gateway = await startGateway({
      ...PLAN,
      async behaviour(_request, { signal }) {
        started.resolve(signal)
        await release.promise
        return textStep('done')
      },
    })
    const [ann, ben] = [await openSession(gateway.url, { token: 'ann' }), await openSession(gateway.url, { token: 'ben' })]
    const running = post(gateway, ann, 'ann', call('', 'whoami'))
    const signal = await started.promise
    const cancel = (session: RawSession, token: string, requestId: string | number) =>
      post(gateway, session, token, { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId } })

    const statuses = [
      (await cancel(ben, 'ben', '')).status,
      (await cancel(ann, 'ben', '')).status,
      (await cancel(ann, 'ann', 'unknown')).status,
      (await cancel(ann, 'ann', 0)).status,
    ]
    const untouched = signal.aborted
    release.resolve()
    const { answer } = await running
    const late = await cancel(ann, 'ann', '')

    expect(statuses).toEqual([202, 404, 202, 202])
    expect(untouched).toBe(false)
    expect(answer.result.content[0].text).toBe('done')
    expect(late.status).toBe(202)
  })

  test('D17 the ids 0 and "" can be cancelled like any other', async () => {
    await using gateway = await startGateway({
      ...PLAN,
      async behaviour(_request, { signal }) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        throw new Error('aborted')
      },
    })
    const session = await openSession(gateway.url, { token: 'ann' })

    for (const id of [0, '']) {
      const running = post(gateway, session, 'ann', call(id))
      await expect.poll(() => gateway.upstreams['shared']!.asked.length).toBe(id === 0 ? 1 : 2)
      await post(gateway, session, 'ann', { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: id } })
      expect((await running).status).toBe(202)
    }
  })

  test('D18 sessions that are opened and left have a bound per caller and end by themselves', async () => {
    await using gateway = await startGateway(PLAN)

    const statuses = await Promise.all(
      Array.from({ length: 60 }, async () => (await openSession(gateway.url, { token: 'ann' })).initialized.status),
    )
    const other = await openSession(gateway.url, { token: 'ben' })
    const before = gateway.facet.stats().sessions
    gateway.clock.monotonic += 15 * 60_000 + 1
    await expect.poll(() => gateway.facet.stats().sessions, { timeout: 5_000 }).toBe(0)

    expect(statuses.filter((status) => status === 200)).toHaveLength(20)
    expect(statuses.filter((status) => status === 429)).toHaveLength(40)
    expect(other.initialized.status).toBe(200)
    expect(before).toBe(21)
  })

  test('D19 refused requests found no session and reach no upstream', async () => {
    await using gateway = await startGateway(PLAN)
    const initialize = { jsonrpc: '2.0', id: 1, method: 'initialize', params: { protocolVersion: '2025-11-25' } }

    const refused = await Promise.all([
      ...Array.from({ length: 20 }, () => postRaw(gateway.url, JSON.stringify(initialize), { token: 'ann' })),
      ...Array.from({ length: 20 }, () =>
        postRaw(gateway.url, JSON.stringify(initialize), { token: 'nobody' }).catch(() => ({ status: 401 })),
      ),
      ...Array.from({ length: 20 }, () => postRaw(gateway.url, '{', { token: 'ann' })),
    ])

    expect(new Set(refused.map(({ status }) => status))).toEqual(new Set([400, 401]))
    expect(gateway.facet.stats()).toEqual({ sessions: 0, streams: 0, parked: 0 })
    expect(Object.values(gateway.upstreams).flatMap(({ asked }) => asked)).toEqual([])
  })

  test('D20 unknown session ids allocate nothing', async () => {
    await using gateway = await startGateway(PLAN)
    const session = await openSession(gateway.url, { token: 'ann' })
    const wrong = [
      'x',
      session.id.slice(1),
      `${session.id}A`,
      session.id.replace(/.$/, (last) => (last === 'A' ? 'B' : 'A')),
      '..',
      '=',
    ]

    const statuses = await Promise.all(
      wrong.map(
        async (id) =>
          (await postRaw(gateway.url, JSON.stringify(call(1)), { token: 'ann', headers: { 'Mcp-Session-Id': id } })).status,
      ),
    )

    expect(new Set(statuses)).toEqual(new Set([404]))
    expect(gateway.facet.stats().sessions).toBe(1)
  })

  test('D21 a session with an open stream is not idle; deleted once it is gone for good', async () => {
    await using gateway = await startGateway(PLAN)
    const [busy, idle] = [await openSession(gateway.url, { token: 'ann' }), await openSession(gateway.url, { token: 'ann' })]
    const events = eventsOf(await busy.get())
    await events.next()
    gateway.clock.monotonic += 15 * 60_000 + 1

    const statuses = [(await post(gateway, idle, 'ann', call(1))).status, (await post(gateway, busy, 'ann', call(1))).status]
    const deletes = [(await busy.delete()).status, (await busy.delete()).status]
    const after = (await post(gateway, busy, 'ann', call(2))).status

    expect(statuses).toEqual([404, 200])
    expect([...deletes, after]).toEqual([204, 404, 404])
    expect(await events.next()).toBeUndefined()
  })
})

describe('states', () => {
  const capabilities = { elicitation: {} }
  const asking: GatewayPlan = {
    ...PLAN,
    offers: { ...PLAN.offers, shared: { tools: [tool('whoami'), tool('other')] } },
    behaviour: ({ params }) =>
      params['requestState'] === undefined
        ? { kind: 'input', requests: ask, raw: { inputRequests: ask }, state: 'upstream-state', bytes: 1 }
        : textStep('done'),
  }
  const begin = async (gateway: TestGateway, params: JsonObject = { name: 'whoami', arguments: { a: 1 } }) =>
    (await modern(gateway.url, 'tools/call', params, { token: 'ann', capabilities })).answer.result.requestState as string

  test.each([
    ['altered by one bit', { alter: true }],
    ['with a word behind it', { suffix: '-TAMPERED' }],
    ['by another caller', { token: 'ben' }],
    ['by another team', { token: 'otto' }],
    ['for another tool', { params: { name: 'other', arguments: { a: 1 } } }],
    ['for other arguments', { params: { name: 'whoami', arguments: { a: 2 } } }],
    ['after its time', { later: 600_001 }],
    ['that never was one', { replace: 'upstream-state' }],
  ])('D25 a state %s is refused before the upstream sees it', async (_name, change: Record<string, unknown>) => {
    await using gateway = await startGateway(asking)
    const given = await begin(gateway)
    const asked = gateway.upstreams['shared']!.asked.length
    const {
      alter,
      suffix = '',
      token = 'ann',
      params = { name: 'whoami', arguments: { a: 1 } },
      later = 0,
      replace,
    } = change as {
      alter?: true
      suffix?: string
      token?: string
      params?: { name: string; arguments: JsonObject }
      later?: number
      replace?: string
    }
    gateway.clock.now += later
    const altered = alter ? given.slice(0, 30) + (given[30] === 'A' ? 'B' : 'A') + given.slice(31) : given
    const requestState = replace ?? altered + suffix

    const { status, answer } = await modern(
      gateway.url,
      'tools/call',
      { ...params, requestState, inputResponses: { who: {} } },
      { token, capabilities },
    )

    expect(status).toBe(200)
    expect(answer.error).toMatchObject({ code: -32602 })
    expect(gateway.upstreams['shared']!.asked.length).toBe(asked)
  })

  test('D25 the state in the right hands works', async () => {
    await using gateway = await startGateway(asking)
    const requestState = await begin(gateway)

    const { answer } = await modern(
      gateway.url,
      'tools/call',
      { name: 'whoami', arguments: { a: 1 }, requestState, inputResponses: { who: { action: 'decline' } } },
      { token: 'ann', capabilities },
    )

    expect(answer.result.content[0].text).toBe('done')
  })

  test('D10 a parked call, a stream and a question of somebody else cannot be taken up', async () => {
    const held = createHeld(() => textStep('done'))
    await using gateway = await startGateway({ ...PLAN, behaviour: () => ({ kind: 'input', requests: ask, held, bytes: 1 }) })
    const parked = await begin(gateway, { name: 'whoami' })
    const ann = await openSession(gateway.url, { token: 'ann', capabilities })
    const ben = await openSession(gateway.url, { token: 'ben', capabilities })
    const open = await openRaw(gateway.url, JSON.stringify(call(1)), {
      token: 'ann',
      headers: { 'Mcp-Session-Id': ann.id, 'MCP-Protocol-Version': '2025-11-25' },
    })
    const events = eventsOf(open)
    const priming = await events.next()
    const question = await events.message()

    const stolen = await modern(
      gateway.url,
      'tools/call',
      { name: 'whoami', requestState: parked, inputResponses: { who: {} } },
      { token: 'ben', capabilities },
    )
    const answered = await post(gateway, ben, 'ben', { jsonrpc: '2.0', id: question.id ?? '', result: {} })
    const resumed = await ben.get({ 'Last-Event-ID': priming?.id ?? '' })
    const first = await eventsOf(resumed).next()

    expect(stolen.answer.error).toMatchObject({ code: -32602 })
    expect(answered.status).toBe(400)
    expect(first).toMatchObject({ data: '' })
    expect(held.ended).toEqual([])
    await resumed.body?.cancel().catch(() => undefined)
    gateway.facet.checkIdentities(() => true)
    await expect.poll(() => held.ended.map(({ how }) => how)).toEqual(['cancelled', 'cancelled'])
  })

  test('parked calls have a bound per caller and end when nobody comes back', async () => {
    const helds = Array.from({ length: 4 }, () => createHeld(() => textStep('done')))
    let next = 0
    await using gateway = await startGateway({
      ...PLAN,
      bounds: { parkedPerPrincipal: 2, parkedMs: 1_000 },
      behaviour: () => ({ kind: 'input', requests: ask, held: helds[next++]!, bytes: 1 }),
    })
    const start = (token: string) => modern(gateway.url, 'tools/call', { name: 'whoami' }, { token, capabilities })

    const statuses = [
      (await start('ann')).status,
      (await start('ann')).status,
      (await start('ann')).status,
      (await start('ben')).status,
    ]
    const { parked } = gateway.facet.stats()
    await expect.poll(() => gateway.facet.stats().parked, { timeout: 3_000 }).toBe(0)

    expect(statuses).toEqual([200, 200, 429, 200])
    expect(parked).toBe(3)
    expect(helds.map(({ ended }) => ended.map(({ how }) => how).join())).toEqual([
      'cancelled',
      'cancelled',
      'cancelled',
      'cancelled',
    ])
  })
})

describe('revocation', () => {
  test("D23 a revoked caller's streams, sessions and calls end at once; others go on", async () => {
    await using gateway = await startGateway({
      ...PLAN,
      async behaviour(_request, { signal }) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        throw new Error('aborted')
      },
    })
    const message = modernMessage('subscriptions/listen', { notifications: { toolsListChanged: true } })
    const listen = async (token: string) => {
      const events = eventsOf(await openRaw(gateway.url, JSON.stringify(message), { token, headers: modernHeaders(message) }))
      await events.message()
      return events
    }
    const [ann, ben] = [await listen('ann'), await listen('ben')]
    const session = await openSession(gateway.url, { token: 'ann' })
    const stream = eventsOf(await session.get())
    await stream.next()
    const running = modern(gateway.url, 'tools/call', { name: 'whoami' }, { token: 'ann' })
    await expect.poll(() => gateway.upstreams['shared']!.asked.length).toBe(1)

    gateway.facet.checkIdentities(({ principal }) => principal.subject === 'ann')

    expect((await ann.message()).error).toMatchObject({ data: { reason: 'unauthenticated' } })
    expect(await ann.next()).toBeUndefined()
    expect(await stream.next()).toBeUndefined()
    expect(await running).toMatchObject({ status: 401, answer: { error: { code: 401 } } })
    expect(gateway.facet.stats()).toEqual({ sessions: 0, streams: 1, parked: 0 })
    await ben.cancel()
  })

  test('D23 a credential that runs out ends the stream it opened', async () => {
    const identities = { ann: identityOf('research', 'ann', { expiresAt: Date.now() + 60_000 }) }
    await using gateway = await startGateway({ ...PLAN, identities })
    const message = modernMessage('subscriptions/listen', { notifications: {} })
    const events = eventsOf(await openRaw(gateway.url, JSON.stringify(message), { headers: modernHeaders(message) }))
    await events.message()

    gateway.clock.now += 60_001

    expect((await events.message()).error).toMatchObject({ data: { reason: 'unauthenticated' } })
  })

  test('D23 a reload that takes the catalog away ends the stream with the reason', async () => {
    await using gateway = await startGateway(PLAN)
    const message = modernMessage('subscriptions/listen', { notifications: { toolsListChanged: true } })
    const events = eventsOf(
      await openRaw(gateway.url, JSON.stringify(message), { token: 'ann', headers: modernHeaders(message) }),
    )
    await events.message()
    const previous = gateway.snapshot
    gateway.snapshot = snapshotOf(PLAN.offers, { operations: PLAN.catalogs['operations']! }, 2)

    gateway.facet.snapshotChanged(gateway.snapshot, previous)

    expect((await events.message()).error?.message).toContain('no longer for this caller')
    expect(await events.next()).toBeUndefined()
  })
})
