import { describe, expect, test } from 'vitest'
import { sendJson, startGateway } from './bridge-harness.ts'
import { runCli } from './cli-harness.ts'

const EXPLANATION = {
  outcome: 'allow',
  reason: 'allowed',
  listed: true,
  catalog: 'research',
  rule: { file: 'catalogs/research.json', line: 5, column: 7, path: '$.models[0].route' },
  item: { name: 'quick', server: '', upstreamName: 'fast', digest: 'sha256:aa', shownDigest: 'sha256:bb' },
  trace: [{ step: 'route', outcome: 'pass', message: 'route "fast": ordered over one/gpt, two/claude@eu' }],
  targets: [
    { target: 'two/claude@eu', outcome: 'candidate', reason: 'place 2 as written' },
    { target: 'one/gpt', outcome: 'candidate', reason: 'last resort: breaker open for 4 s\u001b[2J' },
    { target: 'one/old', outcome: 'skipped', reason: 'switched off' },
  ],
  change: 'to refuse it, remove the rule',
  revision: 'sha256:rr',
  limits: [],
  budgets: [
    { label: 'catalog "research" per day', usd: '2', spentUsd: '0.25', reservedUsd: '0.1' },
    { label: 'catalog "research" per session', usd: '1' },
  ],
}
const ATTEMPT = {
  attempt: 1,
  at: Date.parse('2026-11-23T12:00:00Z'),
  kind: 'model',
  target: 'quick',
  principalKind: 'agent',
  team: 'research',
  user: null,
  session: 'run-1',
  catalog: 'research',
  decision: 'allow',
  reason: 'allowed',
  rule: 'catalogs/research.json:5',
  status: 'retried',
  error: 'upstream_unavailable',
  provider: 'one',
  model: 'gpt',
  region: null,
  upstreamMs: 20.4,
  routing: null,
  verdicts: null,
  revision: 'sha256:rr',
}
const EXCHANGE = {
  exchange: '0199-1',
  attempts: [
    ATTEMPT,
    {
      ...ATTEMPT,
      attempt: 2,
      status: 'ok',
      error: null,
      provider: 'two',
      model: 'claude',
      region: 'eu',
      upstreamMs: 900,
      firstTokenMs: 310,
      inputTokens: 100,
      cacheReadTokens: 20,
      outputTokens: 30,
      reasoningTokens: 5,
      nanoUsd: 1_200_000,
      usageSource: 'provider',
      dropped: 'seed',
      routing: [
        { target: 'one/gpt', outcome: 'failed', reason: 'server (500)' },
        { target: 'two/claude@eu', outcome: 'served', reason: 'place 2 as written' },
      ],
      verdicts: [{ evaluator: 'secrets', action: 'redact', hook: 'response', reason: 'a key' }],
    },
  ],
}

const io = { env: { TOLLGATE_ADMIN_TOKEN: 'admin-token' } }

describe('tollgate explain --model', () => {
  test('prints the route and the targets in order', async () => {
    const asked: string[] = []
    await using admin = await startGateway((_seen, response) => {
      asked.push(String(response.req.url))
      sendJson(response, 200, EXPLANATION)
    })
    const url = `http://127.0.0.1:${admin.port}`
    const words = ['--principal', 'team=research', '--model', 'quick', '--request', '{"stream":true}', '--admin-url', url]

    const { code, out } = await runCli(['explain', ...words], { io })

    expect({ code, out }).toEqual({
      code: 0,
      out: `ALLOW model quick: allowed
  catalog   research
  rule      catalogs/research.json:5:7 $.models[0].route
  route     fast, shown as quick
  digest    sha256:aa (as shown sha256:bb)
  listed    yes
  budgets   catalog "research" per day 0.25 of 2 USD and 0.1 reserved; catalog "research" per session 1 USD
  revision  sha256:rr

trace
  pass route     route "fast": ordered over one/gpt, two/claude@eu

targets
  1    two/claude@eu: place 2 as written
  2    one/gpt: last resort: breaker open for 4 s\uFFFD[2J
  -    one/old: skipped, switched off

change    to refuse it, remove the rule
`,
    })
    const query = new URL(asked[0] ?? '', url).searchParams
    expect([query.get('kind'), query.get('name'), query.get('request')]).toEqual(['model', 'quick', '{"stream":true}'])
  })

  test.each<[name: string, words: readonly string[], message: string]>([
    [
      'two targets',
      ['--principal', 'team=a', '--model', 'm', '--tool', 't'],
      'name one target: --tool, --prompt, --resource or --model',
    ],
    ['no object', ['--principal', 'team=a', '--model', 'm', '--request', '[]'], '--request must be a JSON object'],
    ['no JSON', ['--principal', 'team=a', '--model', 'm', '--request', '{'], '--request is not valid JSON'],
    ['an exchange and a target', ['--exchange', 'x', '--model', 'm'], '--exchange stands alone'],
  ])('%s is a usage error', async (_name, words, message) => {
    const { code, err } = await runCli(['explain', ...words], { io })

    expect(code).toBe(2)
    expect(err).toContain(message)
  })
})

describe('tollgate explain --exchange', () => {
  test('prints what was decided, every attempt and what routing considered', async () => {
    const asked: string[] = []
    await using admin = await startGateway((_seen, response) => {
      asked.push(String(response.req.url))
      sendJson(response, 200, EXCHANGE)
    })

    const { code, out } = await runCli(['explain', '--exchange', '0199-1', '--admin-url', `http://127.0.0.1:${admin.port}`], {
      io,
    })

    expect({ code, out }).toEqual({
      code: 0,
      out: `OK model quick in exchange 0199-1
  at        2026-11-23T12:00:00.000Z
  caller    kind agent, team research
  session   run-1
  catalog   research
  decision  allow (allowed) by catalogs/research.json:5
  dropped   seed
  revision  sha256:rr

attempts
  1    retried   one/gpt: upstream_unavailable, 20 ms
  2    ok        two/claude@eu: 900 ms, 310 ms to the first content, 120 tokens in, 35 tokens out, $0.0012, provider

targets
  -    one/gpt: failed, server (500)
  -    two/claude@eu: served, place 2 as written

verdicts
  response secrets redact a key
`,
    })
    expect(asked).toEqual(['/admin/v1/exchanges/0199-1'])
  })

  test('passes on why there is none', async () => {
    await using admin = await startGateway((_seen, response) =>
      sendJson(response, 404, { detail: 'the ledger has no exchange 0199-2' }),
    )

    const { code, err } = await runCli(['explain', '--exchange', '0199-2', '--admin-url', `http://127.0.0.1:${admin.port}`], {
      io,
    })

    expect(code).not.toBe(0)
    expect(err).toContain('the ledger has no exchange 0199-2')
  })
})
