import { expect, test } from 'vitest'
import { parseJsonPointer, readJsonPointer } from '../../../src/lib/json-pointer.ts'

// The document and answers of RFC 6901 section 5.
const document = { foo: ['bar', 'baz'], '': 0, 'a/b': 1, 'c%d': 2, 'e^f': 3, 'm~n': 8 }

test.each<[string, unknown]>([
  ['', document],
  ['/foo', document.foo],
  ['/foo/0', 'bar'],
  ['/', 0],
  ['/a~1b', 1],
  ['/c%d', 2],
  ['/e^f', 3],
  ['/m~0n', 8],
  ['/foo/-', undefined],
  ['/foo/00', undefined],
  ['/foo/length', undefined],
  ['/foo/0/x', undefined],
  ['/nothing/here', undefined],
  ['/__proto__', undefined],
  ['/constructor/name', undefined],
])('%j', (pointer, value) => {
  expect(readJsonPointer(document, parseJsonPointer(pointer))).toEqual(value)
})

test('a pointer starts with a slash', () => {
  expect(() => parseJsonPointer('foo')).toThrow('starts with "/"')
})
