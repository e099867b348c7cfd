// Group J of the security catalogue: a word of its own in every place of a secret, traffic through every way that fails, and then a search in
// everything the gateway wrote, answered, sent or started.
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/catalog/read.ts'
import { openKeyStore } from '../../src/store/keys.ts'
import { answer, modern, refuse, startFakeUpstream, tool, type FakeUpstream } from '../support/fake-upstream.ts'
import { gatewayFile, startTestGateway } from '../support/gateway.ts'
import { developmentToken, type GatewayProcess, startGatewayProcess, writeFiles } from '../support/gateway-process.ts'
import { fakeProviderFile } from '../support/model-gateway.ts'
import { modernRequest } from '../support/raw-mcp.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { startTokenEndpoint, type TokenEndpoint } from '../support/token-endpoint.ts'

const root = join(import.meta.dirname, '../..')
const program = join(root, 'test/support/child-program.ts')
const word = (place: string): string => `canary-${place}-q7w3e9`

/** Secrets of the operator. */
const SECRETS = {
  FAKE_KEY: word('provider'),
  AWS_ID: word('awsid'),
  AWS_SECRET: word('awssecret'),
  UPSTREAM_TOKEN: word('upstream'),
  UPSTREAM_HEADER: word('header'),
  CLIENT_SECRET: word('client'),
  CHILD_SECRET: word('child'),
  OTLP_KEY: word('otlp'),
  UNUSED_PASSWORD: word('unused'),
}
const ISSUED = word('issued')
const FORGED = word('forged')
const QUERY = word('query')
/** Words of calls. */
const WORDS = { prompt: word('prompt'), argument: word('argument'), result: word('result') }

