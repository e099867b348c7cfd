import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createLineCutter } from '../../../src/mcp/upstream/lines.ts'
import { startClock } from '../../../src/mcp/upstream/rpc-clock.ts'
import { canAnswer, toInputRequests } from '../../../src/mcp/upstream/rpc-input.ts'
import { RpcPeer, type MessageLink } from '../../../src/mcp/upstream/rpc-peer.ts'

/** Cuts `bytes` at the given places and returns the lines found. */
function linesOf(
  bytes: Buffer,
  cuts: readonly number[],
  maxBytes = 1_000,
): { readonly lines: string[]; readonly overflows: number } {
  const lines: string[] = []
  let overflows = 0
  const push = createLineCutter({ maxBytes, onLine: (line) => lines.push(line.toString()), onOverflow: () => overflows++ })
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  for (let at = 1; at < places.length; at++) push(bytes.subarray(places[at - 1], places[at]))
  return { lines, overflows }
}

describe('cutting lines', () => {
  test('any chunking gives the same lines', () => {
    const line = fc.string({ unit: 'grapheme', maxLength: 40 }).map((text) => text.replaceAll(/[\r\n]/g, '_'))
    fc.assert(
      fc.property(fc.array(line), fc.array(fc.nat()), fc.constantFrom('\n', '\r\n'), (lines, cuts, end) => {
        const bytes = Buffer.from(lines.map((text) => text + end).join(''))

        expect(linesOf(bytes, cuts).lines).toEqual(lines.filter(Boolean))
      }),
    )
  })

  test.each([
    ['a line of exactly the cap', 10, ['0123456789'], 0],
    ['a line one byte over the cap', 9, [], 1],
  ])('%s', (_name, maxBytes, lines, overflows) => {
    for (const cuts of [[], [1], [5, 6], [10]]) {
      expect(linesOf(Buffer.from('0123456789\nmore\n'), cuts, maxBytes)).toEqual({
        lines: overflows ? lines : [...lines, 'more'],
        overflows,
      })
    }
  })

  test('nothing is read after an overflow, and it is told once', () => {
    expect(linesOf(Buffer.from('xxxxxx\nok\nyyyyyy\n'), [3, 7, 10], 4)).toEqual({ lines: [], overflows: 1 })
  })
})

describe('the clock of a call', () => {
  test('a first sign of life brings a shorter idle deadline forward', async () => {
    const begun = performance.now()

    const after = await new Promise((resolve) => {
      const clock = startClock({ firstByteMs: 60_000, idleMs: 50, totalMs: 120_000 }, () => performance.now(), resolve)
      clock.alive()
    })

    expect(after).toBe('idleMs')
    expect(performance.now() - begun).toBeGreaterThanOrEqual(49)
  })
})

describe('capabilities a question needs', () => {
  const form = { method: 'elicitation/create' }
  const url = { method: 'elicitation/create', params: { mode: 'url' } }

  test.each([
    ['elicitation {} means forms', form, { elicitation: {} }, true],
    ['forms declared', form, { elicitation: { form: {} } }, true],
    ['URLs alone show no forms', form, { elicitation: { url: {} } }, false],
    ['forms and URLs', form, { elicitation: { form: {}, url: {} } }, true],
    ['URLs declared', url, { elicitation: { url: {} } }, true],
    ['elicitation {} opens no URLs', url, { elicitation: {} }, false],
    ['null is no declaration', form, { elicitation: null }, false],
    ['sampling', { method: 'sampling/createMessage' }, { sampling: {} }, true],
    ['sampling with tools', { method: 'sampling/createMessage', params: { tools: [] } }, { sampling: { tools: {} } }, true],
    ['roots', { method: 'roots/list' }, { roots: {} }, true],
    ['nothing declared', { method: 'roots/list' }, {}, false],
    ['names of Object.prototype', { method: 'constructor' }, { constructor: {} }, false],
  ])('%s', (_name, request, capabilities, able) => {
    expect(canAnswer(request, capabilities)).toBe(able)
  })

  test('a request under the key __proto__ stays a request', () => {
    const requests = toInputRequests(JSON.parse('{"__proto__":{"method":"roots/list"}}'))

    expect(Object.keys(requests ?? {})).toEqual(['__proto__'])
  })
})

describe('a peer on hostile text', () => {
  function createPeer(): { readonly say: (text: string) => void; readonly sent: string[]; readonly peer: RpcPeer } {
    const sent: string[] = []
    let say: (text: string) => void = () => undefined
    const link: MessageLink = {
      send: (text) => void sent.push(text),
      onMessage: (listener) => (say = listener),
      onClose: () => undefined,
      close: async () => undefined,
    }
    const peer = new RpcPeer(link, 'x')
    return { say: (text) => say(text), sent, peer }
  }

  test('no text makes it throw, and only its own answer settles a request', async () => {
    const { say, peer } = createPeer()
    const outcomes: unknown[] = []
    peer.listen({ request: () => undefined, notification: () => undefined })
    const id = peer.ask(
      'tools/list',
      () => ({}),
      (outcome) => outcomes.push(outcome),
    )
    const member = fc.oneof(fc.jsonValue(), fc.constantFrom('2.0', 'result', 1, null))
    const almost = fc.record(
      { jsonrpc: member, id: member, method: member, params: member, result: member, error: member },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json(),
          almost.filter((one) => one.id !== id).map((one) => JSON.stringify(one)),
        ),
        (text) => {
          if (peer.closed === undefined && !text.includes(`"id":${id}`)) say(text)
        },
      ),
      { numRuns: 900 },
    )
    expect(outcomes).toEqual([])

    say(`{"jsonrpc":"2.0","id":${id},"result":{}}`)

    expect(outcomes).toEqual([{ kind: 'result', result: {}, bytes: 36 }])
  })

  test('E06: an answer too deep to be written again fails its call, a deep notification is dropped', () => {
    const { say, peer } = createPeer()
    const heard: unknown[] = []
    peer.listen({ request: () => undefined, notification: (method) => heard.push(method) })
    const id = peer.ask(
      'x',
      () => ({}),
      (outcome) => heard.push(outcome),
    )
    const deep = `${'['.repeat(10_000)}${']'.repeat(10_000)}`

    say(`{"jsonrpc":"2.0","method":"n","params":{"a":${deep}}}`)
    say(`{"jsonrpc":"2.0","id":${id},"result":{"a":${deep}}}`)

    expect(heard).toMatchObject([{ kind: 'failed', error: { code: 'upstream_invalid' } }])
  })

  test('an array of answers of 2025-03-26 is read one by one, up to a hundred', () => {
    const { say, peer } = createPeer()
    const ids: number[] = []
    for (let round = 0; round < 101; round++)
      peer.ask(
        'x',
        () => ({}),
        ({ kind }) => kind === 'result' && ids.push(round),
      )

    say(JSON.stringify(Array.from({ length: 101 }, (_, at) => ({ jsonrpc: '2.0', id: at + 1, result: {} }))))

    expect(ids).toHaveLength(100)
  })
})
