import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import type { ChatRequest, Part, Reasoning, ToolChoice, Turn } from '../../../src/llm/middle.ts'
import type { TargetProfile } from '../../../src/llm/wire.ts'
import { geminiWire, vertexGeminiWire } from '../../../src/llm/wires/gemini.ts'

const FOLDER = new URL('../../fixtures/llm/gemini/', import.meta.url)

const target = (model = 'gemini-3-flash-preview'): TargetProfile => ({ model, family: 'gemini' })
const user = (...parts: Part[]): Turn => ({ role: 'user', parts })
const text = (words: string): Part => ({ type: 'text', text: words })
const image = (url: string): Part => ({ type: 'image', source: { kind: 'url', url } })

function request(changes: Partial<ChatRequest> = {}): ChatRequest {
  return {
    dialect: 'chat',
    model: 'fast',
    system: [],
    turns: [user(text('hi'))],
    tools: [],
    stream: false,
    includeUsage: false,
    extras: {},
    ...changes,
  }
}

const encode = (changes: Partial<ChatRequest>, model?: string) => geminiWire.encodeRequest(request(changes), target(model))
const configOf = (changes: Partial<ChatRequest>, model?: string) => encode(changes, model).body['generationConfig']
const contentsOf = (turns: readonly Turn[], model?: string) => encode({ turns }, model).body['contents']

describe('a whole conversation', () => {
  const conversation = JSON.parse(readFileSync(new URL('conversation.request.json', FOLDER), 'utf8')) as ChatRequest

  test.each([
    ['gemini-3', geminiWire, 'gemini-3-flash-preview'],
    ['gemini-1.5', geminiWire, 'gemini-1.5-pro'],
    ['vertex', vertexGeminiWire, 'gemini-2.5-pro'],
  ] as const)('is written for %s', async (name, wire, model) => {
    const { body, dropped, toolNames } = wire.encodeRequest(conversation, target(model))

    const written = JSON.stringify({ body, dropped, toolNames: [...(toolNames ?? [])] }, undefined, 2)
    await expect(`${written}\n`).toMatchFileSnapshot(new URL(`conversation.${name}.json`, FOLDER).pathname)
  })
})

