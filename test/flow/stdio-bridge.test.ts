import type { ServerResponse } from 'node:http'
import { createServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { describe, expect, test } from 'vitest'
import { LEGACY, modern, sendJson, startBridge, startGateway, type Seen } from '../unit/cli/bridge-harness.ts'

const RESULT = { protocolVersion: '2025-11-25', capabilities: {}, serverInfo: { name: 's', version: '1' } }

/** What every legacy gateway here does, unless the test says otherwise. */
function legacy(session: () => string, answer: (seen: Seen, response: ServerResponse) => void) {
  return (seen: Seen, response: ServerResponse) => {
    const { method, message } = seen
    if (method === 'GET') return void response.writeHead(405).end()
    if (method === 'DELETE') return void response.writeHead(204).end()
    if (message.method === 'initialize') {
      return sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result: RESULT }, { 'mcp-session-id': session() })
    }
    if (message.id === undefined || message.method === undefined) return void response.writeHead(202).end()
    answer(seen, response)
  }
}

const ok = ({ message }: Seen, response: ServerResponse) =>
  sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result: { ok: true } })

describe('a legacy client', () => {
  test('keeps its session: id and version on every later request, DELETE at the end', async () => {
    await using gateway = await startGateway(legacy(() => 'one', ok))
    await using bridge = startBridge(gateway.url)

    bridge.send(LEGACY.initialize)
    await bridge.next()
    bridge.send(LEGACY.initialized)
    bridge.send(LEGACY.call(1))
    const answer = await bridge.next()
    bridge.closeInput()
    await bridge.done

    expect(answer).toEqual({ jsonrpc: '2.0', id: 1, result: { ok: true } })
    const call = gateway.seen.find(({ message }) => message?.method === 'tools/call')!
    expect(call.headers).toMatchObject({ 'mcp-session-id': 'one', 'mcp-protocol-version': '2025-11-25' })
    expect(gateway.seen.at(-1)).toMatchObject({ method: 'DELETE', headers: { 'mcp-session-id': 'one' } })
  })

  test('may say everything at once: each line waits for the session and for the notification before it', async () => {
    const order: string[] = []
    await using gateway = await startGateway((seen, response) => {
      order.push(`${seen.message?.method ?? seen.method} in ${String(seen.headers['mcp-session-id'])}`)
      if (seen.message?.method !== 'notifications/initialized') return legacy(() => 'one', ok)(seen, response)
      const accept = (turns: number): void => {
        if (turns > 0) return void setImmediate(accept, turns - 1)
        order.push('accepted')
        response.writeHead(202).end()
      }
      accept(200)
    })
    await using bridge = startBridge(gateway.url)

    for (const message of [LEGACY.initialize, LEGACY.initialized, LEGACY.call(1)]) bridge.send(message)
    await bridge.next()
    await bridge.next()

    expect(order.filter((line) => !line.startsWith('GET'))).toEqual([
      'initialize in undefined',
      'notifications/initialized in one',
      'accepted',
      'tools/call in one',
    ])
  })

  test('gets a new session when the gateway forgot the old one, once for all requests under way, and notices nothing', async () => {
    let session = 'old'
    await using gateway = await startGateway((seen, response) => {
      const known = seen.headers['mcp-session-id'] === session || seen.message?.method === 'initialize'
      if (!known)
        return sendJson(response, 404, { jsonrpc: '2.0', id: null, error: { code: -32001, message: 'Session not found' } })
      legacy(() => session, ok)(seen, response)
    })
    await using bridge = startBridge(gateway.url)
    bridge.send(LEGACY.initialize)
    await bridge.next()
    bridge.send(LEGACY.initialized)
    session = 'new'

    for (const id of [1, 2, 3]) bridge.send(LEGACY.call(id))
    const answers = [await bridge.next(), await bridge.next(), await bridge.next()]

    expect(answers.map(({ id }) => Number(id)).toSorted((a, b) => a - b)).toEqual([1, 2, 3])
    expect(answers.every(({ result }) => result.ok)).toBe(true)
    expect(gateway.bodies().filter((method) => method === 'initialize')).toHaveLength(2)
  })

  test('is told when the gateway refuses the new session as well', async () => {
    let first = true
    await using gateway = await startGateway((seen, response) => {
      if (first || seen.method !== 'POST') legacy(() => 'one', ok)(seen, response)
      else response.writeHead(404).end()
      first = false
    })
    await using bridge = startBridge(gateway.url)
    bridge.send(LEGACY.initialize)
    await bridge.next()

    bridge.send(LEGACY.call(1))

    expect(await bridge.next()).toMatchObject({
      id: 1,
      error: { code: -32603, message: expect.stringContaining('refused a new session') },
    })
    expect(gateway.bodies()).toEqual(['initialize', 'tools/call', 'initialize'])
  })

  test('hears server requests on the stream of its call and answers them', async () => {
    let stream: ServerResponse | undefined
    await using gateway = await startGateway((seen, response) => {
      if (seen.message?.method === 'tools/call') {
        stream = response.writeHead(200, { 'content-type': 'text/event-stream' })
        stream.write(': hello\n\ndata: {"jsonrpc":"2.0","id":"s1","method":"elicitation/create","params":{}}\n\n')
      } else if (seen.message?.id === 's1') {
        response.writeHead(202).end()
        stream?.end('event: message\r\ndata: {"jsonrpc":"2.0",\r\ndata:"id":1,"result":{"said":"yes"}}\r\n\r\n')
      } else legacy(() => 'one', ok)(seen, response)
    })
    await using bridge = startBridge(gateway.url)
    bridge.send(LEGACY.initialize)
    await bridge.next()

    bridge.send(LEGACY.call(1))
    const asked = await bridge.next()
    bridge.send({ jsonrpc: '2.0', id: 's1', result: { action: 'accept' } })

    expect(asked).toMatchObject({ id: 's1', method: 'elicitation/create' })
    expect(await bridge.next()).toEqual({ jsonrpc: '2.0', id: 1, result: { said: 'yes' } })
  })

  test('hears what belongs to no request on the GET stream, which is resumed where it was cut', async () => {
    const resumed: unknown[] = []
    await using gateway = await startGateway((seen, response) => {
      if (seen.method !== 'GET') return legacy(() => 'one', ok)(seen, response)
      resumed.push(seen.headers['last-event-id'])
      const n = resumed.length
      if (n > 2) return void response.writeHead(405).end()
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end(
        `id: e${n}\nretry: 1\ndata: {"jsonrpc":"2.0","method":"notifications/tools/list_changed","params":{"n":${n}}}\n\n`,
      )
    })
    await using bridge = startBridge(gateway.url)
    bridge.send(LEGACY.initialize)
    await bridge.next()

    bridge.send(LEGACY.initialized)
    const heard = [await bridge.next(), await bridge.next()]

    expect(heard.map(({ params }) => params.n)).toEqual([1, 2])
    expect(resumed.slice(0, 2)).toEqual([undefined, 'e1'])
  })

  test('gets the answer of a call whose stream the gateway closed early, by its event id', async () => {
    await using gateway = await startGateway((seen, response) => {
      if (seen.message?.method === 'tools/call') {
        response.writeHead(200, { 'content-type': 'text/event-stream' }).end('id: p0\nretry: 1\ndata: \n\n')
      } else if (seen.method === 'GET' && seen.headers['last-event-id'] === 'p0') {
        response
          .writeHead(200, { 'content-type': 'text/event-stream' })
          .end('id: p1\ndata: {"jsonrpc":"2.0","id":1,"result":{"late":true}}\n\n')
      } else legacy(() => 'one', ok)(seen, response)
    })
    await using bridge = startBridge(gateway.url)
    bridge.send(LEGACY.initialize)
    await bridge.next()

    bridge.send(LEGACY.call(1))

    expect(await bridge.next()).toEqual({ jsonrpc: '2.0', id: 1, result: { late: true } })
    expect(gateway.bodies()).toEqual(['initialize', 'tools/call'])
  })

  test('cancels by telling the server, and hears no more of that call', async () => {
    const cancelled = Promise.withResolvers<unknown>()
    let stream: ServerResponse | undefined
    await using gateway = await startGateway((seen, response) => {
      if (seen.message?.method === 'tools/call' && seen.message.id === 1) {
        stream = response.writeHead(200, { 'content-type': 'text/event-stream' })
        stream.write('data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n')
        return
      }
      if (seen.message?.method === 'notifications/cancelled') cancelled.resolve(seen.message.params.requestId)
      legacy(() => 'one', ok)(seen, response)
    })
    await using bridge = startBridge(gateway.url)
    bridge.send(LEGACY.initialize)
    await bridge.next()
    bridge.send(LEGACY.call(1))
    await bridge.next()

    bridge.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } })
    const told = await cancelled.promise
    stream?.end()
    bridge.send(LEGACY.call(2))

    expect(told).toBe(1)
    expect(await bridge.next()).toMatchObject({ id: 2 })
  })
})

