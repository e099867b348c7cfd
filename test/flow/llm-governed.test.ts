import { describe, expect, it } from 'vitest'
import { startModelGateway } from '../support/model-gateway.ts'
import { DIALECTS } from '../support/model-streams.ts'

const CHAT = '/v1/chat/completions'
const said = { messages: [{ role: 'user', content: 'hi' }], max_tokens: 10 }
const target = (model: string, provider = 'openai') => ({ provider, model })

describe('limits', () => {
  const placed = [
    { place: 'model', files: { catalog: { models: [{ route: 'openai', limits: { callsPerMinute: 2 } }] } } },
    { place: 'route', files: { routes: { openai: { targets: [target('fake')], limits: { callsPerMinute: 2 } } } } },
    { place: 'catalog', files: { catalog: { limits: { callsPerMinute: 2 } } } },
  ]
  it.each(placed)('callsPerMinute on the $place', async ({ files }) => {
    await using models = await startModelGateway(files)
    const ask = () => models.post(CHAT, { ...said, model: 'openai' })

    const answers = [await ask(), await ask(), await ask()]

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(answers.slice(0, 2).map(({ headers }) => headers.get('x-ratelimit-remaining-requests'))).toEqual(['1', '0'])
    expect(answers[0]?.headers.get('x-ratelimit-limit-requests')).toBe('2')
    expect(answers[0]?.headers.get('x-ratelimit-reset-requests')).toMatch(/^\d+s$/)
    expect(Number(answers[2]?.headers.get('retry-after'))).toBeGreaterThan(0)
    expect(await answers[2]?.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'rate_limit_exceeded' } })
    expect((await models.entries()).map(({ status }) => status)).toEqual(['ok', 'ok', 'limited'])
    expect(models.fakes.requests()).toHaveLength(2)
  })

  it('tokensPerMinute: reserved, then replaced by what was used', async () => {
    await using models = await startModelGateway({ catalog: { limits: { tokensPerMinute: 2_000 } } })
    models.fakes.script({ behaviour: { usage: { input: 100, output: 900 } } })
    const ask = () => models.post(CHAT, { ...said, model: 'openai', max_tokens: 900 })

    const answers = [await ask(), await ask(), await ask()]

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429])
    expect(answers[0]?.headers.get('x-ratelimit-limit-tokens')).toBe('2000')
  })

  it('concurrent: a place is free again when a stream ends or its caller hangs up', async () => {
    await using models = await startModelGateway({
      catalog: { limits: { concurrent: 1 } },
      routes: { slow: { targets: [target('x?stallChunk=1')] }, openai: { targets: [target('fake')] } },
    })
    const under = await models.post(CHAT, { ...said, model: 'slow', stream: true })

    expect((await models.post(CHAT, { ...said, model: 'openai' })).status).toBe(429)
    await under.body?.cancel()
    await models.fakes.until(() => models.fakes.requests()[0]?.outcome === 'hung_up')
    while ((await models.entries()).length < 2);

    expect((await models.post(CHAT, { ...said, model: 'openai' })).status).toBe(200)
  })
})

describe('budgets', () => {
  const dollars = { usd: '0.000001', per: 'day' }

  it('refuse a call they do not cover, in the words of each dialect', async () => {
    await using models = await startModelGateway({ catalog: { budgets: [dollars] } })

    for (const [name, { path, body }] of Object.entries(DIALECTS)) {
      const answer = await models.post(path, { ...body, model: 'gemini' })
      const text = await answer.text()
      expect([name, answer.status]).toEqual([name, 429])
      expect(text).toContain(name === 'messages' ? 'rate_limit_error' : 'insufficient_quota')
    }
    expect(models.fakes.requests()).toEqual([])
    expect((await models.entries()).map(({ status, error }) => [status, error])).toEqual(
      Object.keys(DIALECTS).map(() => ['limited', 'budget_exceeded']),
    )
  })

  it('a target without a price is refused under one, unless its route allows it; counting stays free', async () => {
    await using models = await startModelGateway({
      catalog: { budgets: [{ usd: '10', per: 'day' }] },
      routes: {
        allowed: { unpriced: 'allow', targets: [target('no-such-price')] },
        refused: { targets: [target('no-such-price')] },
      },
    })

    const refused = await models.post(CHAT, { ...said, model: 'refused' })
    const allowed = await models.post(CHAT, { ...said, model: 'allowed' })
    const counted = await models.post('/v1/messages/count_tokens', { ...said, model: 'refused' })

    expect([refused.status, allowed.status, counted.status]).toEqual([403, 200, 200])
    expect(await refused.json()).toMatchObject({ error: { code: 'unpriced' } })
    expect((await models.entries()).map(({ status, nanoUsd }) => [status, nanoUsd])).toEqual([
      ['error', 0],
      ['ok', null],
      ['ok', 0],
    ])
  })
})

