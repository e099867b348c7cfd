import { expect, test } from 'vitest'
import { countOf, listOf, objectOf, objectsOf, parseObject, textOf, wordsOf } from '../../../src/llm/loose-json.ts'

test.each([
  { name: 'a count', value: 3, expected: 3 },
  { name: 'zero is a count', value: 0, expected: 0 },
  { name: 'less than nothing', value: -1, expected: undefined },
  { name: 'a part', value: 1.5, expected: undefined },
  { name: 'digits', value: '3', expected: undefined },
  { name: 'null', value: null, expected: undefined },
  { name: 'more than a double counts', value: 2 ** 60, expected: undefined },
])('countOf: $name', ({ value, expected }) => {
  expect(countOf(value)).toBe(expected)
})

test.each([
  { name: 'a list', value: [{ a: 1 }, null, 'x', [{}], { b: 2 }], items: 5, objects: [{ a: 1 }, { b: 2 }] },
  { name: 'an object', value: { length: 1 }, items: 0, objects: [] },
  { name: 'null', value: null, items: 0, objects: [] },
  { name: 'nothing', value: undefined, items: 0, objects: [] },
])('lists: $name', ({ value, items, objects }) => {
  expect(listOf(value)).toHaveLength(items)
  expect(objectsOf(value)).toEqual(objects)
})

test('objectOf: what is no object is an empty one', () => {
  expect([{ a: 1 }, [1], null, 'x', undefined].map(objectOf)).toEqual([{ a: 1 }, {}, {}, {}, {}])
})

test.each([
  { name: 'words', value: 'hi', text: 'hi', words: 'hi' },
  { name: 'empty', value: '', text: '', words: undefined },
  { name: 'a number', value: 7, text: '', words: undefined },
  { name: 'null', value: null, text: '', words: undefined },
])('texts: $name', ({ value, text, words }) => {
  expect(textOf(value)).toBe(text)
  expect(wordsOf(value)).toBe(words)
})

test.each([
  { name: 'an object', text: '{"a":1}', expected: { a: 1 } },
  { name: 'a list', text: '[{}]', expected: undefined },
  { name: 'cut off', text: '{"a":', expected: undefined },
  { name: 'nothing', text: '', expected: undefined },
])('parseObject: $name', ({ text, expected }) => {
  expect(parseObject(text)).toEqual(expected)
})
