import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { compilePattern } from '../../../src/lib/linear-pattern.ts'

describe('a pattern', () => {
  test.each<[pattern: string, text: string, found: boolean]>([
    ['', 'anything', true],
    ['abc', 'xxabcxx', true],
    ['^abc$', 'xabc', false],
    ['^a|b$', 'xxb', true],
    ['a{2,3}', 'xaax', true],
    ['^a{2}$', 'aaa', false],
    ['^a{2,}$', 'aaaa', true],
    ['a{,2}', 'a{,2}', true],
    ['^(?:ab)*$', 'abab', true],
    ['^(?P<name>x)(y)$', 'xy', true],
    ['^[^a-c]+$', 'xyz', true],
    ['^[]x]+$', 'x]', true],
    ['^[a-]+$', 'a-', true],
    ['^\\d{4}-\\d\\d$', '2026-11', true],
    ['^\\W\\S\\D$', '! x'.replace(' ', '.'), true],
    ['(?i)^straße$', 'STRAßE', true],
    ['(?i:A)b', 'ab', true],
    ['(?i:A)b', 'aB', false],
    ['a.b', 'a\nb', false],
    ['(?s)a.b', 'a\nb', true],
    ['(?m)^b$', 'a\nb\nc', true],
    ['^b$', 'a\nb\nc', false],
    ['\\bcat\\b', 'a cat.', true],
    ['\\bcat\\b', 'concat', false],
    ['^.$', '😀', true],
    ['^\\x41\\x{1F600}$', 'A😀', true],
    ['(a*)*b', 'aaa', false],
    ['(|a)+$', 'aa', true],
  ])('%s in %j: %s', (pattern, text, found) => {
    expect(compilePattern(pattern)(text)).toBe(found)
  })

  test.each([
    '(',
    ')',
    '(?=a)',
    '(?<!a)',
    '[a',
    'a**',
    '*a',
    '\\1',
    '\\',
    '[z-a]',
    'a{2,1}',
    '[[:alpha:]]',
    '(a{1000}){1000}',
    '(('.repeat(60),
  ])('%s is refused', (pattern) => {
    expect(() => compilePattern(pattern)).toThrow(Error)
  })

  test('repeating nothing is not expanded', () => {
    const started = performance.now()

    compilePattern('((((()){1000}){1000}){1000}){1000}')

    expect(performance.now() - started).toBeLessThan(200)
  })

  test('answers what the regular expressions of the language answer', () => {
    const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '(?:ab|c)', '(?:a|bc)', '^', '$', '\\b')
    const repeated = fc
      .tuple(atom, fc.constantFrom('', '*', '+', '?', '{1,2}'))
      .map(([part, times]) => (/^[\^$\\]/.test(part) ? part : part + times))
    const pattern = fc.array(repeated, { maxLength: 6 }).map((parts) => parts.join(''))
    const text = fc.array(fc.constantFrom('a', 'b', 'c', '\n', ' '), { maxLength: 10 }).map((parts) => parts.join(''))

    fc.assert(
      fc.property(pattern, text, (source, subject) => compilePattern(source)(subject) === new RegExp(source, 'u').test(subject)),
      {
        numRuns: 2_000,
      },
    )
  })
})
