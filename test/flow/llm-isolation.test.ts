// Group D of the catalogue on the model facet: answers, streams, credentials, memories, limits and budgets of callers never mix. The provider
// echoes what it was told, out of order, so that an answer says whose it is.
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { afterEach, describe, expect, test } from 'vitest'
import { createDoorRequests } from '../support/door-requests.ts'
import { gatewayFile, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { startModelGateway } from '../support/model-gateway.ts'
import { listenTo, openSocket } from '../support/raw-http.ts'

const stack: (() => unknown)[] = []
afterEach(async () => {
  for (const close of stack.splice(0).toReversed()) await close()
})

interface Asked {
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

/** A provider of the chat dialect that says what it was told, after a while that differs from call to call. */
async function startEcho(): Promise<{ url: string; asked: Asked[]; connections(): number }> {
  const asked: Asked[] = []
  let connections = 0
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = []
    for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString()
    const body = JSON.parse(text) as { stream?: boolean; messages: { content: string | { text: string }[] }[] } // of this test
    const { content = '' } = body.messages.at(-1) ?? {}
    const said = typeof content === 'string' ? content : content.map((part) => part.text).join('')
    const number = asked.push({ headers: request.headers, text })
    await wait((number * 7_919) % 23)
    const base = { id: `echo-${number}`, created: 1, model: 'echo' }
    const usage = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 }
    if (body.stream !== true) {
      const choices = [{ index: 0, message: { role: 'assistant', content: said }, finish_reason: 'stop' }]
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ ...base, object: 'chat.completion', choices, usage }))
      return
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    const write = (more: object) =>
      response.write(`data: ${JSON.stringify({ ...base, object: 'chat.completion.chunk', ...more })}\n\n`)
    for (const piece of said.match(/.{1,6}/gs) ?? []) {
      write({ choices: [{ index: 0, delta: { content: piece }, finish_reason: null }] })
      await wait((number * 104_729) % 5)
    }
    write({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] })
    write({ choices: [], usage })
    response.end('data: [DONE]\n\n')
  }
  const server = createServer((request, response) => void answer(request, response)).listen(0, '127.0.0.1')
  server.on('connection', () => (connections += 1))
  await once(server, 'listening')
  stack.push(() => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  })
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return { url: `http://127.0.0.1:${port}/v1`, asked, connections: () => connections }
}

const KEYS = { KEY_A: 'sk-team-a-0123456789', KEY_B: 'sk-team-b-0123456789' }
const TEAMS = ['a', 'b'] as const

/** A gateway whose two teams have a provider, a route and a key each, all at one echo. */
async function startTeams(over: { catalog?: (team: string) => object; file?: object } = {}) {
  const echo = await startEcho()
  const provider = (team: string) => ({ type: 'openai_compatible', baseUrl: echo.url, key: `env:KEY_${team.toUpperCase()}` })
  const gateway = await startTestGateway(
    {
      'tollgate.json': gatewayFile({
        providers: Object.fromEntries(TEAMS.map((team) => [`of-${team}`, provider(team)])),
        routes: Object.fromEntries(
          TEAMS.map((team) => [`model-${team}`, { targets: [{ provider: `of-${team}`, model: 'echo' }] }]),
        ),
        ...over.file,
      }),
      ...Object.fromEntries(
        TEAMS.map((team) => [
          `catalogs/${team}.json`,
          { title: team, for: { teams: [team] }, models: [{ route: `model-${team}`, as: 'm' }], ...over.catalog?.(team) },
        ]),
      ),
    },
    KEYS,
  )
  stack.push(() => gateway[Symbol.asyncDispose]())
  return { echo, gateway }
}

const DOORS = {
  '/v1/chat/completions': (said: string) => ({ messages: [{ role: 'user', content: said }] }),
  '/v1/messages': (said: string) => ({ max_tokens: 99, messages: [{ role: 'user', content: said }] }),
  '/v1/responses': (said: string) => ({ input: said }),
} as const
const PATHS = Object.keys(DOORS) as (keyof typeof DOORS)[] // the keys of the line above

interface Ask {
  readonly token: string
  readonly path?: keyof typeof DOORS
  readonly said?: string
  readonly stream?: boolean
  readonly headers?: Readonly<Record<string, string>>
  readonly more?: object
}

async function ask(
  gateway: TestGateway,
  { token, path = '/v1/chat/completions', said = 'hi', stream = false, headers = {}, more = {} }: Ask,
) {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ model: 'm', stream, ...DOORS[path](said), ...more }),
  })
  return { status: response.status, headers: response.headers, text: await response.text() }
}

/** The words of an answer, whole or streamed, in whichever dialect: every piece of text in it, joined. */
function wordsOf(text: string): string {
  if (!text.includes('data: ')) return text
  return [...text.matchAll(/"(?:content|text|delta)":"((?:[^"\\]|\\.)*)"/g)].map(([, piece = '']) => piece).join('')
}

