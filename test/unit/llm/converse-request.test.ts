import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { parseJson } from '../../../src/lib/json-numbers.ts'
import type { ChatRequest, Part, ToolChoice, Turn } from '../../../src/llm/middle.ts'
import { converseWire } from '../../../src/llm/wires/converse.ts'
import { assistant, call, CLAUDE, FOLDER, LLAMA, NOVA, read, request, result, target, text, user } from './converse-fixture.ts'

const NEW_CLAUDE = 'anthropic.claude-opus-4-7'
const encode = (changes: Partial<ChatRequest>, model = CLAUDE) => converseWire.encodeRequest(request(changes), target(model))
const messagesOf = (...turns: Turn[]) => encode({ turns }).body['messages']
const tool = (name: string) => ({ name, schema: { type: 'object' } })
const HISTORY = [user(text('a')), assistant(call('x', 'gone')), user(result('x'))]
const REST = { role: 'user', content: [{ text: 'hi' }] }

describe('a whole conversation', () => {
  const conversation = parseJson(read('conversation.request.json')) as ChatRequest // a fixture written as one

  test.each([
    ['claude', CLAUDE],
    ['new-claude', NEW_CLAUDE],
    ['nova', NOVA],
    ['llama', LLAMA],
  ])('is written for %s', async (name, model) => {
    const { body, dropped, toolNames } = converseWire.encodeRequest(conversation, target(model))

    const written = JSON.stringify({ body, dropped, toolNames: [...(toolNames ?? [])] }, undefined, 2)
    await expect(`${written}\n`).toMatchFileSnapshot(new URL(`conversation.${name}.json`, FOLDER).pathname)
  })
})

