import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assertSendable, rewriteArguments } from '../../../src/catalog/arguments.ts'

const item = {
  name: 'note',
  arguments: { hide: ['secret', 'workspace'], set: { workspace: 'research' }, default: { format: 'md', tags: [] } },
}

describe('the arguments an upstream gets', () => {
  test('are what the client sent, with defaults and what the catalog sets', () => {
    expect(rewriteArguments(item, { path: 'a', format: 'txt' })).toEqual({
      path: 'a',
      format: 'txt',
      tags: [],
      workspace: 'research',
    })
    expect(rewriteArguments(item, { path: 'a' })).toEqual({ path: 'a', format: 'md', tags: [], workspace: 'research' })
  })

  test('never carry what the client wrote into a hidden or set argument', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('secret', 'workspace', 'path', '__proto__'), fc.string()), (args) => {
        const sent = rewriteArguments(item, args)

        expect(sent['workspace']).toBe('research')
        expect(Object.hasOwn(sent, 'secret')).toBe(false)
        expect(Object.getPrototypeOf(sent)).toBe(Object.prototype)
      }),
    )
  })

  test('keep a member named __proto__ as a member', () => {
    const sent = rewriteArguments(item, JSON.parse('{"__proto__":{"admin":true}}'))

    expect(JSON.stringify(sent)).toContain('"__proto__":{"admin":true}')
    expect('admin' in sent).toBe(false)
  })

  test('are the same object when the catalog changes nothing', () => {
    const args = { a: 1 }

    expect(rewriteArguments({}, args)).toBe(args)
  })
})

test('a client that names a hidden argument is told that it does not exist', () => {
  expect(assertSendable(item, { path: 'a' })).toBeUndefined()
  expect(assertSendable(item, { workspace: 'x' })).toBe('unknown argument "workspace" for "note"')
  expect(assertSendable(item, { workspace: 'x', secret: 1 })).toBe('unknown arguments "workspace", "secret" for "note"')
  expect(assertSendable({ name: 'x' }, { anything: 1 })).toBeUndefined()
})
