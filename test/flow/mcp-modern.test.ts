import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/core/json.ts'
import { conditionOf, identityOf, snapshotOf } from '../support/mcp-catalog.ts'
import { createHeld, startGateway, textStep, type GatewayPlan } from '../support/mcp-gateway.ts'
import { eventsOf, modern, modernHeaders, modernMessage, openRaw, postRaw } from '../support/mcp-raw.ts'

const tool = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  description: name,
  inputSchema: { type: 'object' },
  ...more,
})
const PLAN: GatewayPlan = {
  offers: {
    notes: {
      tools: [
        tool('say', {
          inputSchema: {
            type: 'object',
            properties: { text: { type: 'string', 'x-mcp-header': 'Text' }, n: { type: 'integer' } },
            additionalProperties: false,
          },
          outputSchema: { type: 'array' },
          'x-unknown': { kept: [1, null] },
        }),
        tool('hidden'),
      ],
      prompts: [{ name: 'greet', arguments: [{ name: 'who' }] }],
      resources: [{ uri: 'notes://1', name: 'one' }],
      templates: [{ uriTemplate: 'notes://by/{id}', name: 'by' }],
    },
  },
  catalogs: { research: { team: 'research', servers: ['notes'], hide: ['hidden'], instructions: 'Use say.' } },
}

