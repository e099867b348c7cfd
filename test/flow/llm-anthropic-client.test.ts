// The official Anthropic client, unchanged, in front of a real gateway, with every kind of provider behind it.
import Anthropic, {
  type APIError,
  AuthenticationError,
  BadRequestError,
  InternalServerError,
  NotFoundError,
  RateLimitError,
} from '@anthropic-ai/sdk'
import { betaZodTool } from '@anthropic-ai/sdk/helpers/beta/zod'
import { zodOutputFormat } from '@anthropic-ai/sdk/helpers/zod'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startModelGateway, type ModelGateway } from '../support/model-gateway.ts'

const PROVIDERS = ['anthropic', 'claude-on-bedrock', 'openai', 'azure', 'compatible', 'gemini', 'vertex', 'bedrock'] as const
/** Models whose thoughts are signed and whose signatures a Messages caller can carry. */
const SIGNING: readonly string[] = ['anthropic', 'claude-on-bedrock', 'gemini', 'vertex']
const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const SIGNATURE = 'c2lnbmVkLXRob3VnaHQ='

let models: ModelGateway
let client: Anthropic

beforeAll(async () => {
  models = await startModelGateway({
    routes: {
      'claude-on-bedrock': { targets: [{ provider: 'bedrock', model: 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0' }] },
    },
  })
  client = new Anthropic({ apiKey: models.token, authToken: null, baseURL: models.url, maxRetries: 0 })
})
afterAll(() => models[Symbol.asyncDispose]())
beforeEach(() => models.fakes.reset())

const ask = (model: string) => ({
  model,
  max_tokens: 4_000,
  messages: [{ role: 'user' as const, content: 'Weather in Oslo?' }],
})
const providerOf = (model: string) => (model === 'claude-on-bedrock' ? 'bedrock' : model)
const lastAsked = () => JSON.stringify(models.fakes.requests().at(-1)?.body)

describe.each(PROVIDERS)('messages answered by %s', (model) => {
  test('a whole answer', async () => {
    models.fakes.script({ behaviour: { text: 'Grüß Gott 🏔', usage: { input: 11, output: 7 } } })

    const answer = await client.messages.create({ ...ask(model), system: 'Be brief.' })

    expect(answer).toMatchObject({
      type: 'message',
      role: 'assistant',
      content: [{ type: 'text', text: 'Grüß Gott 🏔' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 11, output_tokens: 7 },
    })
    expect(lastAsked()).toContain('Be brief.')
  })

  test('a stream, piece by piece and accumulated', async () => {
    models.fakes.script({ behaviour: { text: 'Grüß Gott 🏔', chunks: 4, usage: { input: 11, cacheRead: 0, output: 7 } } })
    const pieces: string[] = []

    const stream = client.messages.stream(ask(model))
    stream.on('text', (piece) => void pieces.push(piece))
    const answer = await stream.finalMessage()

    expect(pieces.length).toBeGreaterThan(1)
    expect(pieces.join('')).toBe('Grüß Gott 🏔')
    expect(answer).toMatchObject({
      content: [{ type: 'text', text: 'Grüß Gott 🏔' }],
      stop_reason: 'end_turn',
      usage: { input_tokens: 11, output_tokens: 7 },
    })
    expect((await models.entries()).at(-1)).toMatchObject({
      inputTokens: 11,
      outputTokens: 7,
      usageSource: 'provider',
      stream: 1,
    })
  })

  test.each([false, true])('a tool loop with calls in parallel, streamed: %s', async (stream) => {
    models.fakes.script(
      {
        times: 1,
        behaviour: {
          text: 'I will look.',
          tools: [
            { name: 'get_weather', arguments: { city: 'Oslo' } },
            { name: 'get_weather', arguments: { city: 'Bodø' } },
          ],
          pieces: 3,
        },
      },
      { times: 1, behaviour: { text: 'Rain in both.' } },
    )
    const asked: string[] = []
    const tool = betaZodTool({
      name: 'get_weather',
      description: 'The weather of a city',
      inputSchema: z.object({ city: z.string() }),
      run: ({ city }) => {
        asked.push(city)
        return `rain in ${city}`
      },
    })

    // The fakes hold no conversations: with the real Anthropic the runner would go on by `thread`.
    const runner = client.beta.messages.toolRunner({
      ...ask(model),
      stream,
      tools: [tool],
      ...(model === 'anthropic' ? { thread: false as const } : {}),
    })
    const answer = await runner.runUntilDone()

    expect(asked).toEqual(['Oslo', 'Bodø'])
    expect(answer.content).toMatchObject([{ type: 'text', text: 'Rain in both.' }])
    expect(lastAsked()).toContain('rain in Bodø')
    expect(models.fakes.requests().map(({ status }) => status)).toEqual([200, 200])
  })

  test.each([false, true])('signed thoughts and a call, said back on the next turn, streamed: %s', async (stream) => {
    models.fakes.script(
      {
        times: 1,
        behaviour: {
          reasoning: 'The coast. So rain.',
          signature: SIGNATURE,
          tools: [{ name: 'get_weather', arguments: { city: 'Oslo' } }],
        },
      },
      { times: 1, behaviour: { text: 'Rain.' } },
    )
    const asking = {
      ...ask(model),
      thinking: { type: 'enabled' as const, budget_tokens: 1_024 },
      tools: [{ name: 'get_weather', input_schema: { type: 'object' as const, properties: { city: { type: 'string' } } } }],
    }

    const first = stream ? await client.messages.stream(asking).finalMessage() : await client.messages.create(asking)
    const call = first.content.find((block) => block.type === 'tool_use')
    const { data: second, response } = await client.messages
      .create({
        ...asking,
        messages: [
          ...asking.messages,
          { role: 'assistant', content: first.content },
          { role: 'user', content: [{ type: 'tool_result', tool_use_id: call?.id ?? '', content: 'rain' }] },
        ],
      })
      .withResponse()

    expect(first.stop_reason).toBe('tool_use')
    expect(call?.input).toEqual({ city: 'Oslo' })
    expect(second.content).toMatchObject([{ type: 'text', text: 'Rain.' }])
    expect(lastAsked().includes(SIGNATURE)).toBe(SIGNING.includes(model))
    expect(response.headers.get('x-tollgate-request-id')).toMatch(/\S/)
  })

  test('an answer in the form of a schema', async () => {
    models.fakes.script({ behaviour: { text: '{"city":"Oslo","degrees":4}' } })
    const Weather = z.object({ city: z.string(), degrees: z.number() })

    const answer = await client.messages.parse({ ...ask(model), output_config: { format: zodOutputFormat(Weather) } })

    expect(answer.parsed_output).toEqual({ city: 'Oslo', degrees: 4 })
  })

  test('an image and a hint to cache', async () => {
    await client.messages.create({
      ...ask(model),
      messages: [
        {
          role: 'user',
          content: [
            { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PIXEL } },
            { type: 'text', text: 'What is this?', cache_control: { type: 'ephemeral' } },
          ],
        },
      ],
    })

    expect(lastAsked()).toContain(PIXEL)
  })

  test('a caller who stops listening ends the work of the provider', async () => {
    models.fakes.script({ behaviour: { size: 5_000, chunks: 1_000, delay: 20 } })
    const stream = await client.messages.create({ ...ask(model), stream: true })

    for await (const event of stream) if (event.type === 'content_block_delta') break

    await models.fakes.until(() => models.fakes.requests().at(-1)?.outcome === 'hung_up')
    await expect
      .poll(async () => (await models.entries()).at(-1))
      .toMatchObject({ status: 'abandoned', provider: providerOf(model) })
  })

  test('a stream that breaks is an error and never a clean end', async () => {
    models.fakes.script({ behaviour: { text: 'a long story', chunks: 6, cutChunk: 3 } })

    const error = await failureOf(client.messages.stream(ask(model)).finalMessage())

    expect(error.message).toMatch(/broke off/)
    expect((await models.entries()).at(-1)).toMatchObject({ status: 'cut' })
  })

  test('tokens are counted', async () => {
    const { input_tokens: counted } = await client.messages.countTokens({ model, messages: ask(model).messages })

    expect(counted).toBeGreaterThan(0)
  })
})

describe.each(['anthropic', 'openai', 'gemini', 'bedrock'] as const)('failures of %s in the client', (model) => {
  test.each([
    { status: 400, kind: BadRequestError, seen: 400, type: 'invalid_request_error' },
    { status: 401, kind: InternalServerError, seen: 502, type: 'api_error' },
    { status: 500, kind: InternalServerError, seen: 502, type: 'api_error' },
    { status: 503, kind: InternalServerError, seen: 503, type: 'overloaded_error' },
  ])('a provider that answers $status', async ({ status, kind, seen, type }) => {
    models.fakes.script({ behaviour: { status, message: 'a word from afar' } })

    const error = await failureOf(client.messages.create(ask(model)))

    expect(error).toBeInstanceOf(kind)
    expect(error).toMatchObject({ status: seen, type })
    expect(error.message.includes('a word from afar')).toBe(status === 400)
    expect(error.requestID).toMatch(/\S/)
  })

  test('a rate limit says when to come back', async () => {
    models.fakes.script({ behaviour: { status: 429, retryAfter: '7' } })

    const error = await failureOf(client.messages.stream(ask(model)).finalMessage())

    expect(error).toBeInstanceOf(RateLimitError)
    expect(error.type).toBe('rate_limit_error')
    expect(Number(error.headers?.get('retry-after'))).toBeGreaterThan(0)
  })
})

test('a conversation that Anthropic itself holds passes as it is', async () => {
  models.fakes.script({ behaviour: { lenient: true, text: 'yes' } })

  const thread = client.beta.messages.thread({ model: 'anthropic', max_tokens: 100 })
  const first = await thread.send({ role: 'user', content: 'one' })
  await thread.send({ role: 'user', content: 'two' })

  const [create, go] = models.fakes.requests()
  expect(create?.body).toMatchObject({ thread: { type: 'create' } })
  expect(go?.body).toMatchObject({
    thread: { type: 'continue', previous_message_id: first.id },
    messages: [{ role: 'user', content: 'two' }],
  })
  expect(go?.headers['anthropic-beta']).toContain('message-threads')
})

test('a conversation that Anthropic has lost is begun again by the client', async () => {
  const lost = { type: 'error', error: { type: 'not_found_error', message: 'gone', details: { error_code: 'thread_not_found' } } }
  const thread = client.beta.messages.thread({ model: 'anthropic', max_tokens: 100 })
  await thread.send({ role: 'user', content: 'one, to begin with' })
  models.fakes.script({ times: 1, behaviour: { status: 404, rawBody: JSON.stringify(lost) } })

  await thread.send({ role: 'user', content: 'two' })

  expect(models.fakes.requests().map(({ status }) => status)).toEqual([200, 404, 200])
  expect(lastAsked()).toContain('one, to begin with')
})

test.each(['openai', 'gemini', 'bedrock', 'claude-on-bedrock'])('a conversation %s cannot hold is sent whole', async (model) => {
  const thread = client.beta.messages.thread({
    model,
    max_tokens: 100,
    unsupportedRequestBehavior: 'continue_unthreaded',
  })

  await thread.send({ role: 'user', content: 'one, to begin with' })
  await thread.send({ role: 'user', content: 'two' })

  expect(lastAsked()).toContain('one, to begin with')
  expect(lastAsked()).not.toContain('thread')
})

test('an overloaded Anthropic is overloaded', async () => {
  models.fakes.script({ behaviour: { status: 529 } })

  const error = await failureOf(client.messages.create(ask('anthropic')))

  expect(error).toMatchObject({ status: 503, type: 'overloaded_error' })
})

test('an error event in the middle of a stream is an error of the client', async () => {
  models.fakes.script({ behaviour: { status: 529, errorAt: 2, text: 'a long story', chunks: 6 } })

  const error = await failureOf(client.messages.stream(ask('anthropic')).finalMessage())

  expect(error.type).toMatch(/api_error|overloaded_error/)
})

describe('credentials and names', () => {
  test('a token instead of a key', async () => {
    const bearer = new Anthropic({ apiKey: null, authToken: models.token, baseURL: models.url, maxRetries: 0 })

    expect((await bearer.messages.create(ask('anthropic'))).type).toBe('message')
  })

  test('a wrong key is an authentication error', async () => {
    const stranger = new Anthropic({ apiKey: 'wrong', authToken: null, baseURL: models.url, maxRetries: 0 })

    expect(await failureOf(stranger.messages.create(ask('anthropic')))).toBeInstanceOf(AuthenticationError)
    expect(await failureOf(stranger.models.list())).toMatchObject({ type: 'authentication_error' })
  })

  test('a model that is not there is not found, in every call', async () => {
    const none = 'no-such-model'

    for (const call of [
      () => client.messages.create(ask(none)),
      () => client.messages.countTokens({ model: none, messages: ask(none).messages }),
      () => client.models.retrieve(none),
    ]) {
      const error = await failureOf(call())
      expect(error).toBeInstanceOf(NotFoundError)
      expect(error.type).toBe('not_found_error')
    }
  })

  test('the list of models, and one of them', async () => {
    const listed: string[] = []
    for await (const model of client.models.list()) listed.push(model.id)

    expect(listed.toSorted()).toEqual([...PROVIDERS].toSorted())
    const one = await client.models.retrieve('anthropic')
    expect(one).toMatchObject({ id: 'anthropic', type: 'model', display_name: 'anthropic' })
    expect(Number.isNaN(Date.parse(one.created_at))).toBe(false)
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
