import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/core/errors.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { needsSameWire, responsesDialect } from '../../../src/llm/dialects/responses.ts'
import type { ChatRequest, Part, Tool, Turn } from '../../../src/llm/middle.ts'
import type { TargetProfile } from '../../../src/llm/wire.ts'
import { seal } from '../../../src/llm/wires/responses-signature.ts'
import { responsesWire } from '../../../src/llm/wires/responses.ts'
import { goldenPath, jsonOf } from './responses-fixture.ts'

const TARGET: TargetProfile = { model: 'gpt-x', family: 'openai' }
const { decodeRequest } = responsesDialect

const pretty = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`

const CHAT: ChatRequest = {
  dialect: 'chat',
  model: 'fast',
  system: [],
  turns: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }],
  tools: [],
  stream: false,
  includeUsage: false,
  extras: {},
}

const encode = (request: Partial<ChatRequest>, target: Partial<TargetProfile> = {}) =>
  responsesWire.encodeRequest({ ...CHAT, ...request }, { ...TARGET, ...target })

const itemsOf = (body: JsonObject) => body['input'] as readonly JsonObject[]

describe('reading a request', () => {
  test('everything at once', async () => {
    await expect(pretty(decodeRequest(jsonOf('request-everything.json')))).toMatchFileSnapshot(
      goldenPath('request-everything.middle'),
    )
  })

  test('the input may be text alone', () => {
    const request = decodeRequest({ model: 'fast', input: 'Hi' })

    expect(request).toEqual({ ...CHAT, dialect: 'responses', includeUsage: true })
  })

  test.each<[string, JsonObject, string]>([
    ['a model that is a list', { model: ['a'], input: 'x' }, '$.model'],
    ['no model', { input: 'x' }, '$.model'],
    ['no input', { model: 'm' }, '$.input'],
    ['an input that is a number', { model: 'm', input: 5 }, '$.input'],
    ['an item that is text', { model: 'm', input: ['x'] }, '$.input[0]'],
    ['an unknown role', { model: 'm', input: [{ role: 'boss', content: 'x' }] }, '$.input[0].role'],
    ['content that is an object', { model: 'm', input: [{ role: 'user', content: {} }] }, '$.input[0].content'],
    ['an unknown part', { model: 'm', input: [{ role: 'user', content: [{ type: 'video' }] }] }, '$.input[0].content[0].type'],
    [
      'an image that nests its URL',
      { model: 'm', input: [{ role: 'user', content: [{ type: 'input_image', image_url: { url: 'x' } }] }] },
      '$.input[0].content[0].image_url',
    ],
    [
      'a data URL that is not base64',
      { model: 'm', input: [{ role: 'user', content: [{ type: 'input_image', image_url: 'data:image/png,x' }] }] },
      '$.input[0].content[0].image_url',
    ],
    ['a result without a call id', { model: 'm', input: [{ type: 'function_call_output', output: 'x' }] }, '$.input[0].call_id'],
    ['max_output_tokens of 0', { model: 'm', input: 'x', max_output_tokens: 0 }, '$.max_output_tokens'],
    ['max_output_tokens of -1', { model: 'm', input: 'x', max_output_tokens: -1 }, '$.max_output_tokens'],
    ['max_output_tokens as text', { model: 'm', input: 'x', max_output_tokens: '5' }, '$.max_output_tokens'],
    ['a temperature of 3', { model: 'm', input: 'x', temperature: 3 }, '$.temperature'],
    ['an unknown effort', { model: 'm', input: 'x', reasoning: { effort: 'huge' } }, '$.reasoning.effort'],
    [
      'a nested function tool',
      { model: 'm', input: 'x', tools: [{ type: 'function', function: { name: 'a' } }] },
      '$.tools[0].name',
    ],
    [
      'a schema that is text',
      { model: 'm', input: 'x', text: { format: { type: 'json_schema', schema: 'x' } } },
      '$.text.format.schema',
    ],
    ['an unknown format', { model: 'm', input: 'x', text: { format: { type: 'xml' } } }, '$.text.format.type'],
    ['an unknown tool choice', { model: 'm', input: 'x', tool_choice: 'any' }, '$.tool_choice'],
    ['stream as text', { model: 'm', input: 'x', stream: 'yes' }, '$.stream'],
  ])('refuses %s and says where', (_name, body, path) => {
    const read = () => decodeRequest(body)

    expect(read).toThrow(GatewayError)
    expect(read).toThrow(expect.objectContaining({ code: 'invalid_params', message: expect.stringContaining(`${path}: must`) }))
  })

  test('never throws anything but its own error', () => {
    const item = fc.record(
      {
        type: fc.constantFrom('message', 'function_call', 'function_call_output', 'reasoning', '__proto__', 'odd'),
        role: fc.constantFrom('user', 'assistant', 'system'),
        content: fc.jsonValue(),
        output: fc.jsonValue(),
        call_id: fc.jsonValue(),
        name: fc.jsonValue(),
        encrypted_content: fc.oneof(fc.jsonValue(), fc.constant('tg1.call%3A%25.x'), fc.constant('tg1.call%3A%25E0%3Aa.eA')),
        summary: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    const body = fc.record(
      {
        model: fc.constant('m'),
        input: fc.oneof(fc.array(item), fc.jsonValue()),
        tools: fc.jsonValue(),
        tool_choice: fc.jsonValue(),
        text: fc.jsonValue(),
        include: fc.jsonValue(),
        reasoning: fc.jsonValue(),
      },
      { requiredKeys: ['model'] },
    )
    fc.assert(
      fc.property(body, (value) => {
        // fast-check makes JSON values, which is what arrives
        const json = JSON.parse(JSON.stringify(value)) as JsonObject
        try {
          const request = decodeRequest(json)
          responsesWire.encodeRequest(request, TARGET)
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_params' })
        }
        expect(needsSameWire(json)).toEqual(expect.any(Array))
      }),
      { numRuns: 300 },
    )
  })

  test.each<[string, JsonObject, readonly string[]]>([
    ['an ordinary request', { input: 'x', store: false, background: false }, []],
    ['an earlier response', { input: 'x', previous_response_id: 'resp_1' }, ['previous_response_id']],
    ['a conversation', { input: 'x', conversation: { id: 'conv_1' } }, ['conversation']],
    ['work in the background', { input: 'x', background: true }, ['background']],
    ['a stored prompt', { prompt: { id: 'pmpt_1' } }, ['prompt']],
    [
      'items kept by the provider',
      {
        input: [
          { type: 'item_reference', id: 'msg_1' },
          { type: 'compaction', encrypted_content: 'x' },
        ],
      },
      ['input[].item_reference', 'input[].compaction'],
    ],
    ['nothing', { previous_response_id: null, conversation: null }, []],
  ])('names what needs the same wire: %s', (_name, body, names) => {
    expect(needsSameWire(body)).toEqual(names)
  })

  test('what no other wire can say is kept by its name', () => {
    const request = decodeRequest({
      model: 'm',
      input: [
        { role: 'user', content: 'x' },
        { type: 'web_search_call', id: 'ws_1' },
      ],
      tools: [
        { type: 'mcp', server_label: 'a' },
        { type: 'custom', name: 'c' },
      ],
      tool_choice: { type: 'mcp', server_label: 'a' },
      store: true,
      truncation: 'auto',
      previous_response_id: 'resp_1',
      background: true,
      max_tool_calls: 2,
      stream_options: { include_obfuscation: true },
    })

    expect(Object.keys(request.extras).toSorted()).toEqual([
      'background',
      'input[].web_search_call',
      'max_tool_calls',
      'previous_response_id',
      'store',
      'stream_options',
      'tool_choice',
      'tools[].custom',
      'tools[].mcp',
      'truncation',
    ])
  })

  test('members inside other members are kept by their paths, and written again where they can be', () => {
    const body = {
      model: 'm',
      input: 'x',
      reasoning: { effort: 'low', context: 'auto' },
      text: { verbosity: 'low', style: 'dry' },
      tools: [{ type: 'function', name: 'f', parameters: {}, defer_loading: true }],
    }

    const written = responsesWire.encodeRequest(decodeRequest(body), TARGET)

    expect(Object.keys(decodeRequest(body).extras)).toEqual(['reasoning.context', 'text.style', 'tools[].function.defer_loading'])
    expect(written.body).toMatchObject({ reasoning: body.reasoning, text: body.text })
    expect(written.dropped).toEqual(['tools[].function.defer_loading'])
  })

  test('signatures of every family come back from a Responses caller', () => {
    const gemini = { family: 'gemini', value: 'g+/=' }
    const anthropic = { family: 'anthropic', value: 'a.b' }
    const reasoning = (encrypted_content: string) => ({ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content })

    const request = decodeRequest({
      model: 'm',
      input: [
        reasoning('gAAA-native'),
        reasoning(seal({ kind: 'signature', signature: anthropic })),
        reasoning(seal({ kind: 'redacted', signature: anthropic })),
        { type: 'function_call', call_id: 'call:1%', name: 'f', arguments: '{}' },
        reasoning(seal({ kind: 'call', callId: 'call:1%', signature: gemini })),
        { type: 'function_call_output', call_id: 'call:1%', output: 'x' },
      ],
    })

    expect(request.turns).toEqual([
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', id: 'rs_1', text: '', signature: { family: 'openai', value: 'gAAA-native' } },
          { type: 'reasoning', id: 'rs_1', text: '', signature: anthropic },
          { type: 'reasoning', id: 'rs_1', text: '', redacted: anthropic },
          { type: 'tool-call', id: 'call:1%', name: 'f', arguments: '{}', signature: gemini },
        ],
      },
      { role: 'user', parts: [{ type: 'tool-result', callId: 'call:1%', name: 'f', parts: [{ type: 'text', text: 'x' }] }] },
    ])
  })
})

describe('writing a request', () => {
  test('everything at once', async () => {
    const written = responsesWire.encodeRequest(decodeRequest(jsonOf('request-everything.json')), TARGET)

    await expect(pretty(written)).toMatchFileSnapshot(goldenPath('request-everything.written'))
  })

  test('reading what was written gives the same request', () => {
    const request = decodeRequest(jsonOf('request-everything.json'))

    const again = decodeRequest({ ...responsesWire.encodeRequest(request, TARGET).body, model: 'fast' })

    expect(again).toEqual(request)
  })

  const call = (id: string, name = 'f'): Part => ({ type: 'tool-call', id, name, arguments: '{}' })
  const result = (callId: string): Part => ({ type: 'tool-result', callId, parts: [{ type: 'text', text: callId }] })

  test('a file of another provider is refused in words', () => {
    const image: Part = { type: 'image', source: { kind: 'file', fileId: 'file_1' } }
    const turns: Turn[] = [{ role: 'user', parts: [image] }]

    expect(itemsOf(encode({ turns }).body)[0]).toMatchObject({ content: [{ type: 'input_image', file_id: 'file_1' }] })
    expect(() => encode({ turns, dialect: 'messages' })).toThrow(expect.objectContaining({ code: 'invalid_params' }))
  })

  test('a call without a result gets one, and it is reported', () => {
    const turns: Turn[] = [
      { role: 'assistant', parts: [call('a'), call('b')] },
      { role: 'user', parts: [result('a')] },
    ]

    const { body, dropped } = encode({ turns })

    expect(itemsOf(body).map((item) => [item['type'], item['call_id']])).toEqual([
      ['function_call', 'a'],
      ['function_call', 'b'],
      ['function_call_output', 'b'],
      ['function_call_output', 'a'],
    ])
    expect(dropped).toEqual(['messages[].tool_calls'])
  })

  test('a result without a call, or a second one, becomes words', () => {
    const turns: Turn[] = [
      { role: 'assistant', parts: [call('a')] },
      { role: 'user', parts: [result('a'), result('a'), result('z')] },
    ]

    const { body, dropped } = encode({ turns })

    expect(itemsOf(body).map((item) => item['type'])).toEqual(['function_call', 'function_call_output', 'message', 'message'])
    expect(dropped).toEqual(['messages[].tool_calls'])
  })

  test('a provider that keeps the history is trusted with the other half', () => {
    const turns: Turn[] = [{ role: 'user', parts: [result('a')] }]

    const { body, dropped } = encode({ dialect: 'responses', turns, extras: { previous_response_id: 'resp_1' } })

    expect(body).toMatchObject({ previous_response_id: 'resp_1', input: [{ type: 'function_call_output' }] })
    expect(body).not.toHaveProperty('store')
    expect(dropped).toEqual([])
  })

  test('thoughts go back only to their family', () => {
    const turns: Turn[] = [
      {
        role: 'assistant',
        parts: [
          { type: 'reasoning', id: 'rs_1', text: 'Hm.', signature: { family: 'openai', value: 's1' } },
          { type: 'reasoning', text: '', signature: { family: 'openai', value: 's2' } },
          { type: 'reasoning', text: 'Foreign.', signature: { family: 'anthropic', value: 's3' } },
          { type: 'reasoning', text: 'Unsigned.' },
          { type: 'text', text: 'Hi' },
        ],
      },
    ]

    const { body, dropped } = encode({ turns })

    expect(itemsOf(body)).toEqual([
      { type: 'reasoning', id: 'rs_1', summary: [{ type: 'summary_text', text: 'Hm.' }], encrypted_content: 's1' },
      { type: 'reasoning', summary: [], encrypted_content: 's2' },
      { type: 'message', role: 'assistant', content: [{ type: 'output_text', text: 'Hi' }] },
    ])
    expect(dropped).toEqual(['reasoning'])
    expect(body).toMatchObject({ store: false, include: ['reasoning.encrypted_content'] })
  })

  test.each<[string, Partial<ChatRequest>, Partial<TargetProfile>, JsonObject, readonly string[]]>([
    ['a budget becomes an effort', { reasoning: { budgetTokens: 4_000 } }, {}, { reasoning: { effort: 'medium' } }, []],
    ['a large budget', { reasoning: { budgetTokens: 60_000 } }, {}, { reasoning: { effort: 'high' } }, []],
    ['a budget of nothing', { reasoning: { budgetTokens: 0 } }, {}, { reasoning: { effort: 'none' } }, []],
    ['thinking nobody can do', { reasoning: { effort: 'high' } }, { reasons: false }, {}, ['reasoning']],
    ['no thinking asked of what does not think', { reasoning: { effort: 'none' } }, { reasons: false }, {}, []],
    [
      'a summary in the words of Messages',
      { reasoning: { effort: 'low', summary: 'summarized' } },
      {},
      { reasoning: { effort: 'low', summary: 'auto' } },
      [],
    ],
    [
      'sampling of a model that thinks',
      { temperature: 1, topP: 1, logprobs: true },
      { reasons: true },
      {},
      ['temperature', 'top_p', 'logprobs'],
    ],
    ['sampling of a model that does not think', { temperature: 1 }, {}, { temperature: 1 }, []],
    ['a bound below what the wire takes', { maxTokens: 5 }, {}, { max_output_tokens: 16 }, ['max_tokens']],
    ['stop sequences of Messages', { dialect: 'messages', stop: ['x'] }, {}, {}, ['stop_sequences']],
    [
      'cache hints of Messages',
      {
        dialect: 'messages',
        system: [
          { type: 'text', text: 'a', cache: {} },
          { type: 'text', text: 'b' },
        ],
      },
      {},
      { instructions: 'a\n\nb' },
      ['cache_control'],
    ],
    [
      'cache hints of Chat',
      { system: [{ type: 'text', text: 'a', cache: { ttl: '1h' } }] },
      {},
      {
        input: [
          {
            type: 'message',
            role: 'developer',
            content: [{ type: 'input_text', text: 'a', prompt_cache_breakpoint: { mode: 'explicit', ttl: '12h' } }],
          },
          expect.anything(),
        ],
      },
      [],
    ],
    ['extras of another dialect', { extras: { modalities: ['text'] } }, {}, {}, ['modalities']],
    [
      'a user with a long name',
      { user: 'u'.repeat(300) },
      {},
      { safety_identifier: expect.stringMatching(/^[0-9a-f]{64}$/) },
      [],
    ],
    ['metadata that is not text', { metadata: { a: 'x', b: 1 } }, {}, { metadata: { a: 'x' } }, ['metadata']],
    [
      'a member the provider refuses',
      { verbosity: 'low', cacheKey: 'k' },
      { quirks: { rejects: ['prompt_cache_key'] } },
      { text: { verbosity: 'low' } },
      ['prompt_cache_key'],
    ],
    [
      'a member the provider calls otherwise',
      { user: 'u' },
      { quirks: { renames: { safety_identifier: 'user' } } },
      { user: 'u' },
      [],
    ],
    [
      'a schema without a name',
      { output: { type: 'schema', schema: {} } },
      {},
      { text: { format: { type: 'json_schema', name: 'answer', schema: {} } } },
      [],
    ],
    ['JSON without a schema', { output: { type: 'json' } }, {}, { text: { format: { type: 'json_object' } } }, []],
    ['one answer', { n: 1 }, {}, {}, []],
    ['several answers', { n: 2 }, {}, {}, ['n']],
  ])('%s', (...[, request, target, members, dropped]) => {
    const written = encode(request, target)

    const { model: _model, input, store: _store, include: _include, ...rest } = written.body
    const { input: expectedInput, ...expected } = members
    expect(rest).toEqual(expected)
    if (expectedInput !== undefined) expect(input).toEqual(expectedInput)
    expect(written.dropped).toEqual(dropped)
  })

  test('tools of other dialects are not made strict', () => {
    const tools: Tool[] = [{ name: 'f', schema: {} }]

    expect(encode({ tools }).body['tools']).toEqual([{ type: 'function', name: 'f', parameters: {}, strict: false }])
    expect(encode({ tools, dialect: 'responses' }).body['tools']).toEqual([{ type: 'function', name: 'f', parameters: {} }])
  })

  test('names the wire refuses are changed the same way everywhere, and back', () => {
    const long = `mcp.server/${'x'.repeat(80)}`
    const { body, toolNames } = encode({
      tools: [
        { name: long, schema: {} },
        { name: 'a b', schema: {} },
        { name: 'a_b', schema: {} },
      ],
      toolChoice: { type: 'tool', name: long },
      turns: [{ role: 'assistant', parts: [call('1', 'a b')] }],
    })

    const sent = (body['tools'] as readonly JsonObject[]).map((tool) => JSON.stringify(tool['name']).slice(1, -1))
    expect(sent.every((name) => /^[A-Za-z0-9_-]{1,64}$/.test(name))).toBe(true)
    expect(new Set(sent).size).toBe(3)
    expect(sent.map((name) => toolNames?.get(name) ?? name)).toEqual([long, 'a b', 'a_b'])
    expect(body['tool_choice']).toEqual({ type: 'function', name: sent[0] })
    expect(itemsOf(body)[0]).toMatchObject({ name: sent[1] })
    const answer = { output: [{ type: 'function_call', name: sent[0], call_id: 'c', arguments: '{}' }] }
    const context = { family: 'openai', newId: () => 'x', ...(toolNames === undefined ? {} : { toolNames }) }
    expect(responsesWire.decodeAnswer(answer, context).parts).toMatchObject([{ name: long }])
  })

  test('a result of very many parts is only a large request', () => {
    const output = Array.from({ length: 150_000 }, () => ({ type: 'input_text', text: 'a' }))

    const request = decodeRequest({ model: 'm', input: [{ type: 'function_call_output', call_id: 'x', output }] })

    expect(itemsOf(responsesWire.encodeRequest(request, TARGET).body)).toHaveLength(1)
  })

  test('call ids the wire refuses are changed alike in call and result', () => {
    const id = 'i'.repeat(500)

    const { body } = encode({
      turns: [
        { role: 'assistant', parts: [call(id)] },
        { role: 'user', parts: [result(id)] },
      ],
    })

    const [first, second] = itemsOf(body).map((item) => JSON.stringify(item['call_id']).slice(1, -1))
    expect(first).toBe(second)
    expect(first?.length).toBeLessThanOrEqual(64)
  })

  test('every parameter is written or reported', () => {
    const optional = <Value>(value: Value) => fc.constantFrom(undefined, value)
    const settings = fc.record({
      maxTokens: optional(100),
      temperature: optional(0.3),
      topP: optional(0.4),
      topK: optional(40),
      stop: optional(['END']),
      seed: optional(7),
      presencePenalty: optional(0),
      frequencyPenalty: optional(0.1),
      logitBias: optional({ 5: 1 }),
      n: optional(3),
      logprobs: optional(true),
      topLogprobs: optional(2),
      reasoning: optional({ effort: 'low' } as const),
      output: optional({ type: 'json' } as const),
      verbosity: optional('low'),
      serviceTier: optional('flex'),
      user: optional('u'),
      metadata: optional({ a: 'b' }),
      cacheKey: optional('k'),
      parallelTools: optional(false),
      toolChoice: optional({ type: 'required' } as const),
      dialect: fc.constantFrom('chat', 'messages', 'responses'),
      reasons: fc.constantFrom(undefined, true, false),
      rejects: fc.subarray(['temperature', 'metadata', 'tool_choice']),
    })
    const places: Readonly<Record<string, readonly [string, (body: JsonObject) => unknown]>> = {
      maxTokens: ['max_tokens', (body) => body['max_output_tokens']],
      temperature: ['temperature', (body) => body['temperature']],
      topP: ['top_p', (body) => body['top_p']],
      topK: ['top_k', () => undefined],
      stop: ['stop', () => undefined],
      seed: ['seed', () => undefined],
      presencePenalty: ['presence_penalty', () => undefined],
      frequencyPenalty: ['frequency_penalty', () => undefined],
      logitBias: ['logit_bias', () => undefined],
      n: ['n', () => undefined],
      logprobs: [
        'logprobs',
        (body) => (body['include'] as readonly string[] | undefined)?.find((word) => word.endsWith('logprobs')),
      ],
      topLogprobs: ['top_logprobs', (body) => body['top_logprobs']],
      reasoning: ['reasoning', (body) => body['reasoning']],
      output: ['text', (body) => body['text'] && (body['text'] as JsonObject)['format']],
      verbosity: ['text', (body) => body['text'] && (body['text'] as JsonObject)['verbosity']],
      serviceTier: ['service_tier', (body) => body['service_tier']],
      user: ['user', (body) => body['safety_identifier']],
      metadata: ['metadata', (body) => body['metadata']],
      cacheKey: ['prompt_cache_key', (body) => body['prompt_cache_key']],
      parallelTools: ['parallel_tool_calls', (body) => body['parallel_tool_calls']],
      toolChoice: ['tool_choice', (body) => body['tool_choice']],
    }
    fc.assert(
      fc.property(settings, ({ reasons, rejects, ...chosen }) => {
        const said = Object.fromEntries(Object.entries(chosen).filter(([, value]) => value !== undefined))
        const { body, dropped } = encode(said, { ...(reasons === undefined ? {} : { reasons }), quirks: { rejects } })
        for (const [name, [word, find]] of Object.entries(places)) {
          const names = word === 'stop' ? ['stop', 'stop_sequences'] : [word]
          const isReported = names.some((known) => dropped.includes(known))
          expect([name, find(body) !== undefined || isReported]).toEqual([name, said[name] !== undefined])
        }
      }),
      { numRuns: 200 },
    )
  })
})
