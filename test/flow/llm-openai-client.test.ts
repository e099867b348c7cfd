// The official OpenAI client, unchanged, in front of a real gateway, with every kind of provider behind it.
import OpenAI, {
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
  type APIError,
} from 'openai'
import { zodResponseFormat, zodTextFormat } from 'openai/helpers/zod'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startModelGateway, type ModelGateway } from '../support/model-gateway.ts'

const PROVIDERS = ['openai', 'azure', 'compatible', 'anthropic', 'gemini', 'vertex', 'bedrock', 'claude-on-bedrock'] as const
/** Models whose thoughts are signed. */
const SIGNING: readonly string[] = ['openai', 'azure', 'anthropic', 'gemini', 'vertex', 'claude-on-bedrock']
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const WEATHER = {
  type: 'object',
  properties: { city: { type: 'string' } },
  required: ['city'],
  additionalProperties: false,
}

let models: ModelGateway
let client: OpenAI

beforeAll(async () => {
  models = await startModelGateway({
    routes: {
      'claude-on-bedrock': { targets: [{ provider: 'bedrock', model: 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0' }] },
    },
  })
  client = new OpenAI({ apiKey: models.token, baseURL: `${models.url}/v1`, maxRetries: 0 })
})
afterAll(() => models[Symbol.asyncDispose]())
beforeEach(() => models.fakes.reset())

const ask = (model: string) => ({ model, messages: [{ role: 'user' as const, content: 'Weather in Oslo?' }] })
const providerOf = (model: string) => (model === 'claude-on-bedrock' ? 'bedrock' : model)
const lastAsked = () => JSON.stringify(models.fakes.requests().at(-1)?.body)

describe.each(PROVIDERS)('chat completions answered by %s', (model) => {
  test('a whole answer', async () => {
    models.fakes.script({ behaviour: { text: 'Grüß Gott 🏔', usage: { input: 11, output: 7 } } })

    const answer = await client.chat.completions.create(ask(model))

    expect(answer.choices[0]).toMatchObject({
      index: 0,
      finish_reason: 'stop',
      message: { role: 'assistant', content: 'Grüß Gott 🏔' },
    })
    expect(answer.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 7, total_tokens: 18 })
  })

  test('a stream, piece by piece and accumulated', async () => {
    models.fakes.script({ behaviour: { text: 'Grüß Gott 🏔', chunks: 4, usage: { input: 11, output: 7 } } })
    const pieces: string[] = []

    const stream = client.chat.completions.stream({ ...ask(model), stream_options: { include_usage: true } })
    stream.on('content', (piece) => void pieces.push(piece))
    const answer = await stream.finalChatCompletion()

    expect(pieces.length).toBeGreaterThan(1)
    expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: 'Grüß Gott 🏔' } })
    expect(answer.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 7 })
  })

  test('a stream whose caller did not ask for usage shows none, and the ledger has it', async () => {
    models.fakes.script({ behaviour: { text: 'yes', usage: { input: 11, output: 7 } } })

    const chunks = []
    for await (const chunk of await client.chat.completions.create({ ...ask(model), stream: true })) chunks.push(chunk)

    expect(chunks.every(({ usage, choices }) => (usage ?? null) === null && choices.length <= 1)).toBe(true)
    expect((await models.entries()).at(-1)).toMatchObject({
      inputTokens: 11,
      outputTokens: 7,
      usageSource: 'provider',
      stream: 1,
    })
  })

  test('a tool loop with calls in parallel', async () => {
    models.fakes.script(
      {
        times: 1,
        behaviour: {
          tools: [
            { name: 'get_weather', arguments: { city: 'Oslo' } },
            { name: 'get_weather', arguments: { city: 'Bodø' } },
          ],
          pieces: 3,
        },
      },
      { times: 1, behaviour: { text: 'Rain in both.' } },
    )
    const asked: unknown[] = []

    const runner = client.chat.completions.runTools({
      ...ask(model),
      stream: true,
      tools: [
        {
          type: 'function',
          function: {
            name: 'get_weather',
            description: 'The weather of a city',
            parameters: WEATHER,
            parse: JSON.parse as (text: string) => { city: string }, // the schema of the tool says so
            function: ({ city }: { city: string }) => {
              asked.push(city)
              return `rain in ${city}`
            },
          },
        },
      ],
    })
    const text = await runner.finalContent()

    expect(asked).toEqual(['Oslo', 'Bodø'])
    expect(text).toBe('Rain in both.')
    expect(lastAsked()).toContain('rain in Bodø')
    expect(models.fakes.requests().map(({ status }) => status)).toEqual([200, 200])
  })

  test('an answer in the form of a schema', async () => {
    models.fakes.script({ behaviour: { text: '{"city":"Oslo","degrees":4}' } })
    const Weather = z.object({ city: z.string(), degrees: z.number() })

    const answer = await client.chat.completions.parse({ ...ask(model), response_format: zodResponseFormat(Weather, 'weather') })

    expect(answer.choices[0]?.message.parsed).toEqual({ city: 'Oslo', degrees: 4 })
    if (model !== 'bedrock') expect(lastAsked()).toContain('degrees')
  })

  test('an image', async () => {
    await client.chat.completions.create({
      model,
      messages: [
        { role: 'system', content: 'Be brief.' },
        {
          role: 'user',
          content: [
            { type: 'text', text: 'What is this?' },
            { type: 'image_url', image_url: { url: `data:image/png;base64,${PIXEL}` } },
          ],
        },
      ],
    })

    expect(lastAsked()).toContain(PIXEL)
    expect(lastAsked()).toContain('Be brief.')
  })

  test('an effort of reasoning', async () => {
    models.fakes.script({
      behaviour: { text: 'Rain.', reasoning: 'Coast. So rain.', usage: { input: 5, output: 3, reasoning: 9 } },
    })

    const answer = await client.chat.completions.create({ ...ask(model), reasoning_effort: 'high' })

    expect(answer.choices[0]?.message.content).toBe('Rain.')
    expect(answer.usage?.completion_tokens).toBe(12)
  })

  test('a caller who stops listening ends the work of the provider', async () => {
    models.fakes.script({ behaviour: { size: 5_000, chunks: 1_000, delay: 20 } })
    const stream = await client.chat.completions.create({ ...ask(model), stream: true })

    for await (const chunk of stream) {
      expect(chunk.object).toBe('chat.completion.chunk')
      break
    }

    await models.fakes.until(() => models.fakes.requests().at(-1)?.outcome === 'hung_up')
    await expect
      .poll(async () => (await models.entries()).at(-1))
      .toMatchObject({ status: 'abandoned', provider: providerOf(model) })
  })
})

