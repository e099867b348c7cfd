import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { decodeMessagesCount, messagesDialect } from '../../../src/llm/dialects/messages.ts'
import type { ChatRequest, Part, Turn } from '../../../src/llm/middle.ts'
import type { TargetProfile } from '../../../src/llm/wire.ts'
import { messagesWire } from '../../../src/llm/wires/messages.ts'

const FIXTURES = join(import.meta.dirname, '../../fixtures/llm/messages')
const golden = (name: string) => join(FIXTURES, name)
const pretty = (value: unknown) => `${JSON.stringify(value, null, 2)}\n`
const conversation = JSON.parse(readFileSync(golden('conversation.request.json'), 'utf8')) as JsonObject

const claude = (model: string): TargetProfile => ({ model, family: 'anthropic' })
const OLD = claude('claude-sonnet-4-20250514')
const NEW = claude('claude-opus-4-8')

const words = (text: string): Part => ({ type: 'text', text })
const user = (...parts: Part[]): Turn => ({ role: 'user', parts })
const assistant = (...parts: Part[]): Turn => ({ role: 'assistant', parts })
const call = (id: string, name = 'look', args = '{}'): Part => ({ type: 'tool-call', id, name, arguments: args })
const result = (callId: string, text: string): Part => ({ type: 'tool-result', callId, parts: [words(text)] })

function asked(members: Partial<ChatRequest> = {}): ChatRequest {
  const turns = [user(words('hi'))]
  return { dialect: 'chat', model: 'm', system: [], turns, tools: [], stream: false, includeUsage: false, extras: {}, ...members }
}

const encode = (members: Partial<ChatRequest>, target = OLD) => messagesWire.encodeRequest(asked(members), target)
const messagesOf = (turns: Turn[]) => encode({ turns }).body['messages'] as { role: string; content: JsonObject[] }[]
const shapes = (turns: Turn[]) => messagesOf(turns).map(({ role, content }) => `${role}: ${content.map(shapeOf).join(' ')}`)

function shapeOf(from: JsonObject): string {
  const block = from as Record<string, string>
  if (block['type'] === 'text') return JSON.stringify(block['text'])
  if (block['type'] === 'tool_use') return `call(${block['id']})`
  if (block['type'] === 'tool_result') return `${from['is_error'] === true ? 'error' : 'result'}(${block['tool_use_id']})`
  return block['type'] ?? ''
}

const TOOL = { name: 'look', schema: { type: 'object' } }