describe('answers', () => {
  test('D01, D02 many callers with the same ids at once, whole and streamed, at every door: everybody gets their own', async () => {
    const { gateway, echo } = await startTeams()
    const callers = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const team = TEAMS[index % 2] ?? 'a'
        return { team, mark: `mark-${team}-${index}-`, token: await gateway.token(team, { subject: `s${index}` }) }
      }),
    )

    const wrong = await Promise.all(
      callers.flatMap(({ token, mark }) =>
        Array.from({ length: 9 }, async (_, index) => {
          const said = `<${mark}${index}>`
          const path = PATHS[index % 3] ?? '/v1/chat/completions'
          const { status, text } = await ask(gateway, {
            token,
            path,
            said,
            stream: index % 2 === 0,
            headers: { 'x-request-id': '1' },
          })
          const marks = new Set(wordsOf(text).match(/<mark-[^>]*>/g) ?? [])
          return status === 200 && marks.size === 1 && marks.has(said) ? [] : [`${path} ${said}: ${status} ${text}`]
        }),
      ),
    )

    expect(wrong.flat()).toEqual([])
    expect(echo.asked).toHaveLength(180)
  })

  test('D26, G23 the same prompt of two teams is asked for each of them, with the key of each', async () => {
    const { gateway, echo } = await startTeams()
    const tokens = await Promise.all(TEAMS.map((team) => gateway.token(team)))

    for (const token of [...tokens, ...tokens]) expect((await ask(gateway, { token, said: 'the same' })).status).toBe(200)

    expect(echo.asked.map(({ headers }) => headers.authorization)).toEqual(
      [KEYS.KEY_A, KEYS.KEY_B, KEYS.KEY_A, KEYS.KEY_B].map((key) => `Bearer ${key}`),
    )
  })

  test('D14, D15 no header of a caller but trace context reaches a provider, whatever the dialect', async () => {
    const { gateway, echo } = await startTeams()
    const token = await gateway.token('a')
    const own = [
      'accept',
      'accept-encoding',
      'authorization',
      'connection',
      'content-length',
      'content-type',
      'host',
      'user-agent',
    ]
    const headers = {
      cookie: 'session=canary',
      'x-forwarded-for': '10.canary',
      'x-mcp-auth': 'canary',
      'user-agent': 'canary/1',
      'openai-organization': 'org-canary',
      'openai-project': 'canary',
      'openai-beta': 'canary',
      'anthropic-beta': 'canary',
      'x-stainless-os': 'canary',
      'x-tollgate-session': 'canary',
      'idempotency-key': 'canary',
      'x-request-id': 'canary',
      referer: 'http://canary.example',
      'x-anything': 'canary',
    }

    for (const path of PATHS)
      for (const stream of [false, true]) expect((await ask(gateway, { token, path, stream, headers })).status).toBe(200)

    for (const { headers: seen } of echo.asked) {
      expect(JSON.stringify(seen)).not.toMatch(new RegExp(`canary|${token.slice(0, 40)}`))
      expect(Object.keys(seen).filter((name) => !own.includes(name) && !/^(traceparent|tracestate|baggage)$/.test(name))).toEqual(
        [],
      )
      expect(seen.authorization).toBe(`Bearer ${KEYS.KEY_A}`)
    }
  })

  test('D03 a team that names the route of another gets neither its model nor its key', async () => {
    const { gateway, echo } = await startTeams()
    const token = await gateway.token('a')
    const told = async (model: string) => {
      const { status, text } = await ask(gateway, { token, more: { model } })
      return `${status} ${text.replaceAll(model, 'NAME').replace(/"request_id":"[^"]*"/, '')}`
    }

    const unknown = await told('no-such-model')

    for (const model of ['model-b', 'of-b', 'of-b/echo', 'b/m', 'echo'])
      expect([model, await told(model)]).toEqual([model, unknown])
    expect(echo.asked).toEqual([])
  })

  test('D12 the list of models is that of the caller, and so is each of them', async () => {
    const { gateway } = await startTeams({ catalog: (team) => ({ models: [{ route: `model-${team}` }] }) })
    const get = async (team: string, path: string) =>
      await fetch(gateway.url + path, { headers: { authorization: `Bearer ${await gateway.token(team)}` } })

    const lists = await Promise.all(TEAMS.map(async (team) => await (await get(team, '/v1/models')).text()))
    const foreign = await get('a', '/v1/models/model-b')
    const missing = await get('a', '/v1/models/model-x')

    expect([lists[0]?.includes('model-b'), lists[1]?.includes('model-a')]).toEqual([false, false])
    const plain = async (response: Response) =>
      (await response.text()).replaceAll(/model-[bx]/g, 'NAME').replace(/"request_id":"[^"]*"/, '')
    expect([foreign.status, await plain(foreign)]).toEqual([missing.status, await plain(missing)])
    expect(foreign.status).toBe(404)
  })

  test('D19 requests that are refused open no connection to a provider', async () => {
    const { gateway, echo } = await startTeams()
    const token = await gateway.token('a')
    const before = echo.connections()

    const statuses = await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const wrong: Ask[] = [
          { token: 'invented' },
          { token, more: { model: 'model-b' } },
          { token, more: { max_tokens: -1 } },
          { token, headers: { 'content-type': 'text/plain' } },
          { token, headers: { origin: 'https://evil.example' } },
        ]
        return (await ask(gateway, wrong[index % wrong.length] ?? { token })).status
      }),
    )

    expect(Math.min(...statuses)).toBeGreaterThanOrEqual(400)
    expect([echo.asked, echo.connections()]).toEqual([[], before])
  })
})