describe('turns', () => {
  test.each<readonly [string, readonly Turn[], unknown, readonly string[]]>([
    [
      'neighbours of one role are one message',
      [user(text('a')), user(text('b')), assistant(text('c')), assistant(text('d')), user(text('e'))],
      [
        { role: 'user', content: [{ text: 'a' }, { text: 'b' }] },
        { role: 'assistant', content: [{ text: 'c' }, { text: 'd' }] },
        { role: 'user', content: [{ text: 'e' }] },
      ],
      [],
    ],
    [
      'a turn of blanks alone disappears and its neighbours meet',
      [user(text('a')), assistant(text(' \n')), user(text('b'))],
      [{ role: 'user', content: [{ text: 'a' }, { text: 'b' }] }],
      [],
    ],
    [
      'the first message is the user’s',
      [assistant(text('a'))],
      [
        { role: 'user', content: [{ text: '(the conversation begins with your words)' }] },
        { role: 'assistant', content: [{ text: 'a' }] },
      ],
      ['messages[].role'],
    ],
    [
      'results of one round stand together, first, in the order of the calls',
      [user(text('a')), assistant(call('x'), call('y')), user(text('b')), user(result('y', '2')), user(result('x', '1'))],
      [
        { role: 'user', content: [{ text: 'a' }] },
        {
          role: 'assistant',
          content: [{ toolUse: { toolUseId: 'x', name: 'f', input: {} } }, { toolUse: { toolUseId: 'y', name: 'f', input: {} } }],
        },
        {
          role: 'user',
          content: [
            { toolResult: { toolUseId: 'x', content: [{ text: '1' }] } },
            { toolResult: { toolUseId: 'y', content: [{ text: '2' }] } },
            { text: 'b' },
          ],
        },
      ],
      ['tools'],
    ],
    [
      'a call without a result gets an error',
      [user(text('a')), assistant(call('x')), assistant(text('b'))],
      [
        { role: 'user', content: [{ text: 'a' }] },
        { role: 'assistant', content: [{ toolUse: { toolUseId: 'x', name: 'f', input: {} } }, { text: 'b' }] },
        {
          role: 'user',
          content: [
            { toolResult: { toolUseId: 'x', content: [{ text: 'no result was given for this call' }], status: 'error' } },
          ],
        },
      ],
      ['messages[].tool_calls', 'tools'],
    ],
    [
      'a second result for a call, and one for no call, become words',
      [
        user(text('a')),
        assistant(call('x')),
        user(result('x', '1'), result('x', '2')),
        assistant(text('b')),
        user(result('z', '3')),
      ],
      [
        { role: 'user', content: [{ text: 'a' }] },
        { role: 'assistant', content: [{ toolUse: { toolUseId: 'x', name: 'f', input: {} } }] },
        { role: 'user', content: [{ toolResult: { toolUseId: 'x', content: [{ text: '1' }] } }, { text: 'Result:\n2' }] },
        { role: 'assistant', content: [{ text: 'b' }] },
        { role: 'user', content: [{ text: 'Result:\n3' }] },
      ],
      ['messages[].tool_call_id', 'tools'],
    ],
  ])('%s', (_name, turns, messages, dropped) => {
    expect(messagesOf(...turns)).toEqual(messages)
    expect(encode({ turns }).dropped).toEqual(dropped)
  })

  test('instructions without turns are the words of the user', () => {
    const { body, dropped } = encode({ system: [{ type: 'text', text: 'be kind' }], turns: [] })

    expect(body).toEqual({ messages: [{ role: 'user', content: [{ text: 'be kind' }] }] })
    expect(dropped).toEqual(['messages[].role'])
  })

  test('a request without any words is the caller’s fault', () => {
    expect(() => encode({ turns: [user(text(''))] })).toThrow('at least one message must have content')
  })

  test.each<readonly [string, Part, string]>([
    [
      'an image by URL',
      { type: 'image', source: { kind: 'url', url: 'https://a/b.png' } },
      'messages[0].content[1]: the provider does not fetch URLs; allowed: base64 data and s3:// URLs',
    ],
    [
      'an image by URL without a known ending',
      { type: 'image', source: { kind: 'url', url: 'https://a/b' } },
      'does not fetch URLs',
    ],
    ['a file of another provider', { type: 'file', source: { kind: 'file', fileId: 'f' } }, 'does not fetch file ids'],
    [
      'a picture of another kind',
      { type: 'image', source: { kind: 'base64', data: 'YQ==', mediaType: 'image/tiff' } },
      'does not take this media type; allowed: image/png',
    ],
    [
      'an archive',
      { type: 'file', source: { kind: 'base64', data: 'YQ==', mediaType: 'application/zip' } },
      'does not take this media type; allowed: application/pdf',
    ],
  ])('%s is refused in words that name the part', (_name, part, words) => {
    expect(() => encode({ turns: [user(text('a'), part)] })).toThrow(words)
    expect(() => encode({ turns: [user(text('a'), part)] })).toThrow(expect.objectContaining({ code: 'invalid_params' }))
  })

  test('documents get names that are allowed and differ', () => {
    const file = (name?: string): Part => ({
      type: 'file',
      source: { kind: 'base64', data: 'YQ==', mediaType: 'text/csv' },
      ...(name === undefined ? {} : { name }),
    })
    const { body, dropped } = encode({ turns: [user(file('a.csv'), file('a.csv'), file(), file('x/../y\n.csv'), file('???'))] })

    const [message] = body['messages'] as { content: { document: { name: string } }[] }[] // the wire under test wrote it
    expect(message?.content.map(({ document }) => document.name)).toEqual(['a', 'a (2)', 'document', 'x y', 'document (2)'])
    expect(dropped).toEqual(['file.filename'])
  })
})

