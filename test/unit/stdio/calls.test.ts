import { describe, expect, test } from 'vitest'
import type { Era } from '../../../src/core/snapshot.ts'
import type { EraVerdict } from '../../../src/mcp/upstream/stdio-connection.ts'
import { callTool, createCaller, jsonOf, StdioBench, textOf } from '../../support/stdio-fixtures.ts'

const FORM = { method: 'elicitation/create', params: { message: 'Who?', requestedSchema: { type: 'object', properties: {} } } }
const asks = (...requests: object[]) => ({ requests }) as never

function createVerdict(known?: Era): EraVerdict & { readonly seen: (Era | undefined)[] } {
  const seen: (Era | undefined)[] = []
  return { get: () => seen.at(-1) ?? known, set: (era) => void seen.push(era), seen }
}

describe('what a call carries', () => {
  test('trace keys and a fresh progress token are put over the caller’s own _meta', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const params = { name: 'meta', _meta: { 'com.example/own': 1 } }

    const asked = await child.send({ method: 'tools/call', params, caller: createCaller({ progress: true }) })
    const silent = await child.send({ method: 'tools/call', params, caller: createCaller() })

    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    expect(jsonOf(asked)).toEqual({ 'com.example/own': 1, traceparent, progressToken: expect.any(Number) })
    expect(jsonOf(silent)).toEqual({ 'com.example/own': 1, traceparent })
  })

  test('numbers that a double cannot hold come back digit by digit', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()

    const step = await callTool(child, 'number')

    expect(JSON.stringify(step)).toContain('"n":12345678901234567890,"small":1e-400')
  })

  test('an error of the upstream is an answer, whole', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()

    expect(await callTool(child, 'fails')).toMatchObject({
      kind: 'error',
      error: { code: -32_000, message: 'no', data: { why: 1 } },
    })
  })
})

describe('answers that are none', () => {
  test.each(['both', 'neither', 'list'])('E03: %s ends as invalid and hurts no other call', async (tool) => {
    await using bench = new StdioBench()
    const child = await bench.child()

    const [bad, good] = await Promise.allSettled([callTool(child, tool), callTool(child, 'echo')])

    expect(bad).toMatchObject({ status: 'rejected', reason: { code: 'upstream_invalid' } })
    expect(good).toMatchObject({ status: 'fulfilled' })
  })

  test('E03: an id of another type is no answer to the call', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { timeouts: { firstByteMs: 200 } })

    await expect(callTool(child, 'wrong-id')).rejects.toMatchObject({ code: 'upstream_timeout' })
  })

  test('E16: the first of two answers counts', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()

    expect(textOf(await callTool(child, 'twice'))).toBe('first')
    expect(textOf(await callTool(child, 'echo'))).toBe('{}')
  })

  test('E05: a result over the cap of its caller is refused, and the next call goes on', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const value = 'x'.repeat(5_000)

    const call = callTool(child, 'echo', { value }, createCaller({ maxResultBytes: 1_000 }))

    await expect(call).rejects.toMatchObject({ code: 'upstream_too_large' })
    expect(jsonOf(await callTool(child, 'echo', { value }))).toEqual({ value })
  })
})

describe('deadlines', () => {
  test('E01: silence ends at the first deadline, and the upstream is told', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { timeouts: { firstByteMs: 150 } })

    await expect(callTool(child, 'never')).rejects.toMatchObject({
      code: 'upstream_timeout',
      message: 'server "child" did not begin to answer within 150 ms',
    })

    expect(jsonOf(await callTool(child, 'seen')).cancelled).toHaveLength(1)
  })

  test('E01: progress that stops ends at the idle deadline', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { timeouts: { firstByteMs: 5_000, idleMs: 150 } })

    const call = callTool(child, 'progress', { steps: 2, answer: false }, createCaller({ progress: true }))

    await expect(call).rejects.toMatchObject({ message: 'server "child" went silent within 150 ms' })
  })

  test('E01: progress without end does not outlast the total', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { timeouts: { firstByteMs: 200, idleMs: 200, totalMs: 600 } })
    const begun = performance.now()

    const call = callTool(child, 'drip', { everyMs: 20 }, createCaller({ progress: true }))

    await expect(call).rejects.toMatchObject({ message: 'server "child" did not finish within 600 ms' })
    expect(performance.now() - begun).toBeGreaterThan(550)
  })

  test('the deadline of the catalog replaces the server’s own', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { timeouts: { firstByteMs: 100 } })

    expect(textOf(await callTool(child, 'late', { ms: 300 }, createCaller({ timeoutMs: 5_000 })))).toBe('late')
    await expect(callTool(child, 'never', {}, createCaller({ timeoutMs: 120 }))).rejects.toMatchObject({
      code: 'upstream_timeout',
    })
  })
})

