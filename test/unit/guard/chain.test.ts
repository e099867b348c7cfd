import { expect, it } from 'vitest'
import type { TextLens } from '../../../src/core/text-lens.ts'
import { createGuard, type Evaluator } from '../../../src/guard/chain.ts'

const lens: TextLens = { parts: [{ path: 'arguments.q', text: 'hello' }], replace: () => undefined }
const never = new AbortController().signal

function evaluator(over: Partial<Evaluator>): Evaluator {
  const inspect = async (): Promise<{ action: 'allow'; finos: string[] }> => ({ action: 'allow', finos: [] })
  return {
    name: 'fake',
    version: '1',
    hooks: ['request'],
    mode: 'enforce',
    deadlineMs: 1_000,
    onFailure: 'closed',
    inspect,
    ...over,
  }
}

const block: Evaluator['inspect'] = async () => ({ action: 'block', reason: 'no', finos: [] })

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
  { name: 'one of another hook is not asked', evaluators: [evaluator({ hooks: ['response'], inspect: block })], actions: [] },
]

for (const row of rows) {
  it(row.name, async () => {
    const guard = createGuard(row.evaluators, () => performance.now())

    const verdicts = await guard.inspect('request', lens, never)

    expect(verdicts.map((verdict) => verdict.action)).toEqual(row.actions)
  })
}

it('a guard without evaluators for a hook says so', () => {
  const guard = createGuard([evaluator({})], () => performance.now())

  expect([guard.active('request'), guard.active('response')]).toEqual([true, false])
})
