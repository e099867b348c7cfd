import { describe, expect, it } from 'vitest'
import type { ByteStream } from '../../../src/core/responder.ts'
import { Delivery } from '../../../src/llm/run/delivery.ts'

function opened() {
  const written: string[] = []
  let opens = 0
  let ended = false
  const stream: ByteStream = {
    write: (frames) => {
      written.push(frames.toString())
      return true
    },
    end: () => {
      ended = true
    },
    onDrain: () => undefined,
    onClose: () => undefined,
    closed: false,
  }
  const delivery = new Delivery({
    open: () => {
      opens += 1
      return stream
    },
    onHangUp: () => undefined,
    onDrain: () => undefined,
  })
  return { delivery, written, opens: () => opens, ended: () => ended }
}

describe('delivering a stream', () => {
  it('sends nothing before the first content, then everything in order', () => {
    const { delivery, written, opens } = opened()

    delivery.preamble('role')
    expect([delivery.committed, opens()]).toEqual([false, 0])
    delivery.content('hello')
    delivery.preamble('ping')

    expect(written).toEqual(['role', 'hello', 'ping'])
    expect(delivery.bytes).toBe(13)
  })

  it('sends the preamble at once when nothing else can answer', () => {
    const { delivery, written } = opened()

    delivery.reset()
    delivery.goAlone()
    delivery.preamble('role')

    expect([delivery.committed, written]).toEqual([true, ['role']])
  })

  it('waits again when another attempt may follow', () => {
    const { delivery, opens } = opened()

    delivery.goAlone()
    delivery.reset()
    delivery.preamble('role')

    expect([delivery.committed, opens()]).toEqual([false, 0])
  })

  it('forgets the preamble of an attempt that failed', () => {
    const { delivery, written } = opened()

    delivery.preamble('first provider')
    delivery.reset()
    delivery.preamble('second provider')
    delivery.content('x')

    expect(written).toEqual(['second provider', 'x'])
  })

  it('keeps the end until it is told that the answer is recorded', () => {
    const { delivery, written, ended } = opened()

    delivery.content('x')
    delivery.hold('[DONE]')
    expect([written, ended()]).toEqual([['x'], false])
    delivery.finish()

    expect([written, ended()]).toEqual([['x', '[DONE]'], true])
  })

  it('a preamble that never ends is sent at its bound instead of kept', () => {
    const { delivery, opens } = opened()

    for (let count = 0; count < 64; count += 1) delivery.preamble('ping')

    expect(opens()).toBe(1)
  })

  it('keeps a bounded sample of what it delivered, and says which share that is', () => {
    const { delivery } = opened()

    for (let count = 0; count < 100; count += 1) delivery.content('x'.repeat(1_000))

    const { frames, factor } = delivery.sampled
    expect(frames.length).toBe(17)
    expect(factor).toBeCloseTo(100 / 17)
  })
})