describe('tools', () => {
  test.each<readonly [string, ToolChoice | undefined, boolean, unknown, readonly string[]]>([
    ['the model decides', { type: 'auto' }, false, { tools: 2 }, []],
    ['it must call', { type: 'required' }, false, { tools: 2, toolChoice: { any: {} } }, []],
    ['it must call one', { type: 'tool', name: 'b' }, false, { tools: 2, toolChoice: { tool: { name: 'b' } } }, []],
    [
      'it must call one of some',
      { type: 'subset', names: ['b'], required: true },
      false,
      { tools: 1, toolChoice: { any: {} } },
      [],
    ],
    ['it may call one of some', { type: 'subset', names: ['b'], required: false }, false, { tools: 1 }, []],
    ['it may call none: they stay away', { type: 'none' }, false, undefined, []],
    ['it may call none after calls: they stay, and that is told', { type: 'none' }, true, { tools: 2 }, ['tool_choice']],
    ['it may call some that are not there', { type: 'subset', names: ['z'], required: true }, false, undefined, ['tool_choice']],
    ['the same after calls', { type: 'subset', names: ['z'], required: false }, true, { tools: 2 }, ['tool_choice']],
    ['nothing is said', undefined, true, { tools: 2 }, []],
  ])('%s', (...[_name, toolChoice, hasHistory, expected, dropped]) => {
    const written = encode({
      tools: [tool('a'), tool('b')],
      ...(toolChoice === undefined ? {} : { toolChoice }),
      ...(hasHistory ? { turns: HISTORY } : {}),
    })

    const config = written.body['toolConfig'] as JsonObject | undefined // the wire under test wrote it
    const tools = config?.['tools']
    expect(config === undefined ? undefined : { ...config, tools: Array.isArray(tools) ? tools.length : 0 }).toEqual(expected)
    expect(written.dropped).toEqual(dropped)
  })

  test('tools of the history that are no longer offered are named, because the wire demands it', () => {
    const { body, dropped } = encode({ turns: HISTORY })

    expect(body['toolConfig']).toEqual({ tools: [{ toolSpec: { name: 'gone', inputSchema: { json: { type: 'object' } } } }] })
    expect(dropped).toEqual(['tools'])
  })

  test('names outside the alphabet are mapped, each to its own, and back', () => {
    const long = 'a'.repeat(80)
    const { body, toolNames } = encode({ tools: ['web.search', 'web_search', long, `${long}b`, 'é', 'ok'].map(tool) })

    const { tools } = body['toolConfig'] as { tools: { toolSpec: { name: string } }[] } // the wire under test wrote it
    const sent = tools.map(({ toolSpec }) => toolSpec.name)
    expect(sent.every((name) => /^[A-Za-z0-9_-]{1,64}$/.test(name))).toBe(true)
    expect(new Set(sent).size).toBe(6)
    expect(sent.map((name) => toolNames?.get(name) ?? name)).toEqual(['web.search', 'web_search', long, `${long}b`, 'é', 'ok'])
    expect(sent[1]).toBe('web_search')
  })

  test.each([
    [
      'Claude is told to call one at a time',
      CLAUDE,
      undefined,
      { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
      [],
    ],
    ['not where it must call', CLAUDE, { type: 'required' as const }, undefined, ['parallel_tool_calls']],
    ['others cannot be told', LLAMA, undefined, undefined, ['parallel_tool_calls']],
  ])('%s', (...[_name, model, toolChoice, fields, dropped]) => {
    const written = encode(
      { tools: [tool('a')], parallelTools: false, ...(toolChoice === undefined ? {} : { toolChoice }) },
      model,
    )

    expect(written.body['additionalModelRequestFields']).toEqual(fields)
    expect(written.dropped).toEqual(dropped)
  })
})

describe('parameters', () => {
  test.each<readonly [string, Partial<ChatRequest>, string, unknown, readonly string[]]>([
    [
      'an effort is a budget',
      { reasoning: { effort: 'low' } },
      CLAUDE,
      {
        inferenceConfig: { maxTokens: 5120 },
        additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 1024 } },
      },
      [],
    ],
    [
      'an effort is an effort',
      { reasoning: { effort: 'low' } },
      NEW_CLAUDE,
      { additionalModelRequestFields: { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } } },
      [],
    ],
    [
      'a budget too large for the answer',
      { reasoning: { effort: 'low' }, maxTokens: 100 },
      CLAUDE,
      { inferenceConfig: { maxTokens: 100 } },
      ['reasoning'],
    ],
    ['no thinking', { reasoning: { effort: 'none' } }, LLAMA, {}, []],
    ['thinking elsewhere', { reasoning: { effort: 'low' } }, NOVA, {}, ['reasoning']],
    [
      'thinking forbids a forced call',
      { reasoning: { effort: 'low' }, tools: [tool('a')], toolChoice: { type: 'required' }, maxTokens: 2000 },
      NEW_CLAUDE,
      {
        inferenceConfig: { maxTokens: 2000 },
        toolConfig: { tools: [{ toolSpec: { name: 'a', inputSchema: { json: { type: 'object' } } } }] },
        additionalModelRequestFields: { thinking: { type: 'adaptive' }, output_config: { effort: 'low' } },
      },
      ['tool_choice'],
    ],
    [
      'thinking forbids a temperature',
      { reasoning: { budgetTokens: 2000 }, temperature: 0.2, topK: 3, maxTokens: 4000 },
      CLAUDE,
      {
        inferenceConfig: { maxTokens: 4000 },
        additionalModelRequestFields: { thinking: { type: 'enabled', budget_tokens: 2000 } },
      },
      ['temperature', 'top_k'],
    ],
    ['the newest take no sampling', { temperature: 0.2, topP: 0.3, topK: 3 }, NEW_CLAUDE, {}, ['temperature', 'top_k', 'top_p']],
    ['a temperature above one', { temperature: 1.5 }, LLAMA, { inferenceConfig: { temperature: 1 } }, ['temperature']],
    [
      'zeros are values',
      { temperature: 0, topP: 0, presencePenalty: 0, frequencyPenalty: 0 },
      LLAMA,
      { inferenceConfig: { temperature: 0, topP: 0 } },
      [],
    ],
    ['top_k of Claude', { topK: 3 }, CLAUDE, { additionalModelRequestFields: { top_k: 3 } }, []],
    ['top_k of Nova', { topK: 3 }, NOVA, { additionalModelRequestFields: { inferenceConfig: { topK: 3 } } }, []],
    ['top_k of others', { topK: 3 }, LLAMA, {}, ['top_k']],
    [
      'stop sequences',
      { stop: ['a', ' '] },
      CLAUDE,
      { inferenceConfig: { stopSequences: ['a'] }, additionalModelResponseFieldPaths: ['/stop_sequence'] },
      ['stop'],
    ],
    [
      'a schema',
      { output: { type: 'schema', name: 'a b', description: 'd', schema: { type: 'object' } } },
      CLAUDE,
      {
        outputConfig: {
          textFormat: { type: 'json_schema', structure: { jsonSchema: { schema: '{"type":"object"}', description: 'd' } } },
        },
      },
      [],
    ],
    ['a schema for a model that keeps none', { output: { type: 'schema', schema: {} } }, LLAMA, {}, ['response_format']],
    ['JSON without a schema', { output: { type: 'json' } }, CLAUDE, {}, ['response_format']],
    ['plain text', { output: { type: 'text' } }, LLAMA, {}, []],
    ['the usual tier', { serviceTier: 'auto' }, LLAMA, {}, []],
    ['the standard tier', { serviceTier: 'standard_only' }, LLAMA, { serviceTier: { type: 'default' } }, []],
    ['a tier of elsewhere', { serviceTier: 'scale' }, LLAMA, {}, ['service_tier']],
    ['metadata', { metadata: { team: 'a b' } }, LLAMA, { requestMetadata: { team: 'a b' } }, []],
    ['metadata that is no text', { metadata: { team: 1 } }, LLAMA, {}, ['metadata']],
    ['metadata with a line that has other characters', { metadata: { team: '{}' } }, LLAMA, {}, ['metadata']],
    ['a tier with a strange name', { serviceTier: 'constructor' }, LLAMA, {}, ['service_tier']],
  ])('%s', (...[_name, changes, model, expected, dropped]) => {
    const written = encode(changes, model)

    const { messages, ...rest } = written.body
    expect(messages).toEqual([REST])
    expect(rest).toEqual(expected)
    expect(written.dropped).toEqual(dropped)
  })

  test('the last four cache points stay', () => {
    const cached = (words: string): Part => ({ type: 'text', text: words, cache: {} })
    const point = { cachePoint: { type: 'default' } }
    const { body, dropped } = encode({
      system: [{ type: 'text', text: 's', cache: { ttl: '1h' } }],
      tools: [{ ...tool('a'), cache: {} }],
      turns: [user(cached('a'), cached('b'), cached('c'), cached('d'))],
    })

    expect(body['system']).toEqual([{ text: 's' }])
    expect(body['toolConfig']).toEqual({ tools: [{ toolSpec: { name: 'a', inputSchema: { json: { type: 'object' } } } }] })
    expect(body['messages']).toEqual([
      { role: 'user', content: [{ text: 'a' }, point, { text: 'b' }, point, { text: 'c' }, point, { text: 'd' }, point] },
    ])
    expect(dropped).toEqual(['cache_control'])
  })

  test('a cache point keeps its hour where the model knows it', () => {
    const turns: Turn[] = [user({ type: 'text', text: 'a', cache: { ttl: '1h' } })]
    const content = (model: string) => encode({ turns }, model)

    expect(content(CLAUDE)).toMatchObject({
      body: { messages: [{ content: [{}, { cachePoint: { type: 'default', ttl: '1h' } }] }] },
      dropped: [],
    })
    expect(content(NOVA)).toMatchObject({
      body: { messages: [{ content: [{}, { cachePoint: { type: 'default' } }] }] },
      dropped: ['cache_control'],
    })
    expect(content(LLAMA)).toMatchObject({ body: { messages: [{ content: [{ text: 'a' }] }] }, dropped: ['cache_control'] })
  })
})

