import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { startModelGateway } from '../support/model-gateway.ts'
import { DIALECTS } from '../support/model-streams.ts'

const CHAT = '/v1/chat/completions'
const said = { messages: [{ role: 'user', content: 'hi' }] }
const target = (model: string, provider = 'openai') => ({ provider, model })
const DOORS = [CHAT, '/v1/responses', '/v1/messages', '/v1/embeddings', '/v1/messages/count_tokens']

/** What a body says of its error, whichever dialect it is in. */
function errorOf(path: string, text: string): { readonly type?: string; readonly message?: string } {
  const body = JSON.parse(text) as { type?: string; error?: { type?: string; message?: string } }
  if (path.startsWith('/v1/messages')) expect(body.type).toBe('error')
  return body.error ?? {}
}

describe('G20 names of models', () => {
  it('unknown and forbidden look the same, and near misses are unknown', async () => {
    await using models = await startModelGateway({
      routes: { secret: { targets: [target('x')] } },
      catalog: { models: [{ route: 'openai', as: 'small' }] },
    })

    const told = async (model: string): Promise<string> => {
      const answer = await models.post(CHAT, { ...said, model })
      return `${answer.status} ${(await answer.text()).replaceAll(model, 'NAME').replace(/"request_id":"[^"]*"/, '')}`
    }
    const unknown = await told('nothing-here')

    for (const model of ['secret', 'openai', 'Small', 'small ', ' small', 'small\u200b', 'ѕmall', '__proto__', 'constructor'])
      expect([model, await told(model)]).toEqual([model, unknown])
    expect(unknown).toContain('404')
    expect((await models.post(CHAT, { ...said, model: 'small' })).status).toBe(200)
    expect(models.fakes.requests()).toHaveLength(1)
  })

  it.each(DOORS)('a model that is no name is refused on %s', async (path) => {
    await using models = await startModelGateway()

    for (const model of [null, ['openai'], { name: 'openai' }, 7, true, '', 'x'.repeat(257), undefined]) {
      const answer = await models.post(path, { ...said, input: 'hi', max_tokens: 5, model })
      expect([model, answer.status, errorOf(path, await answer.text()).type]).toEqual([model, 400, 'invalid_request_error'])
    }
    expect(models.fakes.requests()).toEqual([])
  })
})

describe('G21 members and headers that would redirect or choose keys', () => {
  it('change neither where a request goes nor as whom', async () => {
    await using models = await startModelGateway()
    const evil = {
      base_url: 'http://127.0.0.1:9',
      api_base: 'http://127.0.0.1:9',
      api_key: 'sk-stolen',
      key: 'x',
      provider: 'azure',
    }
    const headers = {
      'x-target-host': 'evil',
      'x-forwarded-host': 'evil',
      'x-tollgate-provider': 'azure',
      'openai-organization': 'org-evil',
      cookie: 'a=b',
    }

    for (const model of ['openai', 'anthropic', 'gemini', 'bedrock', 'azure'])
      expect([400, 200]).toContain((await models.post(CHAT, { ...said, ...evil, model }, headers)).status)

    for (const request of models.fakes.requests()) {
      expect(JSON.stringify(request.headers)).not.toMatch(/evil|stolen/)
      expect(Object.keys(request.headers)).not.toContain('cookie')
    }
  })
})

describe('G22 numbers that are reserved before anything is sent', () => {
  const rows = [0, -1, 1e9, 1.5, '5', [], true]
  it.each(['max_tokens', 'max_completion_tokens'])('%s must be a sensible number', async (member) => {
    await using models = await startModelGateway()
    for (const value of rows)
      expect([value, (await models.post(CHAT, { ...said, model: 'openai', [member]: value })).status]).toEqual([value, 400])
    expect((await models.post(CHAT, { ...said, model: 'openai', n: 1_000 })).status).toBe(400)
    expect(models.fakes.requests()).toEqual([])
  })

  it('the reservation is the effective bound times the choices', async () => {
    await using models = await startModelGateway({ catalog: { limits: { tokensPerMinute: 10_000 } } })
    const ask = (n: number) => models.post(CHAT, { ...said, model: 'openai', max_tokens: 4_000, n })

    expect((await ask(2)).status).toBe(200)
    expect((await ask(100)).status).toBe(429)
    expect(models.fakes.requests()).toHaveLength(1)
  })

  it('1,000 tools and 10,000 messages pass, forwarded and translated', async () => {
    await using models = await startModelGateway()
    const tools = Array.from({ length: 1_000 }, (_, index) => ({
      type: 'function',
      function: { name: `tool_${index}`, parameters: { type: 'object', properties: {} } },
    }))
    const messages = Array.from({ length: 10_001 }, (_, index) => ({
      role: index % 2 === 0 ? 'user' : 'assistant',
      content: 'x',
    }))

    for (const model of ['openai', 'anthropic', 'bedrock', 'gemini']) {
      const began = performance.now()
      const answer = await models.post(CHAT, { model, messages, tools })
      expect([model, answer.status < 500, performance.now() - began < 5_000]).toEqual([model, true, true])
      await answer.text()
    }
  })
})

