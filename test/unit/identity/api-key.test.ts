import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { equalHashes, hashApiKey, isApiKey, mintApiKey, parseApiKey } from '../../../src/lib/api-key.ts'

describe('an API key', () => {
  test('names its id and passes its own checksum', () => {
    const { id, key } = mintApiKey()

    expect(key).toMatch(/^tgk_[0-9a-z]{8}_[0-9A-Za-z]{49}$/)
    expect(parseApiKey(key)).toEqual({ id })
    expect(isApiKey(key)).toBe(true)
  })

  test('with one character changed is refused before any look-up', () => {
    const { key } = mintApiKey()
    fc.assert(
      fc.property(fc.nat(key.length - 1), fc.constantFrom('0', 'a', 'A', '_', '-', 'é', ' '), (at, character) => {
        const changed = key.slice(0, at) + character + key.slice(at + 1)
        return changed === key || parseApiKey(changed) === undefined
      }),
      { numRuns: 300 },
    )
  })

  test.each(['', 'tgk_', 'tgk_abc', `${mintApiKey().key} `, mintApiKey().key.toUpperCase()])('%j is no key', (text) => {
    expect(parseApiKey(text)).toBeUndefined()
  })

  test('has a hash that depends on the key and on the pepper', () => {
    const [pepper, other] = [randomBytes(32), randomBytes(32)]
    const { key } = mintApiKey()

    expect(equalHashes(hashApiKey(key, pepper), hashApiKey(key, pepper))).toBe(true)
    expect(equalHashes(hashApiKey(key, pepper), hashApiKey(key, other))).toBe(false)
    expect(equalHashes(hashApiKey(key, pepper), hashApiKey(mintApiKey().key, pepper))).toBe(false)
    expect(equalHashes(hashApiKey(key, pepper), '')).toBe(false)
  })
})
