import fc from 'fast-check'
import { describe, expect, it, test } from 'vitest'
import { Guard as GuardConfig } from '../../../src/config/guard.ts'
import type { Guard } from '../../../src/guard/guard.ts'
import { createGuards } from '../../../src/guard/guards.ts'

const never = new AbortController().signal
const KEY = ['AKIA', 'QJ7XK2MZ4BVN5TRH'].join('')
const BLOCK = `-----BEGIN PRIVATE KEY-----\n${'q7Rk2Zp9Lm4Xw8Tn'.repeat(90)}\n-----END PRIVATE KEY-----`

function guardOf(evaluators: readonly object[], holdBack = 64): Guard {
  const guards = createGuards({ g: GuardConfig.parse({ evaluators, holdBack }) }, { monotonic: () => performance.now() })
  const guard = guards.of(['g'])
  if (guard === undefined) throw new Error('no guard')
  return guard
}

/** Streams pieces through a channel. */
async function stream(guard: Guard, pieces: readonly string[], channel = 0) {
  const judge = guard.openStream(never)
  let text = ''
  for (const piece of [...pieces, undefined]) {
    const judged = await (piece === undefined ? judge.end(channel) : judge.push(channel, piece))
    if (judged.kind === 'block') return { text, blocked: judged.reason, verdicts: judge.verdicts() }
    text += judged.text
  }
  return { text, blocked: undefined, verdicts: judge.verdicts() }
}

/** Judges a text as a whole. */
async function whole(guard: Guard, words: string) {
  let text = words
  const lens = { parts: [{ path: 'text', text: words }], replace: (_path: string, written: string) => (text = written) }
  const verdicts = await guard.inspect('response', lens, never)
  return { text, isBlocked: verdicts.some(({ action }) => action === 'block') }
}

function cut(text: string, sizes: readonly number[]): string[] {
  const pieces: string[] = []
  let at = 0
  for (const size of sizes) {
    pieces.push(text.slice(at, at + size))
    at += size
  }
  return [...pieces, text.slice(at)]
}

const REDACT = [
  {
    type: 'pattern',
    patterns: ['\\bfoo[0-9]*\\b', '^begin', 'end$', 'aba', '(?i)secret.{0,8}x'],
    action: 'redact',
    replacement: '<1>',
  },
  { type: 'secrets' },
  { type: 'pattern', name: 'second', patterns: ['bar', 'o12', '😀+!', 'b+a'], action: 'redact', replacement: '<2>' },
]
const piece = fc.constantFrom(
  'foo',
  'foo12',
  'bar',
  'aba',
  'ab',
  'SECRET',
  'x',
  ' ',
  '\n',
  '😀',
  '!',
  '\ud83d',
  'begin',
  'end',
  KEY,
  'AKIA',
  'b',
)
const text = fc.array(piece, { maxLength: 40 }).map((pieces) => pieces.join(''))
const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 60 })

