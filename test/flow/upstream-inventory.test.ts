import { afterEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/core/json.ts'
import type { GatewayEvent } from '../../src/core/events.ts'
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
import { callerWith, connectTo, itemOf, type Overrides, type TestUpstream } from '../support/upstream.ts'

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

const silent: Behaviour = () => undefined
const names = ({ upstream }: TestUpstream): string[] => upstream.inventory()?.definitions.tool.map(({ name }) => name) ?? []
const dropped = ({ upstream }: TestUpstream): string[] => upstream.inventory()?.dropped.map(({ reason }) => reason) ?? []

/** Resolves once `wanted` holds, looking again at each change. */
function until({ upstream }: TestUpstream, wanted: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    const check = (): void => {
      if (wanted()) resolve()
    }
    upstream.onChange(check)
    check()
  })
}

describe('era of an upstream', () => {
  const page = (status: number): Behaviour => {
    const server = legacy(() => [tool('act')], silent)
    return (request, response) =>
      request.body['method'] === 'server/discover'
        ? void response.writeHead(status, { 'content-type': 'text/html' }).end('<html>')
        : server(request, response)
  }
  const refusing = (status: number, code: number): Behaviour => {
    const server = legacy(() => [tool('act')], silent)
    return (request, response) =>
      request.body['method'] === 'server/discover'
        ? refuse(response, request, status, { code, message: 'no' })
        : server(request, response)
  }

  test.each<[string, 'modern' | 'legacy', Behaviour]>([
    ['a discovery answer', 'modern', modern(() => [], silent)],
    ['400 without a session', 'legacy', legacy(() => [], silent)],
    ['200 with method not found', 'legacy', refusing(200, -32_601)],
    ['200 with invalid params', 'legacy', refusing(200, -32_602)],
    ['422', 'legacy', refusing(422, -32_000)],
    ['404 with a JSON-RPC error', 'legacy', refusing(404, -32_601)],
  ])('%s means %s', async (_name, era, behaviour) => {
    const { connected } = await serve(behaviour)

    expect(connected.upstream.status()).toMatchObject({ state: 'ready', era })
  })

  test.each([404, 405, 406, 415])('a page with HTTP %i means legacy', async (status) => {
    const { fake } = await serve(page(status))

    expect(fake.called('initialize')).toHaveLength(1)
  })

  test.each([401, 403, 429, 500, 503])('HTTP %i is no evidence', async (status) => {
    const { fake, connected } = await serve((_request, response) => void response.writeHead(status).end())

    expect(connected.upstream.status()).toMatchObject({ state: 'down' })
    expect(connected.upstream.status().era).toBeUndefined()
    expect(fake.called('initialize')).toHaveLength(0)
  })

  test('silence is no evidence', async () => {
    const { fake, connected } = await serve(silent, { timeouts: { listMs: 100 } })

    expect(connected.upstream.status()).toMatchObject({ state: 'down', reason: expect.stringContaining('within 100 ms') })
    expect(fake.called('initialize')).toHaveLength(0)
  })

  test('a modern server that wants its version named once more is asked once more', async () => {
    let asked = 0
    const server = modern(() => [tool('act')], silent)
    const { connected } = await serve((request, response) => {
      asked += request.body['method'] === 'server/discover' ? 1 : 0
      return asked === 1
        ? refuse(response, request, 400, { code: -32_022, message: 'no', data: { supported: ['2026-07-28'], requested: 'x' } })
        : server(request, response)
    })

    expect(names(connected)).toEqual(['act'])
  })

  test('a pin is kept: no probe, and no fallback', async () => {
    const { fake: old } = await serve(
      legacy(() => [], silent),
      { era: 'legacy' },
    )
    const { connected } = await serve(
      legacy(() => [], silent),
      { era: 'modern' },
    )

    expect(old.called('server/discover')).toHaveLength(0)
    expect(connected.upstream.status()).toMatchObject({ state: 'down', reason: expect.stringContaining('2026-07-28') })
  })

  test.each(['2025-11-25', '2025-06-18', '2025-03-26', '2024-11-05'])(
    '%s is accepted and named from then on',
    async (protocolVersion) => {
      const { fake, connected } = await serve((request, response) => {
        const { method } = request.body
        if (method === 'initialize')
          return answer(response, request, {
            protocolVersion,
            capabilities: { tools: {} },
            serverInfo: { name: 'x', version: '1' },
          })
        if (method === 'tools/list') return answer(response, request, { tools: [tool('act')] })
        return void response.writeHead(method === 'notifications/initialized' ? 202 : 405).end()
      })

      expect(connected.upstream.inventory()).toMatchObject({ era: 'legacy', protocolVersion })
      expect(fake.called('tools/list')[0]?.headers['mcp-protocol-version']).toBe(protocolVersion)
    },
  )
})