describe('a Messages request', () => {
  test('is read into the middle form', async () => {
    await expect(pretty(messagesDialect.decodeRequest(conversation))).toMatchFileSnapshot(golden('conversation.middle.json'))
  })

  test.each([
    ['claude-sonnet-4-5', 'conversation.sonnet-4-5.json'],
    ['eu.anthropic.claude-opus-4-8-v1:0', 'conversation.opus-4-8.json'],
    ['claude-3-5-haiku@20241022', 'conversation.haiku-3-5.json'],
  ])('is written for %s', async (model, file) => {
    const encoded = messagesWire.encodeRequest(messagesDialect.decodeRequest(conversation), claude(model))

    await expect(pretty({ dropped: encoded.dropped, body: encoded.body })).toMatchFileSnapshot(golden(file))
  })

  test('that was written and is read again says the same', () => {
    const request = messagesDialect.decodeRequest(conversation)
    const written = messagesWire.encodeRequest(request, claude('claude-sonnet-4-5')).body
    const again = messagesDialect.decodeRequest(written)

    const { turns, ...rest } = again
    expect(rest).toMatchObject({ system: request.system, stop: request.stop, user: 'u-1', maxTokens: 2_048, stream: true })
    expect(turns.flatMap(({ parts }) => parts).filter(({ type }) => type === 'tool-call' || type === 'tool-result')).toEqual(
      request.turns.flatMap(({ parts }) => parts).filter(({ type }) => type === 'tool-call' || type === 'tool-result'),
    )
    expect(again.tools).toEqual(request.tools)
  })

  const minimal = { model: 'm', max_tokens: 10, messages: [{ role: 'user', content: 'hi' }] }

  test.each<[string, object, string]>([
    ['no max_tokens', { max_tokens: undefined }, 'max_tokens'],
    ['max_tokens zero', { max_tokens: 0 }, 'max_tokens'],
    ['max_tokens negative', { max_tokens: -1 }, 'max_tokens'],
    ['max_tokens text', { max_tokens: '5' }, 'max_tokens'],
    ['max_tokens fraction', { max_tokens: 1.5 }, 'max_tokens'],
    ['model list', { model: ['m'] }, 'model'],
    ['model null', { model: null }, 'model'],
    ['no messages', { messages: [] }, 'messages'],
    ['messages text', { messages: 'hi' }, 'messages'],
    ['message null', { messages: [null] }, 'messages[0]'],
    ['role of another dialect', { messages: [{ role: 'tool', content: 'x' }] }, 'messages[0].role'],
    ['no content', { messages: [{ role: 'user' }] }, 'messages[0].content'],
    ['block without type', { messages: [{ role: 'user', content: [{ text: 'x' }] }] }, 'messages[0].content[0].type'],
    ['text number', { messages: [{ role: 'user', content: [{ type: 'text', text: 1 }] }] }, 'messages[0].content[0].text'],
    ['image without source', { messages: [{ role: 'user', content: [{ type: 'image' }] }] }, 'messages[0].content[0].source'],
    [
      'source of unknown type',
      { messages: [{ role: 'user', content: [{ type: 'image', source: { type: 's3' } }] }] },
      'messages[0].content[0].source.type',
    ],
    [
      'call without id',
      { messages: [{ role: 'assistant', content: [{ type: 'tool_use', name: 'f', input: {} }] }] },
      'messages[0].content[0].id',
    ],
    [
      'call whose input is text',
      { messages: [{ role: 'assistant', content: [{ type: 'tool_use', id: 'a', name: 'f', input: '{}' }] }] },
      'messages[0].content[0].input',
    ],
    ['image in system', { system: [{ type: 'image', source: { type: 'url', url: 'https://a' } }] }, 'system[0].type'],
    ['tool without schema', { tools: [{ name: 'f' }] }, 'tools[0].input_schema'],
    ['tool_choice text', { tool_choice: 'auto' }, 'tool_choice'],
    ['tool_choice without name', { tool_choice: { type: 'tool' } }, 'tool_choice.name'],
    ['temperature above one', { temperature: 1.5 }, 'temperature'],
    ['stop text', { stop_sequences: 'END' }, 'stop_sequences'],
    ['thinking without budget', { thinking: { type: 'enabled' } }, 'thinking.budget_tokens'],
    ['effort unknown', { output_config: { effort: 'wild' } }, 'output_config.effort'],
    ['stream text', { stream: 'yes' }, 'stream'],
  ])('%s is refused by its path', (_name, members, path) => {
    const body = JSON.parse(JSON.stringify({ ...minimal, ...members })) as JsonObject

    expect(() => messagesDialect.decodeRequest(body)).toThrow(
      expect.objectContaining({
        code: 'invalid_params',
        message: expect.stringContaining(`$.${path}: must be `),
        details: { param: path },
      }),
    )
  })

  test('a count needs no max_tokens', () => {
    expect(decodeMessagesCount({ model: 'm', messages: minimal.messages })).toMatchObject({
      model: 'm',
      turns: [{ role: 'user' }],
    })
  })

  test('a top-level cache_control is a breakpoint after the last block', () => {
    const { turns } = messagesDialect.decodeRequest({ ...minimal, cache_control: { type: 'ephemeral', ttl: '1h' } })

    expect(turns[0]?.parts).toEqual([{ type: 'text', text: 'hi', cache: { ttl: '1h' } }])
  })

  test('anything at all is read or refused, never a crash', () => {
    const block = fc.record(
      {
        type: fc.constantFrom('text', 'image', 'document', 'thinking', 'tool_use', 'tool_result', 'x'),
        text: fc.jsonValue(),
        source: fc.jsonValue(),
        content: fc.jsonValue(),
        id: fc.jsonValue(),
      },
      { requiredKeys: [] },
    )
    const message = fc.record({
      role: fc.constantFrom('user', 'assistant', 'system'),
      content: fc.oneof(fc.array(block), fc.jsonValue()),
    })
    const body = fc.record(
      {
        model: fc.constant('m'),
        max_tokens: fc.constant(5),
        messages: fc.array(message),
        tools: fc.jsonValue(),
        thinking: fc.jsonValue(),
        metadata: fc.jsonValue(),
        system: fc.jsonValue(),
        extra: fc.jsonValue(),
      },
      { requiredKeys: ['model', 'max_tokens', 'messages'] },
    )
    fc.assert(
      fc.property(body, (json) => {
        try {
          messagesWire.encodeRequest(messagesDialect.decodeRequest(json), NEW)
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_params' })
        }
      }),
    )
  })
})

