import { OpenAI } from 'openai'
import type { Dispatcher } from 'undici'
import { describe, expect, test } from 'vitest'
import { scanMembers } from '../../../src/llm/body.ts'
import type { ProviderCall } from '../../../src/llm/provider.ts'
import { createDemoDispatcher } from '../../../src/llm/providers/demo-dispatcher.ts'
import { demo } from '../../../src/llm/providers/demo.ts'

const dispatcher = createDemoDispatcher()
const TOOL = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    parameters: {
      type: 'object',
      properties: {
        city: { type: 'string', examples: ['Oslo'] },
        days: { type: 'integer' },
        unit: { enum: ['C', 'F'] },
        note: {},
      },
      required: ['city', 'days', 'unit'],
    },
  },
}
const user = (content: string) => ({ role: 'user' as const, content })

async function send(path: string, body: unknown): Promise<{ readonly status: number; readonly text: string }> {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const response = await dispatcher.request({ origin: 'http://demo.invalid', path, method: 'POST', body: text })
  return { status: response.statusCode, text: await response.body.text() }
}

/** The official client over the dispatcher, as if it were a connection. */
const client = new OpenAI({
  apiKey: 'none',
  baseURL: 'http://demo.invalid/v1',
  maxRetries: 0,
  fetch: async (url, init) => {
    const origin = new URL(String(url)) // oxlint-disable-line typescript/no-base-to-string -- the client passes text
    const { status, text } = await send(origin.pathname, String(init?.body)) // oxlint-disable-line typescript/no-base-to-string -- it posts JSON text
    return new Response(text, {
      status,
      headers: { 'content-type': text.startsWith('data:') ? 'text/event-stream' : 'application/json' },
    })
  },
})

describe('the demo model', () => {
  test('echoes what it was asked, labelled, plain and streamed alike', async () => {
    const request = { model: 'anything', messages: [user('Hello, gate!')] }

    const whole = await client.chat.completions.create(request)
    const streamed = await client.chat.completions
      .stream({ ...request, stream_options: { include_usage: true } })
      .finalChatCompletion()

    const text = '[demo] You said: "Hello, gate!". This answer comes from the gateway itself; no model was asked.'
    for (const answer of [whole, streamed]) {
      expect(answer.model).toBe('tollgate-demo')
      expect(answer.choices[0]).toMatchObject({ finish_reason: 'stop', message: { content: text } })
      expect(answer.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: Math.ceil(text.length / 4) })
    }
  })

  test.each([
    { name: 'names the tool', ask: 'Please use get_weather for me', choice: 'auto', args: { city: 'Oslo', days: 1, unit: 'C' } },
    { name: 'writes the arguments', ask: 'get_weather {"city":"Rome"}', choice: 'auto', args: { city: 'Rome' } },
    { name: 'must call', ask: 'Hi', choice: 'required', args: { city: 'Oslo', days: 1, unit: 'C' } },
    {
      name: 'must call this one',
      ask: 'Hi',
      choice: { type: 'function', function: { name: 'get_weather' } },
      args: { city: 'Oslo', days: 1, unit: 'C' },
    },
    { name: 'names no tool', ask: 'Hi', choice: 'auto', args: undefined },
    { name: 'may not call', ask: 'get_weather', choice: 'none', args: undefined },
    { name: 'names half a tool', ask: 'get_weather_now', choice: 'auto', args: undefined },
  ] as const)('a user who $name', async ({ ask, choice, args }) => {
    const request = { model: 'm', messages: [user(ask)], tools: [TOOL], tool_choice: choice }

    const whole = await client.chat.completions.create(request)
    const streamed = await client.chat.completions.stream(request).finalChatCompletion()

    for (const { choices } of [whole, streamed]) {
      const [call] = choices[0]?.message.tool_calls ?? []
      if (args === undefined) expect(call).toBeUndefined()
      else expect(JSON.parse(call?.type === 'function' ? call.function.arguments : 'null')).toEqual(args)
      expect(choices[0]?.finish_reason).toBe(args === undefined ? 'stop' : 'tool_calls')
    }
  })

  test('answers with the result when one comes back, and calls no further tool', async () => {
    const call = { id: 'c1', type: 'function' as const, function: { name: 'get_weather', arguments: '{}' } }
    const messages = [
      user('get_weather'),
      { role: 'assistant' as const, content: null, tool_calls: [call] },
      { role: 'tool' as const, tool_call_id: 'c1', content: 'Sunny, 20 C' },
    ]

    const answer = await client.chat.completions.create({ model: 'm', messages, tools: [TOOL] })

    expect(answer.choices[0]?.message.content).toBe('[demo] get_weather answered: "Sunny, 20 C".')
  })

  test.each([
    { name: 'an object', format: { type: 'json_object' as const }, has: { demo: expect.stringMatching(/^\[demo\] /) } },
    {
      name: 'a schema',
      format: { type: 'json_schema' as const, json_schema: { name: 's', schema: TOOL.function.parameters } },
      has: { city: 'Oslo', days: 1, unit: 'C' },
    },
  ])('asked for $name it answers JSON', async ({ format, has }) => {
    const answer = await client.chat.completions.create({ model: 'm', messages: [user('x')], response_format: format })

    expect(JSON.parse(answer.choices[0]?.message.content ?? '')).toEqual(has)
  })

  test('a limit cuts the answer between characters and says so', async () => {
    const answer = await client.chat.completions.create({ model: 'm', messages: [user('ü'.repeat(50))], max_tokens: 6 })

    expect(answer.choices[0]).toMatchObject({ finish_reason: 'length', message: { content: '[demo] You said: "üüü' } })
    expect(answer.usage?.completion_tokens).toBe(6)
  })

  test('embeddings are of length one, the same for the same text, and speak both encodings', async () => {
    const ask = { model: 'm', input: ['a', 'b', 'a'], dimensions: 32 }
    const numbers = (await client.embeddings.create({ ...ask, encoding_format: 'float' })).data.map(({ embedding }) => embedding)
    const decoded = (await client.embeddings.create(ask)).data.map(({ embedding }) => [...embedding])

    expect(numbers).toEqual(decoded)
    expect(numbers[0]).toEqual(numbers[2])
    expect(numbers[0]).not.toEqual(numbers[1])
    expect(Math.hypot(...(numbers[0] ?? []))).toBeCloseTo(1, 5)
  })

  test.each([
    { name: 'no JSON', path: '/v1/chat/completions', body: '{', status: 400 },
    { name: 'no object', path: '/v1/chat/completions', body: '[]', status: 400 },
    { name: 'another path', path: '/v1/audio', body: '{}', status: 404 },
    {
      name: 'members of wrong types',
      path: '/v1/chat/completions',
      body: '{"messages":[1,{"role":7,"content":[null,{"text":3}]}],"tools":[{}],"tool_choice":5,"max_tokens":"x","response_format":[]}',
      status: 200,
    },
    { name: 'nothing at all', path: '/v1/chat/completions', body: '{}', status: 200 },
    { name: 'an embedding of nothing', path: '/v1/embeddings', body: '{}', status: 200 },
  ])('$name gives $status', async ({ path, body, status }) => {
    expect((await send(path, body)).status).toBe(status)
  })

  test('the same request gets the same bytes', async () => {
    const body = { model: 'm', stream: true, messages: [user('again')] }

    expect(await send('/v1/chat/completions', body)).toEqual(await send('/v1/chat/completions', body))
  })
})