describe('stateless requests', () => {
  test('discover names every revision, what there is and who answers', async () => {
    await using gateway = await startGateway(PLAN)

    const { status, answer } = await modern(gateway.url, 'server/discover')

    expect(status).toBe(200)
    expect(answer.result).toEqual({
      resultType: 'complete',
      supportedVersions: ['2026-07-28', '2025-11-25', '2025-06-18', '2025-03-26'],
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        completions: {},
        logging: {},
      },
      instructions: 'Use say.',
      ttlMs: 5000,
      cacheScope: 'private',
      _meta: { 'io.modelcontextprotocol/serverInfo': { name: 'tollgate', version: '0.0.0' } },
    })
  })

  test('lists show the catalog with cache hints, the same bytes each time but for the id', async () => {
    await using gateway = await startGateway(PLAN)

    const first = await modern(gateway.url, 'tools/list')
    const second = await modern(gateway.url, 'tools/list')

    expect(first.answer.result).toMatchObject({ resultType: 'complete', ttlMs: 5000, cacheScope: 'private' })
    expect(first.answer.result.tools).toEqual([expect.objectContaining({ name: 'say', 'x-unknown': { kept: [1, null] } })])
    expect(second.text).toBe(first.text)
    expect((await modern(gateway.url, 'prompts/list')).answer.result.prompts).toHaveLength(1)
    expect((await modern(gateway.url, 'resources/list')).answer.result.resources).toHaveLength(1)
    expect((await modern(gateway.url, 'resources/templates/list')).answer.result.resourceTemplates).toHaveLength(1)
    expect((await modern(gateway.url, 'tools/list', { cursor: '' })).answer.error).toMatchObject({ code: -32602 })
  })

  test('a call reaches the upstream without envelope keys and comes back with everything it said', async () => {
    const result = { content: [{ type: 'future', x: 1 }], structuredContent: [1], extra: { deep: true }, _meta: { 'a.b/c': 1 } }
    await using gateway = await startGateway({ ...PLAN, behaviour: () => ({ kind: 'result', result, bytes: 1 }) })
    const params = {
      name: 'say',
      arguments: { text: 'hi' },
      future: [1],
      _meta: { 'x.y/z': 2, progressToken: 1, traceparent: 'x' },
    }

    const { status, answer } = await modern(gateway.url, 'tools/call', params, { headers: { 'Mcp-Param-Text': 'hi' } })

    expect(status).toBe(200)
    expect(answer.result).toEqual({
      ...result,
      resultType: 'complete',
      _meta: { 'a.b/c': 1, 'io.modelcontextprotocol/serverInfo': { name: 'tollgate', version: '0.0.0' } },
    })
    const [asked] = gateway.upstreams['notes']!.asked
    expect(asked!.request.params).toEqual({ name: 'say', arguments: { text: 'hi' }, future: [1], _meta: { 'x.y/z': 2 } })
    expect(asked!.caller).toMatchObject({ progress: true, capabilities: {}, clientInfo: { name: 'test' } })
    expect(gateway.entries).toMatchObject([{ target: 'say', status: 'ok' }])
  })

  test('numbers and member names a JavaScript object could lose survive both ways', async () => {
    const raw = '{"content":[],"structuredContent":{"n":12345678901234567890,"__proto__":{"a":1}}}'
    const { parseJson } = await import('../../src/lib/json-numbers.ts')
    let seen = ''
    await using gateway = await startGateway({
      ...PLAN,
      offers: { notes: { tools: [tool('say')] } },
      behaviour: (request) => {
        seen = JSON.stringify(request.params)
        return { kind: 'result', result: parseJson(raw) as JsonObject, bytes: 1 }
      },
    })
    const message = modernMessage('tools/call', { name: 'say', arguments: {} })
    const body = JSON.stringify(message).replace(
      '"arguments":{}',
      '"arguments":{"n":12345678901234567890,"__proto__":{"a":1},"z":1e400}',
    )

    const { text } = await postRaw(gateway.url, body, { headers: modernHeaders(message) })

    expect(seen).toBe('{"name":"say","arguments":{"n":12345678901234567890,"__proto__":{"a":1},"z":1e400}}')
    expect(text).toContain('"structuredContent":{"n":12345678901234567890,"__proto__":{"a":1}}')
  })

  test('unknown, hidden and forbidden tools are told the same, and none reaches an upstream', async () => {
    const plan: GatewayPlan = {
      ...PLAN,
      catalogs: {
        research: {
          team: 'research',
          servers: ['notes'],
          hide: ['hidden'],
          change: { say: { when: conditionOf(({ args }) => args === undefined) } },
        },
      },
    }
    await using gateway = await startGateway(plan)
    const call = async (name: string) => {
      const { status, answer, headers } = await modern(
        gateway.url,
        'tools/call',
        { name, arguments: { text: 'x' } },
        { headers: { 'Mcp-Param-Text': 'x' } },
      )
      return {
        status,
        type: headers.get('content-type'),
        error: { ...answer.error, message: answer.error?.message.replace(name, 'X') },
      }
    }

    const [unknown, hidden, forbidden] = [await call('nope'), await call('hidden'), await call('say')]

    expect(unknown).toEqual({ status: 200, type: 'application/json', error: { code: -32602, message: 'Unknown tool: X' } })
    expect(hidden).toEqual(unknown)
    expect(forbidden).toEqual(unknown)
    expect(gateway.upstreams['notes']!.asked).toEqual([])
    expect(gateway.entries.map(({ status }) => status)).toEqual(['denied', 'denied', 'denied'])
  })

  test('arguments that do not fit the shown schema come back as a result that says what is wrong', async () => {
    await using gateway = await startGateway(PLAN)
    const call = async (args: JsonObject) =>
      (await modern(gateway.url, 'tools/call', { name: 'say', arguments: args })).answer.result

    expect(await call({ n: 'x' })).toMatchObject({
      isError: true,
      resultType: 'complete',
      content: [{ text: expect.stringContaining('argument "n"') }],
    })
    expect(await call({ txet: 1 })).toMatchObject({
      isError: true,
      content: [{ text: expect.stringContaining('known: text, n') }],
    })
    expect(gateway.upstreams['notes']!.asked).toEqual([])
    expect(gateway.entries.map(({ status }) => status)).toEqual(['tool_error', 'tool_error'])
  })

  test('Mcp-Param headers must agree with the arguments', async () => {
    await using gateway = await startGateway(PLAN)
    const call = (header: string | undefined) =>
      modern(gateway.url, 'tools/call', { name: 'say', arguments: { text: 'Hello' } }, { headers: { 'Mcp-Param-Text': header } })

    expect((await call('Hello')).status).toBe(200)
    expect((await call('=?base64?SGVsbG8=?=')).status).toBe(200)
    for (const wrong of ['hello', '=?base64?SGVsbG8?=', undefined]) {
      expect(await call(wrong)).toMatchObject({ status: 400, answer: { error: { code: -32020 } } })
    }
  })

  test("progress and log messages come before the answer, with the caller's own token and at the wanted level", async () => {
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: (_request, caller) => {
        caller.notify('notifications/progress', { progress: 1, total: 2 })
        caller.notify('notifications/message', { level: 'info', data: 'no' })
        caller.notify('notifications/message', { level: 'error', data: 'yes' })
        caller.notify('notifications/tools/list_changed', {})
        return textStep('done')
      },
    })
    const meta = { progressToken: 0, 'io.modelcontextprotocol/logLevel': 'warning' }

    const { headers, messages } = await modern(gateway.url, 'tools/call', { name: 'say', _meta: meta })

    expect(headers.get('content-type')).toBe('text/event-stream')
    expect(messages.map(({ method, params, result }) => result?.content[0].text ?? [method, params])).toEqual([
      ['notifications/progress', { progress: 1, total: 2, progressToken: 0 }],
      ['notifications/message', { level: 'error', data: 'yes' }],
      'done',
    ])
  })

  test('a caller who hangs up aborts the upstream', async () => {
    const started = Promise.withResolvers<AbortSignal>()
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: async (_request, { signal }) => {
        started.resolve(signal)
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
        return textStep('late')
      },
    })
    const controller = new AbortController()
    const call = modern(gateway.url, 'tools/call', { name: 'say' }, { signal: controller.signal }).catch(() => 'gone')
    const signal = await started.promise

    controller.abort()

    expect(await call).toBe('gone')
    if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve))
    expect(signal.aborted).toBe(true)
  })

  test('errors of upstreams keep code and words; codes of the old era are translated', async () => {
    const answers: Record<string, unknown> = {}
    const errors = [
      { code: -32002, message: 'not there', data: { uri: 'notes://1' } },
      { code: -32021, message: 'needs sampling', data: { requiredCapabilities: { sampling: {} } } },
      { code: 1234, message: 'own', data: [1] },
    ]
    for (const error of errors) {
      await using gateway = await startGateway({ ...PLAN, behaviour: () => ({ kind: 'error', error, bytes: 1 }) })
      const { status, answer } = await modern(gateway.url, 'resources/read', { uri: 'notes://1' })
      answers[error.code] = { status, error: answer.error }
    }

    expect(answers).toEqual({
      '-32002': { status: 200, error: { code: -32602, message: 'not there', data: { uri: 'notes://1' } } },
      '-32021': { status: 400, error: errors[1] },
      '1234': { status: 200, error: errors[2] },
    })
  })

  test('a resource is found by its URI or by a shown template, and an unknown one names the URI', async () => {
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: (request) => ({
        kind: 'result',
        result: { contents: [{ uri: request.params['uri'] ?? '', text: 'x' }], ttlMs: 7, cacheScope: 'public' },
        bytes: 1,
      }),
    })

    const direct = await modern(gateway.url, 'resources/read', { uri: 'notes://1' })
    const templated = await modern(gateway.url, 'resources/read', { uri: 'notes://by/7' })
    const unknown = await modern(gateway.url, 'resources/read', { uri: 'notes://by/7/8' })

    expect(direct.answer.result).toMatchObject({ contents: [{ uri: 'notes://1' }], ttlMs: 7, cacheScope: 'private' })
    expect(templated.answer.result).toMatchObject({ contents: [{ uri: 'notes://by/7' }] })
    expect(unknown.answer.error).toEqual({ code: -32602, message: 'Resource not found', data: { uri: 'notes://by/7/8' } })
    expect(gateway.upstreams['notes']!.asked[1]!.request.item?.kind).toBe('template')
  })

  test("names and URIs the catalog changed are the upstream's own on the other side, and back", async () => {
    await using gateway = await startGateway({
      ...PLAN,
      catalogs: {
        research: {
          team: 'research',
          servers: ['notes'],
          change: { say: { as: 'speak' }, 'notes://1': { as: 'tollgate+notes:notes://1' } },
        },
      },
      behaviour: ({ method }) =>
        method === 'tools/call'
          ? textStep('x', {
              content: [
                { type: 'resource_link', uri: 'notes://1', name: 'l' },
                { type: 'resource', resource: { uri: 'notes://1' } },
              ],
            })
          : { kind: 'result', result: { contents: [{ uri: 'notes://1', text: '' }] }, bytes: 1 },
    })

    const called = await modern(gateway.url, 'tools/call', { name: 'speak' })
    const read = await modern(gateway.url, 'resources/read', { uri: 'tollgate+notes:notes://1' })

    const shown = 'tollgate+notes:notes://1'
    expect(called.answer.result.content).toEqual([
      { type: 'resource_link', uri: shown, name: 'l' },
      { type: 'resource', resource: { uri: shown } },
    ])
    expect(read.answer.result.contents).toEqual([{ uri: shown, text: '' }])
    const [first, second] = gateway.upstreams['notes']!.asked
    expect([first!.request.params['name'], second!.request.params['uri']]).toEqual(['say', 'notes://1'])
    expect((await modern(gateway.url, 'tools/call', { name: 'say' })).answer.error?.message).toBe('Unknown tool: say')
  })

  test('completion goes to the prompt or template it is about', async () => {
    const result = { completion: { values: ['a'] } }
    await using gateway = await startGateway({ ...PLAN, behaviour: () => ({ kind: 'result', result, bytes: 1 }) })
    const argument = { name: 'who', value: 'a' }

    const prompt = await modern(gateway.url, 'completion/complete', { ref: { type: 'ref/prompt', name: 'greet' }, argument })
    const template = await modern(gateway.url, 'completion/complete', {
      ref: { type: 'ref/resource', uri: 'notes://by/{id}' },
      argument,
    })
    const unknown = await modern(gateway.url, 'completion/complete', { ref: { type: 'ref/prompt', name: 'x' }, argument })

    expect(prompt.answer.result.completion).toEqual({ values: ['a'] })
    expect(template.answer.result.completion).toEqual({ values: ['a'] })
    expect(unknown.answer.error).toEqual({ code: -32602, message: 'Unknown prompt: x' })
  })

  test('methods of the old era are unknown here', async () => {
    await using gateway = await startGateway(PLAN)

    for (const method of ['initialize', 'ping', 'logging/setLevel', 'resources/subscribe', 'unknown/method']) {
      expect(await modern(gateway.url, method), method).toMatchObject({ status: 404, answer: { id: 1, error: { code: -32601 } } })
    }
  })

  test('a shortened result says so and stays of the same shape', async () => {
    await using gateway = await startGateway({
      ...PLAN,
      catalogs: { research: { team: 'research', servers: ['notes'], change: { say: { maxResultTokens: 10 } } } },
      behaviour: () => textStep('é'.repeat(100), { structuredContent: ['x'.repeat(100)] }),
    })

    const { answer } = await modern(gateway.url, 'tools/call', { name: 'say' })
    const { answer: list } = await modern(gateway.url, 'tools/list')

    expect(answer.result.content).toEqual([
      { type: 'text', text: 'é'.repeat(20) },
      { type: 'text', text: expect.stringContaining('about 10 tokens') },
    ])
    expect(answer.result).not.toHaveProperty('structuredContent')
    expect(answer.result._meta['dev.tollgate/shortened']).toMatchObject({ maxTokens: 10 })
    expect(list.result.tools[0]).not.toHaveProperty('outputSchema')
  })
})

