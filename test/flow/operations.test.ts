import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startEverythingFixture } from '../support/everything.ts'
import { gatewayFile, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { modernRequest, openListen, type RawAnswer } from '../support/raw-mcp.ts'

let gateway: TestGateway
let upstream: Awaited<ReturnType<typeof startEverythingFixture>>

beforeAll(async () => {
  upstream = await startEverythingFixture()
  gateway = await startTestGateway({
    'tollgate.json': gatewayFile({ bounds: { inFlight: 8 } }),
    'servers/every.json': { type: 'http', url: upstream.url },
    'servers/dead.json': { type: 'http', url: 'http://127.0.0.1:9/mcp' },
    'catalogs/research.json': {
      title: 'Research',
      for: { teams: ['research'] },
      tools: [
        {
          server: 'every',
          tool: 'test_simple_text',
          as: 'simple',
          limits: { callsPerMinute: 3 },
          price: { usd: '0.002' },
          labels: { sink: 'internal' },
        },
        { server: 'every', tool: 'test_tool_with_progress', as: 'slow', limits: { concurrent: 1 } },
        { server: 'every', tool: 'test_error_handling', as: 'failing' },
        { server: 'every', tool: 'test_tool_with_logging', as: 'logging' },
        {
          server: 'every',
          tool: 'test_x_mcp_header',
          as: 'regional',
          price: { usd: '0.001' },
          when: "args.region == 'eu' || principal.roles.exists(r, r == 'admin')",
        },
        { server: 'every', allow: ['test_image_*'], deny: ['*content'] },
        { server: 'dead', tool: 'anything' },
      ],
    },
  })
  await gateway.until((snapshot) => snapshot.servers.get('every')?.status.state === 'ready')
})

afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})

async function call(
  name: string,
  args: object = {},
  options: { subject?: string; headers?: Record<string, string>; meta?: object } = {},
): Promise<RawAnswer> {
  const headers = {
    authorization: `Bearer ${await gateway.token('research', { subject: options.subject ?? 'ann' })}`,
    ...options.headers,
  }
  return await modernRequest(
    `${gateway.url}/mcp`,
    'tools/call',
    { name, arguments: args, ...(options.meta === undefined ? {} : { _meta: options.meta }) },
    { headers },
  )
}

async function admin(path: string, roles = ['viewer']): Promise<Response> {
  return await fetch(`${gateway.adminUrl}${path}`, {
    headers: { authorization: `Bearer ${await gateway.token('ops', { roles })}` },
  })
}

describe('limits', () => {
  it('H06 the call over the limit gets 429 and a true Retry-After, on a connection that stays', async () => {
    const answers = [
      await call('simple'),
      await call('simple'),
      await call('simple'),
      await call('simple', {}, { subject: 'bob' }),
    ]

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429])
    const wait = Number(answers[3]?.headers.get('retry-after'))
    expect(wait).toBeGreaterThanOrEqual(1)
    expect(wait).toBeLessThanOrEqual(60)
    expect(answers[3]?.message).toMatchObject({
      id: 1,
      error: { message: expect.stringContaining('3 calls per minute'), data: { retryAfterSeconds: wait } },
    })
  })

  it('a second concurrent call of a tool that allows one is refused, and the place is given back', async () => {
    const progress = { progressToken: 'p' }
    const [first, second] = await Promise.all([call('slow', {}, { meta: progress }), call('slow', {}, { meta: progress })])
    const third = await call('slow', {}, { meta: progress })

    expect([first.status, second.status].toSorted((a, b) => a - b)).toEqual([200, 429])
    expect(third.status).toBe(200)
  })

  it('overload answers early with 503 and Retry-After; health, admin and streams that wait stay', async () => {
    const waiting = new AbortController()
    const listen = await openListen(
      `${gateway.url}/mcp`,
      { authorization: `Bearer ${await gateway.token('research')}` },
      waiting.signal,
    )
    const calls = await Promise.all(
      Array.from({ length: 32 }, () => call('logging', {}, { meta: { 'io.modelcontextprotocol/logLevel': 'info' } })),
    )
    const [health, status] = await Promise.all([fetch(`${gateway.healthUrl}/readyz`), admin('/admin/v1/status')])
    const after = await call('failing')
    waiting.abort()

    const codes = calls.map((answer) => answer.status)
    // Eight at one time; how many more fit behind them depends on the machine.
    expect(codes.filter((code) => code === 200).length).toBeGreaterThanOrEqual(8)
    expect(codes.filter((code) => code === 503).length).toBeGreaterThanOrEqual(1)
    expect(codes.filter((code) => code !== 200 && code !== 503)).toEqual([])
    expect(calls.find((answer) => answer.status === 503)?.headers.get('retry-after')).toBe('1')
    expect([listen.status, health.status, status.status, after.status]).toEqual([200, 200, 200, 200])
  })
})