/** A server whose every answer repeats all headers it was sent, by the first step of its path. */
async function startEcho() {
  const bodies: Buffer[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      bodies.push(Buffer.concat(chunks))
      const said = `refused: ${JSON.stringify(request.headers)}`
      const [, kind = ''] = (request.url ?? '').split('/')
      if (kind === 'v1') return void response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end() // the collector
      if (kind === 'cut')
        return void response.writeHead(200, { 'content-length': 10_000 }).write(said, () => request.socket.destroy())
      const status = Number(kind)
      response.writeHead(status, {
        'content-type': status === 200 ? 'text/html' : 'application/json',
        'x-said': encodeURIComponent(said),
      })
      response.end(JSON.stringify({ error: { message: said, type: said, code: said }, message: said, __type: said }))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return {
    url: `http://127.0.0.1:${port}`,
    bodies,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

const KINDS = ['400', '401', '500', '200', 'cut'] as const
const TYPES = Object.keys(fakeProviderFile(''))

let echo: Awaited<ReturnType<typeof startEcho>>
let upstream: FakeUpstream
let tokens: TokenEndpoint
let folder: Awaited<ReturnType<typeof temporaryFolder>>
let gateway: GatewayProcess
let apiKey = ''
let jwt = ''
let admin: Record<string, string> = {}
/** Everything that came back to callers, headers too. */
const answers: string[] = []
/** What stood in a place after the traffic. */
const sinks = new Map<string, string>()
const family: { pid: number; argv: string; environment: string }[] = []

function files(): Record<string, unknown> {
  const providers = Object.fromEntries(
    KINDS.flatMap((kind) =>
      Object.entries(fakeProviderFile(`${echo.url}/${kind}`)).map(([type, file]) => [`${type}-${kind}`, file]),
    ),
  )
  const routes = Object.fromEntries(
    Object.keys(providers).map((id) => {
      const model = id.startsWith('bedrock')
        ? 'amazon.nova-lite-v1:0'
        : id.startsWith('gemini') || id.startsWith('vertex')
          ? 'gemini-2.5-flash'
          : 'fake'
      return [id, { targets: [{ provider: id, model }] }]
    }),
  )
  return {
    'tollgate.json': gatewayFile({
      telemetry: { level: 'debug', otlp: { url: `${echo.url}/v1/traces`, headers: { 'x-collector-key': 'env:OTLP_KEY' } } },
      providers,
      routes,
    }),
    'servers/bearer.json': { type: 'http', url: upstream.url, credential: { type: 'bearer', token: 'env:UPSTREAM_TOKEN' } },
    'servers/header.json': {
      type: 'http',
      url: upstream.url,
      credential: { type: 'header', name: 'x-api-key', value: 'env:UPSTREAM_HEADER' },
    },
    'servers/oauth.json': {
      type: 'http',
      url: upstream.url,
      credential: { type: 'client_credentials', tokenUrl: tokens.url, clientId: 'gate', clientSecret: 'env:CLIENT_SECRET' },
    },
    'servers/child.json': {
      type: 'stdio',
      command: 'node',
      args: [program],
      cwd: root,
      env: { SECRET_OF_CHILD: 'env:CHILD_SECRET' },
    },
    'servers/broken.json': {
      type: 'http',
      url: `${echo.url}/500/mcp`,
      credential: { type: 'bearer', token: 'env:UPSTREAM_TOKEN' },
    },
    'catalogs/research.json': {
      title: 'Research',
      for: { teams: ['research'] },
      tools: ['bearer', 'header', 'oauth', 'child', 'broken'].map((server) => ({ server, allow: ['*'], prefix: true })),
      models: Object.keys(routes).map((route) => ({ route })),
    },
  }
}

async function post(path: string, body: unknown, headers: Record<string, string>): Promise<void> {
  const response = await fetch(gateway.url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  })
  answers.push(`${JSON.stringify([...response.headers])}\n${await response.text().catch(String)}`)
}

async function callTool(name: string, args: object, headers: Record<string, string>): Promise<void> {
  const { text, headers: got } = await modernRequest(`${gateway.url}/mcp`, 'tools/call', { name, arguments: args }, { headers })
  answers.push(`${JSON.stringify([...got])}\n${text}`)
}

/** Calls of every kind, most of which fail. */
async function traffic(): Promise<void> {
  const bearer = { authorization: `Bearer ${jwt}` }
  const chat = { messages: [{ role: 'user', content: WORDS.prompt }] }
  for (const kind of KINDS) {
    await Promise.all(
      TYPES.flatMap((type) => [
        post('/v1/chat/completions', { ...chat, model: `${type}-${kind}` }, bearer),
        post('/v1/chat/completions', { ...chat, model: `${type}-${kind}`, stream: true }, { 'x-api-key': apiKey }),
      ]),
    )
    await post('/v1/messages', { ...chat, model: `anthropic-${kind}`, max_tokens: 5 }, { 'x-api-key': apiKey })
    await post('/v1/responses', { input: WORDS.prompt, model: `openai-${kind}` }, { 'api-key': apiKey })
    await post('/v1/embeddings', { input: WORDS.prompt, model: `openai-${kind}` }, bearer)
  }
  const args = { text: WORDS.argument }
  for (const server of ['bearer', 'header', 'oauth']) {
    for (const name of ['repeat', 'fail', 'crash', 'refuse']) await callTool(`${server}_${name}`, args, bearer)
  }
  await callTool('child_echo', args, bearer)
  await callTool('child_fails', args, bearer)
  await callTool('child_stderr', { text: `${SECRETS.CHILD_SECRET}\n`, times: 1 }, bearer)
  await callTool('child_crash', args, bearer)
  for (const authorization of [`Bearer ${FORGED}`, `Basic ${FORGED}`, `Bearer ${jwt}x`, FORGED]) {
    await post('/v1/chat/completions', chat, { authorization })
    await callTool('child_echo', args, { authorization })
  }
  await post(`/v1/chat/completions?access_token=${QUERY}&key=${QUERY}`, chat, {})
  await post('/mcp', `{"jsonrpc":"2.0","id":1,"method":"${WORDS.argument}"`, bearer)
}

/** A server that repeats what it was sent, in a result and in each kind of failure. */
const repeating = modern(
  () => ['repeat', 'fail', 'crash', 'refuse'].map((name) => tool(name)),
  (request, response) => {
    const { name } = request.body['params'] as { name: string } // tools/call
    const said = JSON.stringify(request.headers)
    if (name === 'repeat') answer(response, request, { resultType: 'complete', content: [{ type: 'text', text: WORDS.result }] })
    else if (name === 'fail') refuse(response, request, 200, { code: -32_000, message: `no: ${said}`, data: { said } })
    else if (name === 'crash') response.writeHead(500, { 'content-type': 'text/plain' }).end(said)
    else response.writeHead(401, { 'www-authenticate': `Bearer error="${request.headers.authorization ?? ''}"` }).end(said)
  },
)

/** Every file below a folder, but those that hold a secret on purpose. */
function filesBelow(path: string): string {
  return readdirSync(path, { recursive: true })
    .map((name) => join(path, String(name)))
    .filter((file) => statSync(file).isFile())
    .map((file) => readFileSync(file, 'latin1'))
    .join('\n')
}

function familyOf(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number)
  return children.flatMap((child) => [child, ...familyOf(child)])
}

async function fetchText(url: string, headers: Record<string, string> = {}): Promise<string> {
  const response = await fetch(url, { headers })
  return `${response.status} ${JSON.stringify([...response.headers])}\n${await response.text()}`
}

const ADMIN_PATHS = [
  '/metrics',
  '/admin/v1/status',
  '/admin/v1/entries?limit=1000',
  '/admin/v1/usage?by=target',
  '/admin/v1/usage?by=user&format=csv',
  '/admin/v1/usage?by=session&format=table',
  '/admin/v1/targets',
  '/admin/v1/targets?format=table',
  '/admin/v1/explain?team=research&tool=child_echo',
  '/admin/v1/explain?team=research&model=openai-401',
  '/admin/v1/nothing',
]

beforeAll(async () => {
  Object.assign(process.env, SECRETS)
  echo = await startEcho()
  upstream = await startFakeUpstream(repeating)
  tokens = await startTokenEndpoint()
  tokens.answer = () => ({ access_token: ISSUED, token_type: 'Bearer', expires_in: 3_600 })
  folder = await temporaryFolder()
  writeFiles(folder.path, files())
  gateway = await startGatewayProcess(folder.path)
  const keys = await openKeyStore(join(folder.path, '.tollgate'), Date.now)
  apiKey = (
    await keys.create({ principal: { subject: 'bot', kind: 'agent', team: 'research', groups: [], roles: [], scopes: [] } })
  ).key
  keys.close()
  jwt = await developmentToken(folder.path, { team: 'research' })
  admin = { authorization: `Bearer ${await developmentToken(folder.path, { roles: ['admin', 'auditor', 'viewer'] })}` }

  await traffic()
  await callTool('child_echo', {}, { authorization: `Bearer ${jwt}` })
  const { entries } = JSON.parse(
    (await fetchText(`${gateway.adminUrl}/admin/v1/entries?limit=1000`, admin)).split('\n')[1] ?? '',
  ) as {
    entries: { id: string }[]
  } // GET /admin/v1/entries
  const paths = [...ADMIN_PATHS, ...entries.slice(0, 50).map(({ id }) => `/admin/v1/exchanges/${id}`)]
  sinks.set('the admin API', (await Promise.all(paths.map((path) => fetchText(gateway.adminUrl + path, admin)))).join('\n'))
  sinks.set(
    'health',
    (await Promise.all(['/livez', '/readyz?verbose'].map((path) => fetchText(gateway.healthUrl + path)))).join('\n'),
  )
  sinks.set('answers to callers', answers.join('\n'))
  for (const pid of [gateway.child.pid ?? 0, ...familyOf(gateway.child.pid ?? 0)]) {
    const [argv = '', environment = ''] = ['cmdline', 'environ'].map((name) => readFileSync(`/proc/${pid}/${name}`, 'latin1'))
    family.push({ pid, argv, environment })
  }
  sinks.set('arguments of processes', family.map(({ argv }) => argv).join('\n'))
  const ended = once(gateway.child, 'exit')
  gateway.child.kill('SIGTERM')
  await ended
  sinks.set('standard output and error', gateway.output())
  sinks.set(
    'traces',
    echo.bodies
      .map((body) => body.toString('latin1'))
      .filter((body) => body.includes('tools/call'))
      .join('\n'),
  )
  sinks.set('files of the state folder', filesBelow(join(folder.path, '.tollgate')))
}, 120_000)
afterAll(async () => {
  for (const name of Object.keys(SECRETS)) delete process.env[name]
  await gateway.kill('SIGKILL')
  for (const one of [echo, upstream, tokens, folder]) await one[Symbol.asyncDispose]()
})

/** The ways a secret may be written. */
function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret)
  return [secret, encodeURIComponent(secret), bytes.toString('base64').slice(0, -4), bytes.toString('hex'), secret.toUpperCase()]
}

