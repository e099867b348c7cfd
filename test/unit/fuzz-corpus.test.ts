import { afterAll, describe, expect, it } from 'vitest'
import { runCampaign } from '../fuzz/campaign.ts'
import { readCorpus } from '../fuzz/corpus.ts'
import { checkCost } from '../fuzz/cost.ts'
import { mutate } from '../fuzz/mutate.ts'
import { createRandom } from '../fuzz/random.ts'
import type { Target } from '../fuzz/target.ts'
import { PARSERS } from '../fuzz/targets/parsers.ts'

describe.each(Object.entries(PARSERS))('C20: the invariants of %s hold', (name, create) => {
  const files = readCorpus(name)
  const target = create()
  afterAll(() => target.close?.())

  it('for every seed', async () => {
    const signatures: string[] = []

    for (const seed of target.seeds()) signatures.push(await target.run(seed))

    expect(signatures).not.toContain('')
  })

  it.each(files.map((file) => [file.name, file.input] as const))('for %s', async (_name, input) => {
    expect(await target.run(input)).not.toBe('')
  })
})

describe('the fuzzer', () => {
  const target: Target = {
    name: 'planted',
    json: 'whole',
    dictionary: ['"b"', '7'],
    seeds: () => [Buffer.from('{"a":1,"list":[1,2,{"c":3}]}')],
    run(input) {
      const text = input.toString('utf8')
      if (/"b":7/.test(text)) throw new Error('planted')
      return /"b":/.test(text) ? 'near' : 'far'
    },
  }

  it('finds a planted fault and makes its input small', async () => {
    const { crashes, behaviours } = await runCampaign(target, { seed: 1, milliseconds: 3_000, maxCrashes: 1 })

    expect(crashes.map(({ input }) => input.toString('utf8'))).toEqual(['"b":7'])
    expect([...behaviours.keys()].toSorted()).toEqual(['far', 'near'])
  })

  it('makes the same inputs from the same seed', () => {
    const inputsOf = (seed: number) => {
      const random = createRandom(seed)
      return Array.from({ length: 50 }, () => mutate(target.seeds(), target, random).toString('base64'))
    }

    expect(inputsOf(7)).toEqual(inputsOf(7))
    expect(inputsOf(7)).not.toEqual(inputsOf(8))
  })

  it.each([
    ['takes too much memory', (input: Buffer) => Array.from({ length: input.length * 20 }, () => ({}))],
    ['takes too much time', (input: Buffer) => Array.from({ length: 40_000 }, () => input.indexOf(0))],
  ])('blames an input that %s', (_what, parse) => {
    const price = {
      parse: (input: Buffer) => {
        if (input[0] === 1) parse(input)
      },
      honest: (bytes: number) => Buffer.alloc(bytes),
    }

    expect(() => checkCost(Buffer.alloc(4_096), price)).not.toThrow()
    expect(() => checkCost(Buffer.alloc(4_096, 1), price)).toThrow(/^invariant: cost: 4096 bytes take/)
  })
})