describe('the ledger', () => {
  it('groups calls, errors, bytes and money over a session, as JSON, CSV and table', async () => {
    const session = { 'x-tollgate-session': 'run-42' }
    await call('failing', {}, { headers: session })
    await call('regional', { region: 'eu', level: 1 }, { headers: { ...session, 'mcp-param-region': 'eu' } })
    await call('no_such_tool', {}, { headers: session })

    const json = (await (await admin('/admin/v1/usage?by=session,target&session=run-42&from=1h')).json()) as {
      rows: { group: { target: string }; calls: number; errors: number; denied: number }[]
    }
    const csv = await (await admin('/admin/v1/usage?by=team,server&format=csv')).text()
    const table = await (await admin('/admin/v1/usage?by=team&format=table')).text()

    const rows = new Map(json.rows.map((row) => [row.group.target, row]))
    expect(rows.get('failing')).toMatchObject({ calls: 1, errors: 1 })
    expect(rows.get('regional')).toMatchObject({ calls: 1, errors: 0 })
    expect(rows.get('no_such_tool')).toMatchObject({ denied: 1 })
    expect(csv.split('\r\n')[0]).toContain('team,server')
    expect(table).toContain('research')
  })

  it('one entry has the names, digests, decision, money and labels of its call', async () => {
    const { entries } = (await (await admin('/admin/v1/entries?target=simple&status=ok&limit=1')).json()) as {
      entries: Record<string, unknown>[]
    }

    expect(entries[0]).toMatchObject({
      kind: 'tool',
      team: 'research',
      subject: 'ann',
      catalog: 'research',
      server: 'every',
      target: 'simple',
      upstreamTarget: 'test_simple_text',
      decision: 'allow',
      status: 'ok',
      nanoUsd: 2_000_000,
      rule: expect.stringMatching(/^catalogs\/research\.json:\d+$/),
      definitionDigest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      argumentsDigest: expect.stringMatching(/^sha256:/),
      labels: JSON.stringify({ sink: 'internal' }),
    })
  })

  it('arguments the gateway refuses are told apart from errors of the tool, and cost nothing', async () => {
    const headers = { 'mcp-param-region': 'eu', 'x-tollgate-session': 'run-43' }
    await call('regional', { region: 'eu', level: 'high' }, { headers })
    await call('regional', { region: 'eu' }, { headers })

    const { entries } = (await (await admin('/admin/v1/entries?session=run-43')).json()) as { entries: Record<string, unknown>[] }

    expect(entries.map(({ status, error, nanoUsd }) => [status, error, nanoUsd])).toEqual([
      ['ok', null, 1_000_000],
      ['tool_error', 'invalid_params', 0],
    ])
  })

  it.each([
    '/admin/v1/usage?by=colour',
    '/admin/v1/usage?from=yesterday',
    '/admin/v1/usage?format=xml',
    '/admin/v1/entries?limit=0',
  ])('%s says what is allowed', async (path) => {
    const response = await admin(path)

    expect(response.status).toBe(400)
    expect(((await response.json()) as { detail: string }).detail.length).toBeGreaterThan(10)
  })
})