describe('what is remembered for callers', () => {
  test('D05, D10 an item of an answer belongs to the one it was said to, whatever their names look like', async () => {
    await using models = await startModelGateway()
    models.fakes.script({ behaviour: { text: 'the secret of alice' } })
    const subjects = [
      'alice',
      'alice|',
      'alice"',
      'alice","',
      'Alice',
      'alice ',
      'a',
      'alice@corp.example',
      '["https://x","alice"]',
    ]
    const tokens = await Promise.all(subjects.map((subject) => models.gateway.token('research', { subject })))
    const post = async (token: string, input: unknown) => {
      const response = await models.post('/v1/responses', { model: 'anthropic', input }, { authorization: `Bearer ${token}` })
      return { status: response.status, text: await response.text() }
    }
    const said = await post(tokens[0] ?? '', 'hi')
    const { output } = JSON.parse(said.text) as { output: { id: string }[] } // of our own dialect
    const refer = [
      { type: 'item_reference', id: output[0]?.id },
      { role: 'user', content: 'go on' },
    ]

    const mine = await post(tokens[0] ?? '', refer)
    const seen = models.fakes.requests().length
    const others = await Promise.all(tokens.slice(1).map((token) => post(token, refer)))

    expect([said.status, mine.status]).toEqual([200, 200])
    expect(others.map(({ status }) => status >= 400)).not.toContain(false)
    expect(JSON.stringify(models.fakes.requests().slice(seen))).not.toContain('the secret of alice')
  })

  test('D07, D10 the thoughts before a tool call are put back for the one who was told them, and for nobody else', async () => {
    await using models = await startModelGateway()
    const call = { id: 'call_shared', name: 'look', arguments: { city: 'Oslo' } }
    models.fakes.script({ times: 1, behaviour: { reasoning: 'the thought of alice', signature: 'c2lnbmVk', tools: [call] } })
    const [alice = '', bob = ''] = await Promise.all(
      ['alice', 'bob'].map((subject) => models.gateway.token('research', { subject })),
    )
    const tools = [{ type: 'function', function: { name: 'look', parameters: { type: 'object', properties: {} } } }]
    const post = async (token: string, messages: unknown[]) => {
      const body = { model: 'anthropic', max_tokens: 2_000, reasoning_effort: 'low', tools, messages }
      const response = await models.post('/v1/chat/completions', body, { authorization: `Bearer ${token}` })
      return { status: response.status, text: await response.text() }
    }
    const first = await post(alice, [{ role: 'user', content: 'look' }])
    const { choices } = JSON.parse(first.text) as { choices: { message: { tool_calls: { id: string }[] } }[] } // of our own dialect
    const calls = choices[0]?.message.tool_calls ?? []
    const back = [
      { role: 'user', content: 'look' },
      { role: 'assistant', content: null, tool_calls: calls },
      { role: 'tool', tool_call_id: calls[0]?.id, content: 'rain' },
    ]

    await post(bob, back)
    const ofBob = JSON.stringify(models.fakes.requests().at(-1))
    await post(alice, back)
    const ofAlice = JSON.stringify(models.fakes.requests().at(-1))

    expect(calls).toHaveLength(1)
    expect(ofAlice).toContain('the thought of alice')
    expect(ofBob).not.toContain('the thought of alice')
  })

  test('D05 a session is worth nothing without its caller: two who name the same one stick to targets of their own', async () => {
    const targets = ['fake', 'fake2', 'fake3', 'fake4'].map((model) => ({ provider: 'openai', model, weight: 1 }))
    await using models = await startModelGateway({ routes: { many: { strategy: 'weighted', sticky: true, targets } } })
    const subjects = Array.from({ length: 12 }, (_, index) => `s${index}`)
    const modelsOf = await Promise.all(
      subjects.map(async (subject) => {
        const token = await models.gateway.token('research', { subject })
        const served: string[] = []
        for (let round = 0; round < 3; round += 1) {
          const headers = { authorization: `Bearer ${token}`, 'x-tollgate-session': 'shared' }
          const response = await models.post(
            '/v1/chat/completions',
            { model: 'many', messages: [{ role: 'user', content: subject }] },
            headers,
          )
          served.push(response.headers.get('x-tollgate-target') ?? '', String(response.status))
        }
        return served
      }),
    )
    const chosen = new Map<string, Set<string>>()
    for (const request of models.fakes.requests()) {
      const { model, messages } = request.body as { model: string; messages: { content: string }[] } // what we sent
      const subject = messages[0]?.content ?? ''
      chosen.set(subject, (chosen.get(subject) ?? new Set()).add(model))
    }

    expect(modelsOf.flat().filter((word) => /^\d+$/.test(word) && word !== '200')).toEqual([])
    expect([...chosen.values()].map(({ size }) => size)).toEqual(subjects.map(() => 1))
    expect(new Set([...chosen.values()].flatMap((one) => [...one])).size).toBeGreaterThan(1)
  })
})

