import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { createAdminApp, type AdminDeps } from '../../../src/admin/app.ts'
import type { ModelQuestion } from '../../../src/admin/explain.ts'
import { renderTargets, type TargetReading } from '../../../src/admin/targets.ts'
import type { Entry } from '../../../src/core/entry.ts'
import type { Snapshot } from '../../../src/core/snapshot.ts'
import { identityOf } from '../../support/mcp-catalog.ts'
import { snapshotOf } from '../catalog/inventory.ts'

const NOW = new Date('2026-11-23T12:00:00Z')
const unused = () => {
  throw new Error('not asked for here')
}
const TARGETS: readonly TargetReading[] = [
  {
    key: 'one/gpt',
    routes: ['fast', 'smart'],
    enabled: true,
    circuit: 'closed',
    retryInSeconds: 0,
    inFlight: 2,
    requests: 10,
    failures: 1,
    firstTokenMs: 120.4,
  },
  {
    key: 'two/claude@eu',
    routes: ['fast'],
    enabled: true,
    circuit: 'open',
    retryInSeconds: 4,
    reason: 'breaker open for 4 s',
    inFlight: 0,
    requests: 6,
    failures: 5,
  },
  {
    key: 'two/o\u001bld',
    routes: [],
    enabled: false,
    circuit: 'closed',
    retryInSeconds: 0,
    inFlight: 0,
    requests: 0,
    failures: 0,
  },
]
const snapshot: Snapshot = await snapshotOf(
  { c: { models: [{ route: 'fast', as: 'quick', when: '!request.stream' }, { route: 'any/*' }] } },
  [],
  {
    'tollgate.json': {
      mode: 'development',
      providers: { one: { type: 'openai', key: 'env:ONE' } },
      routes: { fast: { targets: [{ provider: 'one', model: 'gpt' }] }, 'any/*': { targets: [{ provider: 'one', model: '*' }] } },
    },
  },
)

async function start(over: Partial<AdminDeps> = {}) {
  const deps: AdminDeps = {
    snapshot: () => snapshot,
    about: { name: 'tollgate', version: '1', startedAt: 0, instance: 'i' },
    facts: () => ({}),
    authenticate: () =>
      Promise.resolve(identityOf('ops', 'ann', { principal: { ...identityOf('ops').principal, roles: ['viewer'] } })),
    principalOf: unused,
    limitsOf: (_principal, item) => [{ label: `limits of ${item.name}`, used: 0, max: 1 }],
    budgetsOf: ({ session }) => [{ label: 'c per day', usd: '1', spentUsd: session === 'run-1' ? '0.5' : '0' }],
    planOf: unused,
    exchange: () => Promise.resolve([]),
    targets: () => TARGETS,
    ledger: {
      record: unused,
      assertWritable: unused,
      query: unused,
      entries: unused,
      close: unused,
    },
    metrics: unused,
    reload: unused,
    now: () => NOW,
    ...over,
  }
  const server = createServer(createAdminApp(deps))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    get: (path: string) => fetch(`http://127.0.0.1:${port}${path}`),
    [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())),
  }
}
const principal = encodeURIComponent(JSON.stringify({ team: 'research' }))

