// The AI SDK with its OpenAI and Anthropic providers, unchanged, in front of a real gateway.
import { createAnthropic } from '@ai-sdk/anthropic'
import { createOpenAI } from '@ai-sdk/openai'
import { APICallError, embedMany, generateText, Output, stepCountIs, streamText, tool } from 'ai'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { startModelGateway, type ModelGateway } from '../support/model-gateway.ts'

const PIXEL = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
const SIGNATURE = 'c2lnbmVkLXRob3VnaHQ='

let models: ModelGateway

beforeAll(async () => {
  models = await startModelGateway()
})
afterAll(() => models[Symbol.asyncDispose]())
beforeEach(() => models.fakes.reset())

const lastAsked = () => JSON.stringify(models.fakes.requests().at(-1)?.body)
const openai = () => createOpenAI({ apiKey: models.token, baseURL: `${models.url}/v1` })
const anthropic = () => createAnthropic({ apiKey: models.token, baseURL: `${models.url}/v1` })

const CLIENTS = {
  chat: (name: string) => openai().chat(name),
  responses: (name: string) => openai().responses(name),
  messages: (name: string) => anthropic()(name),
}
const CLIENT_NAMES = ['chat', 'responses', 'messages'] as const
const MODELS = ['openai', 'anthropic', 'gemini', 'bedrock'] as const
const PAIRS = CLIENT_NAMES.flatMap((client) => MODELS.map((name) => ({ client, name })))

describe.each(PAIRS)('$client client, $name behind', ({ client, name }) => {
  const model = () => CLIENTS[client](name)

  test('a whole answer', async () => {
    models.fakes.script({ behaviour: { text: 'Grüß Gott 🏔', usage: { input: 11, output: 7 } } })

    const { text, finishReason, usage } = await generateText({ model: model(), system: 'Be brief.', prompt: 'hi', maxRetries: 0 })

    expect({ text, finishReason }).toEqual({ text: 'Grüß Gott 🏔', finishReason: 'stop' })
    expect(usage).toMatchObject({ inputTokens: 11, outputTokens: 7 })
  })

  test('a stream', async () => {
    models.fakes.script({ behaviour: { text: 'Grüß Gott 🏔', chunks: 4, usage: { input: 11, output: 7 } } })
    const pieces: string[] = []

    const result = streamText({ model: model(), prompt: 'hi', maxRetries: 0 })
    for await (const piece of result.textStream) pieces.push(piece)

    expect(pieces.join('')).toBe('Grüß Gott 🏔')
    expect(pieces.length).toBeGreaterThan(1)
    expect(await result.usage).toMatchObject({ inputTokens: 11, outputTokens: 7 })
    expect(await result.finishReason).toBe('stop')
  })

  test.each([false, true])('a tool loop with calls in parallel and thoughts, streamed: %s', async (isStreamed) => {
    models.fakes.script(
      {
        times: 1,
        behaviour: {
          text: 'I will look.',
          reasoning: 'Two cities.',
          signature: SIGNATURE,
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
    const asking = {
      model: model(),
      prompt: 'Weather?',
      maxRetries: 0,
      stopWhen: stepCountIs(3),
      tools: {
        get_weather: tool({
          description: 'The weather of a city',
          inputSchema: z.object({ city: z.string() }),
          execute: ({ city }) => {
            asked.push(city)
            return `rain in ${city}`
          },
        }),
      },
    }

    const text = isStreamed ? await streamText(asking).text : (await generateText(asking)).text

    expect(asked.toSorted()).toEqual(['Bodø', 'Oslo'])
    expect(text).toBe('Rain in both.')
    expect(lastAsked()).toContain('rain in Bodø')
    // What OpenAI is known to keep may be referred to; everybody else is told it again.
    expect(lastAsked().includes('item_reference')).toBe(client === 'responses' && name === 'openai')
    if (client !== 'responses' || name !== 'openai') expect(lastAsked()).toContain('I will look.')
    expect(models.fakes.requests().map(({ status }) => status)).toEqual([200, 200])
    const isSigned = name === 'gemini' || (name === 'anthropic' && client !== 'chat')
    if (isSigned) expect(lastAsked()).toContain(SIGNATURE)
  })

  test('an answer in the form of a schema', async () => {
    models.fakes.script({ behaviour: { text: '{"city":"Oslo","degrees":4}' } })
    const schema = z.object({ city: z.string(), degrees: z.number() })

    const { output } = await generateText({ model: model(), prompt: 'Oslo?', output: Output.object({ schema }), maxRetries: 0 })

    expect(output).toEqual({ city: 'Oslo', degrees: 4 })
  })

  test('an image', async () => {
    const image = { type: 'file' as const, data: PIXEL, mediaType: 'image/png' }
    const content = [{ type: 'text' as const, text: 'What is this?' }, image]

    await generateText({ model: model(), messages: [{ role: 'user', content }], maxRetries: 0 })

    expect(lastAsked()).toContain(PIXEL)
  })

  test('a caller who stops listening ends the work of the provider', async () => {
    models.fakes.script({ behaviour: { size: 5_000, chunks: 1_000, delay: 20 } })
    const stop = new AbortController()

    const result = streamText({ model: model(), prompt: 'hi', abortSignal: stop.signal, maxRetries: 0, onError: () => undefined })
    for await (const part of result.fullStream) if (part.type === 'text-delta') stop.abort()

    await models.fakes.until(() => models.fakes.requests().at(-1)?.outcome === 'hung_up')
    await expect
      .poll(async () => (await models.entries()).at(-1), { timeout: 5_000 })
      .toMatchObject({ status: 'abandoned', provider: name })
  })

  test.each([
    { status: 400, seen: 400, isRetryable: false },
    { status: 429, seen: 429, isRetryable: true },
    { status: 503, seen: 503, isRetryable: true },
  ])('a provider that answers $status', async ({ status, seen, isRetryable }) => {
    models.fakes.script({ behaviour: { status, message: 'a word from afar', retryAfter: '7' } })

    const error = await failureOf(generateText({ model: model(), prompt: 'hi', maxRetries: 0 }))

    expect(error).toMatchObject({ statusCode: seen, isRetryable })
  })

  test('a stream that breaks is an error part, and no clean end', async () => {
    models.fakes.script({ behaviour: { text: 'a long story', chunks: 6, cutChunk: 3 } })

    const result = streamText({ model: model(), prompt: 'hi', maxRetries: 0, onError: () => undefined })
    const kinds: string[] = []
    for await (const part of result.fullStream) kinds.push(part.type)

    expect(kinds).toContain('error')
  })
})

test('embeddings', async () => {
  models.fakes.script({ behaviour: { dimensions: 4 } })

  const { embeddings } = await embedMany({ model: openai().embedding('gemini'), values: ['one', 'two'], maxRetries: 0 })

  expect(embeddings.map(({ length }) => length)).toEqual([4, 4])
})

async function failureOf(call: PromiseLike<unknown>): Promise<APICallError> {
  try {
    await call
  } catch (error) {
    if (APICallError.isInstance(error)) return error
    throw error
  }
  throw new Error('it did not fail')
}