describe('what a server offers', () => {
  test.each<[string, JsonObject, string]>([
    ['E07 an empty name', { ...tool(''), name: '' }, 'empty'],
    ['E07 a name of 10 KB', tool('x'.repeat(10_000)), 'longer'],
    ['E07 a line break in the name', tool('a\nb'), 'control'],
    ['E07 a control character in the name', tool('a\u0007b'), 'control'],
    ['E07 no name', { inputSchema: {} }, 'no name'],
    ['E07 a description of 1 MB', { ...tool('big'), description: 'x'.repeat(1_000_000) }, 'description'],
    ['a schema that is none', { name: 'x', inputSchema: [] }, 'inputSchema'],
    [
      'E25 a schema of depth 1000',
      { name: 'x', inputSchema: JSON.parse(`${'{"not":'.repeat(1_000)}{}${'}'.repeat(1_000)}`) as JsonObject },
      'deeper',
    ],
    ['E26 an illegal x-mcp-header', tool('x', { a: { type: 'number', 'x-mcp-header': 'A' } }), 'x-mcp-header'],
    ['E07 a name that was there before', tool('good'), 'earlier'],
  ])('%s is dropped, the rest is served', async (_name, bad, words) => {
    const { connected } = await serve(modern(() => [tool('good'), bad, tool('fine')], silent))

    expect(names(connected)).toEqual(['good', 'fine'])
    expect(dropped(connected)).toEqual([expect.stringContaining(words)])
    expect(connected.events).toContainEqual(expect.objectContaining({ type: 'definition-dropped', server: 'fake', kind: 'tool' }))
  })

  test('E07 100,000 tools are capped', async () => {
    const { connected } = await serve(
      modern(() => Array.from({ length: 100_000 }, (_, index) => tool(`t${index}`)), silent),
      { bounds: { resultBytes: 50_000_000 } },
    )

    expect(names(connected)).toHaveLength(500)
    expect(dropped(connected).length).toBeLessThan(200)
  })

  const paged = (pages: Readonly<Record<string, JsonObject>>): Behaviour => {
    const server = modern(() => [], silent)
    return (request, response) => {
      const { method, params } = request.body
      const cursor = (params as JsonObject | undefined)?.['cursor']
      return method === 'tools/list'
        ? answer(response, request, { resultType: 'complete', ...pages[typeof cursor === 'string' ? cursor : 'first'] })
        : server(request, response)
    }
  }

  test('cursors are followed, an empty one too', async () => {
    const { connected } = await serve(
      paged({
        first: { tools: [tool('a')], nextCursor: '' },
        '': { tools: [tool('b')], nextCursor: 'c' },
        c: { tools: [tool('c')] },
      }),
    )

    expect(names(connected)).toEqual(['a', 'b', 'c'])
  })

  test('a cursor that does not move on ends the list', async () => {
    const { fake, connected } = await serve(
      paged({ first: { tools: [tool('a')], nextCursor: 'x' }, x: { tools: [tool('b')], nextCursor: 'x' } }),
    )

    expect(names(connected)).toEqual(['a', 'b'])
    expect(fake.called('tools/list')).toHaveLength(2)
  })

  test('pages without end are cut', async () => {
    let page = 0
    const server = modern(() => [], silent)
    const { fake } = await serve((request, response) =>
      request.body['method'] === 'tools/list'
        ? answer(response, request, { tools: [], nextCursor: `${page++}` })
        : server(request, response),
    )

    expect(fake.called('tools/list')).toHaveLength(64)
  })

  test('equal definitions have equal digests whatever their order of keys', async () => {
    const [one, other] = [
      { name: 'x', description: 'd', inputSchema: { type: 'object', properties: { a: {}, b: {} } } },
      { inputSchema: { properties: { b: {}, a: {} }, type: 'object' }, description: 'd', name: 'x' },
    ]
    const digests = await Promise.all(
      [one, other].map(
        async (definition) => itemOf((await serve(modern(() => [definition], silent))).connected.upstream, 'x').definition.digest,
      ),
    )

    expect(digests[0]).toMatch(/^sha256:[0-9a-f]{64}$/)
    expect(digests[0]).toBe(digests[1])
  })

  test('E08 a definition that changes is reported with both digests', async () => {
    let description = 'before'
    const { connected } = await serve(modern(() => [{ ...tool('act'), description }], silent))
    const before = itemOf(connected.upstream, 'act').definition.digest

    description = 'after'
    await connected.upstream.refresh()

    const after = itemOf(connected.upstream, 'act').definition.digest
    expect(connected.events.filter((event: GatewayEvent) => event.type === 'definition-changed')).toEqual([
      { type: 'definition-changed', server: 'fake', kind: 'tool', name: 'act', before, after },
    ])
  })
})