describe.each(['openai', 'anthropic', 'gemini', 'bedrock'] as const)('failures of %s in the client', (model) => {
  test.each([
    { status: 400, kind: BadRequestError, seen: 400 },
    { status: 401, kind: InternalServerError, seen: 502 },
    { status: 403, kind: InternalServerError, seen: 502 },
    { status: 500, kind: InternalServerError, seen: 502 },
    { status: 503, kind: InternalServerError, seen: 503 },
  ])('a provider that answers $status', async ({ status, kind, seen }) => {
    models.fakes.script({ behaviour: { status, message: 'a word from afar' } })

    const error = await failureOf(client.chat.completions.create(ask(model)))

    expect(error).toBeInstanceOf(kind)
    expect(error.status).toBe(seen)
    expect(error.message.includes('a word from afar')).toBe(status === 400)
    expect(error.requestID).toMatch(/\S/)
  })

  test('a rate limit says when to come back', async () => {
    models.fakes.script({ behaviour: { status: 429, retryAfter: '7' } })

    const error = await failureOf(client.chat.completions.create({ ...ask(model), stream: true }))

    expect(error).toBeInstanceOf(RateLimitError)
    expect(error).toMatchObject({ code: 'rate_limit_exceeded', type: 'rate_limit_error' })
    expect(Number(error.headers?.get('retry-after'))).toBeGreaterThan(0)
  })

  test('a stream that breaks is an error and never a clean end', async () => {
    models.fakes.script({ behaviour: { text: 'a long story', chunks: 6, cutChunk: 3 } })

    await expect(client.chat.completions.stream(ask(model)).finalContent()).rejects.toThrow(/broke off/)

    expect((await models.entries()).at(-1)).toMatchObject({ status: 'cut' })
  })
})

