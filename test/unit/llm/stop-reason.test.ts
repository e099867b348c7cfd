import { expect, test } from 'vitest'
import type { ChatAnswer, StopReason } from '../../../src/llm/middle.ts'
import { chatDialect } from '../../../src/llm/dialects/chat.ts'
import { messagesDialect } from '../../../src/llm/dialects/messages.ts'
import { responsesDialect } from '../../../src/llm/dialects/responses.ts'
import { chatWire } from '../../../src/llm/wires/chat.ts'
import { responsesWire } from '../../../src/llm/wires/responses.ts'
import { toStop } from '../../../src/llm/wires/stop-reason.ts'

const call = { call: true, refusal: false }
const refusal = { call: false, refusal: true }
const words = { call: false, refusal: false }

test.each<[string, StopReason | undefined, typeof call, StopReason]>([
  ['a call labelled as an end', 'end', call, 'tool'],
  ['a call without a label', undefined, call, 'tool'],
  ['the label of a call, and no call', 'tool', words, 'end'],
  ['a refusal labelled as an end', 'end', refusal, 'filtered'],
  ['a refusal labelled as a call', 'tool', refusal, 'filtered'],
  ['a refusal beside a call', 'end', { call: true, refusal: true }, 'tool'],
  ['words', 'end', words, 'end'],
  ['a call cut by the bound', 'length', call, 'length'],
  ['a refusal cut by the bound', 'length', refusal, 'length'],
  ['a call the model wrote badly', 'malformed', call, 'malformed'],
  ['a call after a filter', 'filtered', call, 'filtered'],
  ['a pause', 'paused', call, 'paused'],
])('%s', (_name, said, holds, stop) => {
  expect(toStop(said, holds)).toBe(stop)
})

const decoding = { family: 'openai', newId: (prefix: string) => `${prefix}_1` }

test.each<[string, () => ChatAnswer]>([
  [
    'chat',
    () =>
      chatWire.decodeAnswer(
        {
          id: 'a',
          choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: null, refusal: 'No.' } }],
        },
        decoding,
      ),
  ],
  [
    'responses',
    () =>
      responsesWire.decodeAnswer(
        {
          id: 'a',
          status: 'completed',
          output: [{ type: 'message', role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] }],
        },
        decoding,
      ),
  ],
])('a refusal on the %s wire is filtered, and every dialect says it in its own way', (_wire, decode) => {
  const answer = decode()
  const context = { model: 'fast', created: 0, includeUsage: false, estimatedInput: 0, newId: decoding.newId }

  expect(answer).toMatchObject({ stop: 'filtered', parts: [{ type: 'refusal', text: 'No.' }] })
  expect(chatDialect.encodeAnswer(answer, context)).toMatchObject({
    choices: [{ finish_reason: 'stop', message: { refusal: 'No.', content: null } }],
  })
  expect(responsesDialect.encodeAnswer(answer, context)).toMatchObject({ status: 'completed', incomplete_details: null })
  expect(messagesDialect.encodeAnswer(answer, context)).toMatchObject({ stop_reason: 'refusal' })
})

test.each([
  { name: 'without words of refusal is a content filter', events: [], reason: 'content_filter' },
  { name: 'with words of refusal is an end', events: [{ type: 'refusal-delta', index: 0, text: 'No.' }], reason: 'stop' },
] as const)('a filtered chat stream $name', ({ events, reason }) => {
  const encoder = chatDialect.createEncoder({
    model: 'fast',
    created: 0,
    includeUsage: false,
    estimatedInput: 0,
    newId: decoding.newId,
  })

  const frames = [{ type: 'start', id: 'a' } as const, ...events, { type: 'finish', stop: 'filtered' } as const].map((event) =>
    encoder.encode(event),
  )

  expect(frames.at(-1)).toContain(`"finish_reason":"${reason}"`)
})