describe('health', () => {
  test('the last good list is kept while the server is down, and it comes back by itself', async () => {
    let down = false
    const server = modern(() => [tool('act')], silent)
    const { connected } = await serve((request, response) =>
      down ? void response.writeHead(500).end() : server(request, response),
    )

    down = true
    await connected.upstream.refresh()
    expect(connected.upstream.status()).toMatchObject({ state: 'down', reason: expect.stringContaining('HTTP 500') })
    expect(names(connected)).toEqual(['act'])

    down = false
    await until(connected, () => connected.upstream.status().state === 'ready')
  })

  test('a server that is down at the start comes up by itself', async () => {
    const first = await startFakeUpstream(silent)
    await first[Symbol.asyncDispose]()
    const connected = connectTo(first.url)
    open.push(connected)
    await connected.upstream.refresh()
    expect(connected.upstream.status().state).toBe('down')

    open.push(
      await startFakeUpstream(
        modern(() => [tool('act')], silent),
        first.port,
      ),
    )
    await until(connected, () => connected.upstream.status().state === 'ready')

    expect(names(connected)).toEqual(['act'])
  })

  test('requests to refresh that come together are served together', async () => {
    const { fake, connected } = await serve(modern(() => [tool('act')], silent))

    await Promise.all(Array.from({ length: 20 }, () => connected.upstream.refresh()))

    expect(fake.called('tools/list').length).toBeLessThanOrEqual(3)
  })

  test('E11 a storm of change notices leads to few refreshes and few announcements', async () => {
    const capabilities = { tools: { listChanged: true } }
    const server = modern(() => [tool('act')], silent, capabilities)
    const { fake, connected } = await serve((request, response) => {
      if (request.body['method'] !== 'subscriptions/listen') return server(request, response)
      const send = stream(response)
      const _meta = { 'io.modelcontextprotocol/subscriptionId': request.body['id'] ?? '' }
      send({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { _meta, notifications: {} } })
      setImmediate(() => {
        for (let count = 0; count < 5_000; count += 1)
          send({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta } })
      })
    })
    let announced = 0
    connected.upstream.onChange((change) => (announced += change.announced.size))

    await until(connected, () => announced >= 1)
    await new Promise((resolve) => setTimeout(resolve, 300))

    expect(announced).toBeLessThanOrEqual(4)
    expect(fake.called('tools/list').length).toBeLessThanOrEqual(6)
  })

  test('a listen that ends is opened again and the lists are asked again', async () => {
    const capabilities = { tools: { listChanged: true } }
    let listens = 0
    const tools = [tool('one')]
    const server = modern(() => tools, silent, capabilities)
    const { connected } = await serve((request, response) => {
      if (request.body['method'] !== 'subscriptions/listen') return server(request, response)
      listens += 1
      const _meta = { 'io.modelcontextprotocol/subscriptionId': request.body['id'] ?? '' }
      const send = stream(response)
      send({ jsonrpc: '2.0', method: 'notifications/subscriptions/acknowledged', params: { _meta, notifications: {} } })
      if (listens > 1) return
      tools.push(tool('two'))
      send({ jsonrpc: '2.0', id: request.body['id'], result: { resultType: 'complete', _meta } })
      response.end()
    })

    await until(connected, () => names(connected).includes('two'))

    expect(listens).toBeGreaterThanOrEqual(2)
  })

  test('a header mismatch leads to a new list and one more call', async () => {
    let annotated = false
    const { fake, connected } = await serve(
      modern(
        () => [
          tool('act', annotated ? { region: { type: 'string', 'x-mcp-header': 'Region' } } : { region: { type: 'string' } }),
        ],
        (request, response) =>
          request.headers['mcp-param-region'] === 'eu'
            ? answer(response, request, { resultType: 'complete', content: [] })
            : refuse(response, request, 400, { code: -32_020, message: 'header missing' }),
      ),
    )
    const item = itemOf(connected.upstream, 'act')
    annotated = true

    const step = await connected.upstream.call(
      { method: 'tools/call', params: { name: 'act', arguments: { region: 'eu' } }, item },
      callerWith(),
    )

    expect(step.kind).toBe('result')
    expect(fake.called('tools/call')).toHaveLength(2)
  })

  test('the credential is made anew once after a 401 and goes to its own origin only', async () => {
    const seen: (string | undefined)[] = []
    let token = 'old'
    let rejections = 0
    const server = modern(() => [tool('act')], silent)
    const fake = await startFakeUpstream((request, response) => {
      seen.push(request.headers.authorization)
      if (request.headers.authorization !== 'Bearer new') return void response.writeHead(401).end()
      return server(request, response)
    })
    const { origin } = new URL(fake.url)
    const credential = (of: string) => ({
      fingerprint: 'f',
      origin: of,
      headers: async () => ({ authorization: `Bearer ${token}` }),
      rejected: () => {
        rejections += 1
        token = 'new'
      },
    })
    const [right, wrong] = [
      connectTo(fake.url, {}, { credential: credential(origin) }),
      connectTo(fake.url, {}, { credential: credential('https://other.example') }),
    ]
    open.push(fake, right, wrong)

    await right.upstream.refresh()
    expect(right.upstream.status().state).toBe('ready')
    expect([seen[0], rejections]).toEqual(['Bearer old', 1])

    const before = seen.length
    await wrong.upstream.refresh()
    expect(wrong.upstream.status()).toMatchObject({ state: 'down', reason: expect.stringContaining('another origin') })
    expect(seen).toHaveLength(before)
  })
})
