import type { Dispatcher } from 'undici'
import { describe, expect, it } from 'vitest'
import { type AttemptEnd, type SinkHooks, startAttempt } from '../../../src/llm/run/attempt.ts'
import type { Prepared } from '../../../src/llm/run/prepare.ts'
import type { StreamEnd, StreamSink } from '../../../src/llm/run/sink.ts'

type Handler = Required<Dispatcher.DispatchHandler>

const CLOCKS = { connectMs: 5_000, firstTokenMs: 5_000, idleMs: 40, totalMs: 5_000 }

/** An attempt at a provider that answers with a stream, driven by hand. */
function streaming(over: Partial<StreamSink>, signal = new AbortController().signal) {
  const said: string[] = []
  const controller = {
    abort: () => said.push('abort'),
    pause: () => said.push('pause'),
    resume: () => said.push('resume'),
  } as unknown as Dispatcher.DispatchController // the three an attempt uses
  let handler: Handler | undefined
  const dispatcher = {
    dispatch(_options: unknown, given: Handler) {
      handler = given
      given.onRequestStart(controller, undefined)
      given.onResponseStart(controller, 200, { 'content-type': 'text/event-stream' })
      return true
    },
  }
  const hooks: { given?: SinkHooks } = {}
  const sink = { push: () => undefined, close: () => CUT, ...over } as unknown as StreamSink // what an attempt calls
  const attempt = startAttempt({
    prepared: {
      live: { pool: () => dispatcher },
      request: { url: 'http://provider.test/v1', body: Buffer.alloc(0) },
      headers: {},
    } as unknown as Prepared, // what an attempt reads
    clocks: CLOCKS,
    deadline: performance.now() + CLOCKS.totalMs,
    maxAnswerBytes: 1_000,
    monotonic: () => performance.now(),
    signal,
    onHangUp: 'abort',
    toSink: (given) => {
      hooks.given = given
      return sink
    },
    reader: { check: () => undefined },
  })
  return {
    attempt,
    said,
    hooks: () => hooks.given,
    data: () => handler?.onResponseData(controller, Buffer.from('data: x\n\n')),
    end: () => handler?.onResponseEnd(controller, {}),
    breakOff: () => handler?.onResponseError(controller, new Error('reset')),
  }
}

const CUT: StreamEnd = { kind: 'cut', failure: { kind: 'server', message: 'ended early' } }

function byOf(end: AttemptEnd): string | undefined {
  return end.kind === 'streamed' && end.end.kind === 'cut' ? (end.end.by ?? 'provider') : end.kind
}

describe('a stream that breaks off', () => {
  it('is the provider’s doing when its body ends early', async () => {
    const { attempt, hooks, data, end } = streaming({})
    hooks()?.onContent()
    data()
    end()

    expect(byOf(await attempt.done)).toBe('provider')
  })

  it.each([
    { name: 'while a chunk is judged', over: { push: () => Promise.reject(new Error('guard')) } },
    { name: 'when the rest is judged', over: { close: () => Promise.reject(new Error('guard')) } },
  ])('is the guard’s when it fails $name, before the first content too', async ({ over }) => {
    const { attempt, data, end } = streaming(over)
    data()
    end()

    expect(byOf(await attempt.done)).toBe('guard')
  })

  it.each([
    { name: 'a failure another attempt may follow while nothing went out', commits: false, by: 'failed' },
    { name: 'the provider’s doing once something went out, content or not', commits: true, by: 'provider' },
  ])('is $name', async ({ commits, by }) => {
    const { attempt, hooks, data, breakOff } = streaming({})
    if (commits) hooks()?.onCommit()
    data()
    breakOff()

    expect(byOf(await attempt.done)).toBe(by)
    expect(attempt.firstContentMs).toBeUndefined()
  })

  it('waits for the judgement under way, so that nothing is written once another provider is asked', async () => {
    const judging = Promise.withResolvers<undefined>()
    const { attempt, data, breakOff } = streaming({ push: () => judging.promise })
    let isOver = false
    const done = attempt.done.then((end) => {
      isOver = true
      return end
    })

    data()
    breakOff()
    await Promise.resolve()
    const wasOver = isOver
    judging.resolve(undefined)

    expect([wasOver, byOf(await done)]).toEqual([false, 'failed'])
  })

  it('is the guard’s when it thinks for too long', async () => {
    const { attempt, data } = streaming({ push: () => new Promise(() => undefined) })
    data()

    expect(byOf(await attempt.done)).toBe('guard')
  })

  it('is the caller’s when it stops reading', async () => {
    const { attempt, hooks, data, said } = streaming({})
    hooks()?.onContent()
    data()
    hooks()?.onFull()

    expect(byOf(await attempt.done)).toBe('caller')
    expect(said).toEqual(['pause', 'abort'])
  })
})