describe('credentials', () => {
  test.each([
    { header: 'authorization', value: (token: string) => `Bearer ${token}` },
    { header: 'x-api-key', value: (token: string) => token },
    { header: 'api-key', value: (token: string) => token },
  ])('in $header', async ({ header, value }) => {
    const headers = { 'content-type': 'application/json', [header]: value(models.token) }

    const answer = await fetch(`${models.url}/v1/chat/completions`, {
      method: 'POST',
      headers,
      body: JSON.stringify(ask('openai')),
    })

    expect(answer.status).toBe(200)
  })

  test('a wrong one is an authentication error', async () => {
    const stranger = new OpenAI({ apiKey: 'wrong', baseURL: `${models.url}/v1`, maxRetries: 0 })

    expect(await failureOf(stranger.chat.completions.create(ask('openai')))).toBeInstanceOf(AuthenticationError)
    expect(await failureOf(stranger.responses.create({ model: 'openai', input: 'x' }))).toMatchObject({ code: 'invalid_api_key' })
  })

  test('a model that is not there is not found, in every call', async () => {
    const none = 'no-such-model'

    for (const call of [
      () => client.chat.completions.create(ask(none)),
      () => client.responses.create({ model: none, input: 'x' }),
      () => client.embeddings.create({ model: none, input: 'x' }),
      () => client.models.retrieve(none),
    ]) {
      const error = await failureOf(call())
      expect(error).toBeInstanceOf(NotFoundError)
      expect(error.code).toBe('model_not_found')
    }
  })

  test('the Azure client, with its own paths set to ours', async () => {
    const azure = new OpenAI({
      apiKey: 'unused',
      baseURL: `${models.url}/v1`,
      defaultHeaders: { 'api-key': models.token, authorization: null },
      defaultQuery: { 'api-version': '2026-05-01' },
    })

    expect((await azure.chat.completions.create(ask('azure'))).choices).toHaveLength(1)
  })
})

test('the list of models, and one of them', async () => {
  const listed = []
  for await (const model of client.models.list()) listed.push(model.id)

  expect(listed.toSorted()).toEqual([...PROVIDERS].toSorted())
  expect(await client.models.retrieve('gemini')).toMatchObject({ id: 'gemini', object: 'model' })
})

test.each(['openai', 'azure', 'compatible', 'gemini'])('embeddings by %s', async (model) => {
  models.fakes.script({ behaviour: { dimensions: 4 } })

  const answer = await client.embeddings.create({ model, input: ['one', 'two'] })

  expect(answer.data.map(({ embedding, index }) => [index, embedding.length])).toEqual([
    [0, 4],
    [1, 4],
  ])
  expect(answer.usage.prompt_tokens).toBeGreaterThan(0)
})