describe('a modern client', () => {
  test('has version, method and name mirrored into headers, names that are no header value as base64', async () => {
    await using gateway = await startGateway(ok)
    await using bridge = startBridge(gateway.url)
    const calls = [
      ['tools/call', { name: 'find' }, 'find'],
      ['tools/call', { name: 'grüße' }, '=?base64?Z3LDvMOfZQ==?='],
      ['prompts/get', { name: ' padded' }, '=?base64?IHBhZGRlZA==?='],
      ['resources/read', { uri: '=?base64?eA==?=' }, '=?base64?PT9iYXNlNjQ/ZUE9PT89?='],
      ['tools/list', {}, undefined],
    ] as const

    for (const [index, [method, params]] of calls.entries()) {
      bridge.send(modern(index, method, params))
      await bridge.next()
    }

    expect(
      gateway.seen.map(({ headers }) => [headers['mcp-protocol-version'], headers['mcp-method'], headers['mcp-name']]),
    ).toEqual(calls.map(([method, , name]) => ['2026-07-28', method, name]))
    expect(gateway.seen.every(({ headers }) => headers['mcp-session-id'] === undefined)).toBe(true)
  })

  const TOOL = {
    name: 'find',
    inputSchema: {
      type: 'object',
      properties: {
        region: { type: 'string', 'x-mcp-header': 'Region' },
        deep: { type: 'object', properties: { dry: { type: 'boolean', 'x-mcp-header': 'Dry-Run' } } },
        empty: { type: 'string', 'x-mcp-header': 'Empty' },
        items: { type: 'array', items: { properties: { no: { 'x-mcp-header': 'No' } } } },
      },
    },
  }
  const ARGS = { region: 'eu', deep: { dry: true }, empty: null, items: [{ no: 1 }] }

  test('has annotated arguments of the tools it listed mirrored too', async () => {
    await using gateway = await startGateway(({ message }, response) =>
      sendJson(response, 200, {
        jsonrpc: '2.0',
        id: message.id,
        result: message.method === 'tools/list' ? { tools: [TOOL] } : {},
      }),
    )
    await using bridge = startBridge(gateway.url)
    bridge.send(modern(1, 'tools/list'))
    await bridge.next()

    bridge.send(modern(2, 'tools/call', { name: 'find', arguments: ARGS }))
    await bridge.next()

    const params = Object.entries(gateway.seen[1]!.headers).filter(([name]) => name.startsWith('mcp-param-'))
    expect(Object.fromEntries(params)).toEqual({ 'mcp-param-region': 'eu', 'mcp-param-dry-run': 'true' })
  })

  test('that never listed has its tools read once after a header mismatch, and the call sent again', async () => {
    await using gateway = await startGateway(({ message, headers }, response) => {
      if (message.method === 'tools/list') {
        const last = message.params.cursor === 'two'
        const result = last ? { tools: [TOOL] } : { tools: [], nextCursor: 'two' }
        return sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result })
      }
      if (headers['mcp-param-region'] === 'eu')
        return sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result: { ok: 1 } })
      sendJson(response, 400, { jsonrpc: '2.0', id: message.id, error: { code: -32020, message: 'Header mismatch' } })
    })
    await using bridge = startBridge(gateway.url)

    bridge.send(modern('a', 'tools/call', { name: 'find', arguments: ARGS }))

    expect(await bridge.next()).toEqual({ jsonrpc: '2.0', id: 'a', result: { ok: 1 } })
    expect(gateway.bodies()).toEqual(['tools/call', 'tools/list', 'tools/list', 'tools/call'])
  })

  test('cancels by hanging up', async () => {
    const closed = Promise.withResolvers<void>()
    await using gateway = await startGateway(({ message }, response) => {
      if (message.id !== 1) return sendJson(response, 200, { jsonrpc: '2.0', id: message.id, result: {} })
      response.on('close', closed.resolve)
      response
        .writeHead(200, { 'content-type': 'text/event-stream' })
        .write('data: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n')
    })
    await using bridge = startBridge(gateway.url)
    bridge.send(modern(1, 'tools/call', { name: 'slow' }))
    await bridge.next()

    bridge.send({ jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } })
    await closed.promise
    bridge.send(modern(2, 'tools/list'))

    expect(await bridge.next()).toMatchObject({ id: 2 })
    expect(gateway.bodies()).toEqual(['tools/call', 'tools/list'])
  })

  test('is told that a subscription ended when its stream is cut', async () => {
    await using gateway = await startGateway((_seen, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.write('data: {"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}\n\n', () =>
        response.destroy(),
      )
    })
    await using bridge = startBridge(gateway.url)

    bridge.send(modern('L', 'subscriptions/listen'))
    await bridge.next()

    expect(await bridge.next()).toMatchObject({ method: 'notifications/cancelled', params: { requestId: 'L' } })
  })
})