describe('the dispatcher of the demo', () => {
  const ask = (handler: Dispatcher.DispatchHandler) =>
    dispatcher.dispatch(
      { path: '/v1/chat/completions', method: 'POST', body: JSON.stringify({ stream: true, messages: [user('one two three')] }) },
      handler,
    )

  test('holds its pieces while paused and gives all of them afterwards', async () => {
    const pieces: string[] = []
    const whilePaused: number[] = []
    await new Promise<void>((resolve) => {
      ask({
        onResponseData: (controller, chunk) => {
          pieces.push(chunk.toString())
          if (pieces.length !== 2) return
          controller.pause()
          setImmediate(() =>
            setImmediate(() => {
              whilePaused.push(pieces.length)
              controller.resume()
            }),
          )
        },
        onResponseEnd: () => resolve(),
      })
    })

    expect(whilePaused).toEqual([2])
    expect(pieces.at(-1)).toBe('data: [DONE]\n\n')
    expect(pieces.join('')).toContain('three')
  })

  test('an aborted request hears of it once and nothing more', async () => {
    const heard: string[] = []
    await new Promise<void>((resolve) => {
      ask({
        onResponseData: (controller) => {
          heard.push('data')
          controller.abort(new Error('enough'))
          controller.abort(new Error('really'))
          setImmediate(() => setImmediate(resolve))
        },
        onResponseEnd: () => void heard.push('end'),
        onResponseError: (_controller, error) => void heard.push(error.message),
      })
    })

    expect(heard).toEqual(['data', 'enough'])
  })

  test('closes and is destroyed without anything to wait for', async () => {
    const other = createDemoDispatcher()

    await other.close()
    await other.destroy()
    await new Promise<void>((resolve) => other.close(resolve))
  })
})

describe('the demo as a provider', () => {
  const provider = demo({ type: 'demo', enabled: true, connections: 1, headers: {} })
  const bytes = Buffer.from('{"model":"team-model","messages":[{"role":"user","content":"Hi"}],"stream":true,"seed":7}')
  const call: ProviderCall = {
    operation: 'chat',
    wire: 'chat',
    target: { model: 'tollgate-demo', family: 'demo' },
    stream: true,
    body: { kind: 'same', bytes, members: scanMembers(bytes) },
    passed: {},
  }

  test('the bytes of the caller pass with the name of the model changed, and usage is asked for', () => {
    const { url, body, dropped } = provider.toProvider(call)

    expect(url).toBe('http://demo.invalid/v1/chat/completions')
    expect(JSON.parse(body.toString())).toMatchObject({
      model: 'tollgate-demo',
      seed: 7,
      stream_options: { include_usage: true },
    })
    expect(dropped).toEqual([])
  })

  test('what it sends is what its dispatcher answers, and its usage is read', async () => {
    const { url, body } = provider.toProvider({ ...call, stream: false })
    const { text } = await send(new URL(url).pathname, body.toString().replace('"stream":true', '"stream":false'))

    expect(provider.usageOf(call, JSON.parse(text))).toMatchObject({ source: 'provider', input: 8, output: 22 })
    expect(provider.wires('tollgate-demo')).toEqual(['chat'])
  })

  test('a refusal is read like one of OpenAI', async () => {
    const { status, text } = await send('/v1/audio', '{}')

    expect(provider.errorOf({ status, headers: {}, body: Buffer.from(text) })).toMatchObject({ kind: 'not_found', status: 404 })
  })
})