describe.each(PROVIDERS)('responses answered by %s', (model) => {
  test('a whole answer', async () => {
    models.fakes.script({ behaviour: { text: 'Grüß Gott 🏔', usage: { input: 11, output: 7 } } })

    const answer = await client.responses.create({ model, instructions: 'Be brief.', input: 'hi', store: false })

    expect(answer.output_text).toBe('Grüß Gott 🏔')
    expect(answer).toMatchObject({ status: 'completed', usage: { input_tokens: 11, output_tokens: 7, total_tokens: 18 } })
    expect(lastAsked()).toContain('Be brief.')
  })

  test('a stream, piece by piece and accumulated', async () => {
    models.fakes.script({ behaviour: { text: 'Grüß Gott 🏔', chunks: 4 } })
    const pieces: string[] = []

    const stream = client.responses.stream({ model, input: 'hi' })
    stream.on('response.output_text.delta', ({ delta }) => void pieces.push(delta))
    const answer = await stream.finalResponse()

    expect(pieces.join('')).toBe('Grüß Gott 🏔')
    expect(pieces.length).toBeGreaterThan(1)
    expect(answer.output_text).toBe('Grüß Gott 🏔')
  })

  test.each([false, true])('a tool loop with signed thoughts going back, streamed: %s', async (stream) => {
    models.fakes.script(
      {
        times: 1,
        behaviour: {
          reasoning: 'Two cities.',
          signature: 'c2lnbmVkLXRob3VnaHQ=',
          tools: [
            { name: 'get_weather', arguments: { city: 'Oslo' } },
            { name: 'get_weather', arguments: { city: 'Bodø' } },
          ],
        },
      },
      { times: 1, behaviour: { text: 'Rain in both.' } },
    )
    const asking = {
      model,
      store: false,
      include: ['reasoning.encrypted_content' as const],
      reasoning: { effort: 'low' as const },
      tools: [{ type: 'function' as const, name: 'get_weather', parameters: WEATHER, strict: true }],
    }
    const input: OpenAI.Responses.ResponseInput = [{ role: 'user', content: 'Weather?' }]

    const first = stream
      ? await client.responses.stream({ ...asking, input }).finalResponse()
      : await client.responses.create({ ...asking, input })
    const output: OpenAI.Responses.ResponseOutputItem[] = first.output
    const calls = output.filter((item) => item.type === 'function_call')
    input.push(...(first.output as OpenAI.Responses.ResponseInput)) // what was said may be said back
    for (const { call_id, arguments: text } of calls)
      input.push({ type: 'function_call_output', call_id, output: `rain, ${text}` })
    const second = await client.responses.create({ ...asking, input })

    expect(calls.map(({ arguments: text }) => JSON.parse(text) as unknown)).toEqual([{ city: 'Oslo' }, { city: 'Bodø' }])
    expect(second.output_text).toBe('Rain in both.')
    expect(lastAsked().includes('c2lnbmVkLXRob3VnaHQ=')).toBe(SIGNING.includes(model))
  })

  test('an answer in the form of a schema', async () => {
    models.fakes.script({ behaviour: { text: '{"city":"Oslo","degrees":4}' } })
    const Weather = z.object({ city: z.string(), degrees: z.number() })

    const answer = await client.responses.parse({ model, input: 'Oslo?', text: { format: zodTextFormat(Weather, 'weather') } })

    expect(answer.output_parsed).toEqual({ city: 'Oslo', degrees: 4 })
  })

  test('an image', async () => {
    await client.responses.create({
      model,
      input: [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'What is this?' },
            { type: 'input_image', detail: 'auto', image_url: `data:image/png;base64,${PIXEL}` },
          ],
        },
      ],
    })

    expect(lastAsked()).toContain(PIXEL)
  })

  test('a caller who stops listening ends the work of the provider', async () => {
    models.fakes.script({ behaviour: { size: 5_000, chunks: 1_000, delay: 20 } })
    const stream = await client.responses.create({ model, input: 'hi', stream: true })

    for await (const event of stream) if (event.type === 'response.output_text.delta') break

    await models.fakes.until(() => models.fakes.requests().at(-1)?.outcome === 'hung_up')
    await expect
      .poll(async () => (await models.entries()).at(-1))
      .toMatchObject({ status: 'abandoned', provider: providerOf(model) })
  })

  test('a stream that breaks says so', async () => {
    models.fakes.script({ behaviour: { text: 'a long story', chunks: 6, cutChunk: 3 } })
    const seen: string[] = []

    const reading = async () => {
      for await (const event of await client.responses.create({ model, input: 'hi', stream: true })) seen.push(event.type)
    }
    const error = await reading().catch((error_: unknown) => error_)

    expect(seen).not.toContain('response.completed')
    expect(error instanceof Error || seen.includes('error') || seen.includes('response.failed')).toBe(true)
  })
})

async function failureOf(call: PromiseLike<unknown>): Promise<APIError> {
  try {
    await call
  } catch (error) {
    return error as APIError // the client throws nothing else
  }
  throw new Error('it did not fail')
}