describe('hanging up', () => {
  test('tells the upstream and drops its late answer', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const hangUp = new AbortController()
    const call = callTool(child, 'late', { ms: 50 }, createCaller({ signal: hangUp.signal }))
    await callTool(child, 'echo')

    hangUp.abort()

    await expect(call).rejects.toMatchObject({ code: 'abandoned' })
    expect(textOf(await callTool(child, 'late', { ms: 100 }))).toBe('late')
    expect(jsonOf(await callTool(child, 'seen')).cancelled).toHaveLength(1)
  })

  test('before the call was sent sends nothing', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()

    await expect(callTool(child, 'crash', {}, createCaller({ signal: AbortSignal.abort() }))).rejects.toMatchObject({
      code: 'abandoned',
    })

    expect(textOf(await callTool(child, 'echo'))).toBe('{}')
  })
})

describe('notifications', () => {
  test('progress comes without the upstream’s token, in order', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const caller = createCaller({ progress: true })

    await callTool(child, 'progress', { steps: 2 }, caller)

    expect(caller.heard).toEqual([
      { method: 'notifications/progress', params: { progress: 1, message: 'step 1' } },
      { method: 'notifications/progress', params: { progress: 2, message: 'step 2' } },
    ])
  })

  test.each([
    ['E21: a token nobody has', 999],
    ['E21: a token of another type', 'x'],
  ])('%s is dropped', async (_name, token) => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const callers = [createCaller({ progress: true }), createCaller({ progress: true })]

    await Promise.all(callers.map((caller) => callTool(child, 'progress', { steps: 3, token }, caller)))

    expect(callers.flatMap(({ heard }) => heard)).toEqual([])
  })

  test('log messages go to the only call under way, from its level on', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const caller = createCaller({ logLevel: 'warning' })

    await callTool(child, 'log', { levels: ['debug', 'warning', 'nonsense', 'error'] }, caller)

    expect(caller.heard.map(({ params }) => params['level'])).toEqual(['warning', 'error'])
  })

  test('E14: log messages with several calls under way go to nobody', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { timeouts: { firstByteMs: 200 } })
    const [ann, bob] = [createCaller({ logLevel: 'debug' }), createCaller({ logLevel: 'debug', key: 'issuer|bob' })]
    const waiting = callTool(child, 'never', {}, bob)

    await callTool(child, 'log', { levels: ['error'] }, ann)

    expect([...ann.heard, ...bob.heard]).toEqual([])
    await expect(waiting).rejects.toMatchObject({ code: 'upstream_timeout' })
  })

  test('the level of the connection is the lowest anybody wanted', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()

    for (const logLevel of ['error', 'info', 'warning'] as const) await callTool(child, 'echo', {}, createCaller({ logLevel }))

    expect(jsonOf(await callTool(child, 'seen')).levels).toEqual(['error', 'info'])
  })

  test('changes of lists and resources reach the listeners of the connection', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const heard: unknown[] = []
    child.onNotification((method, params) => heard.push([method, params]))

    await child.listen(['a://1', 'a://2'])
    await callTool(child, 'announce', { method: 'notifications/tools/list_changed' })

    expect(heard).toEqual([
      ['notifications/resources/updated', { uri: 'a://1' }],
      ['notifications/resources/updated', { uri: 'a://2' }],
      ['notifications/tools/list_changed', {}],
    ])
  })
})

