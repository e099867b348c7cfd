// Every dialect in, every provider out, through the real gateway: what was said, called and counted arrives, streamed as well as whole, and
// whole conversations reach the provider. In the same dialect the bytes do.
import fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { startModelGateway, type ModelGateway } from '../support/model-gateway.ts'
import { type RawProvider, startRawProvider } from '../support/raw-provider.ts'

const PROVIDERS = ['openai', 'azure', 'compatible', 'anthropic', 'gemini', 'vertex', 'bedrock', 'claude-on-bedrock'] as const
const DIALECTS = ['chat', 'responses', 'messages'] as const
type Dialect = (typeof DIALECTS)[number]
const PAIRS = DIALECTS.flatMap((dialect) => PROVIDERS.map((provider) => ({ dialect, provider })))
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='

let models: ModelGateway
let raw: RawProvider
/** A gateway before the raw provider. */
let bytes: ModelGateway

beforeAll(async () => {
  raw = await startRawProvider((path, isStream) => (isStream ? RAW_STREAM : path === '/v1/responses' ? RAW_RESPONSE : RAW_CHAT))
  const baseUrl = `${raw.url}/v1`
  bytes = await startModelGateway({
    file: {
      providers: {
        raw: { type: 'openai_compatible', baseUrl, key: 'env:FAKE_KEY' },
        'raw-openai': { type: 'openai', baseUrl, key: 'env:FAKE_KEY' },
      },
      routes: {
        raw: { targets: [{ provider: 'raw', model: 'real' }] },
        'raw-openai': { targets: [{ provider: 'raw-openai', model: 'real' }] },
      },
    },
    catalog: { models: [{ route: 'raw' }, { route: 'raw-openai' }] },
  })
  models = await startModelGateway({
    routes: {
      'claude-on-bedrock': { targets: [{ provider: 'bedrock', model: 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0' }] },
    },
  })
})
afterAll(async () => {
  await models[Symbol.asyncDispose]()
  await bytes[Symbol.asyncDispose]()
  await raw[Symbol.asyncDispose]()
})
beforeEach(() => models.fakes.reset())

/** What a caller can know of an answer, whatever its dialect. */
interface Heard {
  readonly text: string
  readonly calls: readonly { readonly id: string; readonly name: string; readonly arguments: unknown }[]
  readonly stop: unknown
  readonly input: unknown
  readonly output: unknown
}

// JSON of an answer whose shape these tests are about; a wrong one fails the comparison.
type Loose = Record<string, any> // oxlint-disable-line typescript/no-explicit-any -- read like a script of a caller would

const ASK: Readonly<
  Record<Dialect, { path: string; body: (model: string, stream: boolean) => object; read: (json: Loose) => Heard }>
> = {
  chat: {
    path: '/v1/chat/completions',
    body: (model, stream) => ({
      model,
      messages: [{ role: 'user', content: 'hi' }],
      ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
    }),
    read: ({ choices: [{ message, finish_reason: stop }], usage }) => ({
      text: message.content ?? '',
      calls: (message.tool_calls ?? []).map(({ id, function: { name, arguments: text } }: Loose) => ({
        id,
        name,
        arguments: JSON.parse(text),
      })),
      stop,
      input: usage.prompt_tokens,
      output: usage.completion_tokens,
    }),
  },
  responses: {
    path: '/v1/responses',
    body: (model, stream) => ({ model, input: 'hi', ...(stream ? { stream } : {}) }),
    read: ({ output, status, incomplete_details: why, usage }) => ({
      text: output
        .filter(({ type }: Loose) => type === 'message')
        .flatMap(({ content }: Loose) => content.map(({ text }: Loose) => text))
        .join(''),
      calls: output
        .filter(({ type }: Loose) => type === 'function_call')
        .map(({ call_id: id, name, arguments: text }: Loose) => ({ id, name, arguments: JSON.parse(text) })),
      stop: why?.reason ?? status,
      input: usage.input_tokens,
      output: usage.output_tokens,
    }),
  },
  messages: {
    path: '/v1/messages',
    body: (model, stream) => ({
      model,
      max_tokens: 100,
      messages: [{ role: 'user', content: 'hi' }],
      ...(stream ? { stream } : {}),
    }),
    read: ({ content, stop_reason: stop, usage }) => ({
      text: content
        .filter(({ type }: Loose) => type === 'text')
        .map(({ text }: Loose) => text)
        .join(''),
      calls: content
        .filter(({ type }: Loose) => type === 'tool_use')
        .map(({ id, name, input }: Loose) => ({ id, name, arguments: input })),
      stop,
      input: usage.input_tokens,
      output: usage.output_tokens,
    }),
  },
}

const eventsOf = (text: string): Loose[] =>
  text
    .split('\n')
    .filter((line) => line.startsWith('data: ') && line !== 'data: [DONE]')
    .map((line) => JSON.parse(line.slice(6)) as Loose)

/** Puts a stream together as its reader would. */
const WHOLE: Readonly<Record<Dialect, (events: readonly Loose[]) => Loose>> = {
  chat: (events) => {
    const calls: Loose[] = []
    let content = ''
    let stop: unknown
    for (const { choices } of events)
      for (const { delta, finish_reason: reason } of choices as Loose[]) {
        content += delta.content ?? ''
        stop = reason ?? stop
        for (const { index, id, function: made } of (delta.tool_calls ?? []) as Loose[]) {
          calls[index] ??= { id, function: { name: made.name, arguments: '' } }
          calls[index].function.arguments += made.arguments ?? ''
        }
      }
    const usage = events.findLast((event) => event['usage'])?.['usage'] as Loose
    return { choices: [{ message: { content, tool_calls: calls }, finish_reason: stop }], usage }
  },
  responses: (events) => events.at(-1)?.['response'] as Loose,
  messages: (events) => {
    const content: Loose[] = []
    let usage: Loose = {}
    let stop: unknown
    for (const event of events) {
      const { type, index, content_block: block, delta } = event
      if (type === 'message_start') usage = { ...event['message'].usage }
      if (type === 'content_block_start') content[index] = { ...block, json: '' }
      if (type === 'content_block_delta' && delta.type === 'text_delta') (content[index] as Loose)['text'] += delta.text
      if (type === 'content_block_delta' && delta.type === 'input_json_delta')
        (content[index] as Loose)['json'] += delta.partial_json
      if (type === 'message_delta') {
        stop = delta.stop_reason
        usage = { ...usage, ...event['usage'] }
      }
    }
    for (const block of content)
      if (block['type'] === 'tool_use') block['input'] = JSON.parse(block['json'] === '' ? '{}' : block['json'])
    return { content, stop_reason: stop, usage }
  },
}

async function hear(dialect: Dialect, provider: string, stream: boolean): Promise<Heard> {
  const { path, body, read } = ASK[dialect]
  const answer = await models.post(path, body(provider, stream))
  const text = await answer.text()
  expect(answer.status, text).toBe(200)
  return read(stream ? WHOLE[dialect](eventsOf(text)) : (JSON.parse(text) as Loose))
}

const STOPS: Readonly<Record<Dialect, Readonly<Record<string, string>>>> = {
  chat: { stop: 'stop', tool: 'tool_calls', length: 'length', filtered: 'content_filter' },
  responses: { stop: 'completed', tool: 'completed', length: 'max_output_tokens', filtered: 'content_filter' },
  messages: { stop: 'end_turn', tool: 'tool_use', length: 'max_tokens', filtered: 'refusal' },
}

describe.each(PAIRS)('$dialect answered by $provider', ({ dialect, provider }) => {
  test('words, calls, stop reason and counts arrive, streamed as well as whole', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          text: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((text) => text.trim() !== ''),
          calls: fc.array(
            fc.dictionary(fc.string({ minLength: 1, maxLength: 8 }), fc.string({ unit: 'grapheme' }), { maxKeys: 3 }),
            {
              maxLength: 3,
            },
          ),
          pieces: fc.integer({ min: 1, max: 9 }),
          input: fc.integer({ min: 0, max: 1_000_000 }),
          output: fc.integer({ min: 1, max: 1_000_000 }),
        }),
        async ({ text, calls, pieces, input, output }) => {
          models.fakes.reset()
          const tools = calls.map((args, index) => ({ id: `n${index}`, name: `tool_${index}`, arguments: JSON.stringify(args) }))
          models.fakes.script({
            behaviour: { text, chunks: pieces, pieces, usage: { input, output }, ...(tools.length > 0 ? { tools } : {}) },
          })

          const whole = await hear(dialect, provider, false)
          const streamed = await hear(dialect, provider, true)

          expect(whole.text).toBe(text)
          expect(whole.calls.map(({ name, arguments: args }) => [name, args])).toEqual(
            calls.map((args, index) => [`tool_${index}`, args]),
          )
          expect(new Set(whole.calls.map(({ id }) => id)).size).toBe(calls.length)
          expect([whole.input, whole.output]).toEqual([input, output])
          expect(whole.stop).toBe(STOPS[dialect][calls.length > 0 ? 'tool' : 'stop'])
          expect(streamed).toEqual(whole)
        },
      ),
      { numRuns: 12 },
    )
  })

  test.each(['length', 'filtered'])('an answer that ended with %s', async (finish) => {
    models.fakes.script({ behaviour: { text: 'so far', finish } })

    expect(await hear(dialect, provider, false)).toMatchObject({ text: 'so far', stop: STOPS[dialect][finish] })
    expect(await hear(dialect, provider, true)).toMatchObject({ text: 'so far', stop: STOPS[dialect][finish] })
  })

  test('a whole conversation reaches the provider, in order, with its calls and results together', async () => {
    const answer = await models.post(ASK[dialect].path, CONVERSATION[dialect](provider))

    expect(answer.status, await answer.text()).toBe(200)
    const sent = JSON.stringify(models.fakes.requests().at(-1)?.body)
    const places = MARKS.map((mark) => sent.indexOf(mark))
    expect(MARKS.filter((_mark, index) => places[index] === -1)).toEqual([])
    expect(ORDERED.map((mark) => sent.indexOf(mark))).toEqual(ORDERED.map((mark) => sent.indexOf(mark)).toSorted((a, b) => a - b))
    expect(answer.headers.get('x-tollgate-dropped')).toBeNull()
  })
})