describe('the turns of a Messages request', () => {
  test.each<{ name: string; turns: Turn[]; expected: string[]; dropped: string[] }>([
    {
      name: 'turns of one role become one message',
      turns: [user(words('a')), user(words('b')), assistant(words('c')), assistant(words('d')), user(words('e'))],
      expected: ['user: "a" "b"', 'assistant: "c" "d"', 'user: "e"'],
      dropped: [],
    },
    {
      name: 'results come first and together',
      turns: [
        user(words('a')),
        assistant(call('1'), call('2')),
        user(words('wait'), result('2', 'x')),
        user(result('1', 'y'), words('go')),
      ],
      expected: ['user: "a"', 'assistant: call(1) call(2)', 'user: result(2) result(1) "wait" "go"'],
      dropped: [],
    },
    {
      name: 'a call without a result is given an error',
      turns: [user(words('a')), assistant(call('1'), call('2')), user(result('2', 'x'))],
      expected: ['user: "a"', 'assistant: call(1) call(2)', 'user: result(2) error(1)'],
      dropped: ['messages[].tool_calls'],
    },
    {
      name: 'also at the end of the conversation',
      turns: [user(words('a')), assistant(call('1'))],
      expected: ['user: "a"', 'assistant: call(1)', 'user: error(1)'],
      dropped: ['messages[].tool_calls'],
    },
    {
      name: 'a result without a call is words',
      turns: [user(words('a'), result('9', 'lost'))],
      expected: ['user: "a" "lost"'],
      dropped: ['messages[].tool_call_id'],
    },
    {
      name: 'a second result of one call is words',
      turns: [user(words('a')), assistant(call('1')), user(result('1', 'x'), result('1', 'again'))],
      expected: ['user: "a"', 'assistant: call(1)', 'user: result(1) "again"'],
      dropped: ['messages[].tool_call_id'],
    },
    {
      name: 'ids become plain and unique, and results follow them',
      turns: [
        user(words('a')),
        assistant(call('f.x:0')),
        user(result('f.x:0', 'x')),
        assistant(call('f.x:0')),
        user(result('f.x:0', 'y')),
      ],
      expected: [
        'user: "a"',
        'assistant: call(f_x_0)',
        'user: result(f_x_0)',
        'assistant: call(f_x_0_1)',
        'user: result(f_x_0_1)',
      ],
      dropped: [],
    },
    {
      name: 'the user speaks first',
      turns: [assistant(words('hello')), user(words('a'))],
      expected: ['user: "(no message)"', 'assistant: "hello"', 'user: "a"'],
      dropped: ['messages[].role'],
    },
    {
      name: 'instructions alone are no conversation',
      turns: [],
      expected: ['user: "(no message)"'],
      dropped: ['messages[].role'],
    },
    {
      name: 'instructions on the way are marked as such',
      turns: [user(words('a')), { role: 'system', parts: [words('be brief')] }],
      expected: ['user: "a" "<system>\\nbe brief\\n</system>"'],
      dropped: ['messages[].role'],
    },
    {
      name: 'blank words are left out',
      turns: [user(words(' \n'), words('a')), assistant(words('')), user(words('b'))],
      expected: ['user: "a" "b"'],
      dropped: [],
    },
    {
      name: 'an answer to go on with does not end in blanks',
      turns: [user(words('a')), assistant(words('Sure: \n'))],
      expected: ['user: "a"', 'assistant: "Sure:"'],
      dropped: [],
    },
  ])('$name', ({ turns, expected, dropped }) => {
    expect(shapes(turns)).toEqual(expected)
    expect(encode({ turns }).dropped).toEqual(dropped)
  })

  test.each<{ name: string; part: Part; expected: JsonObject[]; dropped: string[] }>([
    {
      name: 'thoughts of the family go back, also without a word',
      part: { type: 'reasoning', text: '', signature: { family: 'anthropic', value: 'Eq' } },
      expected: [{ type: 'thinking', thinking: '', signature: 'Eq' }],
      dropped: [],
    },
    {
      name: 'encrypted thoughts of the family go back',
      part: { type: 'reasoning', text: '', redacted: { family: 'anthropic', value: 'Red' } },
      expected: [{ type: 'redacted_thinking', data: 'Red' }],
      dropped: [],
    },
    {
      name: 'thoughts of another family do not',
      part: { type: 'reasoning', text: 'hm', signature: { family: 'gemini', value: 'G' } },
      expected: [],
      dropped: ['reasoning'],
    },
    {
      name: 'nor do encrypted ones',
      part: { type: 'reasoning', text: '', redacted: { family: 'openai', value: 'O' } },
      expected: [],
      dropped: ['reasoning'],
    },
    { name: 'nor what nobody signed', part: { type: 'reasoning', text: 'hm' }, expected: [], dropped: ['reasoning'] },
    {
      name: 'a refusal is words',
      part: { type: 'refusal', text: 'No.' },
      expected: [{ type: 'text', text: 'No.' }],
      dropped: [],
    },
    {
      name: 'arguments that are no object are shown as they are',
      part: call('1', 'look', '{"a":'),
      expected: [{ type: 'tool_use', id: '1', name: 'look', input: { malformed_arguments: '{"a":' } }],
      dropped: ['messages[].tool_calls', 'messages[].tool_calls[].function.arguments'],
    },
  ])('$name', ({ part, expected, dropped }) => {
    const encoded = encode({ turns: [user(words('a')), assistant(part, words('b'))] })
    const written = JSON.parse(JSON.stringify(encoded.body['messages'])) as { content: JsonObject[] }[]

    expect(written[1]?.content.slice(0, -1)).toEqual(expected)
    expect(encoded.dropped).toEqual(dropped)
  })

  test('arguments keep numbers a double cannot hold', () => {
    const { body } = encode({ turns: [user(words('a')), assistant(call('1', 'look', '{"id":12345678901234567890}'))] })

    expect(JSON.stringify(body)).toContain('"input":{"id":12345678901234567890}')
  })

  test.each<[string, Part, JsonObject]>([
    [
      'a PDF',
      { type: 'file', name: 'a.pdf', source: { kind: 'base64', data: 'JVBE', mediaType: 'application/pdf' } },
      { type: 'document', source: { type: 'base64', media_type: 'application/pdf', data: 'JVBE' }, title: 'a.pdf' },
    ],
    [
      'a text file',
      { type: 'file', source: { kind: 'base64', data: 'aMOl', mediaType: 'text/csv' } },
      { type: 'document', source: { type: 'text', media_type: 'text/plain', data: 'hå' } },
    ],
    [
      'a file by URL',
      { type: 'file', source: { kind: 'url', url: 'https://a/b.pdf' } },
      { type: 'document', source: { type: 'url', url: 'https://a/b.pdf' } },
    ],
    [
      'an image as a file',
      { type: 'file', source: { kind: 'base64', data: 'AA', mediaType: 'image/png' } },
      { type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'AA' } },
    ],
    [
      'an image by URL',
      { type: 'image', source: { kind: 'url', url: 'https://a/b.png' } },
      { type: 'image', source: { type: 'url', url: 'https://a/b.png' } },
    ],
  ])('%s has a block', (_name, part, block) => {
    expect(messagesOf([user(part)])[0]?.content).toEqual([block])
  })

  test.each<[string, Part]>([
    ['audio', { type: 'audio', data: 'AA', format: 'wav' }],
    ['a file of a type it cannot read', { type: 'file', source: { kind: 'base64', data: 'AA', mediaType: 'application/zip' } }],
    ['a file id of another provider', { type: 'image', source: { kind: 'file', fileId: 'file-1' } }],
  ])('%s is refused in words', (_name, part) => {
    expect(() => messagesOf([user(part)])).toThrow(
      expect.objectContaining({ code: 'invalid_params', message: expect.stringContaining('cannot be sent') }),
    )
  })
})