describe('questions of the upstream', () => {
  const able = { elicitation: {}, sampling: {}, roots: {} }

  test('park the call; several at once are handed out together; the answers go back', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const step = await callTool(
      child,
      'ask',
      asks(FORM, { method: 'roots/list', params: {} }),
      createCaller({ capabilities: able }),
    )
    if (step.kind !== 'input') throw new Error('expected questions')
    const [form, roots] = Object.keys(step.requests)

    const end = await step.held?.resume({ [form!]: { action: 'decline' }, [roots!]: { roots: [] } }, createCaller())

    expect(Object.values(step.requests)).toEqual([FORM, { method: 'roots/list', params: {} }])
    expect(jsonOf(end!)).toEqual([{ action: 'decline' }, { roots: [] }])
  })

  test('a question without an answer gets an error', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const step = await callTool(child, 'ask', asks(FORM), createCaller({ capabilities: able }))
    if (step.kind !== 'input') throw new Error('expected a question')

    expect(jsonOf((await step.held?.resume({ other: {} }, createCaller()))!)).toEqual([
      { code: -32_603, message: expect.any(String) },
    ])
  })

  test('no clock runs while the call is parked', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { timeouts: { firstByteMs: 200, idleMs: 200, totalMs: 200 } })
    const step = await callTool(child, 'ask', asks(FORM), createCaller({ capabilities: able }))
    if (step.kind !== 'input') throw new Error('expected a question')
    await expect(callTool(child, 'never')).rejects.toMatchObject({ code: 'upstream_timeout' })

    const end = await step.held?.resume({ [Object.keys(step.requests)[0]!]: { action: 'cancel' } }, createCaller())

    expect(jsonOf(end!)).toEqual([{ action: 'cancel' }])
  })

  test('a parked call is ended by cancel: the upstream gets an error and a cancellation', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { concurrency: { max: 1 } })
    const step = await callTool(child, 'ask', asks(FORM), createCaller({ capabilities: able }))
    if (step.kind !== 'input') throw new Error('expected a question')
    await expect(callTool(child, 'echo')).rejects.toMatchObject({ code: 'overloaded' })

    step.held?.cancel('nobody came back')

    expect(jsonOf(await callTool(child, 'seen')).cancelled).toHaveLength(1)
    await expect(step.held?.resume({}, createCaller())).rejects.toMatchObject({ code: 'session_not_found' })
  })

  test('an answer that came while the call was parked is kept for its caller', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const step = await callTool(child, 'ask-and-answer', { method: 'roots/list' }, createCaller({ capabilities: able }))
    if (step.kind !== 'input') throw new Error('expected a question')
    await callTool(child, 'late', { ms: 150 })

    expect(textOf((await step.held?.resume({}, createCaller()))!)).toBe('did not wait')
  })

  test('a parked call fails when its child ends', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const step = await callTool(child, 'ask', asks(FORM), createCaller({ capabilities: able }))
    if (step.kind !== 'input') throw new Error('expected a question')
    await expect(callTool(child, 'crash')).rejects.toMatchObject({ code: 'upstream_unavailable' })

    await expect(step.held?.resume({}, createCaller())).rejects.toMatchObject({ code: 'upstream_unavailable' })
  })

  test.each([
    ['E15: a kind the client did not declare', { method: 'sampling/createMessage', params: {} }, { elicitation: {} }],
    ['E15: a URL for a client of forms only', { method: 'elicitation/create', params: { mode: 'url' } }, { elicitation: {} }],
    ['E15: a form for a client of URLs only', FORM, { elicitation: { url: {} } }],
    ['E15: tools in sampling', { method: 'sampling/createMessage', params: { tools: [] } }, { sampling: {} }],
    ['a method no client has', { method: 'shell/run', params: {} }, able],
  ])('%s is refused and never forwarded', async (_name, request, capabilities) => {
    await using bench = new StdioBench()
    const child = await bench.child()

    expect(jsonOf(await callTool(child, 'ask', asks(request), createCaller({ capabilities })))).toEqual([
      { code: expect.any(Number), message: expect.any(String) },
    ])
  })

  test('E14: with calls of two principals under way nobody is asked', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { timeouts: { firstByteMs: 300 } })
    const waiting = callTool(child, 'never', {}, createCaller({ key: 'issuer|bob', capabilities: able }))

    const step = await callTool(child, 'ask', asks(FORM), createCaller({ capabilities: able }))

    expect(jsonOf(step)).toEqual([{ code: -32_603, message: 'no client can answer this now' }])
    await expect(waiting).rejects.toMatchObject({ code: 'upstream_timeout' })
  })

  test('E13: a call that asks without end is refused after 64 questions', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    const many = Array.from({ length: 70 }, () => ({ method: 'roots/list', params: {} }))

    const step = await callTool(child, 'ask', asks(...many), createCaller({ capabilities: able }))

    if (step.kind !== 'input') throw new Error('expected questions')
    expect(Object.keys(step.requests)).toHaveLength(64)
  })

  test('ping is answered here', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()

    expect(jsonOf(await callTool(child, 'ask', asks({ method: 'ping', params: {} })))).toEqual([{}])
  })
})