describe('explain', () => {
  const principal = JSON.stringify({ team: 'research', subject: 'ann' })
  const ask = async (params: Record<string, string>): Promise<Record<string, unknown>> =>
    (await (await admin(`/admin/v1/explain?${new URLSearchParams({ principal, ...params }).toString()}`)).json()) as Record<
      string,
      unknown
    >

  const rows: [string, Record<string, string>, object][] = [
    [
      'an allowed tool names its rule, digest and limits',
      { name: 'simple' },
      {
        outcome: 'allow',
        listed: true,
        item: { server: 'every', upstreamName: 'test_simple_text' },
        rule: { file: 'catalogs/research.json' },
        limits: [{ max: 3 }],
      },
    ],
    ["the upstream's own name is understood", { name: 'test_simple_text' }, { outcome: 'allow', item: { name: 'simple' } }],
    [
      'a denied tool names the deny entry',
      { name: 'test_image_content' },
      { outcome: 'deny', reason: 'denied', listed: false, change: expect.stringContaining('catalogs/research.json:') },
    ],
    [
      'a tool no rule allows says where to add it',
      { name: 'test_audio_content' },
      { outcome: 'deny', reason: 'not-allowed', change: expect.stringContaining('add "test_audio_content"') },
    ],
    [
      'arguments decide a condition',
      { name: 'regional', args: '{"region":"us"}' },
      { outcome: 'deny', reason: 'condition-false', listed: true },
    ],
    ['other arguments decide it otherwise', { name: 'regional', args: '{"region":"eu"}' }, { outcome: 'allow' }],
    [
      'another principal is not of the catalog',
      { name: 'simple', principal: '{"team":"sales"}' },
      { outcome: 'deny', reason: 'no-catalog', change: expect.stringContaining('"research"') },
    ],
    [
      'a misspelt name gets the nearest one',
      { name: 'simpel' },
      { outcome: 'deny', reason: 'unknown-target', change: expect.stringContaining('"simple"') },
    ],
    [
      'an unknown catalog lists the known ones',
      { name: 'simple', catalog: 'reserch' },
      { outcome: 'deny', reason: 'unknown-catalog', change: expect.stringContaining('research') },
    ],
  ]
  it.each(rows)('%s', async (_name, params, expected) => {
    expect(await ask(params)).toMatchObject(expected)
  })

  it('takes a pasted token instead of a principal', async () => {
    const response = await fetch(`${gateway.adminUrl}/admin/v1/explain?name=simple`, {
      headers: {
        authorization: `Bearer ${await gateway.token('ops', { roles: ['viewer'] })}`,
        'x-tollgate-explain-token': await gateway.token('research'),
      },
    })

    expect(await response.json()).toMatchObject({ outcome: 'allow', principal: { team: 'research' } })
  })

  it('what explain says is what happens', async () => {
    expect(
      (await call('regional', { region: 'us', level: 1 }, { headers: { 'mcp-param-region': 'us' } })).message?.error?.code,
    ).toBe(-32602)
    expect(
      (await call('regional', { region: 'eu', level: 1 }, { headers: { 'mcp-param-region': 'eu' } })).message?.result,
    ).toBeDefined()
  })
})

describe('metrics', () => {
  it('carry the conventional names and no identities', async () => {
    const text = await (await admin('/metrics')).text()

    expect(text).toMatch(/mcp_server_operation_duration_seconds_bucket\{[^}]*gen_ai_tool_name="simple"/)
    expect(text).toMatch(/tollgate_upstream_up\{server="dead"\} 0/)
    expect(text).toMatch(/tollgate_upstream_up\{server="every"\} 1/)
    expect(text).not.toContain('ann')
    expect(text).not.toContain('run-42')
  })
})

describe('one dead server', () => {
  it('changes nothing for the others and shows in readiness', async () => {
    const ready = await fetch(`${gateway.healthUrl}/readyz?verbose`)

    expect(ready.status).toBe(200)
    expect(await ready.json()).toMatchObject({
      status: 'degraded',
      checks: expect.arrayContaining([
        expect.objectContaining({ name: 'servers', ok: false, message: expect.stringContaining('dead') }),
      ]),
    })
    expect((await call('failing')).status).toBe(200)
  })
})
