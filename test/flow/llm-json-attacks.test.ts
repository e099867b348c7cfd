// Group C of the catalogue at the doors of the three dialects. Bodies go to a provider of the same dialect nearly as they came and to others
// anew, so every body is sent both ways: what two readers could read differently is refused, or reaches the provider with the one meaning it
// was decided on. A provider that keeps the bytes it was sent says which.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatewayFile, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { startModelGateway } from '../support/model-gateway.ts'
import { startRawProvider, type RawProvider } from '../support/raw-provider.ts'

const CHAT_ANSWER = JSON.stringify({
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'ok' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
})
const MESSAGES_ANSWER = JSON.stringify({
  id: 'm',
  type: 'message',
  role: 'assistant',
  model: 'm',
  content: [{ type: 'text', text: 'ok' }],
  stop_reason: 'end_turn',
  stop_sequence: null,
  usage: { input_tokens: 1, output_tokens: 1 },
})
const RESPONSES_ANSWER = JSON.stringify({
  id: 'r',
  object: 'response',
  created_at: 1,
  status: 'completed',
  model: 'm',
  output: [
    {
      type: 'message',
      id: 'i',
      role: 'assistant',
      status: 'completed',
      content: [{ type: 'output_text', text: 'ok', annotations: [] }],
    },
  ],
  usage: { input_tokens: 1, output_tokens: 1, total_tokens: 2 },
})
const answerOf = (path: string) =>
  path.endsWith('/messages') ? MESSAGES_ANSWER : path.endsWith('/responses') ? RESPONSES_ANSWER : CHAT_ANSWER

let gateway: TestGateway
let provider: RawProvider
let token: string

beforeAll(async () => {
  provider = await startRawProvider(answerOf)
  const key = 'env:FAKE_KEY'
  const routes = ['chat', 'messages', 'responses', 'secret']
  gateway = await startTestGateway(
    {
      'tollgate.json': gatewayFile({
        providers: {
          compatible: { type: 'openai_compatible', baseUrl: `${provider.url}/v1`, key },
          anthropic: { type: 'anthropic', baseUrl: `${provider.url}/v1`, key },
          openai: { type: 'openai', baseUrl: `${provider.url}/v1`, key },
        },
        routes: {
          chat: { targets: [{ provider: 'compatible', model: 'real' }] },
          messages: { targets: [{ provider: 'anthropic', model: 'real' }] },
          responses: { targets: [{ provider: 'openai', model: 'real' }] },
          secret: { targets: [{ provider: 'compatible', model: 'forbidden' }] },
        },
      }),
      'catalogs/research.json': {
        title: 'Research',
        for: { teams: ['research'] },
        models: routes.filter((route) => route !== 'secret').map((route) => ({ route })),
      },
    },
    { FAKE_KEY: 'sk-fake-0123456789' },
  )
  token = await gateway.token('research')
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await provider[Symbol.asyncDispose]()
})

/** Each dialect's door, and a body in order whose parts a test may replace as text. */
const DIALECTS = [
  { path: '/v1/chat/completions', same: 'chat', other: 'messages', rest: '"messages":[{"role":"user","content":"hi"}]' },
  { path: '/v1/messages', same: 'messages', other: 'chat', rest: '"max_tokens":9,"messages":[{"role":"user","content":"hi"}]' },
  { path: '/v1/responses', same: 'responses', other: 'messages', rest: '"input":"hi"' },
] as const

async function post(path: string, body: string | Buffer) {
  const before = provider.seen.length
  const started = performance.now()
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body,
  })
  const text = await response.text()
  return { status: response.status, text, seen: provider.seen.slice(before), ms: performance.now() - started }
}