/** Thoughts of one family, said back to a model of another one. */
describe.each(['responses', 'messages'] as const)('signed thoughts of a %s caller', (dialect) => {
  test.each([
    { from: 'anthropic', to: 'anthropic', isKept: true },
    { from: 'anthropic', to: 'claude-on-bedrock', isKept: true },
    { from: 'claude-on-bedrock', to: 'anthropic', isKept: true },
    { from: 'gemini', to: 'vertex', isKept: true },
    { from: 'gemini', to: 'anthropic', isKept: false },
    { from: 'anthropic', to: 'gemini', isKept: false },
    { from: 'anthropic', to: 'openai', isKept: false },
    { from: 'gemini', to: 'bedrock', isKept: false },
  ])('of $from to $to: kept $isKept', async ({ from, to, isKept }) => {
    const behaviour = { reasoning: 'I wonder.', signature: 'c2lnbmVkLXRob3VnaHQ=', tools: [{ name: 'look', arguments: {} }] }
    models.fakes.script({ times: 1, behaviour })

    const first = (await (await models.post(ASK[dialect].path, thinking(dialect, from, []))).json()) as Loose
    const second = await models.post(ASK[dialect].path, thinking(dialect, to, saidBack(dialect, first)))

    expect(second.status, await second.text()).toBe(200)
    const sent = JSON.stringify(models.fakes.requests().at(-1)?.body)
    expect(sent.includes('c2lnbmVkLXRob3VnaHQ=')).toBe(isKept)
    expect(sent).not.toContain('tg1.')
    const dropped = second.headers.get('x-tollgate-dropped') ?? ''
    expect(dropped.includes('reasoning')).toBe(!isKept)
    expect(((await models.entries()).at(-1)?.['dropped'] ?? '') === dropped.replaceAll(', ', ',')).toBe(true)
  })
})