describe('GET /admin/v1/targets', () => {
  test('gives the states as JSON', async () => {
    await using admin = await start()

    expect(await (await admin.get('/admin/v1/targets')).json()).toEqual({ at: '2026-11-23T12:00:00.000Z', targets: TARGETS })
  })

  test('gives one page for people, those in trouble first, harmless for a terminal', async () => {
    await using admin = await start()
    const answer = await admin.get('/admin/v1/targets?format=text')

    expect(answer.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    expect(await answer.text()).toBe(`3 targets, 1 take requests, at 2026-11-23T12:00:00.000Z

TARGET         STATE                 IN FLIGHT  REQUESTS  FAILURES  FIRST CONTENT  ROUTES
two/claude@eu  breaker open for 4 s  0          6         5         -              fast
two/o\uFFFDld       switched off          0          0         0         -
one/gpt        ok                    2          10        1         120 ms         fast, smart
`)
    expect(renderTargets([], 'now')).toContain('0 targets')
  })

  test('refuses another format', async () => {
    await using admin = await start()

    expect((await admin.get('/admin/v1/targets?format=xml')).status).toBe(400)
  })
})

describe('GET /admin/v1/explain of a model', () => {
  const targets = [{ target: 'one/gpt', outcome: 'candidate' as const, reason: 'place 1 as written' }]
  const planned: ModelQuestion[] = []
  const planOf = (question: ModelQuestion) => {
    planned.push(question)
    return targets
  }

  test('names the route, its targets and the limits', async () => {
    await using admin = await start({ planOf })
    const answer = await admin.get(
      `/admin/v1/explain?kind=model&name=quick&principal=${principal}&request=${encodeURIComponent('{"stream":false}')}`,
    )

    expect(await answer.json()).toMatchObject({
      outcome: 'allow',
      catalog: 'c',
      item: { name: 'quick', upstreamName: 'fast', server: '' },
      limits: [{ label: 'limits of quick' }],
      targets,
    })
    expect(planned.at(-1)).toMatchObject({ item: { name: 'quick' }, principal: { team: 'research' }, request: { stream: false } })
  })

  test('a refusal names the condition and what would flip it, and the targets all the same', async () => {
    await using admin = await start({ planOf })
    const answer = await admin.get(
      `/admin/v1/explain?kind=model&name=quick&principal=${principal}&request=${encodeURIComponent('{"stream":true}')}`,
    )

    expect(await answer.json()).toMatchObject({
      outcome: 'deny',
      reason: 'condition-false',
      change: expect.stringContaining('make `!request.stream` true: change the request or the principal') as string,
      targets,
    })
  })

  test('takes the name of the route too, and without a request leaves its conditions open', async () => {
    await using admin = await start({ planOf })
    const answer = await admin.get(`/admin/v1/explain?kind=model&name=fast&principal=${principal}`)

    expect(await answer.json()).toMatchObject({ outcome: 'allow', item: { name: 'quick' }, targets })
    expect(planned.at(-1)).not.toHaveProperty('request')
  })

  test('a name under a star has the targets of its route', async () => {
    await using admin = await start({ planOf })
    const answer = await admin.get(`/admin/v1/explain?kind=model&name=any/thing&principal=${principal}`)

    expect(await answer.json()).toMatchObject({ outcome: 'allow', item: { name: 'any/*' }, targets })
  })

  test('a request of which one thing is told is plain in all else', async () => {
    await using admin = await start({ planOf })
    await admin.get(
      `/admin/v1/explain?kind=model&name=quick&principal=${principal}&request=${encodeURIComponent('{"maxTokens":5}')}`,
    )

    expect(planned.at(-1)?.request).toMatchObject({ model: 'quick', maxTokens: 5, tools: [], stream: false })
  })

  test('a session is looked at by sticky routes and by budgets', async () => {
    await using admin = await start({ planOf })
    const answer = await admin.get(`/admin/v1/explain?kind=model&name=quick&session=run-1&principal=${principal}`)

    expect(await answer.json()).toMatchObject({ budgets: [{ label: 'c per day', usd: '1', spentUsd: '0.5' }] })
    expect(planned.at(-1)).toMatchObject({ session: 'run-1' })
  })

  test('an unknown model has no targets', async () => {
    await using admin = await start()
    const answer = await admin.get(`/admin/v1/explain?kind=model&name=nope&principal=${principal}`)

    expect(await answer.json()).not.toHaveProperty('targets')
  })
})

describe('GET /admin/v1/exchanges/:id', () => {
  // Only what the route looks at; the rest passes through.
  const entry = (attempt: number, over: Partial<Entry> = {}) =>
    ({ id: 'x-1', attempt, routing: null, verdicts: null, labels: null, ...over }) as Entry

  test('gives the attempts in order, with their JSON opened', async () => {
    const entries = [entry(2, { routing: '[{"target":"a","outcome":"candidate","reason":"r"}]', verdicts: 'not JSON' }), entry(1)]
    const asked: string[] = []
    await using admin = await start({
      exchange(id) {
        asked.push(id)
        return Promise.resolve(entries)
      },
    })

    expect(await (await admin.get('/admin/v1/exchanges/x-1')).json()).toEqual({
      exchange: 'x-1',
      attempts: [entry(1), { ...entry(2), routing: [{ target: 'a', outcome: 'candidate', reason: 'r' }], verdicts: 'not JSON' }],
    })
    expect(asked).toEqual(['x-1'])
  })

  test.each([
    ['unknown', 'x-1', 404],
    ['no id', 'a%20b', 400],
    ['too long', 'x'.repeat(65), 400],
  ])('%s', async (_name, id, status) => {
    await using admin = await start()

    expect((await admin.get(`/admin/v1/exchanges/${id}`)).status).toBe(status)
  })
})

test('the status lists routes', async () => {
  await using admin = await start()

  expect(await (await admin.get('/admin/v1/status')).json()).toMatchObject({
    routes: [{ id: 'any/*' }, { id: 'fast', enabled: true, strategy: 'ordered', targets: ['one/gpt'] }],
  })
})
