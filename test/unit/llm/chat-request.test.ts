import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { PROFILES } from '../../../src/config/provider.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import { chatDialect } from '../../../src/llm/dialects/chat.ts'
import type { ChatRequest } from '../../../src/llm/middle.ts'
import { PROFILE_TABLE } from '../../../src/llm/providers/openai-compatible-profiles.ts'
import type { Quirks, TargetProfile } from '../../../src/llm/wire.ts'
import { chatWire } from '../../../src/llm/wires/chat.ts'
import { golden, parseObject, requestBody } from './chat-fixtures.ts'

const target = (quirks?: Quirks, family = 'openai'): TargetProfile => ({
  model: 'provider-model',
  family,
  ...(quirks === undefined ? {} : { quirks }),
})

const plain = { model: 'm', messages: [{ role: 'user', content: 'Hi' }] }

function refusal(body: unknown): string | undefined {
  try {
    chatDialect.decodeRequest(parseObject(JSON.stringify(body)))
  } catch (error) {
    return error instanceof GatewayError ? `${error.code} ${error.message}` : String(error)
  }
  return undefined
}

describe('decoding a request', () => {
  test.each(['everything', 'tools'])('%s gives its golden middle form', async (name) => {
    const request = chatDialect.decodeRequest(requestBody(name))

    await expect(`${JSON.stringify(request, null, 1)}\n`).toMatchFileSnapshot(golden(`${name}.middle.json`))
  })

  test.each([
    ['no model', { messages: plain.messages }, '$.model'],
    ['a model that is an array', { ...plain, model: ['a'] }, '$.model'],
    ['a model that is null', { ...plain, model: null }, '$.model'],
    ['no messages', { model: 'm' }, '$.messages'],
    ['empty messages', { model: 'm', messages: [] }, '$.messages'],
    ['messages as text', { model: 'm', messages: 'hi' }, '$.messages'],
    ['a message that is null', { model: 'm', messages: [null] }, '$.messages[0]'],
    ['an unknown role', { model: 'm', messages: [{ role: 'root', content: 'x' }] }, '$.messages[0].role'],
    ['the retired role', { model: 'm', messages: [{ role: 'function', name: 'f', content: 'x' }] }, '$.messages[0].role'],
    ['user content null', { model: 'm', messages: [{ role: 'user', content: null }] }, '$.messages[0].content'],
    [
      'an unknown part',
      { model: 'm', messages: [{ role: 'user', content: [{ type: 'smell' }] }] },
      '$.messages[0].content[0].type',
    ],
    [
      'an image URL that is none',
      { model: 'm', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'cat' } }] }] },
      '$.messages[0].content[0].image_url.url',
    ],
    [
      'a data URL without base64',
      { model: 'm', messages: [{ role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png,xx' } }] }] },
      '$.messages[0].content[0].image_url.url',
    ],
    ['a tool result of no call', { model: 'm', messages: [{ role: 'tool', content: 'x' }] }, '$.messages[0].tool_call_id'],
    ['retired functions', { ...plain, functions: [] }, '$.functions'],
    ['a retired function call', { ...plain, function_call: 'auto' }, '$.function_call'],
    ['max_tokens 0', { ...plain, max_tokens: 0 }, '$.max_tokens'],
    ['max_tokens -1', { ...plain, max_tokens: -1 }, '$.max_tokens'],
    ['max_tokens 1.5', { ...plain, max_tokens: 1.5 }, '$.max_tokens'],
    ['max_tokens as text', { ...plain, max_tokens: '5' }, '$.max_tokens'],
    ['max_completion_tokens as text', { ...plain, max_completion_tokens: '5' }, '$.max_completion_tokens'],
    ['max_tokens beyond whole numbers', { ...plain, max_tokens: 1e300 }, '$.max_tokens'],
    ['n 0', { ...plain, n: 0 }, '$.n'],
    ['n 1000', { ...plain, n: 1000 }, '$.n'],
    ['temperature 3', { ...plain, temperature: 3 }, '$.temperature'],
    ['stream as text', { ...plain, stream: 'yes' }, '$.stream'],
    ['stop with a number', { ...plain, stop: ['a', 1] }, '$.stop[1]'],
    ['an unknown effort', { ...plain, reasoning_effort: 'huge' }, '$.reasoning_effort'],
    ['an unknown format', { ...plain, response_format: { type: 'xml' } }, '$.response_format.type'],
    ['a schema that is missing', { ...plain, response_format: { type: 'json_schema' } }, '$.response_format.json_schema'],
    ['a tool of another kind', { ...plain, tools: [{ type: 'custom', custom: { name: 'x' } }] }, '$.tools[0].type'],
    ['a tool without a name', { ...plain, tools: [{ type: 'function', function: {} }] }, '$.tools[0].function.name'],
    ['an unknown tool choice', { ...plain, tool_choice: 'some' }, '$.tool_choice'],
  ])('%s is the fault of the caller', (_name, body, path) => {
    expect(refusal(body)).toMatch(`invalid_params ${path}: `)
  })

  test.each([
    ['max_tokens 1e9', { max_tokens: 1_000_000_000 }, { maxTokens: 1_000_000_000 }],
    [
      'null everywhere',
      { max_tokens: null, stop: null, tools: null, tool_choice: null, stream: null, stream_options: null, user: null },
      { tools: [], stream: false },
    ],
    ['stop as text', { stop: 'END' }, { stop: ['END'] }],
    [
      'unknown members',
      { prediction: { type: 'content' }, __proto__x: 1 },
      { extras: { prediction: { type: 'content' }, __proto__x: 1 } },
    ],
    ['defaults in words', { n: 1, logprobs: false, modalities: ['text'] }, { extras: {} }],
    ['a name of the end user', { safety_identifier: 's' }, { user: 's', extras: {} }],
    ['both names of the end user', { safety_identifier: 's', user: 'u' }, { user: 'u', extras: { safety_identifier: 's' } }],
  ])('%s', (_name, members, expected) => {
    expect(chatDialect.decodeRequest(parseObject(JSON.stringify({ ...plain, ...members })))).toMatchObject(expected)
  })

  test('a crowd of messages and tools is read in time', () => {
    const messages = Array.from({ length: 10_000 }, () => ({ role: 'user', content: 'x' }))
    const tools = Array.from({ length: 1_000 }, (_, index) => ({ type: 'function', function: { name: `t.${index}` } }))

    const encoded = chatWire.encodeRequest(
      chatDialect.decodeRequest(parseObject(JSON.stringify({ model: 'm', messages, tools }))),
      target(),
    )

    expect(encoded.toolNames?.size).toBe(1_000)
  })

  test('whatever the body, the caller is told or understood', () => {
    const words = fc.constantFrom('user', 'assistant', 'text', 'function', 'auto', 'x')
    const member = fc.constantFrom(
      ...Object.keys(requestBody('everything')),
      'tools',
      'content',
      'role',
      'type',
      'function',
      'name',
    )
    const node = fc.letrec((tie) => ({
      node: fc.oneof(
        { maxDepth: 4 },
        fc.oneof(words, fc.jsonValue({ maxDepth: 1 })),
        fc.dictionary(member, tie('node')),
        fc.array(tie('node'), { maxLength: 3 }),
      ),
    })).node
    fc.assert(
      fc.property(fc.dictionary(member, node), (body) => {
        expect(refusal({ ...body, model: 'm' }) ?? 'invalid_params').toMatch(/^invalid_params/)
      }),
    )
  })
})