function thinking(dialect: Dialect, model: string, history: readonly unknown[]): object {
  const question = { role: 'user', content: 'hi' }
  if (dialect === 'responses') {
    const tools = [{ type: 'function', name: 'look', parameters: SCHEMA }]
    return {
      model,
      input: [question, ...history],
      tools,
      reasoning: { effort: 'low' },
      include: ['reasoning.encrypted_content'],
      store: false,
    }
  }
  const tools = [{ name: 'look', input_schema: SCHEMA }]
  return {
    model,
    max_tokens: 4_000,
    messages: [question, ...history],
    tools,
    thinking: { type: 'enabled', budget_tokens: 1_024 },
  }
}

function saidBack(dialect: Dialect, answer: Loose): unknown[] {
  if (dialect === 'responses') {
    const call = answer['output'].find(({ type }: Loose) => type === 'function_call') as Loose
    return [...answer['output'], { type: 'function_call_output', call_id: call['call_id'], output: 'seen' }]
  }
  const call = answer['content'].find(({ type }: Loose) => type === 'tool_use') as Loose
  return [
    { role: 'assistant', content: answer['content'] },
    { role: 'user', content: [{ type: 'tool_result', tool_use_id: call['id'], content: 'seen' }] },
  ]
}

const ODD = '"a_member_of_next_year": { "n":1e400 , "one":1.0,"text":"\\u00e4ä\\/" }'
const USAGE = '"usage":{"prompt_tokens":3,"input_tokens":3,"completion_tokens":2,"output_tokens":2,"total_tokens":5.0}'
const RAW_CHAT = `{"id":"x", "object":"chat.completion","choices":[{"index":0,"message":{"role":"assistant","content":"y\\u00e9s","odd":1.0},"finish_reason":"stop"}],"model":"real","next_year":[1.0],${USAGE}}`
const RAW_RESPONSE = `{"id":"resp_x", "object":"response","status":"completed","output":[{"type":"item_of_next_year","n":1.0}],"model":"real",${USAGE}}`
const RAW_CHUNKS = [
  'data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"role":"assistant","content":"y\\u00e9s","odd":1.0},"finish_reason":null}],"model":"real","p":"abc"}',
  'data: {"id":"x","object":"chat.completion.chunk","choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"model":"real"}',
]
const RAW_USAGE = `data: {"id":"x","object":"chat.completion.chunk","choices":[],"model":"real",${USAGE}}`

