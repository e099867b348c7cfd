import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../../src/core/json.ts'
import { chatDialect } from '../../../src/llm/dialects/chat.ts'
import { messagesDialect } from '../../../src/llm/dialects/messages.ts'
import { responsesDialect } from '../../../src/llm/dialects/responses.ts'
import { geminiWire, vertexGeminiWire } from '../../../src/llm/wires/gemini.ts'

const target = { model: 'gemini-3-flash-preview', family: 'gemini' }
const context = () => {
  let made = 0
  return { family: 'gemini', newId: (prefix: string) => `${prefix}_${(made += 1)}` }
}
const encodeContext = {
  model: 'fast',
  created: 1,
  includeUsage: true,
  estimatedInput: 1,
  newId: (prefix: string) => `${prefix}_0`,
}

/** Two calls without ids, the first one signed: the usual answer of Gemini 3. */
const answer: JsonObject = {
  candidates: [
    {
      content: {
        role: 'model',
        parts: [
          { functionCall: { name: 'weather', args: { city: 'Oslo' } }, thoughtSignature: 'c2ln' },
          { functionCall: { name: 'weather', args: { city: 'Bergen' } } },
        ],
      },
      finishReason: 'STOP',
    },
  ],
}
const schema = { type: 'object', properties: { city: { type: 'string' } } }

describe('a loop of tools', () => {
  test('over Chat Completions brings signatures back and results in the order of their calls', () => {
    const { choices } = chatDialect.encodeAnswer(geminiWire.decodeAnswer(answer, context()), encodeContext)
    const [{ message }] = choices as unknown as [{ message: JsonObject & { tool_calls: { id: string }[] } }]
    const [first, second] = message.tool_calls.map(({ id }) => id)
    const body = {
      model: 'fast',
      tools: [{ type: 'function', function: { name: 'weather', parameters: schema } }],
      messages: [
        { role: 'user', content: 'weather?' },
        message,
        { role: 'tool', tool_call_id: second ?? '', content: 'rain' },
        { role: 'tool', tool_call_id: first ?? '', content: 'sun' },
      ],
    }

    const request = chatDialect.decodeRequest(body)

    expect(geminiWire.encodeRequest(request, target).body['contents']).toEqual(loop(first, second))
    expect(vertexGeminiWire.encodeRequest(request, target).body['contents']).toEqual(loop(undefined, undefined))
    expect(geminiWire.encodeRequest(request, target).dropped).toEqual([])
  })

  test('over Messages keeps calls and results', () => {
    const { content } = messagesDialect.encodeAnswer(geminiWire.decodeAnswer(answer, context()), encodeContext)
    const results = ['call_1', 'call_2'].map((id) => ({
      type: 'tool_result',
      tool_use_id: id,
      content: id === 'call_1' ? 'sun' : 'rain',
    }))
    const body: JsonObject = {
      model: 'fast',
      max_tokens: 9,
      messages: [
        { role: 'user', content: 'weather?' },
        { role: 'assistant', content: content ?? null },
        { role: 'user', content: results },
      ],
    }

    const { contents } = geminiWire.encodeRequest(messagesDialect.decodeRequest(body), target).body

    expect(JSON.parse(JSON.stringify(contents), unsigned)).toEqual(JSON.parse(JSON.stringify(loop('call_1', 'call_2')), unsigned))
  })

  test('over Responses keeps calls and results', () => {
    const { output } = responsesDialect.encodeAnswer(geminiWire.decodeAnswer(answer, context()), encodeContext)
    const results = ['call_2', 'call_1'].map((id) => ({
      type: 'function_call_output',
      call_id: id,
      output: id === 'call_1' ? 'sun' : 'rain',
    }))
    const input = [{ role: 'user', content: 'weather?' }, ...(output as Json[]), ...results]

    const { contents } = geminiWire.encodeRequest(responsesDialect.decodeRequest({ model: 'fast', input }), target).body

    expect(JSON.parse(JSON.stringify(contents), unsigned)).toEqual(JSON.parse(JSON.stringify(loop('call_1', 'call_2')), unsigned))
  })
})

/** What Gemini is to see on the second turn. */
function loop(first: string | undefined, second: string | undefined): unknown {
  const id = (value: string | undefined) => (value === undefined ? {} : { id: value })
  return [
    { role: 'user', parts: [{ text: 'weather?' }] },
    {
      role: 'model',
      parts: [
        { functionCall: { ...id(first), name: 'weather', args: { city: 'Oslo' } }, thoughtSignature: 'c2ln' },
        { functionCall: { ...id(second), name: 'weather', args: { city: 'Bergen' } } },
      ],
    },
    {
      role: 'user',
      parts: [
        { functionResponse: { ...id(first), name: 'weather', response: { result: 'sun' } } },
        { functionResponse: { ...id(second), name: 'weather', response: { result: 'rain' } } },
      ],
    },
  ]
}

/** Dialects whose tool calls have no place for a signature rely on the memory of signatures. */
function unsigned(key: string, value: unknown): unknown {
  return key === 'thoughtSignature' ? undefined : value
}