describe('turns', () => {
  test('of one side in a row become one content', () => {
    const turns: Turn[] = [
      user(text('a')),
      user(text('b')),
      { role: 'assistant', parts: [text('c')] },
      { role: 'assistant', parts: [text('d')] },
    ]

    expect(contentsOf(turns)).toEqual([
      { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
      { role: 'model', parts: [{ text: 'c' }, { text: 'd' }] },
    ])
  })

  test('a call without a result gets an error, and it is reported', () => {
    const turns: Turn[] = [
      user(text('a')),
      { role: 'assistant', parts: [{ type: 'tool-call', id: 'x', name: 'f', arguments: '{}' }] },
      user(text('b')),
    ]

    const { body, dropped } = encode({ turns })

    expect(body['contents']).toMatchObject([
      {},
      {},
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'x', name: 'f', response: { error: 'no result was given for this call' } } },
          { text: 'b' },
        ],
      },
    ])
    expect(dropped).toEqual(['messages[].tool_calls'])
  })

  test('a call nothing follows is left as it is', () => {
    const turns: Turn[] = [
      user(text('a')),
      { role: 'assistant', parts: [{ type: 'tool-call', id: 'x', name: 'f', arguments: '{}' }] },
    ]

    expect(encode({ turns })).toMatchObject({ body: { contents: [{}, { role: 'model' }] }, dropped: [] })
  })

  test('a result without its call becomes words, and it is reported', () => {
    const { body, dropped } = encode({ turns: [user({ type: 'tool-result', callId: 'x', name: 'f', parts: [text('42')] })] })

    expect(body['contents']).toEqual([{ role: 'user', parts: [{ text: 'Result of f:\n42' }] }])
    expect(dropped).toEqual(['messages[].tool_call_id'])
  })

  test.each<[string, string, JsonObject, string[]]>([
    ['an object', '{"a":1}', { a: 1 }, []],
    ['nothing', '', {}, []],
    ['JSON cut short', '{"a":', { arguments: '{"a":' }, ['messages[].tool_calls[].function.arguments']],
    ['a list', '[1]', { arguments: '[1]' }, ['messages[].tool_calls[].function.arguments']],
  ])('arguments that are %s', (_name, written, args, dropped) => {
    const turns: Turn[] = [
      user(text('a')),
      { role: 'assistant', parts: [{ type: 'tool-call', id: 'x', name: 'f', arguments: written }] },
    ]

    const encoded = encode({ turns })

    expect(encoded.body['contents']).toMatchObject([{}, { parts: [{ functionCall: { args } }] }])
    expect(encoded.dropped).toEqual(dropped)
  })

  test('the signature of a text comes back to it', () => {
    const turns: Turn[] = [
      user(text('a')),
      { role: 'assistant', parts: [text('four'), { type: 'reasoning', text: '', signature: { family: 'gemini', value: 's' } }] },
    ]

    expect(contentsOf(turns)).toMatchObject([{}, { parts: [{ text: 'four', thoughtSignature: 's' }] }])
  })

  test.each<[string, Part]>([
    ['of another family', { type: 'reasoning', text: 'hm', signature: { family: 'anthropic', value: 's' } }],
    ['without a signature', { type: 'reasoning', text: 'hm' }],
    ['only the provider can read', { type: 'reasoning', text: '', redacted: { family: 'anthropic', value: 's' } }],
  ])('thoughts %s are left out and reported', (_name, part) => {
    const { body, dropped } = encode({ turns: [user(text('a')), { role: 'assistant', parts: [part, text('b')] }] })

    expect(body['contents']).toMatchObject([{}, { parts: [{ text: 'b' }] }])
    expect(dropped).toEqual(['reasoning'])
  })

  test('instructions without any message become the message', () => {
    const { body, dropped } = encode({ system: [{ type: 'text', text: 'be' }], turns: [user(text(''))] })

    expect(body).toEqual({ contents: [{ role: 'user', parts: [{ text: 'be' }] }] })
    expect(dropped).toEqual(['messages[].role'])
  })

  test('no words at all is a request nobody can answer', () => {
    expect(() => encode({ turns: [user(text(''))] })).toThrow(expect.objectContaining({ code: 'invalid_params' }))
  })
})