describe('questions to a stateless caller', () => {
  const ask = {
    who: { method: 'elicitation/create', params: { message: 'Who?', requestedSchema: { type: 'object', properties: {} } } },
  }
  const capabilities = { elicitation: {} }

  test('the state of a stateless upstream comes back to it, sealed on the way', async () => {
    await using gateway = await startGateway({
      ...PLAN,
      behaviour: ({ params }) =>
        params['requestState'] === 'round-1'
          ? textStep(JSON.stringify(params['inputResponses']))
          : {
              kind: 'input',
              requests: ask,
              raw: { resultType: 'input_required', inputRequests: ask, extra: 1 },
              state: 'round-1',
              bytes: 1,
            },
    })

    const first = await modern(gateway.url, 'tools/call', { name: 'say', arguments: {} }, { capabilities })
    const { requestState } = first.answer.result
    const inputResponses = { who: { action: 'accept', content: {} } }
    const second = await modern(
      gateway.url,
      'tools/call',
      { name: 'say', arguments: {}, inputResponses, requestState },
      { capabilities },
    )

    expect(first.answer.result).toMatchObject({ resultType: 'input_required', inputRequests: ask, extra: 1 })
    expect(requestState).not.toContain('round-1')
    expect(second.answer.result.content[0].text).toBe(JSON.stringify(inputResponses))
    expect(gateway.entries.map(({ status }) => status)).toEqual(['input_required', 'ok'])
  })

  test('a call that a legacy upstream holds open is parked and goes on with the answers', async () => {
    const held = createHeld((responses) => textStep(JSON.stringify(responses)))
    await using gateway = await startGateway({
      ...PLAN,
      offers: { notes: { ...PLAN.offers['notes'], era: 'legacy' } },
      behaviour: () => ({ kind: 'input', requests: ask, held, bytes: 1 }),
    })
    const call = (more: JsonObject) =>
      modern(gateway.url, 'tools/call', { name: 'say', arguments: {}, ...more }, { capabilities })

    const first = await call({})
    const again = await call({ requestState: first.answer.result.requestState, inputResponses: { other: {} } })
    const last = await call({ requestState: again.answer.result.requestState, inputResponses: { who: { action: 'decline' } } })
    const replay = await call({ requestState: again.answer.result.requestState, inputResponses: { who: { action: 'decline' } } })

    expect(first.answer.result).toMatchObject({ resultType: 'input_required', inputRequests: ask })
    expect(again.answer.result).toMatchObject({ resultType: 'input_required', inputRequests: ask })
    expect(last.answer.result.content[0].text).toBe('{"who":{"action":"decline"}}')
    expect(replay.answer.error).toMatchObject({ code: -32602 })
    expect(held.ended.map(({ how }) => how)).toEqual(['resumed'])
    expect(gateway.facet.stats().parked).toBe(0)
  })

  test('a question the caller cannot answer is not forwarded, and the upstream is let go', async () => {
    const held = createHeld(() => textStep('never'))
    await using gateway = await startGateway({ ...PLAN, behaviour: () => ({ kind: 'input', requests: ask, held, bytes: 1 }) })

    const { status, answer } = await modern(gateway.url, 'tools/call', { name: 'say' }, { capabilities: { sampling: {} } })

    expect(status).toBe(400)
    expect(answer.error).toMatchObject({ code: -32021, data: { requiredCapabilities: { elicitation: {} } } })
    expect(held.ended).toEqual([{ how: 'cancelled' }])
  })

  test('a visit to a URL that an old upstream asks for with an error becomes a question', async () => {
    const error = {
      code: -32042,
      message: 'go',
      data: { elicitations: [{ mode: 'url', url: 'https://x.test/', elicitationId: 'e', message: 'm' }] },
    }
    await using gateway = await startGateway({ ...PLAN, behaviour: () => ({ kind: 'error', error, bytes: 1 }) })

    const { answer } = await modern(gateway.url, 'tools/call', { name: 'say' }, { capabilities: { elicitation: { url: {} } } })

    expect(answer.result).toMatchObject({
      resultType: 'input_required',
      inputRequests: { 'url-1': { method: 'elicitation/create', params: { mode: 'url', url: 'https://x.test/', message: 'm' } } },
    })
  })
})