describe('a stream', () => {
  test('redacts what judging the whole redacts, however it is cut', async () => {
    const guard = guardOf(REDACT)
    await fc.assert(
      fc.asyncProperty(text, sizes, async (words, cuts) => {
        expect((await stream(guard, cut(words, cuts))).text).toBe((await whole(guard, words)).text)
      }),
      { numRuns: 400 },
    )
  })

  test('blocks what judging the whole blocks, and nothing of it goes out', async () => {
    const guard = guardOf([{ type: 'pattern', patterns: ['\\bfoo12\\b', 'aba+x', 'end$'] }])
    await fc.assert(
      fc.asyncProperty(text, sizes, async (words, cuts) => {
        const streamed = await stream(guard, cut(words, cuts))

        expect(streamed.blocked !== undefined).toBe((await whole(guard, words)).isBlocked)
        expect(words.startsWith(streamed.text)).toBe(true)
        if (streamed.blocked !== undefined) {
          const first = /(?<![a-zA-Z0-9_])foo12(?![a-zA-Z0-9_])|aba+x|end$/.exec(words)?.index ?? 0
          expect(streamed.text.length).toBeLessThanOrEqual(first)
        }
      }),
      { numRuns: 400 },
    )
  })

  test.each([
    [
      'in shadow',
      [
        { type: 'secrets', mode: 'shadow' },
        { type: 'pattern', patterns: ['foo'], mode: 'shadow' },
      ],
    ],
    ['that only flags', [{ type: 'pattern', patterns: ['foo'], action: 'flag' }]],
  ])('%s changes nothing and holds nothing', async (_name, evaluators) => {
    const guard = guardOf(evaluators)
    const judge = guard.openStream(never)

    for (const words of ['a fo', 'o b ', KEY]) expect(await judge.push(0, words)).toEqual({ kind: 'pass', text: words })
    expect(await judge.end(0)).toEqual({ kind: 'pass', text: '' })

    expect(judge.verdicts().map(({ action, reason }) => [action, reason])).toContainEqual(['flag', 'words that must not pass'])
  })

  test('keeps channels apart', async () => {
    const guard = guardOf(REDACT)
    await fc.assert(
      fc.asyncProperty(text, text, sizes, fc.array(fc.boolean()), async (one, two, cuts, order) => {
        const judge = guard.openStream(never)
        const queues = [cut(one, cuts), cut(two, cuts)]
        const out = ['', '']
        const take = async (channel: number): Promise<void> => {
          const next = queues[channel]?.shift()
          if (next === undefined) return
          const judged = await judge.push(channel, next)
          out[channel] += judged.kind === 'pass' ? judged.text : ''
        }
        for (const isFirst of order) await take(isFirst ? 0 : 1)
        for (const channel of [0, 1]) {
          while ((queues[channel]?.length ?? 0) > 0) await take(channel)
          const judged = await judge.end(channel)
          out[channel] += judged.kind === 'pass' ? judged.text : ''
        }

        expect(out).toEqual([(await whole(guard, one)).text, (await whole(guard, two)).text])
      }),
    )
  })

  test.each([1, 7, 64, 5_000])('redacts a private key block far longer than what is held, in pieces of %d', async (size) => {
    const guard = guardOf([{ type: 'secrets' }])
    const words = `a ${BLOCK} z ${KEY} ${'and so on '.repeat(20)}`

    const { text: out, verdicts } = await stream(
      guard,
      cut(
        words,
        Array.from({ length: Math.ceil(words.length / size) }, () => size),
      ),
    )

    expect(out).toBe(`a [redacted] z [redacted] ${'and so on '.repeat(20)}`)
    expect(verdicts).toMatchObject([{ evaluator: 'secrets', action: 'redact', reason: 'private key, aws access key' }])
  })

  test('swallows a run far longer than what is held', async () => {
    const guard = guardOf([{ type: 'pattern', patterns: ['x{3,}'], action: 'redact', replacement: '#' }], 16)

    expect(
      (
        await stream(
          guard,
          cut(
            `a${'x'.repeat(500)} b`,
            Array.from({ length: 100 }, () => 3),
          ),
        )
      ).text,
    ).toBe('a# b')
  })

  test('swallows a token far longer than what is held, of which only the begin tells', async () => {
    const guard = guardOf([{ type: 'pattern', patterns: ['tok-[a-z0-9]+'], action: 'redact', replacement: '#' }], 16)
    const pieces = cut(
      `use tok-${'a1b2c3d4'.repeat(60)} now`,
      Array.from({ length: 200 }, () => 3),
    )

    expect((await stream(guard, pieces)).text).toBe('use # now')
  })

  test('knows an AWS secret by a name that is long out', async () => {
    const guard = guardOf([{ type: 'secrets' }], 128)
    const secret = 'wJalrXUtnFEMIK7MDENGbPxRfiCYzzzAAAKEYqqq'
    const pieces = cut(
      `aws_secret_access_key = "${secret}" ${'and so on '.repeat(40)}`,
      Array.from({ length: 200 }, () => 3),
    )

    expect((await stream(guard, pieces)).text).toMatch(/^\[redacted\]" and so on/)
  })

  it('holds a bounded tail and never half a character', async () => {
    const judge = guardOf([{ type: 'secrets' }], 4).openStream(never)

    const first = await judge.push(0, 'abc😀😀')
    const second = await judge.push(0, 'd')

    expect([first, second]).toEqual([
      { kind: 'pass', text: 'abc' },
      { kind: 'pass', text: '' },
    ])
  })

  it('waits for what follows before it blocks', async () => {
    const judge = guardOf([{ type: 'pattern', patterns: ['\\bfoo\\b'] }]).openStream(never)

    expect(await judge.push(0, 'a foo')).toEqual({ kind: 'pass', text: '' })
    expect(await judge.push(0, 'd and foo')).toEqual({ kind: 'pass', text: '' })
    expect(await judge.push(0, '. So')).toEqual({ kind: 'block', reason: 'pattern: words that must not pass' })
  })

  it('in tiny pieces does not cost a window for each', async () => {
    const judge = guardOf([{ type: 'pattern', patterns: ['\\bfoo\\b'], action: 'redact' }], 16_384).openStream(never)
    const started = performance.now()

    for (let count = 0; count < 25_000; count++) await judge.push(0, 'word')

    expect(performance.now() - started).toBeLessThan(1_500) // seen: 160 ms; a window for each takes 3.3 s
  })

  it('that is too long stops before the words that are too many', async () => {
    const judge = guardOf([{ type: 'length', max: 10 }]).openStream(never)

    expect(await judge.push(0, '12345')).toEqual({ kind: 'pass', text: '12345' })
    expect(await judge.push(1, '67890')).toEqual({ kind: 'pass', text: '67890' })
    expect(await judge.push(0, '1')).toEqual({ kind: 'block', reason: 'length: longer than 10 characters' })
    expect(await judge.push(1, '')).toMatchObject({ kind: 'block' })
    expect(await judge.end(1)).toMatchObject({ kind: 'block' })
    expect(judge.verdicts()).toMatchObject([{ action: 'block', evaluator: 'length' }])
  })

  it('says in one verdict what it found in many pieces', async () => {
    const { verdicts } = await stream(
      guardOf([{ type: 'secrets' }]),
      Array.from({ length: 20 }, () => `a ${KEY} b `),
    )

    expect(verdicts).toMatchObject([
      { action: 'redact', reason: 'aws access key (20)', finos: ['MI-23', 'MI-1', 'RI-29', 'RI-1'] },
    ])
  })
})

describe('a proposed call', () => {
  const calls = [
    { type: 'tool_calls', deny: ['delete_*'], when: "has(args.path) && args.path.startsWith('/etc')" },
    { type: 'secrets' },
    { type: 'pattern', patterns: ['forbidden'] },
    { type: 'pattern', name: 'quiet', patterns: ['42'], action: 'redact', replacement: '"' },
  ]

  test.each<[name: string, tool: string, args: string, judged: object]>([
    ['passes as it came', 'read', '{ "path": "/tmp", "n": 1.0 }', { kind: 'pass', text: '{ "path": "/tmp", "n": 1.0 }' }],
    ['without arguments passes', 'read', '', { kind: 'pass', text: '' }],
    ['by name', 'delete_all', '{}', { kind: 'block', reason: 'tool_calls: this tool may not be called' }],
    [
      'by its arguments',
      'read',
      '{"path":"/etc/x"}',
      { kind: 'block', reason: 'tool_calls: this tool may not be called with these arguments' },
    ],
    ['by its words', 'read', '{"a":["x",{"b":"forbidden"}]}', { kind: 'block', reason: 'pattern: words that must not pass' }],
    [
      'by words that are escaped',
      'read',
      '{"a":"\\u0066orbidden"}',
      { kind: 'block', reason: 'pattern: words that must not pass' },
    ],
    [
      'is redacted',
      'read',
      `{"a":"k ${KEY}","n":12345678901234567890}`,
      { kind: 'pass', text: '{"a":"k [redacted]","n":12345678901234567890}' },
    ],
    ['stays JSON whatever is put in', 'read', '{"a":"4242"}', { kind: 'pass', text: '{"a":"\\"\\""}' }],
    [
      'that is not JSON',
      'read',
      '{"a":',
      { kind: 'block', reason: 'tool_calls: could not judge: the arguments are not strict JSON' },
    ],
    ['that names a member twice', 'read', '{"path":"/tmp","path":"/etc"}', { kind: 'block' }],
  ])('%s', async (_name, tool, args, judged) => {
    expect(await guardOf(calls).openStream(never).call(tool, args)).toMatchObject(judged)
  })

  it('that is not JSON is blocked where something would be redacted', async () => {
    const judge = guardOf([{ type: 'secrets' }]).openStream(never)

    expect(await judge.call('read', '{"a":1')).toEqual({ kind: 'pass', text: '{"a":1' })
    expect(await judge.call('read', `{"a":"${KEY}`)).toMatchObject({ kind: 'block' })
    expect(judge.verdicts().map(({ action }) => action)).toEqual(['redact', 'block'])
  })

  it('passes where nobody listens to calls', async () => {
    const judge = guardOf([{ type: 'secrets', hooks: ['response'] }]).openStream(never)

    expect(await judge.call('x', KEY)).toEqual({ kind: 'pass', text: KEY })
  })
})
