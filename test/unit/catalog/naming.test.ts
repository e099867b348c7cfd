import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { NameRequest } from '../../../src/catalog/naming.ts'
import { assignNames } from '../../../src/catalog/naming.ts'

// Few letters, so that names, servers and prefixes meet as often as possible.
const word = fc.string({ unit: fc.constantFrom('a', 'b', '_', '.'), minLength: 1, maxLength: 4 })
const request: fc.Arbitrary<NameRequest> = fc.record(
  {
    server: fc.constantFrom('a', 'b', 'a_b'),
    name: fc.oneof(word, fc.constant('x'.repeat(60))),
    prefix: fc.constantFrom(true, 'a'),
  },
  { requiredKeys: ['server', 'name'] },
)
const requests = fc.uniqueArray(request, { maxLength: 12, selector: ({ server, name }) => `${server}/${name}` })
const withAliases = requests.map((list) =>
  list.map((one, index) => (index % 5 === 0 ? { ...one, alias: `a_${'ab'.charAt(index / 5)}` } : one)),
)

test('names are all different and within what clients accept', () => {
  fc.assert(
    fc.property(withAliases, (list) => {
      const names = assignNames(list)

      expect(new Set(names).size).toBe(list.length)
      for (const name of names) expect(name).toMatch(/^[a-zA-Z0-9_-]{1,48}$/)
      list.forEach((one, index) => one.alias !== undefined && expect(names[index]).toBe(one.alias))
    }),
    { numRuns: 2_000 },
  )
})

test('a name does not depend on the order things come in', () => {
  fc.assert(
    fc.property(withAliases, (list) => {
      const forward = assignNames(list)

      expect(assignNames(list.toReversed())).toEqual(forward.toReversed())
    }),
  )
})

test('something new changes only the names it meets', () => {
  fc.assert(
    fc.property(requests, (list) => {
      const before = assignNames(list)
      const after = assignNames([...list, { server: 'new', name: 'unlike-any-other' }])

      expect(after.slice(0, -1)).toEqual(before)
    }),
  )
})