describe('media', () => {
  test.each<[string, Part, JsonObject]>([
    [
      'an image',
      { type: 'image', source: { kind: 'base64', data: 'aGk=', mediaType: 'image/png' } },
      { inlineData: { mimeType: 'image/png', data: 'aGk=' } },
    ],
    ['audio', { type: 'audio', data: 'aGk=', format: 'wav' }, { inlineData: { mimeType: 'audio/wav', data: 'aGk=' } }],
    [
      'a file of the Gemini API',
      image('https://generativelanguage.googleapis.com/v1beta/files/a.png'),
      { fileData: { mimeType: 'image/png', fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/a.png' } },
    ],
  ])('%s', (_name, part, written) => {
    expect(contentsOf([user(part)])).toEqual([{ role: 'user', parts: [written] }])
  })

  test.each<[string, Part, JsonObject]>([
    ['a web address', image('https://x.example/a.webp?b=1'), { mimeType: 'image/webp', fileUri: 'https://x.example/a.webp?b=1' }],
    ['a bucket', image('gs://b/a'), { mimeType: 'image/jpeg', fileUri: 'gs://b/a' }],
    [
      'a document with a name',
      { type: 'file', source: { kind: 'url', url: 'gs://b/a.pdf' }, name: 'a' },
      { mimeType: 'application/pdf', fileUri: 'gs://b/a.pdf', displayName: 'a' },
    ],
  ])('Vertex fetches %s', (_name, part, fileData) => {
    const { body } = vertexGeminiWire.encodeRequest(request({ turns: [user(part)] }), target())

    expect(body['contents']).toEqual([{ role: 'user', parts: [{ fileData }] }])
  })

  test.each<[string, typeof geminiWire, Part]>([
    ['the Gemini API and a web address', geminiWire, image('https://x.example/a.png')],
    ['the Gemini API and a bucket', geminiWire, image('gs://b/a.png')],
    ['Vertex and plain http', vertexGeminiWire, image('http://x.example/a.png')],
    ['Vertex and a file id', vertexGeminiWire, { type: 'file', source: { kind: 'file', fileId: 'file-1' } }],
    [
      'Vertex and an address that tells no type',
      vertexGeminiWire,
      { type: 'file', source: { kind: 'url', url: 'https://x.example/a' } },
    ],
  ])('%s: refused, naming the part', (_name, wire, part) => {
    expect(() => wire.encodeRequest(request({ turns: [user(text('a'), part)] }), target())).toThrow(
      expect.objectContaining({ code: 'invalid_params', message: expect.stringMatching(/^(image|file) in part 2 of turn 1: /) }),
    )
  })
})

describe('tools', () => {
  const tools = ['a', 'b'].map((name) => ({ name, schema: { type: 'object', properties: { x: { type: 'string' } } } }))

  test.each<[string, ToolChoice, JsonObject, number]>([
    ['auto', { type: 'auto' }, { mode: 'AUTO' }, 2],
    ['none', { type: 'none' }, { mode: 'NONE' }, 2],
    ['required', { type: 'required' }, { mode: 'ANY' }, 2],
    ['one', { type: 'tool', name: 'a' }, { mode: 'ANY', allowedFunctionNames: ['a'] }, 2],
    ['one of some', { type: 'subset', names: ['a', 'b'], required: true }, { mode: 'ANY', allowedFunctionNames: ['a', 'b'] }, 2],
    ['some, or none', { type: 'subset', names: ['b'], required: false }, { mode: 'AUTO' }, 1],
    ['some that do not exist', { type: 'subset', names: ['c'], required: false }, { mode: 'NONE' }, 2],
  ])('choice: %s', (_name, toolChoice, functionCallingConfig, offered) => {
    const { body } = encode({ tools, toolChoice })

    expect(body['toolConfig']).toEqual({ functionCallingConfig })
    expect(body['tools']).toMatchObject([{ functionDeclarations: { length: offered } }])
  })

  test('odd names are mapped one to one, and back', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string({ minLength: 1, maxLength: 80 }), { minLength: 1, maxLength: 20 }), (names) => {
        const { body, toolNames } = encode({ tools: names.map((name) => ({ name, schema: {} })) })
        const [{ functionDeclarations }] = body['tools'] as [{ functionDeclarations: { name: string }[] }]
        const sent = functionDeclarations.map(({ name }) => name)
        expect(sent.every((name) => /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/.test(name))).toBe(true)
        expect(sent.map((name) => toolNames?.get(name) ?? name)).toEqual(names)
      }),
      { numRuns: 100 },
    )
  })
})

describe('the form of the answer', () => {
  const output = {
    type: 'schema',
    name: 'point',
    schema: { type: 'object', properties: { x: { type: 'number', multipleOf: 2 } } },
  } as const
  const tools = [{ name: 'f', schema: {} }]
  const mime = { responseMimeType: 'application/json' }
  const full = { ...mime, responseJsonSchema: { title: 'point', ...output.schema } }
  const old = { ...mime, responseSchema: { title: 'point', type: 'OBJECT', properties: { x: { type: 'NUMBER' } } } }

  test.each<[string, Partial<ChatRequest>, string, { config?: JsonObject; dropped: string[] }]>([
    ['JSON', { output: { type: 'json' } }, 'gemini-2.0-flash', { config: mime, dropped: [] }],
    ['a schema', { output }, 'gemini-2.5-flash', { config: full, dropped: [] }],
    [
      'a schema on an older model',
      { output },
      'gemini-2.0-flash',
      { config: old, dropped: ['response_format.json_schema.schema.multipleOf'] },
    ],
    ['a schema beside tools', { output, tools }, 'gemini-2.5-flash', { dropped: ['response_format'] }],
    ['a schema beside tools on a newer model', { output, tools }, 'gemini-3.1-pro-preview', { config: full, dropped: [] }],
    ['text', { output: { type: 'text' } }, 'gemini-2.5-flash', { dropped: [] }],
  ])('%s', (_name, changes, model, expected) => {
    const encoded = encode(changes, model)

    expect(encoded.body['generationConfig']).toEqual(expected.config)
    expect(encoded.dropped).toEqual(expected.dropped)
  })
})