test('instructions of a Messages caller stay where they are, but not between calls and results', () => {
  const instructed: Turn = { role: 'system', parts: [words('be brief')] }
  const turns = [user(words('a')), assistant(call('1')), instructed, user(result('1', 'x'))]
  const { body, dropped } = encode({ dialect: 'messages', turns })

  expect((body['messages'] as { role: string }[]).map(({ role }) => role)).toEqual(['user', 'assistant', 'user', 'system'])
  expect(dropped).toEqual([])
  const [, , answers] = encode({ dialect: 'messages', turns: [...turns.slice(0, 3), assistant(words('b'))] }).body[
    'messages'
  ] as {
    content: JsonObject[]
  }[]
  expect(answers?.content.map(shapeOf)).toEqual(['error(1)'])
})

describe('the parameters of a Messages request', () => {
  test.each<{ name: string; members: Partial<ChatRequest>; target?: TargetProfile; expected: JsonObject; dropped?: string[] }>([
    { name: 'a bound is always sent', members: {}, expected: { max_tokens: 4_096 } },
    {
      name: 'the largest output of the model is the bound',
      members: {},
      target: { ...OLD, maxOutputTokens: 64_000 },
      expected: { max_tokens: 64_000 },
    },
    {
      name: 'temperature above one is one',
      members: { temperature: 1.7 },
      expected: { temperature: 1 },
      dropped: ['temperature'],
    },
    {
      name: 'new models take no sampling',
      members: { temperature: 0.5, topP: 0.5, topK: 5 },
      target: NEW,
      expected: {},
      dropped: ['temperature', 'top_k', 'top_p'],
    },
    {
      name: 'some take temperature or top_p',
      members: { temperature: 0.5, topP: 0.5 },
      target: claude('claude-sonnet-4-5'),
      expected: { temperature: 0.5 },
      dropped: ['top_p'],
    },
    {
      name: 'blank stop sequences are not sent',
      members: { stop: ['\n', 'END'] },
      expected: { stop_sequences: ['END'] },
      dropped: ['stop'],
    },
    {
      name: 'effort is a budget',
      members: { reasoning: { effort: 'medium' } },
      expected: { thinking: { type: 'enabled', budget_tokens: 8_192 }, max_tokens: 12_288 },
    },
    {
      name: 'effort is effort',
      members: { reasoning: { effort: 'medium' } },
      target: NEW,
      expected: { thinking: { type: 'adaptive' }, output_config: { effort: 'medium' }, max_tokens: 4_096 },
    },
    {
      name: 'a budget is an effort',
      members: { reasoning: { budgetTokens: 20_000 } },
      target: NEW,
      expected: { thinking: { type: 'adaptive' }, output_config: { effort: 'high' } },
    },
    {
      name: 'xhigh is high where it is not known',
      members: { reasoning: { effort: 'xhigh' } },
      target: claude('claude-opus-4-6'),
      expected: { output_config: { effort: 'high' } },
      dropped: ['reasoning'],
    },
    {
      name: 'no thinking is said where it is the default',
      members: { reasoning: { effort: 'none' } },
      target: NEW,
      expected: { thinking: { type: 'disabled' } },
    },
    {
      name: 'no thinking needs no word elsewhere',
      members: { reasoning: { effort: 'none' } },
      expected: { thinking: undefined },
    },
    {
      name: 'a budget leaves room for the answer',
      members: { reasoning: { effort: 'high' }, maxTokens: 4_000 },
      expected: { max_tokens: 4_000, thinking: { type: 'enabled', budget_tokens: 3_000 } },
    },
    {
      name: 'no room, no thinking',
      members: { reasoning: { effort: 'high' }, maxTokens: 1_000 },
      expected: { max_tokens: 1_000, thinking: undefined },
      dropped: ['reasoning'],
    },
    {
      name: 'a model that cannot think',
      members: { reasoning: { effort: 'high' } },
      target: claude('claude-3-5-sonnet-20241022'),
      expected: { thinking: undefined },
      dropped: ['reasoning'],
    },
    {
      name: 'how thoughts are shown',
      members: { reasoning: { effort: 'low', summary: 'auto' } },
      target: NEW,
      expected: { thinking: { type: 'adaptive', display: 'summarized' } },
    },
    {
      name: 'a turn without its thoughts cannot be thought on',
      members: {
        reasoning: { effort: 'low' },
        tools: [TOOL],
        turns: [user(words('a')), assistant(call('1')), user(result('1', 'x'))],
      },
      expected: { thinking: undefined },
      dropped: ['reasoning'],
    },
    {
      name: 'thinking leaves the choice of tools free',
      members: { reasoning: { effort: 'low' }, tools: [TOOL], toolChoice: { type: 'required' } },
      expected: { tool_choice: { type: 'auto' } },
      dropped: ['tool_choice'],
    },
    {
      name: 'must call one',
      members: { tools: [TOOL], toolChoice: { type: 'required' }, parallelTools: false },
      expected: { tool_choice: { type: 'any', disable_parallel_tool_use: true } },
    },
    {
      name: 'one at a time',
      members: { tools: [TOOL], parallelTools: false },
      expected: { tool_choice: { type: 'auto', disable_parallel_tool_use: true } },
    },
    {
      name: 'this one',
      members: { tools: [TOOL], toolChoice: { type: 'tool', name: 'look' } },
      expected: { tool_choice: { type: 'tool', name: 'look' } },
    },
    {
      name: 'none',
      members: { tools: [TOOL], toolChoice: { type: 'none' }, parallelTools: false },
      expected: { tool_choice: { type: 'none' } },
    },
    {
      name: 'a subset',
      members: { tools: [TOOL, { ...TOOL, name: 'leap' }], toolChoice: { type: 'subset', names: ['leap'], required: true } },
      expected: { tools: [{ name: 'leap', input_schema: { type: 'object' } }], tool_choice: { type: 'any' } },
    },
    {
      name: 'calls in the history need tools',
      members: { turns: [user(words('a')), assistant(call('1')), user(result('1', 'x'))] },
      expected: { tools: [{ name: 'look', input_schema: { type: 'object' } }], tool_choice: { type: 'none' } },
    },
    {
      name: 'a schema without a type is an object',
      members: { tools: [{ name: 'f', schema: {}, strict: true }] },
      expected: { tools: [{ name: 'f', input_schema: { type: 'object' } }] },
      dropped: ['tools[].strict'],
    },
    {
      name: 'a schema for the answer',
      members: { output: { type: 'schema', name: 'x', schema: { type: 'object' } } },
      target: NEW,
      expected: { output_config: { format: { type: 'json_schema', schema: { type: 'object', additionalProperties: false } } } },
    },
    {
      name: 'where it is not known',
      members: { output: { type: 'schema', schema: {} } },
      expected: { output_config: undefined },
      dropped: ['response_format'],
    },
    {
      name: 'JSON without a schema',
      members: { output: { type: 'json' } },
      target: NEW,
      expected: {},
      dropped: ['response_format'],
    },
    { name: 'tiers', members: { serviceTier: 'default' }, expected: { service_tier: 'standard_only' } },
    {
      name: 'tiers it does not have',
      members: { serviceTier: 'flex' },
      expected: { service_tier: undefined },
      dropped: ['service_tier'],
    },
    {
      name: 'extras of another dialect',
      members: { extras: { store: true } },
      expected: { store: undefined },
      dropped: ['store'],
    },
    {
      name: 'extras of its own',
      members: { dialect: 'messages', extras: { speed: 'fast', 'messages[].content[].container_upload': true } },
      expected: { speed: 'fast' },
      dropped: ['messages[].content[].container_upload'],
    },
  ])('$name', ({ members, target, expected, dropped }) => {
    const encoded = encode(members, target)

    expect(Object.fromEntries(Object.keys(expected).map((name) => [name, encoded.body[name]]))).toEqual(expected)
    expect(encoded.dropped).toEqual(dropped ?? [])
  })

  test('a schema to enforce is closed and loses what cannot be enforced, a schema to read stays as it is', () => {
    const inner = {
      type: 'object',
      properties: { n: { type: 'integer', minimum: 1 }, minimum: { type: 'string' } },
      additionalProperties: true,
    }
    const schema = {
      type: 'object',
      properties: { a: { type: 'array', items: inner, minItems: 2 }, b: { anyOf: [inner, { type: 'null' }] } },
    }
    const closed = {
      type: 'object',
      properties: { n: { type: 'integer' }, minimum: { type: 'string' } },
      additionalProperties: false,
    }
    const tools = [
      { name: 'strict', schema, strict: true },
      { name: 'loose', schema },
    ]
    const { body, dropped } = encode({ tools, output: { type: 'schema', schema: inner } }, NEW)

    const [strict, loose] = body['tools'] as { input_schema: JsonObject }[]
    expect(strict?.input_schema).toEqual({
      type: 'object',
      properties: { a: { type: 'array', items: closed }, b: { anyOf: [closed, { type: 'null' }] } },
      additionalProperties: false,
    })
    expect(loose?.input_schema).toEqual(schema)
    expect(body['output_config']).toEqual({ format: { type: 'json_schema', schema: closed } })
    expect(dropped).toEqual([
      'response_format.json_schema.schema.additionalProperties',
      'response_format.json_schema.schema.minimum',
      'tools[].parameters.additionalProperties',
      'tools[].parameters.minItems',
      'tools[].parameters.minimum',
    ])
  })

  test('the last four cache breakpoints are kept', () => {
    const cache = {}
    const tools = [{ ...TOOL, cache }]
    const system = ['a', 'b'].map((text) => ({ type: 'text' as const, text, cache }))
    const { body, dropped } = encode({
      tools,
      system,
      turns: [user(...['c', 'd', 'e'].map((text) => ({ type: 'text' as const, text, cache })))],
    })

    expect(JSON.stringify(body).match(/"cache_control":\{"type":"ephemeral"\}/g)).toHaveLength(4)
    expect(JSON.stringify(body['tools'])).not.toContain('cache_control')
    expect(dropped).toEqual(['cache_control'])
  })

  test('tool names are mapped into the alphabet, the same way everywhere, and back', () => {
    const long = `server.tool/${'x'.repeat(80)}`
    const names = ['plain', 'a.b', 'a/b', long, `${long}y`]
    const turns = [user(words('a')), assistant(call('1', 'a.b')), user(result('1', 'x'))]
    const request = asked({ tools: names.map((name) => ({ ...TOOL, name })), toolChoice: { type: 'tool', name: long }, turns })
    const { body, toolNames } = messagesWire.encodeRequest(request, OLD)

    const sent = (body['tools'] as { name: string }[]).map(({ name }) => name)
    expect(sent.every((name) => /^[a-zA-Z0-9_-]{1,64}$/.test(name))).toBe(true)
    expect(new Set(sent).size).toBe(names.length)
    expect(sent.map((name) => toolNames?.get(name) ?? name)).toEqual(names)
    expect(body['tool_choice']).toEqual({ type: 'tool', name: sent[3] })
    expect(JSON.stringify(body['messages'])).toContain(`"name":"${sent[1]}"`)
    expect(messagesWire.encodeRequest(request, OLD).body).toEqual(body)
  })

  test('every parameter is sent or reported', () => {
    const given: Required<
      Pick<
        ChatRequest,
        | 'maxTokens'
        | 'temperature'
        | 'topP'
        | 'topK'
        | 'stop'
        | 'seed'
        | 'presencePenalty'
        | 'frequencyPenalty'
        | 'logitBias'
        | 'n'
        | 'logprobs'
        | 'topLogprobs'
        | 'reasoning'
        | 'output'
        | 'verbosity'
        | 'serviceTier'
        | 'user'
        | 'metadata'
        | 'cacheKey'
        | 'toolChoice'
        | 'parallelTools'
      >
    > = {
      maxTokens: 9_000,
      temperature: 0.3,
      topP: 0.4,
      topK: 7,
      stop: ['END'],
      seed: 1,
      presencePenalty: 1,
      frequencyPenalty: 1,
      logitBias: { 5: 1 },
      n: 2,
      logprobs: true,
      topLogprobs: 2,
      reasoning: { effort: 'high' },
      output: { type: 'schema', schema: {} },
      verbosity: 'low',
      serviceTier: 'flex',
      user: 'u',
      metadata: { a: 'b' },
      cacheKey: 'k',
      toolChoice: { type: 'required' },
      parallelTools: false,
    }
    const wire: Record<keyof typeof given, string> = {
      maxTokens: 'max_tokens',
      temperature: 'temperature',
      topP: 'top_p',
      topK: 'top_k',
      stop: 'stop_sequences',
      seed: 'seed',
      presencePenalty: 'presence_penalty',
      frequencyPenalty: 'frequency_penalty',
      logitBias: 'logit_bias',
      n: 'n',
      logprobs: 'logprobs',
      topLogprobs: 'top_logprobs',
      reasoning: 'reasoning',
      output: 'response_format',
      verbosity: 'verbosity',
      serviceTier: 'service_tier',
      user: 'metadata',
      metadata: 'metadata',
      cacheKey: 'prompt_cache_key',
      toolChoice: 'tool_choice',
      parallelTools: 'parallel_tool_calls',
    }
    const sentAs: Partial<Record<string, string>> = {
      reasoning: 'thinking',
      response_format: 'output_config',
      parallel_tool_calls: 'tool_choice',
    }
    const keys = Object.keys(given) as (keyof typeof given)[]
    const models = fc.constantFrom(
      'claude-3-haiku-20240307',
      'claude-3-7-sonnet-latest',
      'claude-sonnet-4-5',
      'claude-opus-4-6',
      'claude-sonnet-5',
      'claude-mythos-preview',
      'kimi-k2',
    )
    fc.assert(
      fc.property(fc.subarray(keys), models, fc.boolean(), (chosen, model, hasTools) => {
        const members = Object.fromEntries(chosen.map((key) => [key, given[key]]))
        const { body, dropped } = encode({ ...members, tools: hasTools ? [TOOL] : [] }, claude(model))

        for (const key of chosen) {
          const name = wire[key]
          expect([name, dropped.includes(name) || body[sentAs[name] ?? name] !== undefined]).toEqual([name, true])
        }
      }),
    )
  })
})
