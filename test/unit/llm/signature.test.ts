import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ChatRequest, Part } from '../../../src/llm/middle.ts'
import {
  createSignatureMemory,
  createSignatureRecorder,
  hasPackedSignature,
  packSignature,
  unpackSignature,
} from '../../../src/llm/signature.ts'

describe('a packed signature', () => {
  test('is one plain text that names its family', () => {
    expect(packSignature({ family: 'gemini', value: 'Eq/+=' })).toBe('tg1.gemini.RXEvKz0')
  })

  test('comes back as it was, whatever the family and the value', () => {
    const text = fc.string({ unit: 'grapheme' })
    fc.assert(
      fc.property(
        text.filter((family) => family !== ''),
        text,
        (family, value) => {
          const packed = packSignature({ family, value })

          expect(unpackSignature(packed, 'anthropic')).toEqual({ family, value })
          expect(packed).toMatch(/^tg1\.[^."\\]+\.[\w-]*$/)
        },
      ),
    )
  })

  test.each(['EqRoBase64==', '', 'tg1.', 'tg1.gemini', 'tg1.%zz.abc', 'tg1.gemini.a+b', 'tg1..abc', 'tg1.a.b.c'])(
    '%j was not packed by us, so it is native',
    (text) => {
      expect(unpackSignature(text, 'anthropic')).toEqual({ family: 'anthropic', value: text })
    },
  )

  test('is found in a body', () => {
    expect(hasPackedSignature(Buffer.from('{"signature":"tg1.gemini.RXE"}'))).toBe(true)
    expect(hasPackedSignature(Buffer.from('{"encrypted_content":"tgr.tg1.gemini.RXE"}'))).toBe(true)
    expect(hasPackedSignature(Buffer.from('{"signature":"EqRo"}'))).toBe(false)
  })
})

const signature = { family: 'anthropic', value: 'Eq1' }
const thought: Part = { type: 'reasoning', text: 'hm', signature }
const call = (id: string, extra: object = {}): Part => ({ type: 'tool-call', id, name: 'look', arguments: '{}', ...extra })
const words = (text: string): Part => ({ type: 'text', text })

function asked(...parts: Part[]): ChatRequest {
  const question = { role: 'user' as const, parts: [words('hi')] }
  const turns = [question, { role: 'assistant' as const, parts }]
  return { dialect: 'chat', model: 'm', system: [], turns, tools: [], stream: false, includeUsage: false, extras: {} }
}

const restored = (request: ChatRequest) => request.turns[1]?.parts

describe('the memory of signatures', () => {
  test.each<{ name: string; said: Part[]; sent: Part[]; expected: Part[]; family?: string }>([
    {
      name: 'reasoning goes back before the words and the call of its turn',
      said: [thought, words('Looking.'), call('a')],
      sent: [words('Looking.'), call('a')],
      expected: [thought, words('Looking.'), call('a')],
    },
    {
      name: 'reasoning between two calls goes back between them',
      said: [thought, call('a'), { ...thought, text: 'again' }, call('b')],
      sent: [call('a'), call('b')],
      expected: [thought, call('a'), { ...thought, text: 'again' }, call('b')],
    },
    {
      name: 'a call that lost its signature gets it back',
      said: [call('a', { signature: { family: 'gemini', value: 'g' } })],
      sent: [call('a')],
      expected: [call('a', { signature: { family: 'gemini', value: 'g' } })],
    },
    {
      name: 'a call that kept its signature keeps it',
      said: [call('a', { signature })],
      sent: [call('a', { signature: { family: 'gemini', value: 'mine' } })],
      expected: [call('a', { signature: { family: 'gemini', value: 'mine' } })],
    },
    {
      name: 'reasoning that came back signed is not doubled',
      said: [thought, call('a')],
      sent: [thought, call('a')],
      expected: [thought, call('a')],
    },
    {
      name: 'reasoning that came back without its signature is replaced',
      said: [thought, call('a')],
      sent: [{ type: 'reasoning', text: 'hm' }, call('a')],
      expected: [thought, call('a')],
    },
    {
      name: 'a call of another tool under the same id is another call',
      said: [thought, call('a')],
      sent: [call('a', { name: 'other' })],
      expected: [call('a', { name: 'other' })],
    },
    {
      name: 'another family is given nothing',
      said: [thought, call('a', { signature })],
      sent: [call('a')],
      expected: [call('a')],
      family: 'gemini',
    },
    {
      name: 'its own family is given everything',
      said: [thought, call('a', { signature })],
      sent: [call('a')],
      expected: [thought, call('a', { signature })],
      family: 'anthropic',
    },
  ])('$name', ({ said, sent, expected, family }) => {
    const memory = createSignatureMemory({ maxEntries: 10, maxBytes: 10_000 })
    memory.remember('ann', said)

    expect(restored(memory.restore('ann', asked(...sent), family))).toEqual(expected)
  })

  test('nobody is given what another principal was told', () => {
    const memory = createSignatureMemory({ maxEntries: 10, maxBytes: 10_000 })
    memory.remember('ann', [thought, call('a')])
    const request = asked(call('a'))

    expect(memory.restore('bob', request)).toBe(request)
  })

  test('holds no more calls and bytes than it may', () => {
    const memory = createSignatureMemory({ maxEntries: 2, maxBytes: 2_000 })
    for (const id of ['a', 'b', 'c']) memory.remember('ann', [thought, call(id)])
    memory.remember('ann', [{ ...thought, text: 'x'.repeat(5_000) }, call('d')])

    const known = ['a', 'b', 'c', 'd'].filter((id) => restored(memory.restore('ann', asked(call(id))))?.length === 2)
    expect(known).toEqual(['b', 'c'])
  })

  test('a recorder remembers a streamed answer when it finishes', () => {
    const memory = createSignatureMemory({ maxEntries: 10, maxBytes: 10_000 })
    const recorder = createSignatureRecorder(memory, 'ann')
    recorder.see({ type: 'start', id: '1' })
    recorder.see({ type: 'reasoning-start', index: 0 })
    for (const text of ['h', 'm']) recorder.see({ type: 'reasoning-delta', index: 0, text })
    recorder.see({ type: 'reasoning-end', index: 0, signature })
    recorder.see({ type: 'tool-start', index: 1, id: 'a', name: 'look' })
    recorder.see({ type: 'tool-end', index: 1, signature: { family: 'gemini', value: 'g' } })
    recorder.see({ type: 'finish', stop: 'tool' })

    const expected = [thought, call('a', { signature: { family: 'gemini', value: 'g' } })]
    expect(restored(memory.restore('ann', asked(call('a'))))).toEqual(expected)
  })
})
