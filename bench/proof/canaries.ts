import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { startBackEnd, type BackEnd } from './back-end.ts'
import { createCaller, holds, type Caller } from './caller.ts'
import { childProgram } from './drain.ts'
import { missedOf, type Context, type Figure, type Measured } from './figure.ts'
import { createSite, type Gate, type Site } from './gate.ts'
import { createOperator } from './operator.ts'

/** F19: a secret stays where it was put. */
export const canaries: Figure = {
  id: 'F19',
  what: 'Secret canaries in every slot for a secret, log level debug, upstreams that say back what they were sent: log, metrics, traces, ledger, admin API, answers to callers, state folder',
  target: '0 hits in all sinks; a canary that is no secret is found in each sink it belongs to',
  measure,
}

/** A slot each; the value is what must not be seen again. */
interface Secrets {
  readonly [slot: string]: string
}

/** Where something may come out, by name. */
type Sinks = Readonly<Record<string, string>>

const ROUNDS = 20
/** A label is no secret: that it is found shows that the search finds. */
const OPEN = 'canary-open-label'

async function measure(context: Context): Promise<Measured> {
  const { stack } = context
  const backEnd = stack.use(await startBackEnd())
  const collector = stack.use(await startCollector())
  const secrets = Object.fromEntries(
    ['PROVIDER', 'BEARER', 'HEADER', 'BASIC', 'CLIENT', 'OTLP', 'CHILD', 'SEAL'].map((slot) => [
      slot,
      slot === 'SEAL' ? randomBytes(32).toString('base64') : `canary-${slot.toLowerCase()}-${randomBytes(12).toString('hex')}`,
    ]),
  )
  const site = await createSite(context, planOf(backEnd, collector.url))
  const env = Object.fromEntries(Object.entries(secrets).map(([slot, value]) => [`CANARY_${slot}`, value]))
  const gate = stack.use(await site.start({ env }))
  const token = await site.token({ team: 'proof', id: 'canary-id' })
  const caller = stack.use(createCaller(site, token, 16))
  const echoed: string[] = []
  backEnd.onCall = ({ headers }) => void echoed.push(String(headers['authorization'] ?? ''), String(headers['x-key'] ?? ''))
  const heard = await traffic(caller, backEnd)
  await holds(() => collector.received.join('').length > 0, 10_000)
  const all: Secrets = { ...secrets, 'caller token': token.split('.')[2] ?? '' }
  const sinks = await sinksOf({ site, gate, heard, traces: collector.received.join('\n') })
  const hits = Object.entries(sinks).flatMap(([sink, text]) =>
    Object.entries(all).flatMap(([slot, secret]) =>
      formsOf(secret).some((form) => text.includes(form)) ? [`${slot} in ${sink}`] : [],
    ),
  )
  const used = Object.values(secrets).filter((secret) =>
    echoed.some((header) => formsOf(secret).some((form) => header.includes(form))),
  ).length
  const found = ['the ledger', 'the entries of the admin API'].filter((sink) => sinks[sink]?.includes(OPEN) === true)
  const bytes = Object.values(sinks).reduce((sum, text) => sum + text.length, 0)
  return {
    measured: `${Object.keys(all).length} secrets, ${Object.keys(sinks).length} sinks of ${(bytes / 1_048_576).toFixed(1)} MiB: ${hits.length} hits; ${used} of the secrets were seen to reach their upstream, and the open canary was found in ${found.join(' and ')}`,
    missed: [
      ...hits,
      ...missedOf({
        'no secret was used': used >= 4,
        'the search does not find': found.length === 2,
        'no trace came': collector.received.length > 0,
      }),
    ],
    note: 'Searched as text, base64 and URL-encoded; the state folder is searched without the files that keep secrets on purpose',
  }
}

