import { describe, expect, it, test } from 'vitest'
import { type Evaluator as EvaluatorConfig, Guard as GuardConfig } from '../../../src/config/guard.ts'
import type { Guard } from '../../../src/guard/guard.ts'
import { createGuards, findInert } from '../../../src/guard/guards.ts'

const never = new AbortController().signal
const KEY = ['AKIA', 'QJ7XK2MZ4BVN5TRH'].join('')
/** Every risk (RI) and mitigation (MI) of the FINOS AI Governance Framework. */
const FINOS = new Set([
  ...Array.from({ length: 23 }, (_, index) => `MI-${index + 1}`),
  ...[1, 2, 4, 5, 6, 7, 8, 9, 10, 14, 16, 17, 18, 19, 20, 22, 23, 24, 25, 26, 27, 28, 29].map((id) => `RI-${id}`),
])

type Sets = Readonly<Record<string, readonly object[]>>

function configOf(sets: Sets) {
  return Object.fromEntries(Object.entries(sets).map(([name, evaluators]) => [name, GuardConfig.parse({ evaluators })]))
}

function guards(sets: Sets) {
  return createGuards(configOf(sets), { monotonic: () => performance.now() })
}

async function judged(guard: Guard | undefined, words: string) {
  let text = words
  const lens = { parts: [{ path: 'arguments.q', text: words }], replace: (_path: string, written: string) => (text = written) }
  const verdicts = (await guard?.inspect('request', lens, never)) ?? []
  return { text, verdicts: verdicts.map(({ evaluator, action }) => `${evaluator} ${action}`) }
}

describe('guards', () => {
  it('baseline exists without being written, and redacts credentials everywhere', async () => {
    const baseline = guards({}).of(['baseline'])

    expect(await judged(baseline, `k ${KEY}`)).toEqual({ text: 'k [redacted]', verdicts: ['secrets redact'] })
    expect((['request', 'response', 'call', 'definition'] as const).map((hook) => baseline?.active(hook))).toEqual([
      true,
      true,
      true,
      false,
    ])
  })

  it('baseline may be written anew', async () => {
    const baseline = guards({ baseline: [{ type: 'length', max: 3 }] }).of(['baseline'])

    expect((await judged(baseline, 'long')).verdicts).toEqual(['length block'])
  })

  it('several sets judge in order', async () => {
    const both = guards({ house: [{ type: 'pattern', name: 'falcon', patterns: ['falcon'] }] }).of(['baseline', 'house'])

    expect(await judged(both, `falcon ${KEY}`)).toEqual({
      text: `falcon ${KEY}`,
      verdicts: ['secrets redact', 'falcon block'],
    })
  })

  it('the same names give the same guard', () => {
    const made = guards({ house: [{ type: 'secrets' }] })

    expect(made.of(['house', 'baseline'])).toBe(made.of(['house', 'baseline']))
    expect(made.of(['house', 'baseline'])).not.toBe(made.of(['baseline', 'house']))
  })

  it.each([
    ['no names', []],
    ['a set that is off', ['silent']],
  ])('%s gives no guard', (_name, names) => {
    expect(guards({ silent: [{ type: 'secrets', mode: 'off' }] }).of(names)).toBeUndefined()
  })

  it('a set that does not exist stops what it should judge', () => {
    expect(() => guards({}).of(['baseline', 'nobody'])).toThrow('there is no guard "nobody"')
  })

  it('hooks narrow where an evaluator is asked', () => {
    const guard = guards({ house: [{ type: 'secrets', hooks: ['response'] }] }).of(['house'])

    expect([guard?.active('request'), guard?.active('response')]).toEqual([false, true])
  })
})

const EVERY: readonly { readonly type: EvaluatorConfig['type']; readonly [field: string]: unknown }[] = [
  { type: 'pattern', patterns: ['\\bkey-[0-9]{4}\\b', '(?i)^begin', 'a|b', '[^\\x00-\\x7f]', '(?:x|y){3}$', '\\.z'] },
  { type: 'secrets' },
  { type: 'length', max: 100_000_000 },
  { type: 'tool_calls', deny: ['delete_*'] },
]

describe('the self-check', () => {
  test.each(EVERY.map((evaluator) => [evaluator.type, evaluator] as const))('a live %s acts', async (_type, evaluator) => {
    expect(await findInert(configOf({ house: [evaluator] }))).toEqual([])
  })

  test.each<[name: string, evaluator: object, fault: string]>([
    ['a pattern that can never match', { type: 'pattern', patterns: ['fine', 'a\\bb'] }, 'does not act'],
    ['calls that nothing forbids', { type: 'tool_calls' }, 'does not act'],
    ['calls judged where there are none', { type: 'tool_calls', deny: ['x'], hooks: ['request'] }, 'is never asked'],
  ])('names %s, with its place', async (_name, evaluator, fault) => {
    const inert = await findInert(configOf({ house: [{ type: 'length', max: 1, mode: 'off' }, evaluator] }))

    expect(inert).toEqual([{ guard: 'house', index: 1, isEnforced: true, fault: expect.stringContaining(fault) }])
  })

  it('leaves alone what only watches, and what a condition alone decides', async () => {
    const evaluators = [
      { type: 'pattern', patterns: ['a\\bb'], mode: 'shadow' },
      { type: 'tool_calls', when: 'args.x == 1' },
    ]

    expect(await findInert(configOf({ house: evaluators }))).toEqual([])
  })

  it('tells of a shadow that is never asked', async () => {
    const inert = await findInert(configOf({ house: [{ type: 'tool_calls', hooks: ['request'], mode: 'shadow' }] }))

    expect(inert).toMatchObject([{ isEnforced: false }])
  })
})

it('every evaluator maps to entries of the FINOS framework', () => {
  const evaluators = guards({ house: EVERY }).sets.get('house')?.evaluators ?? []

  expect(evaluators).toHaveLength(EVERY.length)
  for (const { finos } of evaluators) {
    expect(finos.length).toBeGreaterThan(0)
    expect(finos.filter((id) => !FINOS.has(id))).toEqual([])
  }
})

it('a call is judged with its arguments as they are read', async () => {
  const guard = guards({ house: [{ type: 'tool_calls', when: "tool.name == 'pay' && args.cents > 100" }] }).of(['house'])
  const call = (name: string, args: string) =>
    guard?.inspect(
      'call',
      {
        parts: [
          { path: 'name', text: name },
          { path: 'arguments', text: args },
        ],
        replace: () => undefined,
      },
      never,
    )

  expect(await call('pay', '{"cents":101}')).toMatchObject([{ action: 'block' }])
  expect(await call('pay', '{"cents":99}')).toMatchObject([{ action: 'allow' }])
  expect(await call('look', '{}')).toMatchObject([{ action: 'allow' }])
  expect(await call('pay', '{}')).toMatchObject([{ action: 'block', reason: expect.stringContaining('could not judge') }])
})