function expectError(
  path: string,
  { status, text, seen }: Awaited<ReturnType<typeof post>>,
  statuses: readonly number[] = [400],
): void {
  expect(statuses, `${status} ${text}`).toContain(status)
  const body = JSON.parse(text) as { type?: string; error: { type: string; message: string } } // every dialect has these
  if (path === '/v1/messages') expect(body.type).toBe('error')
  expect(body.error.type).toMatch(/invalid_request_error|not_found_error|request_too_large/)
  expect(body.error.message).not.toMatch(/node:|\.ts\b|\n\s+at |JSON at position/)
  expect(seen).toEqual([])
}

/** What the provider understood: the last of members with one name, as most readers do. */
function understood(seen: RawProvider['seen']): Record<string, unknown> {
  return JSON.parse(seen[0]?.body ?? '{}') as Record<string, unknown>
}

const sides = DIALECTS.flatMap(({ path, same, other, rest }) => [
  { name: `${path}, passed on`, path, rest, model: same },
  { name: `${path}, written anew`, path, rest, model: other },
])

describe.each(sides)('$name', ({ path, rest, model }) => {
  const whole = (more = '') => `{"model":"${model}",${rest}${more}}`

  test('the bodies these attacks are made of are in order', async () => {
    const { status, text, seen } = await post(path, whole())

    expect(status, text).toBe(200)
    expect(understood(seen)).toMatchObject({ model: 'real' })
  })

  test.each([
    ['C07 nothing', ''],
    ['C07 blanks', '  \r\n'],
    ['C07 null', 'null'],
    ['C07 a number', '7'],
    ['C07 a text', '"hi"'],
    ['C07 a list', '[]'],
    ['C08 a batch', `[{"model":"${model}",${rest}}]`],
    ['C07 half a body', `{"model":"${model}",`],
    ['C07 something behind it', `{"model":"${model}",${rest}}x`],
    ['C07 a second body behind it', `{"model":"${model}",${rest}}{"model":"secret",${rest}}`],
    ['C07 NaN', `{"model":"${model}",${rest},"temperature":NaN}`],
    ['C07 Infinity', `{"model":"${model}",${rest},"temperature":Infinity}`],
    ['C07 a comment', `{"model":"${model}",/* x */${rest}}`],
    ['C07 single quotes', `{'model':"${model}",${rest}}`],
    ['C07 a name without quotes', `{model:"${model}",${rest}}`],
    ['C07 leading zeros', `{"model":"${model}",${rest},"temperature":01}`],
    ['C07 a comma at the end', `{"model":"${model}",${rest},}`],
    ['C07 a line break in a text', `{"model":"${model}\n",${rest}}`],
    ['C07 a NUL in a text', `{"model":"${model}\u0000",${rest}}`],
    ['C07 an escape nobody made', `{"model":"${model}\\x41",${rest}}`],
    ['C07 a prefix against inclusion', `)]}',\n{"model":"${model}",${rest}}`],
  ])('%s is refused', async (_name, body) => {
    expectError(path, await post(path, body))
  })

  test.each([
    ['C03 a model given twice', () => `{"model":"secret","model":"${model}",${rest}}`],
    ['C03 a model given twice, the other way', () => `{"model":"${model}","model":"secret",${rest}}`],
    ['C03 a model given again at the end', () => whole(',"model":"secret"')],
    ['C06 a model given again in escapes', () => whole(',"\\u006dodel":"secret"')],
    ['C06 a model in escapes before it', () => `{"mode\\u006c":"secret","model":"${model}",${rest}}`],
    ['C03 a stream given twice', () => whole(',"stream":false,"stream":true')],
    ['C03 a bound given twice', () => whole(',"max_tokens":5,"max_tokens":100000')],
    ['C03 words given twice', () => whole(`,${rest}`)],
  ])('%s is refused, or has the meaning that was decided on', async (_name, body) => {
    const answer = await post(path, body())

    if (answer.status !== 200) return expectError(path, answer, [400, 404])
    expect(answer.seen).toHaveLength(1)
    expect(understood(answer.seen)['model']).toBe('real')
    expect(answer.seen[0]?.body).not.toContain('secret')
    expect(answer.seen[0]?.body.match(/"(?:model|mode\\u006c|\\u006dodel)"\s*:/g)).toHaveLength(1)
  })

  test.each([
    ['C05 Model', ',"Model":"secret"'],
    ['C05 MODEL', ',"MODEL":"secret"'],
    ['C06 a long s', ',"mode\u017f":"secret"'],
    ['C06 a letter of another script', ',"m\u043edel":"secret"'],
    ['C06 full width', ',"\uff4dodel":"secret"'],
    ['C06 a blank behind', ',"model ":"secret"'],
    ['C06 a NUL behind', ',"model\\u0000":"secret"'],
  ])('%s beside the model is never taken for it', async (_name, more) => {
    const answer = await post(path, whole(more))

    if (answer.status !== 200) return expectError(path, answer)
    expect(understood(answer.seen)['model']).toBe('real')
  })

  test.each(['Model', 'MODEL', 'm\u043edel', 'model ', '\uff4dodel'])(
    'C05, C06 %j in place of the model is no model',
    async (name) => {
      expectError(path, await post(path, `{${JSON.stringify(name)}:"${model}",${rest}}`))
    },
  )

  test('C04 names out of the language are data, at every level, and change nothing', async () => {
    const inner = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}},"toString":"x","hasOwnProperty":1}'
    const bodies = [
      whole(`,"__proto__":{"polluted":1,"stream":true,"model":"secret"}`),
      whole(`,"constructor":{"prototype":{"polluted":1}}`),
      whole(`,"metadata":${inner}`),
      `{"__proto__":{"model":"secret"},"model":"${model}",${rest}}`,
    ]

    for (const body of bodies) {
      const answer = await post(path, body)
      expect(answer.status).toBeLessThan(500)
      for (const { body: sent } of answer.seen) expect((JSON.parse(sent) as { model?: string }).model).toBe('real')
    }
    expect(Object.keys(Object.prototype)).toEqual([])
    expect(Reflect.get({}, 'polluted')).toBeUndefined()
    expectError(path, await post(path, `{"__proto__":{"model":"${model}"},${rest}}`))
  })

  test.each([
    ['lists', '['.repeat(200_000)],
    ['objects', '{"a":'.repeat(200_000)],
  ])('C01 %s without end are refused soon', async (_name, deep) => {
    for (const body of [
      deep,
      `{"model":"${model}",${rest},"metadata":${deep}`,
      `{"model":"${model}",${rest},"metadata":${deep}}`,
    ]) {
      const answer = await post(path, body)
      expect(answer.status).toBe(400)
      expect(answer.seen).toEqual([])
      expect(answer.ms).toBeLessThan(2_000)
    }
  })

  test('C01, C02 what nests deeper or holds more values than the bounds say is refused, up to them it is not', async () => {
    const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`
    const many = (values: number) => `[${Array.from({ length: values }, () => '0').join()}]`

    for (const fits of [nested(63), many(99_000)])
      expect((await post(path, whole(`,"metadata":${fits}`))).status).toBeLessThan(500)
    for (const tooMuch of [nested(64), nested(100_000), many(100_001), `{"a":${many(60_000)},"b":${many(60_000)}}`]) {
      const answer = await post(path, whole(`,"metadata":${tooMuch}`))
      expectError(path, answer)
      expect(answer.text).toMatch(/nests deeper than 64 levels|holds more than 100000 values/)
      expect(answer.seen).toEqual([])
    }
  })

  test('B19 JSON in another charset is refused', async () => {
    for (const type of ['application/json; charset=utf-16', 'application/json;charset="latin1"', 'application/jsonx']) {
      const answer = await fetch(gateway.url + path, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': type },
        body: whole(''),
      })
      expect([type, answer.status]).toEqual([type, 415])
    }
  })

  test.each([1_000, 20_000])('C01 %i levels in what is passed on or translated are no fault of ours', async (depth) => {
    const deep = `${'{"properties":{"a":'.repeat(depth)}{}${'}}'.repeat(depth)}`
    const tool =
      path === '/v1/chat/completions'
        ? `{"type":"function","function":{"name":"f","parameters":${deep}}}`
        : path === '/v1/messages'
          ? `{"name":"f","input_schema":${deep}}`
          : `{"type":"function","name":"f","parameters":${deep}}`

    const answer = await post(path, whole(`,"tools":[${tool}]`))

    expect(answer.status, answer.text.slice(0, 300)).toBeLessThan(500)
  })

  test('C09 numbers no double holds come through as they were, or are refused', async () => {
    for (const number of [
      '9007199254740993',
      '12345678901234567890',
      '1e400',
      '-1e400',
      '0.1000000000000000055511151231257827',
      '1E-400',
    ]) {
      const answer = await post(path, whole(`,"seed":${number}`))
      expect(answer.status, answer.text).toBeLessThan(500)
      const [sent] = answer.seen
      if (sent !== undefined && sent.body.includes('"seed"'))
        expect(sent.body).toMatch(new RegExp(`"seed":\\s*${number.replaceAll('.', '\\.')}`, 'i'))
    }
  })

  test('C16 a model of many letters, of lines and of escapes is quoted in one harmless line', async () => {
    for (const name of [
      'x'.repeat(10_000),
      'a\\nb',
      'a\\r\\nX-Evil: 1',
      '\\u001b[31mred',
      '<script>alert(1)</script>',
      '\\u202eevil',
      '\\ud800',
    ]) {
      const answer = await post(path, `{"model":"${name}",${rest}}`)
      expectError(path, answer, [400, 404])
      expect(answer.text.length).toBeLessThan(2_000)
      expect(answer.text).not.toMatch(/\p{Cc}/u)
    }
    expect(gateway.logs().filter((line) => JSON.stringify(line).length > 20_000)).toEqual([])
  })

  test('C10 members of the wrong kind are refused before anything is sent', async () => {
    for (const value of ['7', '"yes"', '[]', '{}', '"false"']) expectError(path, await post(path, whole(`,"stream":${value}`)))
  })

  test('C19 the worst bodies that are allowed do not hold others up', async () => {
    const worst = [
      `"${'\\u0041'.repeat(300_000)}"`,
      `[${'[],'.repeat(30_000)}[]]`,
      `{${Array.from({ length: 9_000 }, (_, index) => `"\\u0061${index}":""`).join()}}`,
    ]
    for (const value of worst) {
      const [answer, quick] = await Promise.all([post(path, whole(`,"metadata":${value}`)), fetch(`${gateway.healthUrl}/livez`)])
      expect(answer.status).toBeLessThan(500)
      expect([quick.status, answer.ms < 5_000]).toEqual([200, true])
    }
  })
})

test.each(['gemini', 'bedrock', 'azure'])(
  'C01 what is too deep to be written for %s is refused, and the next caller is served',
  async (model) => {
    await using models = await startModelGateway()
    const messages = [{ role: 'user', content: 'hi' }]
    for (const depth of [70, 5_000, 20_000]) {
      const deep = `${'{"properties":{"a":'.repeat(depth)}{}${'}}'.repeat(depth)}`
      const tools = `[{"type":"function","function":{"name":"f","parameters":${deep}}}]`
      const argumentsText = JSON.stringify(deep)
      const call = `{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":${argumentsText}}}]}`

      const asked = await models.post(
        '/v1/chat/completions',
        `{"model":"${model}","messages":${JSON.stringify(messages)},"tools":${tools}}`,
      )
      const told = await models.post(
        '/v1/chat/completions',
        `{"model":"${model}","messages":[${JSON.stringify(messages[0])},${call},{"role":"tool","tool_call_id":"c","content":"ok"}]}`,
      )

      expect(asked.status, `${depth} ${await asked.text()}`).toBeLessThan(500)
      expect(told.status, `${depth} ${await told.text()}`).toBeLessThan(500)
    }
    expect((await models.post('/v1/chat/completions', { model, messages })).status).toBe(200)
  },
)