function planOf(backEnd: BackEnd, collector: string): Parameters<typeof createSite>[1] {
  const server = (credential: object): object => ({ type: 'http', url: backEnd.mcpUrl, credential })
  const servers = {
    bearer: server({ type: 'bearer', token: 'env:CANARY_BEARER' }),
    header: server({ type: 'header', name: 'x-key', value: 'env:CANARY_HEADER' }),
    basic: server({ type: 'basic', username: 'proof', password: 'env:CANARY_BASIC' }),
    client: server({
      type: 'client_credentials',
      tokenUrl: `${collector}/token`,
      clientId: 'proof',
      clientSecret: 'env:CANARY_CLIENT',
    }),
    child: { type: 'stdio', command: 'node', args: [childProgram], env: { CHILD_SECRET: 'env:CANARY_CHILD' } },
  }
  return {
    backEnd,
    file: {
      telemetry: { level: 'debug', otlp: { url: `${collector}/v1/traces`, headers: { 'x-otlp': 'env:CANARY_OTLP' } } },
      seal: { keys: ['env:CANARY_SEAL'] },
      providers: { main: { type: 'openai_compatible', baseUrl: backEnd.modelUrl, key: 'env:CANARY_PROVIDER' } },
      routes: { chat: { targets: [{ provider: 'main', model: 'chat' }] } },
    },
    files: Object.fromEntries(Object.entries(servers).map(([id, file]) => [`servers/${id}.json`, file])),
    catalog: {
      tools: Object.keys(servers).flatMap((server_) =>
        (server_ === 'child' ? ['late', 'crash', 'fails'] : ['echo']).map((tool) => ({
          server: server_,
          tool,
          as: `${server_}_${tool}`,
          labels: { open: OPEN },
        })),
      ),
    },
  }
}

/** Everything that goes well and everything that does not, in both facets. Returns what callers were answered. */
async function traffic(caller: Caller, backEnd: BackEnd): Promise<string> {
  const heard: string[] = []
  const names = [
    'bearer_echo',
    'header_echo',
    'basic_echo',
    'client_echo',
    'child_late',
    'child_fails',
    'child_crash',
    'no_such_tool',
  ]
  await holds(async () => (await caller.tool('bearer_echo', { text: 'x' })).ok, 10_000)
  for (const manner of ['answers', 'fails', 'answers'] as const) {
    backEnd.manner = manner
    for (let round = 0; round < ROUNDS; round += 1) {
      const outcomes = await Promise.all([
        ...names.map((name) => caller.tool(name, { text: 'x', ms: 1 })),
        caller.chat('x'),
        caller.chat('x', { stream: true }),
        caller.chat('x', { model: 'none' }),
        caller.list(),
        caller.post('/mcp', '{'),
        caller.post('/mcp', '{}', { authorization: 'Bearer wrong' }),
      ])
      heard.push(...outcomes.map(({ text }) => text))
    }
  }
  return heard.join('\n')
}

async function sinksOf({
  site,
  gate,
  heard,
  traces,
}: {
  readonly site: Site
  readonly gate: Gate
  readonly heard: string
  readonly traces: string
}): Promise<Sinks> {
  const operator = await createOperator(site)
  const asked = await Promise.all(
    ['/metrics', '/admin/v1/status', '/admin/v1/usage?by=target', '/admin/v1/targets', '/admin/v1/entries?limit=10000'].map(
      async (path) => [path, await operator.get(path)] as const,
    ),
  )
  const entries = asked.at(-1)?.[1] ?? ''
  const health = await (await fetch(`${site.healthUrl}/readyz?verbose`)).text()
  await gate.end('SIGTERM')
  const state = join(site.folder, '.tollgate')
  const files = readdirSync(state, { recursive: true, withFileTypes: true }).filter((file) => file.isFile())
  const kept = files.map((file) => readFileSync(join(file.parentPath, file.name), 'latin1'))
  const ledger = files.flatMap((file, index) => (file.parentPath.endsWith('ledger') ? [kept[index] ?? ''] : []))
  return {
    'the log': gate.output(),
    'answers to callers': heard,
    traces,
    'the entries of the admin API': entries,
    'the rest of the admin API': asked.map(([, text]) => text).join('\n'),
    health,
    'the ledger': ledger.join('\n'),
    'the state folder': kept.join('\n'),
  }
}

/** A secret as it is, in base64 (as a basic credential holds it) and as a form would write it. */
function formsOf(secret: string): readonly string[] {
  const basic = Buffer.from(`proof:${secret}`).toString('base64').replaceAll('=', '')
  return [secret, encodeURIComponent(secret), Buffer.from(secret).toString('base64').replaceAll('=', ''), basic]
}

interface Collector extends AsyncDisposable {
  readonly url: string
  readonly received: string[]
}

/** Takes traces as a collector does, and gives tokens as an authorization server does. */
async function startCollector(): Promise<Collector> {
  const received: string[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const isToken = request.url === '/token'
      if (!isToken) received.push(Buffer.concat(chunks).toString('latin1'))
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(isToken ? '{"access_token":"granted","token_type":"Bearer","expires_in":600}' : '{}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return {
    url: `http://127.0.0.1:${port}`,
    received,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
