import { describe, expect, test } from 'vitest'
import { createSealer, createSealKey } from '../../../src/lib/seal.ts'

describe('sealed text', () => {
  const key = createSealKey()
  const sealer = createSealer([key])

  test('opens to the value it was made from, and looks different each time', () => {
    const value = { principal: 'a', n: 1 }

    const [one, two] = [sealer.seal('session', value), sealer.seal('session', value)]

    expect(sealer.open('session', one)).toEqual(value)
    expect(one).not.toBe(two)
    expect(one).toMatch(/^[A-Za-z0-9_-]+$/)
  })

  test('does not open for another purpose, with another key, or after any change of one character', () => {
    const sealed = sealer.seal('session', { a: 1 })

    expect(sealer.open('state', sealed)).toBeUndefined()
    expect(createSealer([createSealKey()]).open('session', sealed)).toBeUndefined()
    for (let at = 0; at < sealed.length; at += 1) {
      const other = sealed[at] === 'A' ? 'B' : 'A'
      expect(sealer.open('session', sealed.slice(0, at) + other + sealed.slice(at + 1))).toBeUndefined()
    }
    for (const wrong of ['', 'x', `${sealed}A`, `${sealed}-TAMPERED`, ` ${sealed}`, sealed.slice(1), `${sealed}=`]) {
      expect(sealer.open('session', wrong)).toBeUndefined()
    }
  })

  test('opens with any key of the ring and is made with the first', () => {
    const [old, fresh] = [createSealKey(), createSealKey()]
    const sealed = createSealer([old]).seal('session', 7)

    const rotated = createSealer([fresh, old])

    expect(rotated.open('session', sealed)).toBe(7)
    expect(createSealer([old]).open('session', rotated.seal('session', 8))).toBeUndefined()
    expect(() => createSealer([])).toThrow('at least one key')
    expect(() => createSealer([Buffer.alloc(16)])).toThrow('32 bytes')
  })
})