describe('every parameter', () => {
  /** Each with the name it is dropped under and the place it is written to. */
  const PARAMETERS: readonly (readonly [string, fc.Arbitrary<Partial<ChatRequest>>, string])[] = [
    [
      'stop',
      fc.record({ stop: fc.array(fc.string({ minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }) }),
      'stopSequences',
    ],
    ['temperature', fc.record({ temperature: fc.double({ min: 0, max: 2, noNaN: true }) }), 'temperature'],
    ['top_p', fc.record({ topP: fc.double({ min: 0, max: 1, noNaN: true }) }), 'topP'],
    ['top_k', fc.record({ topK: fc.nat(500) }), 'topK|top_k'],
    ['max_tokens', fc.record({ maxTokens: fc.integer({ min: 1, max: 100_000 }) }), 'maxTokens'],
    ['seed', fc.record({ seed: fc.nat() }), 'seed'],
    ['presence_penalty', fc.record({ presencePenalty: fc.double({ min: 0.1, max: 2, noNaN: true }) }), 'presence'],
    ['frequency_penalty', fc.record({ frequencyPenalty: fc.double({ min: -2, max: -0.1, noNaN: true }) }), 'frequency'],
    ['logit_bias', fc.constant({ logitBias: { '1': 1 } }), 'logit'],
    ['n', fc.record({ n: fc.integer({ min: 2, max: 9 }) }), 'candidates'],
    ['logprobs', fc.constant({ logprobs: true }), 'logprobs'],
    ['top_logprobs', fc.record({ topLogprobs: fc.nat(20) }), 'logprobs'],
    ['reasoning', fc.record({ reasoning: fc.record({ effort: fc.constantFrom('minimal', 'low', 'high', 'max') }) }), 'thinking'],
    [
      'response_format',
      fc.constantFrom({ output: { type: 'json' } }, { output: { type: 'schema', schema: {} } }),
      'outputConfig',
    ],
    ['verbosity', fc.constant({ verbosity: 'low' }), 'verbosity'],
    ['service_tier', fc.record({ serviceTier: fc.constantFrom('flex', 'priority', 'scale') }), 'serviceTier'],
    ['user', fc.record({ user: fc.string() }), 'user_id'],
    ['metadata', fc.constantFrom({ metadata: { a: 'b' } }, { metadata: { a: '{' } }), 'requestMetadata'],
    ['prompt_cache_key', fc.constant({ cacheKey: 'k' }), 'cacheKey'],
    ['parallel_tool_calls', fc.constant({ parallelTools: false }), 'disable_parallel_tool_use'],
    [
      'tool_choice',
      fc.constantFrom({ toolChoice: { type: 'required' } }, { toolChoice: { type: 'tool', name: 'f' } }),
      'toolChoice',
    ],
    ['tools', fc.constant({ tools: [{ name: 'f', schema: {} }] }), 'toolSpec'],
    ['odd', fc.constant({ extras: { odd: 1 } }), 'odd'],
  ] as readonly (readonly [string, fc.Arbitrary<Partial<ChatRequest>>, string])[] // literals of unions

  test('is written or reported', () => {
    const chosen = fc
      .subarray([...PARAMETERS])
      .chain((rows) =>
        fc.tuple(
          fc.constant(rows),
          fc.tuple(...rows.map(([, arbitrary]) => arbitrary)),
          fc.constantFrom(CLAUDE, NEW_CLAUDE, NOVA, LLAMA),
        ),
      )
    fc.assert(
      fc.property(chosen, ([rows, values, model]) => {
        const { body, dropped } = encode(Object.assign({}, ...values) as Partial<ChatRequest>, model) // parts of one
        const { messages: _messages, ...rest } = body
        const written = JSON.stringify(rest)

        for (const [name, , place] of rows)
          expect(dropped.includes(name) || new RegExp(`"(?:${place})"`).test(written), `${name} of ${model}`).toBe(true)
      }),
    )
  })

  test('any history is written with alternating roles and matching results', () => {
    const part = fc.oneof(
      fc.string({ maxLength: 5 }).map(text),
      fc.constantFrom('a', 'b', 'c').map((id) => call(id)),
      fc.constantFrom('a', 'b', 'c').map((id) => result(id)),
      fc.constant<Part>({ type: 'reasoning', text: '', signature: { family: 'anthropic', value: 's' } }),
    )
    const turn = fc.record({
      role: fc.constantFrom('user' as const, 'assistant' as const, 'system' as const),
      parts: fc.array(part, { maxLength: 4 }),
    })
    fc.assert(
      fc.property(fc.array(turn, { maxLength: 8 }), (turns) => {
        const { body } = encode({ turns: [user(text('hi')), ...turns] })
        const messages = body['messages'] as { role: string; content: JsonObject[] }[] // the wire under test wrote it
        const ids = (content: readonly JsonObject[] | undefined, kind: string) =>
          (content ?? []).flatMap((block) => (block[kind] === undefined ? [] : [(block[kind] as JsonObject)['toolUseId']])) // of that kind

        for (const [index, { role, content }] of messages.entries()) {
          expect(role).toBe(index % 2 === 0 ? 'user' : 'assistant')
          expect(content.length).toBeGreaterThan(0)
          expect(content.every((block) => typeof block['text'] !== 'string' || block['text'].trim() !== '')).toBe(true)
          const calls = ids(content, 'toolUse')
          expect(ids(messages[index + 1]?.content, 'toolResult')).toEqual(calls)
          if (calls.length > 0) expect(body['toolConfig']).toBeDefined()
        }
      }),
    )
  })
})
