import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compilePattern } from '../../../src/lib/linear-pattern.ts'
import { createPatternScan } from '../../../src/lib/pattern-scan.ts'

const find = (patterns: readonly string[], text: string, from = 0, isEnd = true) =>
  createPatternScan(patterns)
    .find(text, from, isEnd)
    .map(({ start, end }) => text.slice(start, end))

/** Spans in order, those that overlap made one. */
function merged(spans: readonly { readonly start: number; readonly end: number }[]): { start: number; end: number }[] {
  const all: { start: number; end: number }[] = []
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    const last = all.at(-1)
    if (last !== undefined && span.start < last.end) last.end = Math.max(last.end, span.end)
    else all.push({ ...span })
  }
  return all
}

describe('spans of patterns', () => {
  test.each<[name: string, patterns: string[], text: string, found: string[]]>([
    ['a word', ['secret'], 'a secret here', ['secret']],
    ['twice', ['ab'], 'ab ab', ['ab', 'ab']],
    ['what touches stays apart', ['ab'], 'abab', ['ab', 'ab']],
    ['what overlaps is one', ['aba'], 'ababa', ['ababa']],
    ['the longest', ['a+'], 'baaab', ['aaa']],
    ['also where the shortest is asked for', ['<.*?>'], '<a> <b>', ['<a> <b>']],
    ['several patterns', ['cat', 'dog'], 'dog and cat', ['dog', 'cat']],
    ['a pattern inside another', ['b', 'abc'], 'abc', ['abc']],
    ['any case', ['(?i)secret'], 'SeCrEt', ['SeCrEt']],
    ['word boundaries', ['\\bkey\\b'], 'monkey key keys', ['key']],
    ['the begin', ['^a'], 'aa', ['a']],
    ['the end', ['a$'], 'aa', ['a']],
    ['lines', ['(?m)^b$'], 'a\nb\nc', ['b']],
    ['beyond the basic plane', ['😀+'], 'x😀😀y', ['😀😀']],
    ['any character', ['é.'], 'é😀', ['é😀']],
    ['counted', ['[0-9]{4}-[0-9]{4}'], 'no 123-4567 but 1234-5678', ['1234-5678']],
    ['nothing', ['x*'], 'abc', []],
  ])('%s', (_name, patterns, text, found) => {
    expect(find(patterns, text)).toEqual(found)
  })

  test('many patterns are searched in groups', () => {
    const patterns = Array.from({ length: 200 }, (_, index) => `word${index}[a-z]{10}`)

    expect(find(patterns, 'the word7abcdefghij and word199zzzzzzzzzz')).toEqual(['word7abcdefghij', 'word199zzzzzzzzzz'])
  })

  test('in a window what stands before is only looked back at', () => {
    expect(find(['\\bab'], 'xab ab', 1)).toEqual(['ab'])
    expect(find(['^ab'], 'xab', 1)).toEqual([])
  })

  test('the end of a window is not the end of the text', () => {
    expect(find(['ab$'], 'ab', 0, false)).toEqual([])
    expect(find(['ab'], 'ab', 0, false)).toEqual(['ab'])
  })

  test('something is found exactly where the test says so', () => {
    const piece = fc.constantFrom('a', 'b', '(?:ab|c)', '[ab]', 'a{2,3}', '\\b', 'c+', '.', 'b?', '$', '^')
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 5 }), fc.stringMatching(/^[abc \n]{0,24}$/), (pieces, text) => {
        const pattern = `${pieces.join('')}[abc]` // never a match of nothing

        const spans = createPatternScan([pattern]).find(text, 0, true)

        expect(spans.length > 0).toBe(compilePattern(pattern)(text))
        expect(merged(spans)).toEqual(spans)
      }),
    )
  })

  test('spans cover every match', () => {
    const word = fc.stringMatching(/^[abc]{1,4}$/)
    fc.assert(
      fc.property(fc.array(word, { minLength: 1, maxLength: 4 }), fc.stringMatching(/^[abc]{0,40}$/), (words, text) => {
        const every = words.flatMap((one) =>
          Array.from({ length: text.length }, (_, start) => ({ start, end: start + one.length })).filter(({ start }) =>
            text.startsWith(one, start),
          ),
        )

        expect(createPatternScan(words).find(text, 0, true)).toEqual(merged(every))
      }),
    )
  })

  test.each([
    ['near misses', ['sk-[a-z0-9]{20}', '[0-9]{4}-[0-9]{4}-[0-9]{4}-[0-9]{4}'], 'sk-abc1234-5678-9012 '.repeat(50_000)],
    ['a repeated head', ['(?:a|aa)+b', 'a{1,30}c'], 'a'.repeat(1_000_000)],
    ['an open end', ['x.*y'], 'x'.repeat(1_000_000)],
  ])('takes linear time on %s', (_name, patterns, text) => {
    const scan = createPatternScan(patterns)
    scan.find(text.slice(0, 10_000), 0, true)
    const started = performance.now()

    scan.find(text, 0, true)

    expect(performance.now() - started).toBeLessThan(400) // seen: under 40 ms; a shared machine may be slow
  })
})