describe('limits and budgets', () => {
  test('D03 a limit that one team used up leaves the other its own, and tells nothing of it', async () => {
    const { gateway } = await startTeams({ catalog: () => ({ limits: { callsPerMinute: 3 } }) })
    const [a = '', b = ''] = await Promise.all(TEAMS.map((team) => gateway.token(team)))

    const greedy = []
    for (let round = 0; round < 6; round += 1)
      greedy.push(await ask(gateway, { token: a, headers: { 'x-tollgate-session': `s${round}` } }))
    const other = await ask(gateway, { token: b })

    expect(greedy.map(({ status }) => status)).toEqual([200, 200, 200, 429, 429, 429])
    expect([other.status, other.headers.get('x-ratelimit-remaining-requests')]).toEqual([200, '2'])
  })

  test('D03 a budget by user or by team is spent by its own and nobody else', async () => {
    const usage = 'fake?usage={"input":1000,"output":0}'
    await using models = await startModelGateway({
      routes: { dear: { targets: [{ provider: 'openai', model: usage }] } },
      prices: {
        name: 'own',
        prices: [{ provider: 'openai', model: 'fake*', usdPerMillion: { input: '1000', output: '0' } }],
      },
      catalog: { for: { teams: ['research', 'sales'] }, budgets: [{ usd: '1.5', per: 'total', by: 'team' }] },
    })
    const post = async (token: string, session: string) => {
      const headers = { authorization: `Bearer ${token}`, 'x-tollgate-session': session }
      const response = await models.post(
        '/v1/chat/completions',
        { model: 'dear', max_tokens: 1, messages: [{ role: 'user', content: 'hi' }] },
        headers,
      )
      return { status: response.status, text: await response.text() }
    }
    const [mine, colleague, other] = await Promise.all([
      models.gateway.token('research', { subject: 'a' }),
      models.gateway.token('research', { subject: 'b' }),
      models.gateway.token('sales', { subject: 'a' }),
    ])

    const answers = [await post(mine, '1'), await post(mine, '2'), await post(colleague, '1'), await post(other, '1')]

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 429, 200])
    expect(answers[2]?.text).not.toMatch(/sales|"a"|1000/)
  })
})

describe('streams', () => {
  test('D23 a stream whose caller is denied ends within five seconds and says why; those of others go on', async () => {
    await using models = await startModelGateway({
      file: { bounds: { drainMs: 0 } },
      routes: { slow: { targets: [{ provider: 'openai', model: 'fake?stallChunk=3' }] } },
    })
    const open = async (subject: string) => {
      const token = await models.gateway.token('research', { subject })
      const socket = await openSocket(models.url)
      stack.push(() => socket.destroy())
      const heard = listenTo(socket)
      const requests = createDoorRequests({ url: models.url, token })
      const body = '{"model":"slow","stream":true,"messages":[{"role":"user","content":"hi"}]}'
      socket.write(requests.whole('/v1/chat/completions', { body }))
      await expect.poll(async () => (await heard({ withinMs: 1 })).text).toContain('data: ')
      return heard
    }
    const [gone, stays] = [await open('leaver'), await open('stayer')]

    models.gateway.write('revocations.json', { subjects: [{ subject: 'leaver' }] })
    const { answers } = await gone({ answers: 1, withinMs: 5_000 })
    const other = await stays({ withinMs: 100 })

    expect(answers).toHaveLength(1)
    expect(answers[0]?.body).toMatch(/"error"/)
    expect(answers[0]?.body).not.toContain('[DONE]')
    expect([other.answers, other.closed, other.text.includes('"error"')]).toEqual([[], false, false])
  })
})