describe('the bytes', () => {
  test('go out and come back as they are: member order, large numbers, unknown members', async () => {
    const call = `{"method":"tools/call","x":1,"params":{"name":"n","arguments":{"n":12345678901234567890,"e":1.0}},"id":7,"jsonrpc":"2.0"}`
    const result = `{"id":7,"result":{"n":0.10,"big":98765432109876543210,"__proto__":{"a":1}},"jsonrpc":"2.0","y":[]}`
    await using gateway = await startGateway((_seen, response) => sendJson(response, 200, result))
    await using bridge = startBridge(gateway.url)

    bridge.send(call)

    expect(await bridge.nextLine()).toBe(result)
    expect(gateway.seen[0]!.body).toBe(call)
  })

  test('of a pretty-printed answer become one line', async () => {
    await using gateway = await startGateway((_seen, response) =>
      sendJson(response, 200, '{\r\n  "jsonrpc": "2.0",\n  "id": 1,\n  "result": {"t": "a\\nb"}\n}\n'),
    )
    await using bridge = startBridge(gateway.url)

    bridge.send(LEGACY.call(1))

    expect(await bridge.next()).toEqual({ jsonrpc: '2.0', id: 1, result: { t: 'a\nb' } })
  })

  test('that are no JSON-RPC never reach standard output', async () => {
    await using gateway = await startGateway((_seen, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' })
      response.end('data: hello\n\ndata: {"jsonrpc":"2.0","id":99,"result":{}}\n\ndata: {"jsonrpc":"2.0","id":1,"result":{}}\n\n')
    })
    await using bridge = startBridge(gateway.url)

    bridge.send('not json')
    bridge.send(LEGACY.call(1))

    expect(await bridge.next()).toMatchObject({ id: null, error: { code: -32700 } })
    expect(await bridge.next()).toEqual({ jsonrpc: '2.0', id: 1, result: {} })
  })
})

