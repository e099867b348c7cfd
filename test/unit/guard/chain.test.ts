import { describe, expect, it } from 'vitest'
import type { TextLens } from '../../../src/core/text-lens.ts'
import { createGuard } from '../../../src/guard/chain.ts'
import type { Evaluator } from '../../../src/guard/evaluator.ts'

const lens: TextLens = { parts: [{ path: 'arguments.q', text: 'hello' }], replace: () => undefined }
const OPTIONS = { monotonic: () => performance.now(), holdBack: 64 }
const never = new AbortController().signal

function evaluator(over: Partial<Evaluator>): Evaluator {
  return {
    name: 'fake',
    version: '1',
    hooks: ['request'],
    mode: 'enforce',
    deadlineMs: 1_000,
    onFailure: 'closed',
    finos: ['MI-3'],
    replacement: '[gone]',
    holds: true,
    inspect: () => ({ action: 'allow' }),
    ...over,
  }
}

const block: Evaluator['inspect'] = async () => ({ action: 'block', reason: 'no' })

const rows: { name: string; evaluators: Evaluator[]; actions: string[] }[] = [
  {
    name: 'an evaluator that allows lets the next one judge',
    evaluators: [evaluator({}), evaluator({ name: 'second' })],
    actions: ['allow', 'allow'],
  },
  { name: 'a block ends the chain', evaluators: [evaluator({ inspect: block }), evaluator({})], actions: ['block'] },
  { name: 'a shadow evaluator only flags', evaluators: [evaluator({ inspect: block, mode: 'shadow' })], actions: ['flag'] },
  {
    name: 'one that throws and fails closed blocks',
    evaluators: [evaluator({ inspect: async () => Promise.reject(new Error('broken')) })],
    actions: ['block'],
  },
  {
    name: 'one that throws and fails open flags',
    evaluators: [evaluator({ inspect: async () => Promise.reject(new Error('broken')), onFailure: 'open' })],
    actions: ['flag'],
  },
  {
    name: 'one that is late and fails closed blocks',
    evaluators: [evaluator({ inspect: () => new Promise(() => undefined), deadlineMs: 5 })],
    actions: ['block'],
  },
  {
    name: 'one that answers at once is asked like the others',
    evaluators: [evaluator({ inspect: () => ({ action: 'block' }) })],
    actions: ['block'],
  },
  {
    name: 'one that throws at once and fails closed blocks',
    evaluators: [
      evaluator({
        inspect: () => {
          throw new Error('broken')
        },
      }),
    ],
    actions: ['block'],
  },
  {
    name: 'one that redacts nothing has failed',
    evaluators: [evaluator({ inspect: () => ({ action: 'redact' }) })],
    actions: ['block'],
  },
  { name: 'one of another hook is not asked', evaluators: [evaluator({ hooks: ['response'], inspect: block })], actions: [] },
]

for (const row of rows) {
  it(row.name, async () => {
    const guard = createGuard(row.evaluators, OPTIONS)

    const verdicts = await guard.inspect('request', lens, never)

    expect(verdicts.map((verdict) => verdict.action)).toEqual(row.actions)
  })
}

it('a guard without evaluators for a hook says so', () => {
  const guard = createGuard([evaluator({})], OPTIONS)

  expect([guard.active('request'), guard.active('response')]).toEqual([true, false])
})

describe('redaction', () => {
  const finding = (start: number, end: number) => ({ part: 0, start, end, label: 'word' })
  const redacting = (findings: readonly ReturnType<typeof finding>[], over: Partial<Evaluator> = {}) =>
    evaluator({ inspect: () => ({ action: 'redact', findings }), ...over })

  async function judged(evaluators: Evaluator[]): Promise<{ text: string; actions: string[] }> {
    let text = 'hello world'
    const words: TextLens = { parts: [{ path: 'q', text }], replace: (_path, written) => (text = written) }
    const verdicts = await createGuard(evaluators, OPTIONS).inspect('request', words, never)
    return { text, actions: verdicts.map(({ action }) => action) }
  }

  it('replaces what was found', async () => {
    expect(await judged([redacting([finding(0, 5)])])).toEqual({ text: '[gone] world', actions: ['redact'] })
  })

  it('merges what overlaps, whoever found it', async () => {
    const other = redacting([finding(3, 8)], { replacement: '[other]' })

    expect((await judged([redacting([finding(0, 5)]), other])).text).toBe('[gone]rld')
  })

  it('of a shadow changes nothing', async () => {
    expect(await judged([redacting([finding(0, 5)], { mode: 'shadow' })])).toEqual({ text: 'hello world', actions: ['flag'] })
  })

  it('before a block changes nothing', async () => {
    expect(await judged([redacting([finding(0, 5)]), evaluator({ inspect: block })])).toEqual({
      text: 'hello world',
      actions: ['redact', 'block'],
    })
  })

  it('says where, never what', async () => {
    const guard = createGuard([redacting([finding(0, 5), finding(6, 11)])], OPTIONS)

    const [verdict] = await guard.inspect('request', lens, never)

    expect(verdict).toMatchObject({
      reason: 'word (2)',
      finos: ['MI-3'],
      spans: [
        { path: 'arguments.q', start: 0, end: 5 },
        { path: 'arguments.q', start: 6, end: 11 },
      ],
    })
  })
})