describe('the same dialect in and out', () => {
  test.each([
    {
      path: '/v1/chat/completions',
      route: 'raw',
      members: '"messages":[{"role":"user","content":"h\\u00e4 hä"}]',
      answer: RAW_CHAT,
    },
    {
      path: '/v1/chat/completions',
      route: 'raw-openai',
      members: '"messages":[{"role":"user","content":"h\\u00e4 hä"}]',
      answer: RAW_CHAT,
    },
    {
      path: '/v1/responses',
      route: 'raw-openai',
      members: '"input" : [ {"role":"user","content":"h\\u00e4 hä"} ]',
      answer: RAW_RESPONSE,
    },
  ])('$path to $route: bytes out, bytes back', async ({ path, route, members, answer }) => {
    const body = `{ ${ODD},\n "model" : "${route}",\t${members} }`

    const got = await bytes.post(path, body, { 'openai-beta': 'x=1', 'x-secret': 'mine' })

    expect(await got.text()).toBe(answer)
    const seen = raw.seen.at(-1)
    expect(seen?.body).toBe(body.replace(`"${route}"`, '"real"'))
    expect(seen?.path).toBe(path)
    expect(seen?.headers['authorization']).toBe('Bearer sk-fake-0123456789')
    expect(seen?.headers['openai-beta']).toBe(route === 'raw-openai' ? 'x=1' : undefined)
    expect(JSON.stringify(seen?.headers)).not.toMatch(/mine|x-tollgate|traceparent-x/)
  })

  test('a chat stream gets usage asked for, and the caller does not see what it did not ask for', async () => {
    const body = `{"stream":true, ${ODD}, "model":"raw","messages":[{"role":"user","content":"hi"}] }`

    const got = await bytes.post('/v1/chat/completions', body)

    expect(await got.text()).toBe([...RAW_CHUNKS, 'data: [DONE]'].map((frame) => `${frame}\n\n`).join(''))
    const sent = raw.seen.at(-1)?.body ?? ''
    expect(JSON.parse(sent)).toMatchObject({ stream_options: { include_usage: true } })
    expect(sent.replace(/,"stream_options":\{"include_usage":true\}/, '')).toBe(body.replace('"raw"', '"real"'))
    expect((await bytes.entries()).at(-1)).toMatchObject({ inputTokens: 3, outputTokens: 2, usageSource: 'provider' })
  })

  test("a chat stream whose caller asked for usage is the provider's, byte for byte", async () => {
    const body = '{"stream":true,"stream_options":{"include_usage":true,"odd":1.0},"model":"raw","messages":[]}'

    const got = await bytes.post('/v1/chat/completions', body)

    expect(await got.text()).toBe([...RAW_CHUNKS, RAW_USAGE, 'data: [DONE]'].map((frame) => `${frame}\n\n`).join(''))
    expect(raw.seen.at(-1)?.body).toBe(body.replace('"raw"', '"real"'))
  })
})