describe('headers of every answer', () => {
  it('name the request and what the gateway took', async () => {
    await using models = await startModelGateway()

    for (const stream of [false, true]) {
      const answer = await models.post(CHAT, { ...said, model: 'openai', stream })
      await answer.text()
      expect(answer.headers.get('x-tollgate-request-id')).toMatch(/^[0-9a-f-]{36}$/)
      expect(Number(answer.headers.get('x-tollgate-overhead-ms'))).toBeGreaterThan(0)
      expect(answer.headers.get('x-tollgate-dropped')).toBeNull()
    }
    const refused = await models.post(CHAT, { ...said, model: 'nope' })
    const entries = await models.entries()
    expect(refused.headers.get('x-tollgate-request-id')).toBe(entries.at(-1)?.['id'])
  })
})

describe('GET /v1/models', () => {
  it('lists what is granted and switched on, with context, prices and capabilities', async () => {
    await using models = await startModelGateway({
      routes: { secret: { targets: [target('x')] } },
      catalog: { models: [{ route: 'gemini', as: 'fast' }, { route: 'openai' }] },
    })
    const get = (path: string) => fetch(models.url + path, { headers: { authorization: `Bearer ${models.token}` } })

    const list = (await (await get('/v1/models')).json()) as { data: Record<string, unknown>[] }
    const one = await get('/v1/models/fast')

    expect(list).toMatchObject({ object: 'list', has_more: false, first_id: list.data[0]?.['id'] })
    expect(list.data.map(({ id }) => String(id)).toSorted((a, b) => a.localeCompare(b))).toEqual(['fast', 'openai'])
    expect(await one.json()).toMatchObject({
      id: 'fast',
      object: 'model',
      type: 'model',
      context_window: expect.any(Number),
      pricing: { input: expect.stringMatching(/^[\d.]+$/), output: expect.stringMatching(/^[\d.]+$/) },
      capabilities: expect.arrayContaining(['tools']),
    })
    expect((await get('/v1/models/secret')).status).toBe(404)
    expect((await get('/v1/models/%ff')).status).toBe(400)
  })
})

describe('embeddings', () => {
  it.each([
    { provider: 'openai', model: 'text-embedding-3-small' },
    { provider: 'azure', model: 'embed-deployment' },
    { provider: 'gemini', model: 'gemini-embedding-001' },
    { provider: 'vertex', model: 'text-embedding-005' },
    { provider: 'bedrock', model: 'amazon.titan-embed-text-v2:0' },
  ])('of $provider, in the shape of OpenAI', async ({ provider, model }) => {
    await using models = await startModelGateway({ routes: { embed: { targets: [target(model, provider)] } } })

    const answer = await models.post('/v1/embeddings', { model: 'embed', input: ['hello there'] })

    expect(answer.status).toBe(200)
    expect(await answer.json()).toMatchObject({ object: 'list', data: [{ index: 0, embedding: expect.any(Array) }] })
    const [entry] = await models.entries()
    expect(entry).toMatchObject({ status: 'ok', provider, usageSource: 'provider', outputTokens: 0 })
    expect(entry?.['inputTokens']).toBeGreaterThan(0)
  })

  it('a model that offers none says so as a fault of the request', async () => {
    await using models = await startModelGateway()

    const answer = await models.post('/v1/embeddings', { model: 'anthropic', input: 'hi' })

    expect([answer.status, answer.headers.get('retry-after')]).toEqual([400, null])
    expect(await answer.text()).toContain('offers no embeddings')
  })

  it('a refusal by a limit says how full the counters are, and what the gateway took', async () => {
    await using models = await startModelGateway({ catalog: { limits: { callsPerMinute: 1 } } })
    const ask = () => models.post('/v1/chat/completions', { model: 'openai', messages: [{ role: 'user', content: 'hi' }] })
    await ask()

    const answer = await ask()

    expect(answer.status).toBe(429)
    expect(answer.headers.get('x-ratelimit-limit-requests')).toBe('1')
    expect(answer.headers.get('x-ratelimit-remaining-requests')).toBe('0')
    expect(Number(answer.headers.get('x-tollgate-overhead-ms'))).toBeGreaterThanOrEqual(0)
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
  })

  it('a provider whose key is not there is left alone, named to the caller, and operators hear of it', async () => {
    await using models = await startModelGateway({ env: { FAKE_KEY: '' } })

    const answer = await models.post('/v1/chat/completions', { model: 'openai', messages: [{ role: 'user', content: 'hi' }] })

    expect(answer.status).toBe(502)
    expect(JSON.stringify(await answer.json())).toContain('provider \\"openai\\"')
    expect(models.gateway.logs().some((line) => line['message'] === 'target state' && line['level'] === 'warn')).toBe(true)
  })
})