describe('when the gateway does not answer', () => {
  test.each([
    [401, {}, 'unauthenticated', 'TOLLGATE_TOKEN'],
    [403, {}, 'forbidden', '403'],
    [307, { location: 'https://elsewhere.example/mcp' }, 'redirect', 'https://elsewhere.example/mcp'],
    [503, { 'retry-after': '7' }, 'http', 'try again in 7 s'],
    [502, {}, 'http', '502'],
  ] as const)('with an HTTP %i the request gets an error that says so', async (status, headers, reason, words) => {
    await using gateway = await startGateway(
      (_seen, response) => void response.writeHead(status, { 'content-type': 'text/html', ...headers }).end('<p>no</p>'),
    )
    await using bridge = startBridge(gateway.url)

    bridge.send(LEGACY.call(1))
    const { id, error } = await bridge.next()

    expect({ id, reason: error.data.reason, status: error.data.httpStatus }).toEqual({ id: 1, reason, status })
    expect(error.message).toContain(words)
    expect(gateway.seen).toHaveLength(1)
  })

  test('an error of the gateway gets the id of the request it belongs to', async () => {
    await using gateway = await startGateway((_seen, response) =>
      sendJson(response, 429, { jsonrpc: '2.0', id: null, error: { code: -32603, message: 'slow down' } }),
    )
    await using bridge = startBridge(gateway.url)

    bridge.send(LEGACY.call(5))

    expect(await bridge.next()).toEqual({ jsonrpc: '2.0', id: 5, error: { code: -32603, message: 'slow down' } })
  })

  test('a call is never sent twice when the connection broke after it left', async () => {
    await using gateway = await startGateway((_seen, response) => void response.socket?.destroy())
    await using bridge = startBridge(gateway.url)

    bridge.send(LEGACY.call(1))

    expect(await bridge.next()).toMatchObject({ id: 1, error: { data: { reason: 'unreachable' } } })
    expect(gateway.seen).toHaveLength(1)
  })

  test('a stream without event ids that ends early is an error that says the call may have run', async () => {
    await using gateway = await startGateway(
      (_seen, response) => void response.writeHead(200, { 'content-type': 'text/event-stream' }).end(': bye\n\n'),
    )
    await using bridge = startBridge(gateway.url)

    bridge.send(LEGACY.call(1))

    expect((await bridge.next()).error.message).toContain('may have been executed')
    expect(gateway.bodies()).toEqual(['tools/call'])
  })

  test('because it is just starting, the request is tried again and served once', async () => {
    const port = await freePort()
    const started = Promise.withResolvers<Awaited<ReturnType<typeof startGateway>>>()
    let tries = 0
    const authorization = async () => {
      tries += 1
      if (tries === 2) started.resolve(await startGateway(ok, port))
      return undefined
    }
    await using bridge = startBridge(`http://127.0.0.1:${port}/mcp`, { authorization })

    bridge.send(LEGACY.call(1))
    const answer = await bridge.next()
    await using gateway = await started.promise

    expect(answer).toEqual({ jsonrpc: '2.0', id: 1, result: { ok: true } })
    expect(gateway.seen).toHaveLength(1)
  })

  test('because nothing listens there, the request gets an error after a few tries', async () => {
    const port = await freePort()
    await using bridge = startBridge(`http://127.0.0.1:${port}/mcp`)

    bridge.send(LEGACY.call(1))

    expect(await bridge.next()).toMatchObject({ id: 1, error: { message: expect.stringContaining('ECONNREFUSED') } })
  })
})

describe('when the client closes its side', () => {
  test('answers under way are still delivered', async () => {
    const arrived = Promise.withResolvers<ServerResponse>()
    await using gateway = await startGateway((_seen, response) => arrived.resolve(response))
    await using bridge = startBridge(gateway.url)
    bridge.send(LEGACY.call(1))
    const response = await arrived.promise

    bridge.closeInput()
    sendJson(response, 200, { jsonrpc: '2.0', id: 1, result: {} })

    expect(await bridge.next()).toMatchObject({ id: 1 })
    await bridge.done
  })

  test('a call that never ends is waited for only so long', async () => {
    const arrived = Promise.withResolvers<void>()
    await using gateway = await startGateway(() => arrived.resolve())
    await using bridge = startBridge(gateway.url, { graceMs: 20 })
    bridge.send(LEGACY.call(1))
    await arrived.promise

    bridge.closeInput()
    await bridge.done

    expect(await bridge.next()).toBeUndefined()
  })
})

/** A port nobody listens on. */
async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as AddressInfo
  probe.close()
  await once(probe, 'close')
  return port
}