describe('subscriptions/listen', () => {
  const listen = async (url: string, notifications: JsonObject, token?: string) => {
    const message = { ...modernMessage('subscriptions/listen', { notifications }), id: 'L1' }
    const controller = new AbortController()
    const response = await openRaw(url, JSON.stringify(message), {
      headers: modernHeaders(message),
      signal: controller.signal,
      ...(token === undefined ? {} : { token }),
    })
    return { response, events: eventsOf(response), close: () => controller.abort() }
  }
  const subscription = { 'io.modelcontextprotocol/subscriptionId': 'L1' }

  test('acknowledges what it keeps, tells only what was asked for, and ends with a result on drain', async () => {
    await using gateway = await startGateway(PLAN)
    const { events } = await listen(gateway.url, { toolsListChanged: true, resourceSubscriptions: ['notes://1', 'notes://nope'] })

    const acknowledged = await events.message()
    gateway.facet.upstreamChanged({ server: 'notes', announced: new Set(['prompt', 'tool']) })
    const changed = await events.message()
    gateway.upstreams['notes']!.watched[0]!.updated({ uri: 'notes://1', title: 't' })
    const updated = await events.message()
    await gateway.facet.drain()
    const result = await events.message()

    expect(acknowledged).toMatchObject({
      method: 'notifications/subscriptions/acknowledged',
      params: { notifications: { toolsListChanged: true, resourceSubscriptions: ['notes://1'] }, _meta: subscription },
    })
    expect(changed).toEqual({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta: subscription } })
    expect(updated).toMatchObject({
      method: 'notifications/resources/updated',
      params: { uri: 'notes://1', title: 't', _meta: subscription },
    })
    expect(result).toMatchObject({ id: 'L1', result: { resultType: 'complete', _meta: subscription } })
    expect(await events.next()).toBeUndefined()
    expect(gateway.upstreams['notes']!.unwatched).toEqual(['notes://1'])
    expect(await modern(gateway.url, 'subscriptions/listen', { notifications: {} })).toMatchObject({ status: 503 })
  })

  test('a change of what is hidden wakes nobody; a change of what is shown does, once', async () => {
    await using gateway = await startGateway(PLAN)
    const { events } = await listen(gateway.url, { toolsListChanged: true })
    await events.message()
    const change = (tools: readonly JsonObject[]) => {
      const previous = gateway.snapshot
      gateway.snapshot = snapshotOf({ notes: { ...PLAN.offers['notes'], tools } }, PLAN.catalogs)
      gateway.upstreams['notes']!.offered = gateway.snapshot.servers.get('notes')?.inventory
      gateway.facet.snapshotChanged(gateway.snapshot, previous)
      gateway.facet.upstreamChanged({ server: 'notes', announced: new Set(['tool']) })
    }

    change([tool('say'), tool('hidden', { description: 'new' })])
    const first = await events.message()
    change([tool('say'), tool('hidden', { description: 'newer' })])
    change([tool('say', { description: 'other' }), tool('hidden')])
    const second = await events.message()
    await gateway.facet.drain()
    const third = await events.message()

    expect([first.method, second.method]).toEqual(['notifications/tools/list_changed', 'notifications/tools/list_changed'])
    expect(third.result).toBeDefined()
  })

  test('ends when the caller is revoked, with the reason, before checkIdentities returns', async () => {
    await using gateway = await startGateway(PLAN)
    const { events } = await listen(gateway.url, { toolsListChanged: true })
    await events.message()

    gateway.facet.checkIdentities(() => true)

    expect(await events.message()).toMatchObject({ id: 'L1', error: { code: 401, data: { reason: 'unauthenticated' } } })
    expect(await events.next()).toBeUndefined()
    expect(gateway.facet.stats().streams).toBe(0)
  })

  test('has a bound per caller and frees what a hang-up leaves', async () => {
    const identities = { a: identityOf('research', 'a'), b: identityOf('research', 'b') }
    await using gateway = await startGateway({ ...PLAN, identities, bounds: { listensPerPrincipal: 1 } })
    const first = await listen(gateway.url, { resourceSubscriptions: ['notes://1'] }, 'a')
    await first.events.message()

    const second = await listen(gateway.url, {}, 'a')
    const other = await listen(gateway.url, {}, 'b')

    expect(second.response.status).toBe(429)
    expect(other.response.status).toBe(200)
    other.close()
    first.close()
    await expect.poll(() => gateway.facet.stats().streams).toBe(0)
    expect(gateway.upstreams['notes']!.unwatched).toEqual(['notes://1'])
  })
})
