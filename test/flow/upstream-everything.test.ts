import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/core/json.ts'
import type { Caller, UpstreamStep } from '../../src/mcp/upstream/contract.ts'
import { startEverythingFixture, type EverythingFixture } from '../support/everything.ts'
import { callerWith, connectTo, itemOf, type TestUpstream } from '../support/upstream.ts'

// The same calls against the same server in both eras: what a caller sees does not depend on how the upstream speaks.
describe.each(['legacy', 'modern'] as const)('the everything server, %s', (era) => {
  let fixture: EverythingFixture
  let connected: TestUpstream

  beforeEach(async () => {
    fixture = await startEverythingFixture(era)
    connected = connectTo(fixture.url)
    await connected.upstream.refresh()
  })
  afterEach(async () => {
    await connected[Symbol.asyncDispose]()
    await fixture.close()
  })

  const call = (
    name: string,
    args: JsonObject = {},
    caller: Caller = callerWith(),
    more: JsonObject = {},
  ): Promise<UpstreamStep> =>
    connected.upstream.call(
      { method: 'tools/call', params: { name, arguments: args, ...more }, item: itemOf(connected.upstream, name) },
      caller,
    )
  const textOf = (step: UpstreamStep): unknown =>
    step.kind === 'result' ? (step.result['content'] as { text?: string }[])[0]?.text : step

  test('the inventory is there and the era is known', () => {
    expect(connected.upstream.status()).toMatchObject({ state: 'ready', era, circuit: 'closed' })
    expect(connected.upstream.inventory()).toMatchObject({ era, dropped: [] })
    expect(connected.upstream.inventory()?.definitions.tool.length).toBeGreaterThan(10)
    expect(connected.upstream.inventory()?.definitions.template).toHaveLength(1)
  })

  test('a tool answers', async () => {
    expect(textOf(await call('test_simple_text'))).toBe('This is a simple text response for testing.')
  })

  test('annotated arguments reach the server as headers', async () => {
    expect(textOf(await call('test_x_mcp_header', { region: ' é' }))).toContain('region= é')
  })

  test('progress reaches the caller that asked for it', async () => {
    const caller = callerWith({ progress: true })

    await call('test_tool_with_progress', {}, caller)

    expect(caller.heard.map(({ params }) => params['progress'])).toEqual([0, 50, 100])
    expect(caller.heard.every(({ params }) => !('progressToken' in params))).toBe(true)
  })

  test('log messages reach the caller at its level only', async () => {
    const [wants, graver, silent] = [callerWith({ logLevel: 'info' }), callerWith({ logLevel: 'error' }), callerWith()]

    for (const caller of [wants, graver, silent]) await call('test_tool_with_logging', {}, caller)

    expect(wants.heard.length).toBeGreaterThanOrEqual(3)
    expect([graver.heard, silent.heard]).toEqual([[], []])
  })

  test('an unknown tool is the error of the server', async () => {
    const step = await connected.upstream.call({ method: 'tools/call', params: { name: 'nope', arguments: {} } }, callerWith())

    expect(JSON.stringify(step)).toContain('nope')
  })

  test('a resource and a prompt are read', async () => {
    const read = await connected.upstream.call({ method: 'resources/read', params: { uri: 'test://static-text' } }, callerWith())
    const prompt = await connected.upstream.call({ method: 'prompts/get', params: { name: 'test_simple_prompt' } }, callerWith())

    expect(read).toMatchObject({
      kind: 'result',
      result: { contents: [{ text: 'This is the content of the static text resource.' }] },
    })
    expect(prompt).toMatchObject({ kind: 'result' })
  })

  test('the server asks the caller and goes on with the answer', async () => {
    const caller = callerWith({ capabilities: { elicitation: {}, sampling: {} } })
    const name = era === 'legacy' ? 'test_elicitation' : 'test_input_required_result_elicitation'

    const asked = await call(name, { message: 'Who?' }, caller)
    if (asked.kind !== 'input') throw new Error('the server did not ask')
    const [key = ''] = Object.keys(asked.requests)
    const given = { [key]: { action: 'accept', content: era === 'legacy' ? { response: 'Ann' } : { name: 'Ann' } } }
    const done = asked.held
      ? await asked.held.resume(given, callerWith())
      : await call(name, { message: 'Who?' }, caller, { inputResponses: given })

    expect(asked.requests[key]?.method).toBe('elicitation/create')
    expect(JSON.stringify(done)).toContain('Ann')
  })

  test('a list change is announced', async () => {
    const changed = new Promise((resolve) => {
      connected.upstream.onChange(({ announced }) => void (announced.size > 0 && resolve([...announced])))
    })

    await call('test_trigger_tool_change')

    expect(await changed).toEqual(['tool'])
  })

  test('an update of a watched resource reaches the watcher, once it stopped no more', async () => {
    const { upstream } = connected
    let updates = 0
    const stop = await upstream.watch('test://watched-resource', callerWith(), () => (updates += 1))
    const updated = new Promise((resolve) => void upstream.watch('test://watched-resource', callerWith(), resolve))

    await call('test_trigger_resource_update')

    expect(await updated).toMatchObject({ uri: 'test://watched-resource' })
    expect(updates).toBe(1)
    stop()
  })

  test('a call that its caller gives up ends as abandoned', async () => {
    const controller = new AbortController()
    const pending = call(
      'test_tool_with_progress',
      {},
      callerWith({ signal: controller.signal, progress: true, notify: () => controller.abort() }),
    )

    await expect(pending).rejects.toMatchObject({ code: 'abandoned' })
  })
})

test('a legacy stream that ends before the answer is resumed', async () => {
  await using fixture = await startEverythingFixture('legacy')
  await using connected = connectTo(fixture.url)
  await connected.upstream.refresh()
  const suspended: number[] = []
  const caller = callerWith({ suspended: (retryMs) => void suspended.push(retryMs) })

  const step = await connected.upstream.call(
    { method: 'tools/call', params: { name: 'test_reconnection', arguments: {} } },
    caller,
  )

  expect(step.kind).toBe('result')
  expect(suspended).toEqual([200])
})
