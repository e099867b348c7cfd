import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createGate } from '../../../src/llm/gate.ts'
import type { ModelEvent } from '../../../src/llm/middle.ts'
import type { StreamGuard, StreamJudgement } from '../../../src/pipeline/facet.ts'

const pass = (text: string): StreamJudgement => ({ kind: 'pass', text })

/** Holds the last `hold` characters of each channel, turns `bad` into `***` and stops at `STOP`. */
function holdingGuard(hold: number): StreamGuard {
  const held = new Map<number, string>()
  return {
    async push(channel, piece) {
      const words = ((held.get(channel) ?? '') + piece).replaceAll('bad', '***')
      if (words.includes('STOP')) return { kind: 'block', reason: 'stop' }
      const cut = Math.max(0, words.length - hold)
      held.set(channel, words.slice(cut))
      return pass(words.slice(0, cut))
    },
    async end(channel) {
      const words = held.get(channel) ?? ''
      held.delete(channel)
      return words.includes('STOP') ? { kind: 'block', reason: 'stop' } : pass(words)
    },
    async call(name, args) {
      if (name === 'rm') return { kind: 'block', reason: 'no rm' }
      return pass(args.replaceAll('bad', '***'))
    },
  }
}

async function run(events: readonly ModelEvent[], guard = holdingGuard(4)): Promise<{ out: ModelEvent[]; blocked?: string }> {
  const gate = createGate(guard)
  const out: ModelEvent[] = []
  for (const event of events) {
    const passed = await gate.pass(event)
    if ('blocked' in passed) return { out, blocked: passed.blocked }
    out.push(...passed.events)
  }
  return { out }
}

function said(index: number, ...pieces: readonly string[]): ModelEvent[] {
  return [
    { type: 'text-start', index },
    ...pieces.map((piece): ModelEvent => ({ type: 'text-delta', index, text: piece })),
    { type: 'text-end', index },
  ]
}

function call(index: number, name: string, ...pieces: readonly string[]): ModelEvent[] {
  return [
    { type: 'tool-start', index, id: `id${index}`, name },
    ...pieces.map((json): ModelEvent => ({ type: 'tool-delta', index, json })),
    { type: 'tool-end', index },
  ]
}

/** The words of each part, in the order the parts began, and what is against the contract. */
function read(events: readonly ModelEvent[]): { readonly parts: readonly string[]; readonly faults: readonly string[] } {
  const parts: string[] = []
  const open = new Set<number>()
  const faults: string[] = []
  for (const event of events) {
    if (!('index' in event)) {
      if (event.type === 'finish' && open.size > 0) faults.push('a part is open at finish')
      continue
    }
    const { type, index } = event
    if (type.endsWith('-start')) {
      if (index !== parts.length) faults.push(`part ${index} begins as number ${parts.length}`)
      open.add(index)
      parts.push(type === 'tool-start' ? `${type}:` : '')
    } else if (!open.has(index)) faults.push(`${type} of a part that is not open`)
    if (type.endsWith('-end')) open.delete(index)
    if ('text' in event) parts[index] += event.text
    if ('json' in event) parts[index] += event.json
  }
  return { parts, faults }
}

describe('words of a stream', () => {
  it('are held by the guard and complete at the end of their part', async () => {
    const { out } = await run(said(0, 'hello ', 'wor', 'ld'))

    expect(out).toEqual([
      { type: 'text-start', index: 0 },
      { type: 'text-delta', index: 0, text: 'he' },
      { type: 'text-delta', index: 0, text: 'llo' },
      { type: 'text-delta', index: 0, text: ' w' },
      { type: 'text-delta', index: 0, text: 'orld' },
      { type: 'text-end', index: 0 },
    ])
  })

  it('that are redacted over two pieces come out redacted', async () => {
    const { out } = await run(said(0, 'so b', 'ad, really'))

    expect(read(out)).toEqual({ parts: ['so ***, really'], faults: [] })
  })

  it('keep their log-probabilities only when they go out as they came', async () => {
    const delta: ModelEvent = { type: 'text-delta', index: 0, text: 'word', logprobs: [{ token: 'word' }] }
    const events: ModelEvent[] = [{ type: 'text-start', index: 0 }, delta]

    const [open, held] = [await run(events, holdingGuard(0)), await run(events, holdingGuard(2))]

    expect(open.out[1]).toEqual(delta)
    expect(held.out[1]).toEqual({ type: 'text-delta', index: 0, text: 'wo' })
  })

  it('that are blocked end the answer, and nothing follows', async () => {
    const gate = createGate(holdingGuard(4))
    const seen: unknown[] = []
    for (const event of said(0, 'fine ST', 'OP', ' more')) seen.push(await gate.pass(event))

    expect(seen.slice(2)).toEqual([{ blocked: 'stop' }, { blocked: 'stop' }, { blocked: 'stop' }])
    expect(JSON.stringify(seen[1])).not.toContain('ST')
  })

  it('of refusals and thoughts are judged too', async () => {
    for (const kind of ['refusal', 'reasoning'] as const) {
      const events: ModelEvent[] = [
        { type: `${kind}-start`, index: 0 },
        { type: `${kind}-delta`, index: 0, text: 'a bad thing' },
        { type: `${kind}-end`, index: 0 },
      ]

      expect(read((await run(events)).out).parts, kind).toEqual(['a *** thing'])
    }
  })
})