describe('thinking', () => {
  test.each<[string, Reasoning, unknown, string[]]>([
    ['gemini-3-flash-preview', { effort: 'none' }, { thinkingLevel: 'MINIMAL' }, ['reasoning']],
    ['gemini-3-flash-preview', { effort: 'minimal' }, { thinkingLevel: 'MINIMAL' }, []],
    ['gemini-3-flash-preview', { effort: 'medium' }, { thinkingLevel: 'MEDIUM' }, []],
    ['gemini-3-pro-preview', { effort: 'minimal' }, { thinkingLevel: 'LOW' }, []],
    ['gemini-3-pro-preview', { effort: 'medium' }, { thinkingLevel: 'HIGH' }, []],
    ['gemini-3.1-pro-preview', { effort: 'medium' }, { thinkingLevel: 'MEDIUM' }, []],
    ['gemini-flash-latest', { effort: 'max' }, { thinkingLevel: 'HIGH' }, []],
    ['gemini-3-flash-preview', { budgetTokens: 8_000, summary: 'auto' }, { thinkingLevel: 'MEDIUM', includeThoughts: true }, []],
    ['gemini-3-flash-preview', { adaptive: true, summary: 'omitted' }, { includeThoughts: false }, []],
    ['gemini-2.5-flash', { effort: 'none' }, { thinkingBudget: 0 }, []],
    ['gemini-2.5-flash', { effort: 'low' }, { thinkingBudget: 1_024 }, []],
    ['gemini-2.5-flash', { effort: 'max' }, { thinkingBudget: 24_576 }, []],
    ['gemini-2.5-flash', { adaptive: true }, { thinkingBudget: -1 }, []],
    ['gemini-2.5-pro', { effort: 'none' }, { thinkingBudget: 128 }, ['reasoning']],
    ['gemini-2.5-pro', { budgetTokens: 40_000 }, { thinkingBudget: 32_768 }, ['reasoning']],
    ['gemini-2.5-flash-lite', { budgetTokens: 100 }, { thinkingBudget: 512 }, ['reasoning']],
    ['gemini-2.0-flash', { effort: 'high' }, undefined, ['reasoning']],
    ['gemini-2.0-flash', { effort: 'none' }, undefined, []],
  ])('%s, %j', (model, reasoning, thinkingConfig, dropped) => {
    expect(configOf({ reasoning }, model)).toEqual(thinkingConfig === undefined ? undefined : { thinkingConfig })
    expect(encode({ reasoning }, model).dropped).toEqual(dropped)
  })
})