describe('bodies that two readers could read differently', () => {
  it.each(['openai', 'anthropic'])('a member given twice is refused (%s)', async (model) => {
    await using models = await startModelGateway()
    const bodies = [
      `{"model":"x","model":"${model}","messages":[{"role":"user","content":"hi"}]}`,
      `{"model":"${model}","messages":[],"messages":[{"role":"user","content":"hi"}]}`,
      `{"model":"${model}","messages":[{"role":"user","content":"hi"}],"mod\\u0065l":"${model}"}`,
    ]

    for (const body of bodies) expect([body, (await models.post(CHAT, body)).status]).toEqual([body, 400])

    expect(models.fakes.requests()).toEqual([])
  })

  it('deep nesting, a BOM, no UTF-8, no object: 400 each', async () => {
    await using models = await startModelGateway()
    const deep = `{"model":"anthropic","messages":[{"role":"user","content":${'['.repeat(50_000)}${']'.repeat(50_000)}}]}`

    for (const body of [deep, '\uFEFF{}', '[]', 'null', '"x"', '{', ''])
      expect([body.slice(0, 9), (await models.post(CHAT, body)).status]).toEqual([body.slice(0, 9), 400])
    const bytes = await fetch(models.url + CHAT, {
      method: 'POST',
      headers: { authorization: `Bearer ${models.token}`, 'content-type': 'application/json' },
      body: Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]),
    })
    expect(bytes.status).toBe(400)
  })
})

describe('errors before and in the facet are in the words of each door', () => {
  it.each(DOORS)('%s', async (path) => {
    await using models = await startModelGateway({
      file: { bounds: { modelBodyBytes: 2_048 } },
      routes: { off: { enabled: false, targets: [target('x')] }, picky: { targets: [target('x?status=400')] } },
    })
    const stranger = await models.gateway.token('nobody')
    const body = { ...said, input: 'hi', max_tokens: 5 }
    const send = (init: { token?: string; method?: string; type?: string; body?: string }) =>
      fetch(models.url + path, {
        method: init.method ?? 'POST',
        headers: { authorization: `Bearer ${init.token ?? models.token}`, 'content-type': init.type ?? 'application/json' },
        ...(init.method === undefined ? { body: init.body ?? JSON.stringify({ ...body, model: 'openai' }) } : {}),
      })
    const rows = [
      { name: 'bad token', answer: await send({ token: 'nonsense' }), status: 401 },
      { name: 'no catalog', answer: await send({ token: stranger }), status: 403 },
      { name: 'unknown model', answer: await send({ body: JSON.stringify({ ...body, model: 'nope' }) }), status: 404 },
      { name: 'GET', answer: await send({ method: 'GET' }), status: 405 },
      { name: 'DELETE', answer: await send({ method: 'DELETE' }), status: 405 },
      { name: 'large', answer: await send({ body: JSON.stringify({ ...body, x: 'x'.repeat(3_000) }) }), status: 413 },
      { name: 'text', answer: await send({ type: 'text/plain' }), status: 415 },
      { name: 'switched off', answer: await send({ body: JSON.stringify({ ...body, model: 'off' }) }), status: 503 },
    ]

    for (const { name, answer, status } of rows) {
      const { type, message } = errorOf(path, await answer.text())
      expect([name, answer.status]).toEqual([name, status])
      expect([name, typeof type, typeof message]).toEqual([name, 'string', 'string'])
      expect(answer.headers.get('content-type')).toContain('application/json')
      if (status === 405) expect(answer.headers.get('allow')).toMatch(/POST/)
      if (status === 503) expect(answer.headers.get('retry-after')).toBe('60')
    }
  })
})