/** Parts of the conversation every provider must be sent, and those whose order is that of the conversation. */
const ORDERED = [
  'first-question',
  'let-me-look',
  'city-of-call-one',
  'city-of-call-two',
  'result-one',
  'result-two',
  'last-question',
]
const MARKS = ['rule-one', 'rule-two', PIXEL, ...ORDERED, 'tool-description']
const SCHEMA = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
const IMAGE_URL = `data:image/png;base64,${PIXEL}`

const CONVERSATION: Readonly<Record<Dialect, (model: string) => object>> = {
  chat: (model) => ({
    model,
    max_completion_tokens: 500,
    tools: [{ type: 'function', function: { name: 'look', description: 'tool-description', parameters: SCHEMA } }],
    messages: [
      { role: 'system', content: 'rule-one' },
      { role: 'system', content: [{ type: 'text', text: 'rule-two' }] },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'first-question' },
          { type: 'image_url', image_url: { url: IMAGE_URL } },
        ],
      },
      {
        role: 'assistant',
        content: 'let-me-look',
        tool_calls: [
          { id: 'call_1', type: 'function', function: { name: 'look', arguments: '{"city":"city-of-call-one"}' } },
          { id: 'call_2', type: 'function', function: { name: 'look', arguments: '{"city":"city-of-call-two"}' } },
        ],
      },
      { role: 'tool', tool_call_id: 'call_1', content: 'result-one' },
      { role: 'tool', tool_call_id: 'call_2', content: [{ type: 'text', text: 'result-two' }] },
      { role: 'user', content: 'last-question' },
    ],
  }),
  responses: (model) => ({
    model,
    max_output_tokens: 500,
    instructions: 'rule-one',
    tools: [{ type: 'function', name: 'look', description: 'tool-description', parameters: SCHEMA }],
    input: [
      { role: 'developer', content: 'rule-two' },
      {
        role: 'user',
        content: [
          { type: 'input_text', text: 'first-question' },
          { type: 'input_image', image_url: IMAGE_URL },
        ],
      },
      {
        type: 'message',
        id: 'msg_1',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'let-me-look', annotations: [] }],
      },
      { type: 'function_call', call_id: 'call_1', name: 'look', arguments: '{"city":"city-of-call-one"}' },
      { type: 'function_call', call_id: 'call_2', name: 'look', arguments: '{"city":"city-of-call-two"}' },
      { type: 'function_call_output', call_id: 'call_1', output: 'result-one' },
      { type: 'function_call_output', call_id: 'call_2', output: [{ type: 'input_text', text: 'result-two' }] },
      { role: 'user', content: 'last-question' },
    ],
  }),
  messages: (model) => ({
    model,
    max_tokens: 500,
    system: [
      { type: 'text', text: 'rule-one' },
      { type: 'text', text: 'rule-two' },
    ],
    tools: [{ name: 'look', description: 'tool-description', input_schema: SCHEMA }],
    messages: [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'first-question' },
          { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
        ],
      },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'let-me-look' },
          { type: 'tool_use', id: 'toolu_1', name: 'look', input: { city: 'city-of-call-one' } },
          { type: 'tool_use', id: 'toolu_2', name: 'look', input: { city: 'city-of-call-two' } },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 'toolu_1', content: 'result-one' },
          { type: 'tool_result', tool_use_id: 'toolu_2', content: [{ type: 'text', text: 'result-two' }] },
          { type: 'text', text: 'last-question' },
        ],
      },
    ],
  }),
}

const RAW_STREAM = [...RAW_CHUNKS, RAW_USAGE, 'data: [DONE]'].map((frame) => `${frame}\n\n`).join('')