function found(text: string, secrets: readonly string[]): string[] {
  return secrets.filter((secret) => spellings(secret).some((spelling) => text.includes(spelling)))
}

const ofCallers = (): string[] => [apiKey, jwt, jwt.split('.')[2] ?? '', apiKey.slice(-20)]
const SINKS = [
  'the admin API',
  'health',
  'answers to callers',
  'arguments of processes',
  'standard output and error',
  'traces',
  'files of the state folder',
]

describe('after calls of every kind', () => {
  it('J01: the traffic was what it should be', () => {
    expect(answers.length).toBeGreaterThan(90)
    for (const sink of SINKS) expect(sinks.get(sink)?.length, sink).toBeGreaterThan(100)
    expect(sinks.get('answers to callers')).toContain(WORDS.result)
  })

  it.each(SINKS)('J01, J02, J09, J11: %s hold no secret of the operator, also where a provider or server repeats it', (sink) => {
    expect(found(sinks.get(sink) ?? '', [...Object.values(SECRETS), ISSUED])).toEqual([])
  })

  it.each(SINKS)('J01: %s hold no credential of a caller', (sink) => {
    expect(found(sinks.get(sink) ?? '', [...ofCallers(), FORGED, QUERY])).toEqual([])
  })

  it.each(SINKS.filter((sink) => sink !== 'answers to callers'))('J14: %s hold no words of calls, at level debug', (sink) => {
    expect(found(sinks.get(sink) ?? '', Object.values(WORDS))).toEqual([])
  })

  it('J06: the state folder names its keys by hash, and nothing in it opens the gate', () => {
    const state = sinks.get('files of the state folder') ?? ''

    expect(state).toContain('"hash"')
    expect(found(state, ofCallers())).toEqual([])
  })

  it('J08: children see their own secret alone', () => {
    const [own, ...children] = family
    const holding = children.filter(({ environment }) => environment.includes(SECRETS.CHILD_SECRET))

    expect(own?.environment).toContain(SECRETS.FAKE_KEY) // where references lead
    expect(holding.length).toBe(1)
    for (const { environment } of children)
      expect(
        found(
          environment,
          Object.values(SECRETS).filter((secret) => secret !== SECRETS.CHILD_SECRET),
        ),
      ).toEqual([])
  })
})