describe('the era of a child', () => {
  test.each([
    ['answers the probe with an error', []],
    ['ends itself on the probe', ['--exit-on-probe']],
    ['does not answer the probe', ['--silent-on-probe']],
  ])('a legacy server that %s is found out and remembered', async (_name, flags) => {
    await using bench = new StdioBench()
    const verdict = createVerdict()

    const child = await bench.child(flags, { era: 'auto' }, { verdict, probeMs: 100 })

    expect(child.facts).toMatchObject({ era: 'legacy', protocolVersion: '2025-11-25' })
    expect(verdict.seen).toEqual(['legacy'])
  })

  test('a modern server that is slow to answer the probe is modern all the same', async () => {
    await using bench = new StdioBench()
    const verdict = createVerdict()

    const child = await bench.child(['--modern', '--slow-probe'], { era: 'auto' }, { verdict, probeMs: 20 })

    expect([child.facts.era, verdict.seen]).toEqual(['modern', ['modern']])
  })

  test('a remembered legacy server is not probed again', async () => {
    await using bench = new StdioBench()

    const child = await bench.child(['--exit-on-probe'], { era: 'auto' }, { verdict: createVerdict('legacy') })

    expect(child.facts.era).toBe('legacy')
  })

  test('a verdict is forgotten when the server fails', async () => {
    await using bench = new StdioBench()
    const verdict = createVerdict('legacy')

    await expect(bench.child(['--crash-at-start'], { era: 'auto' }, { verdict })).rejects.toMatchObject({
      code: 'upstream_unavailable',
    })

    expect(verdict.seen).toEqual([undefined])
  })

  test('a server pinned to modern that is none is refused', async () => {
    await using bench = new StdioBench()

    await expect(bench.child([], { era: 'modern' })).rejects.toMatchObject({ code: 'upstream_invalid' })
  })
})

describe('a modern server over stdio', () => {
  const modern = (bench: StdioBench) => bench.child(['--modern'], { era: 'modern' })
  const required = (inputRequests: object) =>
    ({ result: { resultType: 'input_required', inputRequests, requestState: 's1' } }) as never

  test('gets the envelope with what the caller can answer', async () => {
    await using bench = new StdioBench()
    const child = await modern(bench)
    const capabilities = { elicitation: {} }

    const meta = jsonOf(await callTool(child, 'meta', {}, createCaller({ capabilities, logLevel: 'info' })))

    expect(meta).toEqual({
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': capabilities,
      'io.modelcontextprotocol/clientInfo': { name: 'tollgate', version: '0' },
      'io.modelcontextprotocol/logLevel': 'info',
      traceparent: expect.any(String),
    })
  })

  test('asks by its result, whose state and keys come as they are', async () => {
    await using bench = new StdioBench()
    const child = await modern(bench)
    const input = required({ who: FORM, x: { method: 'roots/list' } })

    const step = await callTool(child, 'verbatim', input, createCaller({ capabilities: { elicitation: {}, roots: {} } }))

    expect(step).toMatchObject({
      kind: 'input',
      state: 's1',
      raw: { resultType: 'input_required' },
      requests: { who: FORM, x: { method: 'roots/list' } },
    })
  })

  test.each([
    ['E15: asks for what the client did not declare', 'missing_capability', required({ who: FORM })],
    ['asks with a method no client has', 'upstream_invalid', required({ x: { method: 'shell/run' } })],
    ['asks with something that is no request', 'upstream_invalid', required({ x: 'y' })],
    ['answers with a kind of result nobody knows', 'upstream_invalid', { result: { resultType: 'task' } }],
  ])('that %s ends as %s', async (_name, code, input) => {
    await using bench = new StdioBench()
    const child = await modern(bench)

    await expect(callTool(child, 'verbatim', input, createCaller())).rejects.toMatchObject({ code })
  })

  test('has no requests of its own: they are refused', async () => {
    await using bench = new StdioBench()
    const child = await modern(bench)

    const step = await callTool(child, 'ask', asks(FORM), createCaller({ capabilities: { elicitation: {} } }))

    expect(jsonOf(step)).toEqual([{ code: -32_601, message: 'method not found' }])
  })

  test('change notices carry the id of the listen that asked, or are dropped', async () => {
    await using bench = new StdioBench()
    const child = await modern(bench)
    const heard: unknown[] = []
    child.onNotification((method, params) => heard.push([method, params]))
    const announce = (subscription: unknown) =>
      callTool(child, 'announce', {
        method: 'notifications/resources/updated',
        params: { uri: 'a://1', _meta: { 'io.modelcontextprotocol/subscriptionId': subscription as number } },
      })

    await child.listen([])
    await child.listen(['a://1'])
    const [old, current] = jsonOf(await callTool(child, 'listens'))
    await announce(current.id)
    await announce(old.id)
    await announce('other')

    expect(heard).toEqual([['notifications/resources/updated', { uri: 'a://1', _meta: {} }]])
    expect(old.filter).toEqual({ toolsListChanged: true })
    expect(current.filter).toEqual({ toolsListChanged: true, resourceSubscriptions: ['a://1'] })
    expect(jsonOf(await callTool(child, 'seen')).cancelled).toEqual([old.id])
  })
})