describe('parameters', () => {
  /** Where each is found when it is said, and its name when it is not. */
  const places: Readonly<Record<string, { readonly path: readonly string[]; readonly name: string }>> = {
    maxTokens: { path: ['generationConfig', 'maxOutputTokens'], name: 'max_tokens' },
    temperature: { path: ['generationConfig', 'temperature'], name: 'temperature' },
    topP: { path: ['generationConfig', 'topP'], name: 'top_p' },
    topK: { path: ['generationConfig', 'topK'], name: 'top_k' },
    stop: { path: ['generationConfig', 'stopSequences'], name: 'stop' },
    seed: { path: ['generationConfig', 'seed'], name: 'seed' },
    presencePenalty: { path: ['generationConfig', 'presencePenalty'], name: 'presence_penalty' },
    frequencyPenalty: { path: ['generationConfig', 'frequencyPenalty'], name: 'frequency_penalty' },
    logitBias: { path: ['-'], name: 'logit_bias' },
    n: { path: ['-'], name: 'n' },
    logprobs: { path: ['generationConfig', 'responseLogprobs'], name: 'logprobs' },
    topLogprobs: { path: ['generationConfig', 'logprobs'], name: 'top_logprobs' },
    reasoning: { path: ['generationConfig', 'thinkingConfig'], name: 'reasoning' },
    output: { path: ['generationConfig', 'responseMimeType'], name: 'response_format' },
    verbosity: { path: ['-'], name: 'verbosity' },
    serviceTier: { path: ['-'], name: 'service_tier' },
    user: { path: ['-'], name: 'user' },
    metadata: { path: ['-'], name: 'metadata' },
    cacheKey: { path: ['-'], name: 'prompt_cache_key' },
    toolChoice: { path: ['toolConfig'], name: 'tool_choice' },
    tools: { path: ['tools'], name: 'tools' },
    parallelTools: { path: ['-'], name: 'parallel_tool_calls' },
  }
  const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
    maxTokens: fc.integer({ min: 1 }),
    temperature: fc.double({ min: 0, max: 2, noNaN: true }),
    topP: fc.double({ min: 0, max: 1, noNaN: true }),
    topK: fc.nat(),
    stop: fc.array(fc.string(), { minLength: 1, maxLength: 5 }),
    seed: fc.maxSafeInteger(),
    presencePenalty: fc.double({ min: -2, max: 2, noNaN: true }),
    frequencyPenalty: fc.double({ min: -2, max: 2, noNaN: true }),
    logitBias: fc.constant({ 5: 1 }),
    n: fc.integer({ min: 2, max: 9 }),
    logprobs: fc.constant(true),
    topLogprobs: fc.integer({ min: 1, max: 20 }),
    reasoning: fc.record({ effort: fc.constantFrom('minimal', 'low', 'medium', 'high', 'xhigh', 'max') }),
    output: fc.constantFrom({ type: 'json' }, { type: 'schema', schema: { type: 'object' } }),
    verbosity: fc.constant('low'),
    serviceTier: fc.constant('flex'),
    user: fc.string(),
    metadata: fc.constant({ a: 'b' }),
    cacheKey: fc.string(),
    toolChoice: fc.constantFrom({ type: 'auto' }, { type: 'none' }, { type: 'required' }, { type: 'tool', name: 'f' }),
    tools: fc.constant([{ name: 'f', schema: { type: 'object' } }]),
    parallelTools: fc.constant(false),
  }

  test('every one is said or reported, on every model', () => {
    const models = fc.constantFrom('gemini-3-pro-preview', 'gemini-2.5-flash', 'gemini-2.0-flash', 'gemma-3')
    fc.assert(
      fc.property(models, fc.record(values, { requiredKeys: [] }), (model, given) => {
        const { body, dropped } = encode(given, model)
        for (const key of Object.keys(given)) {
          const place = places[key]
          const said = place?.path.reduce<unknown>((value, step) => (value as JsonObject | undefined)?.[step], body)
          expect(said !== undefined || dropped.includes(place?.name ?? ''), `${key} of ${JSON.stringify(given)}`).toBe(true)
        }
      }),
      { numRuns: 300 },
    )
  })

  test('members no wire knows are reported by name and never sent', () => {
    const { body, dropped } = encode({ extras: { safety_settings: [], base_url: 'https://x' } })

    expect(dropped).toEqual(['base_url', 'safety_settings'])
    expect(Object.keys(body)).toEqual(['contents'])
  })

  test.each<[string, Partial<ChatRequest>, string[]]>([
    ['more stops than five', { stop: ['1', '2', '3', '4', '5', '6'] }, ['stop']],
    ['the standard tier', { serviceTier: 'auto' }, []],
    ['one answer', { n: 1 }, []],
    ['parallel calls, as always', { parallelTools: true }, []],
    ['a cache breakpoint', { turns: [user({ type: 'text', text: 'a', cache: {} })] }, ['cache_control']],
    ['a strict tool', { tools: [{ name: 'f', schema: {}, strict: true }] }, ['tools[].strict']],
    [
      'a file name',
      { turns: [user({ type: 'file', source: { kind: 'base64', data: '', mediaType: 'text/csv' }, name: 'a.csv' })] },
      ['file.filename'],
    ],
  ])('%s', (_name, changes, dropped) => {
    expect(encode(changes).dropped).toEqual(dropped)
  })
})