describe('what a target cannot say', () => {
  it('is listed, or refused by header, route and catalog', async () => {
    const strict = { strict: true, targets: [target('x', 'anthropic')] }
    await using models = await startModelGateway({
      routes: { strict, lax: { targets: [target('x', 'anthropic')] } },
      catalog: { models: [{ route: 'strict' }, { route: 'anthropic' }, { route: 'lax', strict: true }, { route: 'openai' }] },
    })
    const body = { ...said, seed: 7, logit_bias: { 1: 1 } }

    const listed = await models.post(CHAT, { ...body, model: 'anthropic' })
    const byHeader = await models.post(CHAT, { ...body, model: 'anthropic' }, { 'x-tollgate-strict': 'true' })
    const byRoute = await models.post(CHAT, { ...body, model: 'strict' })
    const byCatalog = await models.post(CHAT, { ...body, model: 'lax' })
    const same = await models.post(CHAT, { ...body, model: 'openai' }, { 'x-tollgate-strict': 'true' })

    expect(listed.headers.get('x-tollgate-dropped')?.split(', ').toSorted()).toEqual(['logit_bias', 'seed'])
    for (const refused of [byHeader, byRoute, byCatalog]) {
      expect(refused.status).toBe(400)
      expect(await refused.json()).toMatchObject({
        error: { code: 'dropped_parameters', message: expect.stringContaining('seed') },
      })
    }
    expect([same.status, same.headers.get('x-tollgate-dropped')]).toEqual([200, null])
    const [first] = await models.entries()
    expect(String(first?.['dropped']).split(',').toSorted()).toEqual(['logit_bias', 'seed'])
  })
})

describe('G19 requests of any shape', () => {
  const leaf = fc.oneof(fc.string({ maxLength: 12 }), fc.integer(), fc.constant(null), fc.boolean(), fc.double())
  const part = fc.record(
    {
      type: fc.constantFrom(
        'text',
        'input_text',
        'image_url',
        'tool_use',
        'tool_result',
        'thinking',
        'function_call',
        'refusal',
        'x',
      ),
      text: leaf,
      id: leaf,
      name: leaf,
      input: fc.dictionary(fc.string({ maxLength: 5 }), leaf, { maxKeys: 3 }),
      arguments: leaf,
      content: leaf,
      call_id: leaf,
      tool_use_id: leaf,
    },
    { requiredKeys: [] },
  )
  const message = fc.record(
    {
      role: fc.constantFrom('user', 'assistant', 'system', 'developer', 'tool', 'function', 'odd'),
      content: fc.oneof(leaf, fc.array(part, { maxLength: 4 })),
      tool_calls: fc.array(part, { maxLength: 2 }),
      tool_call_id: leaf,
      type: fc.constantFrom('message', 'function_call', 'function_call_output', 'reasoning'),
    },
    { requiredKeys: ['role'] },
  )
  const providers = ['openai', 'anthropic', 'gemini', 'bedrock', 'compatible']

  it('are answered or refused with 400, never with a fault of ours, and later callers are served', async () => {
    await using models = await startModelGateway()
    models.fakes.script({ behaviour: { lenient: true } })
    const dialects = Object.values(DIALECTS)
    await fc.assert(
      fc.asyncProperty(
        fc.array(message, { maxLength: 4 }),
        fc.constantFrom(...dialects),
        fc.tuple(fc.constantFrom(...providers), fc.boolean()),
        fc.dictionary(fc.string({ maxLength: 8 }), leaf, { maxKeys: 3 }),
        async (messages, { path }, [model, stream], more) => {
          const answer = await models.post(path, { ...more, max_tokens: 9, messages, input: messages, model, stream })
          const text = await answer.text()
          expect({ status: answer.status, text }).toMatchObject({
            status: expect.toSatisfy((status) => status === 200 || status === 400),
          })
        },
      ),
      { numRuns: 400 },
    )
    expect((await models.post(CHAT, { ...said, model: 'openai' })).status).toBe(200)
    expect(models.gateway.logs().filter(({ level }) => level === 'error')).toEqual([])
  }, 60_000)
})
