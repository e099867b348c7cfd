import { describe, expect, it, test } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import { createLens } from '../../../src/pipeline/words.ts'

const paths = (root: JsonObject, members: readonly string[]) =>
  createLens(root, members).parts.map(({ path, text }) => `${path}=${text}`)

describe('words of some members of an object', () => {
  test.each<[name: string, root: JsonObject, members: string[], parts: string[]]>([
    ['text', { system: 'be kind', model: 'm' }, ['system'], ['system=be kind']],
    [
      'content blocks without their types and bytes',
      {
        messages: [
          {
            role: 'user',
            content: [
              { type: 'text', text: 'hi' },
              { type: 'image', data: 'AAAA', mimeType: 'image/png' },
            ],
          },
        ],
      },
      ['messages'],
      ['messages[0].role=user', 'messages[0].content[0].text=hi'],
    ],
    [
      'data of a tool, whatever its names',
      { arguments: { type: 'a', data: { blob: 'b' } } },
      ['arguments'],
      ['arguments.type=a', 'arguments.data.blob=b'],
    ],
    ['no numbers, flags and nothing', { a: 1, b: true, c: null, d: [] }, ['a', 'b', 'c', 'd', 'e'], []],
  ])('%s', (_name, root, members, parts) => {
    expect(paths(root, members)).toEqual(parts)
  })

  it('are replaced in place, and only where they are', () => {
    const root = { a: { b: ['x', 'y'] } }
    const lens = createLens(root, ['a'])

    lens.replace('a.b[1]', 'z')
    lens.replace('a.c', 'z')

    expect(root).toEqual({ a: { b: ['x', 'z'] } })
    expect(lens.parts.map(({ text }) => text)).toEqual(['x', 'z'])
  })
})