describe('doors', () => {
  it('J05, J12: metrics want a credential, and no listener offers heaps, profiles or a debugger', async () => {
    await using on = await startTestGateway({})
    const paths = [
      '/metrics',
      '/debug/pprof/heap',
      '/heapdump',
      '/json/list',
      '/debug/vars',
      '/__inspect',
      '/actuator/heapdump',
      '/env',
    ]

    for (const origin of [on.url, on.adminUrl, on.healthUrl]) {
      const statuses = await Promise.all(paths.map(async (path) => (await fetch(origin + path)).status))
      expect(
        statuses.filter((status) => status < 400),
        origin,
      ).toEqual([])
    }
    expect((await fetch(`${on.adminUrl}/metrics`)).status).toBe(401)
  })

  it('L02, L08, L10, L11: each role reaches what it may, no page of another site anything, and answers are never rendered', async () => {
    await using on = await startTestGateway({})
    const routes = ['status', 'usage', 'entries', 'targets'].map((name) => `GET /admin/v1/${name}`)
    const expected = { admin: 200, auditor: 200, viewer: 200, operator: 403 }

    for (const [role, status] of Object.entries(expected)) {
      const headers = { authorization: `Bearer ${await on.token('ops', { roles: [role] })}` }
      for (const route of [...routes, 'POST /admin/v1/reload']) {
        const [method = '', path = ''] = route.split(' ')
        const allowed = await fetch(on.adminUrl + path, { method, headers })
        const forged = await fetch(on.adminUrl + path, { method, headers: { ...headers, origin: 'https://evil.test' } })

        expect(allowed.status, `${role} ${route}`).toBe(method === 'POST' && role !== 'admin' ? 403 : status)
        expect(forged.status).toBe(403)
        expect(allowed.headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'")
        expect([allowed.headers.get('x-content-type-options'), allowed.headers.get('cache-control')]).toEqual([
          'nosniff',
          'no-store',
        ])
      }
    }
  })
})

describe('switches that make libraries talk', () => {
  const switched = async (name: string, value: string): Promise<GatewayProcess> => {
    const own = await temporaryFolder()
    disposed.push(own)
    writeFiles(own.path, files())
    process.env[name] = value
    try {
      return await startGatewayProcess(own.path)
    } finally {
      delete process.env[name]
    }
  }
  const disposed: AsyncDisposable[] = []
  afterAll(async () => {
    for (const one of disposed) await one[Symbol.asyncDispose]()
  })

  it.each(['http', 'child_process', '*'])(
    'J03: NODE_DEBUG=%s, which prints credentials, is refused with words',
    async (value) => {
      const failure = String(await switched('NODE_DEBUG', value).catch((error: unknown) => error))

      expect(failure).toContain('NODE_DEBUG is set')
      expect(failure).toContain('ended with 3')
    },
  )

  it('J03: DEBUG=* prints no credential and no words', async () => {
    const started = await switched('DEBUG', '*')
    const headers = { authorization: `Bearer ${FORGED}`, 'content-type': 'application/json' }

    await fetch(`${started.url}/v1/chat/completions`, { method: 'POST', headers, body: JSON.stringify({ model: WORDS.prompt }) })
    await fetch(`${started.adminUrl}/admin/v1/status`, { headers })
    await started.kill('SIGTERM')

    expect(found(started.output(), [...Object.values(SECRETS), FORGED, ...Object.values(WORDS)])).toEqual([])
  })
})

it('J10: a credential that is rotated in its file costs no call', async () => {
  let accepted = 'first-token'
  await using server = await startFakeUpstream((request, response) => {
    if (request.headers.authorization !== `Bearer ${accepted}`) return void response.writeHead(401).end()
    return repeating(request, response)
  })
  await using on = await startTestGateway({
    token: 'x',
    'servers/rotated.json': { type: 'http', url: server.url, credential: { type: 'bearer', token: 'file:secret' } },
    'catalogs/research.json': { title: 'R', for: { teams: ['research'] }, tools: [{ server: 'rotated', allow: ['*'] }] },
    secret: 'first-token',
  })
  await on.running.files.reload()
  await on.until((snapshot) => snapshot.catalogs.get('research')?.items.tool.length === 4, 10_000)
  const headers = { authorization: `Bearer ${await on.token('research')}` }
  const call = () => modernRequest(`${on.url}/mcp`, 'tools/call', { name: 'repeat', arguments: {} }, { headers })

  const results = [await call(), await call()]
  writeFileSync(join(on.folder, 'secret'), 'second-token')
  accepted = 'second-token'
  results.push(...(await Promise.all([call(), call(), call()])), await call())

  expect(results.map(({ message }) => message?.result !== undefined)).toEqual(results.map(() => true))
})

it('J06: a seal key that is no key ends the start, and is not repeated', async () => {
  await using own = await temporaryFolder()
  writeFiles(own.path, { 'tollgate.json': gatewayFile(), '.tollgate/other': '' })
  writeFileSync(join(own.path, '.tollgate/seal-key'), word('seal'), { mode: 0o600 })

  const failure = String(await startGatewayProcess(own.path).catch((error: unknown) => error))

  expect(failure).toMatch(/ended with [1-9]/)
  expect(failure).not.toContain(word('seal'))
})

describe('credentials inside an address or a setting', () => {
  const secret = 'hunter2-in-a-file'
  const gatewayFiles: [name: string, over: Record<string, unknown>][] = [
    ['a provider', { providers: { p: { type: 'openai', baseUrl: `https://user:${secret}@h.test/v1`, key: 'env:K' } } }],
    [
      'a provider, in its query',
      { providers: { p: { type: 'openai', baseUrl: `https://h.test/v1?key=${secret}`, key: 'env:K' } } },
    ],
    ['a key of a provider', { providers: { p: { type: 'openai', key: secret } } }],
    ['a key set', { identity: { issuers: [{ issuer: 'https://i.test', jwks: { url: `https://u:${secret}@i.test/k` } }] } }],
    ['an issuer', { identity: { issuers: [{ issuer: `https://u:${secret}@i.test`, jwks: { discovery: true } }] } }],
    ['a collector', { telemetry: { otlp: { url: `https://o.test/v1/traces?api_key=${secret}` } } }],
    ['headers of a collector', { telemetry: { otlp: { url: 'https://o.test/v1/traces', headers: { a: secret } } } }],
    ['the public URL', { publicUrl: `https://u:${secret}@o.test` }],
    ['the seal', { seal: { keys: [secret] } }],
  ]
  const serverFiles: [name: string, file: Record<string, unknown>][] = [
    ['a server', { type: 'http', url: `https://user:${secret}@h.test/mcp` }],
    ['a server, in its query', { type: 'http', url: `https://h.test/mcp?api_key=${secret}` }],
    ['a bearer token', { type: 'http', url: 'https://h.test/mcp', credential: { type: 'bearer', token: secret } }],
    ['a header', { type: 'http', url: 'https://h.test/mcp', headers: { authorization: `Bearer ${secret}` } }],
    ['a variable', { type: 'stdio', command: 'node', args: ['x.js'], env: { API_TOKEN: secret } }],
    [
      'a token endpoint',
      {
        type: 'http',
        url: 'https://h.test/mcp',
        credential: { type: 'client_credentials', tokenUrl: `https://u:${secret}@t.test`, clientId: 'x', clientSecret: 'env:S' },
      },
    ],
  ]

  it.each([
    ...gatewayFiles.map(([name, over]) => [name, 'tollgate.json', gatewayFile(over)] as const),
    ...serverFiles.map(([name, file]) => [name, 'servers/s.json', file] as const),
  ])('J13: of %s are refused, and not repeated', async (_name, path, content) => {
    await using own = await temporaryFolder()
    writeFiles(own.path, { 'tollgate.json': gatewayFile(), [path]: content })

    const { problems } = await readConfig(join(own.path, 'tollgate.json'), {})

    expect(problems.filter(({ file }) => file === path)).not.toEqual([])
    expect(JSON.stringify(problems)).not.toContain(secret)
  })
})