describe('signatures of thoughts', () => {
  const signature = { family: 'anthropic', value: 'proof' }
  const thought = (words: string): ModelEvent[] => [
    { type: 'reasoning-start', index: 0 },
    { type: 'reasoning-delta', index: 0, text: words },
    { type: 'reasoning-end', index: 0, signature },
  ]

  it('stay with words that only waited', async () => {
    expect((await run(thought('good words'))).out.at(-1)).toEqual({ type: 'reasoning-end', index: 0, signature })
  })

  it('do not go with words that were changed', async () => {
    expect((await run(thought('bad words'))).out.at(-1)).toEqual({ type: 'reasoning-end', index: 0 })
  })
})

describe('annotations of a text', () => {
  const annotated = (title: string): ModelEvent[] => [
    { type: 'text-start', index: 0 },
    { type: 'text-end', index: 0, annotations: [{ title }] },
  ]

  it('go out when nothing is found in them', async () => {
    expect((await run(annotated('fine'))).out.at(-1)).toEqual({ type: 'text-end', index: 0, annotations: [{ title: 'fine' }] })
  })

  it('stay behind when the guard would change them, and block like words', async () => {
    expect((await run(annotated('bad'))).out.at(-1)).toEqual({ type: 'text-end', index: 0 })
    expect((await run(annotated('STOP'))).blocked).toBe('stop')
  })
})

describe('a proposed tool call', () => {
  it('goes out whole, as one delta, when its end has come', async () => {
    const { out } = await run(call(0, 'send', '{"a":', '"b', 'ad"}'))

    expect(out).toEqual([
      { type: 'tool-start', index: 0, id: 'id0', name: 'send' },
      { type: 'tool-delta', index: 0, json: '{"a":"***"}' },
      { type: 'tool-end', index: 0 },
    ])
  })

  it('that is blocked never shows its name', async () => {
    expect(await run([...said(0, 'one moment'), ...call(1, 'rm', '{}')])).toEqual({
      out: expect.not.arrayContaining([expect.objectContaining({ type: 'tool-start' })]) as unknown,
      blocked: 'no rm',
    })
  })

  it('delays no part but itself', async () => {
    const [start, delta, end] = call(0, 'send', '{}') as [ModelEvent, ModelEvent, ModelEvent]

    const { out } = await run([start, ...said(1, 'meanwhile'), delta, end, { type: 'finish', stop: 'tool' }, { type: 'end' }])

    expect(read(out)).toEqual({ parts: ['meanwhile', 'tool-start:{}'], faults: [] })
    expect(out.slice(-2)).toEqual([{ type: 'finish', stop: 'tool' }, { type: 'end' }])
  })

  it('of more than 1 MiB is blocked', async () => {
    const { out, blocked } = await run(call(0, 'send', ...Array.from({ length: 1_100 }, () => 'x'.repeat(1_000))))

    expect([out, blocked]).toEqual([[], 'a tool call is too large to be judged'])
  })

  it('counts together with others that are open', async () => {
    const events = Array.from({ length: 6 }, (_, index): ModelEvent[] => [
      { type: 'tool-start', index, id: 'x', name: 'send' },
      { type: 'tool-delta', index, json: 'x'.repeat(1_000_000) },
    ]).flat()

    expect((await run(events)).blocked).toBe('a tool call is too large to be judged')
  })
})

it('passes what is not words as it is', async () => {
  const events: ModelEvent[] = [
    { type: 'start', id: 'a' },
    { type: 'ping' },
    { type: 'finish', stop: 'end' },
    { type: 'error', failure: { kind: 'server', message: 'm' } },
    { type: 'end' },
  ]

  expect((await run(events)).out).toEqual(events)
})

it('keeps the words of every part in any interleaving', async () => {
  const piece = fc.string({ maxLength: 6 }).filter((words) => !/[badSTOP*]/.test(words))
  const part = fc.record({ isCall: fc.boolean(), pieces: fc.array(piece, { maxLength: 5 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 5 }), fc.infiniteStream(fc.nat(4)), async (parts, order) => {
      const queues = parts.map(({ isCall, pieces }, index) => (isCall ? call(index, 'send', ...pieces) : said(index, ...pieces)))
      // Parts begin in order; after that anything may come next.
      const events: ModelEvent[] = queues.flatMap((queue) => queue.shift() ?? [])
      for (const next of order) {
        const queue = queues[next % queues.length] ?? []
        const from = queue.length > 0 ? queue : queues.find(({ length }) => length > 0)
        if (from === undefined) break
        events.push(...from.splice(0, 1))
      }

      const { out } = await run([...events, { type: 'finish', stop: 'end' }])

      const { parts: written, faults } = read(out)
      const meant = parts.map(({ isCall, pieces }) => (isCall ? 'tool-start:' : '') + pieces.join(''))
      expect(faults).toEqual([])
      expect(written.toSorted()).toEqual(meant.toSorted())
    }),
  )
})