describe('encoding a request', () => {
  const encode = (name: string, quirks?: Quirks, family?: string) =>
    chatWire.encodeRequest(chatDialect.decodeRequest(requestBody(name)), target(quirks, family))

  test.each(['everything', 'tools'])('%s for OpenAI', async (name) => {
    const { toolNames, ...encoded } = encode(name)

    const shown = { ...encoded, toolNames: [...(toolNames ?? [])] }
    await expect(`${JSON.stringify(shown, null, 1)}\n`).toMatchFileSnapshot(golden(`${name}.openai.json`))
  })

  test.each(PROFILES.flatMap((profile) => ['everything', 'tools'].map((name) => [name, profile] as const)))(
    '%s for %s',
    async (name, profile) => {
      const { toolNames, ...encoded } = encode(name, PROFILE_TABLE[profile].quirks, profile)

      const shown = { ...encoded, toolNames: [...(toolNames ?? [])] }
      await expect(`${JSON.stringify(shown, null, 1)}\n`).toMatchFileSnapshot(golden(`${name}.${profile}.json`))
    },
  )

  /** Each parameter of the middle form, and under which names it is said or listed. */
  const PARAMETERS: Readonly<Record<string, { readonly value: Partial<ChatRequest>; readonly names: readonly string[] }>> = {
    maxTokens: { value: { maxTokens: 5 }, names: ['max_tokens', 'max_completion_tokens'] },
    temperature: { value: { temperature: 0 }, names: ['temperature'] },
    topP: { value: { topP: 0 }, names: ['top_p'] },
    topK: { value: { topK: 4 }, names: ['top_k'] },
    stop: { value: { stop: ['x'] }, names: ['stop', 'stop_sequences'] },
    seed: { value: { seed: 0 }, names: ['seed', 'random_seed'] },
    presencePenalty: { value: { presencePenalty: 0 }, names: ['presence_penalty'] },
    frequencyPenalty: { value: { frequencyPenalty: 1 }, names: ['frequency_penalty'] },
    logitBias: { value: { logitBias: { 1: 2 } }, names: ['logit_bias'] },
    n: { value: { n: 2 }, names: ['n'] },
    logprobs: { value: { logprobs: true }, names: ['logprobs'] },
    topLogprobs: { value: { topLogprobs: 0 }, names: ['top_logprobs'] },
    reasoning: { value: { reasoning: { effort: 'low' } }, names: ['reasoning_effort', 'reasoning', 'thinking'] },
    budget: { value: { reasoning: { budgetTokens: 2_000 } }, names: ['reasoning_effort', 'reasoning', 'thinking'] },
    output: { value: { output: { type: 'json' } }, names: ['response_format', 'text.format', 'output_config.format'] },
    verbosity: { value: { verbosity: 'low' }, names: ['verbosity', 'text.verbosity'] },
    serviceTier: { value: { serviceTier: 'flex' }, names: ['service_tier'] },
    user: { value: { user: 'u' }, names: ['user', 'metadata.user_id'] },
    metadata: { value: { metadata: { a: 'b' } }, names: ['metadata'] },
    cacheKey: { value: { cacheKey: 'k' }, names: ['prompt_cache_key'] },
    parallelTools: { value: { parallelTools: false }, names: ['parallel_tool_calls', 'disable_parallel_tool_use'] },
    toolChoice: { value: { toolChoice: { type: 'required' } }, names: ['tool_choice'] },
    extras: { value: { extras: { prediction: 1 } }, names: ['prediction'] },
  }

  test('every parameter is either said or listed', () => {
    const profile = fc.option(fc.constantFrom(...PROFILES), { nil: undefined })
    const dialect = fc.constantFrom('chat' as const, 'responses' as const, 'messages' as const)
    fc.assert(
      fc.property(fc.subarray(Object.keys(PARAMETERS)), profile, dialect, fc.boolean(), (chosen, name, spoken, reasons) => {
        const request: ChatRequest = {
          dialect: spoken,
          model: 'm',
          system: [],
          turns: [{ role: 'user', parts: [{ type: 'text', text: 'x' }] }],
          tools: [{ name: 't', schema: {} }],
          stream: false,
          includeUsage: false,
          extras: {},
          ...Object.assign({}, ...chosen.map((key) => PARAMETERS[key]?.value)),
        }
        const quirks = name === undefined ? undefined : PROFILE_TABLE[name].quirks

        const { body, dropped } = chatWire.encodeRequest(request, { ...target(quirks, name), reasons })

        for (const key of chosen) {
          const names = PARAMETERS[key]?.names ?? []
          const said = names.some((one) => body[one] !== undefined || dropped.includes(one))
          expect(said, `${key}: ${JSON.stringify({ body, dropped })}`).toBe(true)
        }
      }),
    )
  })

  test('reads back what it wrote', () => {
    const text = fc.string({ minLength: 1 })
    const call = fc.record({
      id: fc.uuid(),
      name: fc.stringMatching(/^[a-z_]{1,20}$/),
      arguments: fc.constantFrom('{}', '{"a":1}'),
    })
    const conversation = fc.array(
      fc.record({ question: text, answer: text, calls: fc.uniqueArray(call, { selector: ({ id }) => id, maxLength: 3 }) }),
      { minLength: 1, maxLength: 4 },
    )
    fc.assert(
      fc.property(conversation, text, fc.constantFrom('auto', 'required', 'none'), (rounds, system, choice) => {
        const messages: JsonObject[] = [{ role: 'system', content: system }]
        for (const { question, answer, calls } of rounds) {
          messages.push({ role: 'user', content: question })
          messages.push({
            role: 'assistant',
            content: answer,
            ...(calls.length === 0
              ? {}
              : { tool_calls: calls.map(({ id, ...made }) => ({ id, type: 'function', function: made })) }),
          })
          for (const { id } of calls) messages.push({ role: 'tool', tool_call_id: id, content: `result of ${id}` })
        }
        const names = [...new Set(rounds.flatMap(({ calls }) => calls.map(({ name }) => name)))]
        const tools = ['any', ...names.filter((name) => name !== 'any')].map((name) => ({
          type: 'function',
          function: { name, parameters: { type: 'object' } },
        }))
        const body = { model: 'provider-model', messages, tools, tool_choice: choice, stop: ['x'] }

        const encoded = chatWire.encodeRequest(chatDialect.decodeRequest(body), target())

        expect(encoded).toEqual({ body, dropped: [] })
      }),
    )
  })

  test.each([
    [
      'its own, signed',
      'openrouter',
      'openrouter',
      { reasoning: 'Hm', reasoning_details: [{ type: 'reasoning.text', text: 'Hm', signature: 's' }] },
      [],
    ],
    ['of another family', 'openrouter', 'anthropic', {}, ['reasoning']],
    ['to one that wants none', 'deepseek', 'deepseek', {}, []],
    ['to one that never heard of it', 'generic', 'openai_compatible', {}, ['reasoning']],
  ] as const)('thoughts go back: %s', (...[, profile, maker, members, dropped]) => {
    const request: ChatRequest = {
      ...chatDialect.decodeRequest(plain),
      turns: [
        {
          role: 'assistant',
          parts: [
            { type: 'reasoning', text: 'Hm', signature: { family: maker, value: 's' } },
            { type: 'text', text: 'Hi' },
          ],
        },
      ],
    }

    const encoded = chatWire.encodeRequest(request, target(PROFILE_TABLE[profile].quirks, profile))

    expect(encoded.body['messages']).toEqual([{ role: 'assistant', content: 'Hi', ...members }])
    expect(encoded.dropped).toEqual(dropped)
  })

  test('two names that look the same stay two', () => {
    const tools = ['a.b', 'a_b', 'a b'].map((name) => ({ type: 'function', function: { name, parameters: {} } }))
    const messages = [
      { role: 'user', content: 'x' },
      {
        role: 'assistant',
        content: null,
        tool_calls: [{ id: 'c', type: 'function', function: { name: 'a.b', arguments: '{}' } }],
      },
    ]

    const { body, toolNames } = chatWire.encodeRequest(chatDialect.decodeRequest({ model: 'm', messages, tools }), target())

    const text = JSON.stringify(body)
    expect(new Set(toolNames?.values())).toEqual(new Set(['a.b', 'a b']))
    for (const sent of toolNames?.keys() ?? []) expect(text).toContain(`"${sent}"`)
    expect(text).not.toContain('"a.b"')
  })
})
