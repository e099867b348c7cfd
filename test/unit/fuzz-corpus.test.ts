import { describe, expect, it } from 'vitest'
import { readCorpus } from '../fuzz/corpus.ts'
import { PARSERS } from '../fuzz/targets/parsers.ts'

describe.each(Object.entries(PARSERS))('C20: the invariants of %s hold', (name, create) => {
  const files = readCorpus(name)
  const target = create()

  it('for every seed', async () => {
    const signatures: string[] = []

    for (const seed of target.seeds()) signatures.push(await target.run(seed))

    expect(signatures).not.toContain('')
  })

  it.each(files.map((file) => [file.name, file.input] as const))('for %s', async (_name, input) => {
    expect(await target.run(input)).not.toBe('')
  })
})
