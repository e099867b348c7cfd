import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { shownNames } from '../../../src/llm/run/shown-names.ts'

describe('names of parameters as they are shown', () => {
  it.each([
    { name: 'plain ones stay', given: ['seed', 'tools[].strict'], shown: ['seed', 'tools[].strict'] },
    { name: 'what would end a header or a list is replaced', given: ['a\r\nb', 'c,d', '日'], shown: ['a??b', 'c?d', '?'] },
    { name: 'a long one is cut', given: ['x'.repeat(100)], shown: ['x'.repeat(64)] },
  ])('$name', ({ given, shown }) => {
    expect(shownNames(given)).toEqual(shown)
  })

  it('always fit a header', () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: 'binary', maxLength: 80 }), { maxLength: 200 }), (names) => {
        const text = shownNames(names).join(', ')
        expect(text).toMatch(/^[ -~]*$/)
        expect(text.length).toBeLessThan(1_000)
      }),
    )
  })
})
