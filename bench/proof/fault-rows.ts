import { connect } from 'node:net'
import type { Arena } from '../../test/kit/arena.ts'
import { honest, hostileTool, said, type HostileMcp, type Script, type Transport } from '../../test/kit/hostile-mcp.ts'
import {
  edited,
  endless,
  faultAt,
  lyingLength,
  lyingUsage,
  right,
  type HostileProvider,
  type ProviderScript,
} from '../../test/kit/hostile-provider.ts'

/** What the rows play on: one gateway, a hostile server on each transport, a hostile provider. */
export interface Stage {
  readonly arena: Arena
  readonly servers: Readonly<Record<Transport, HostileMcp>>
  readonly provider: HostileProvider
}

/** One fault: its row in the catalogue, and how it is brought about. */
export interface FaultRow {
  readonly id: string
  readonly what: string
  run(stage: Stage): Promise<void>
}

const MEGABYTE = 1_048_576

/** Answers `tools/call` with a script and everything else rightly; each transport has a tool of its own name. */
export function calling(transport: Transport, call: Script): Script {
  return honest({ tools: () => [hostileTool(transport)], era: transport === 'sse' ? 'legacy' : 'modern' }, { 'tools/call': call })
}

const TRANSPORTS: readonly Transport[] = ['http', 'sse', 'stdio']

/** A fault of a server: every transport that has it plays it to four calls at once, and is right again afterwards. */
function server(id: string, what: string, call: Script, transports: readonly Transport[] = TRANSPORTS): FaultRow {
  const run = async ({ arena, servers }: Stage): Promise<void> => {
    for (const transport of transports) servers[transport].become(calling(transport, call))
    await Promise.all(transports.flatMap((transport) => Array.from({ length: 4 }, () => arena.call(transport))))
    for (const transport of transports) servers[transport].become(calling(transport, (step) => step.result(said('ok'))))
  }
  return { id, what, run }
}

/** A fault of the provider, played to each door, whole and streamed. */
function provider(id: string, what: string, script: ProviderScript): FaultRow {
  const run = async (stage: Stage): Promise<void> => {
    stage.provider.become(script)
    const messages = [{ role: 'user', content: 'hi' }]
    for (const stream of [false, true]) {
      await stage.arena.ask('/v1/chat/completions', { model: 'hostile', stream, messages })
      await stage.arena.ask('/v1/messages', { model: 'hostile', stream, max_tokens: 50, messages })
      await stage.arena.ask('/v1/responses', { model: 'hostile', stream, input: 'hi' })
    }
    stage.provider.become(right)
  }
  return { id, what, run }
}

/** A fault of a caller: bytes on a socket, so many times. */
function caller(id: string, what: string, bytes: (token: string) => string | Buffer): FaultRow {
  return {
    id,
    what,
    run: async ({ arena }) => void (await Promise.all(Array.from({ length: 50 }, () => send(arena, bytes(arena.token))))),
  }
}

const PATIENCE_MS = 3_000

function send({ gateway }: Arena, bytes: string | Buffer): Promise<void> {
  const { hostname, port } = new URL(gateway.url)
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname, () => socket.write(bytes))
    const end = (): void => {
      socket.destroy()
      resolve()
    }
    socket.on('data', end).on('error', end).on('close', end).setTimeout(PATIENCE_MS, end)
  })
}

function post(token: string, body: string, more = ''): string {
  const length = Buffer.byteLength(body)
  return `POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n${more}content-length: ${length}\r\n\r\n${body}`
}

const CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}'
const answerOf = (id: unknown, result: object): string => JSON.stringify({ jsonrpc: '2.0', id, result })

/** Every row that is played, in order. */
export const FAULT_ROWS: readonly FaultRow[] = [
  server('E01', 'never answers', () => undefined),
  server('E03', 'no JSON', (step) => step.body('<html>oops</html>', 'text/html'), ['http']),
  server('E03', 'an answer of nothing', (step) => step.body('', 'application/json'), ['http']),
  server('E03', 'a truncated answer', (step) => step.body('{"jsonrpc":"2.0","id":1,"result":{"con', 'application/json'), [
    'http',
  ]),
  server('E03', 'an array', (step) => step.body('[1,2,3]', 'application/json'), ['http']),
  server('E03', 'the id of somebody else', (step) => step.body(answerOf(987_654, said('stolen')), 'application/json'), ['http']),
  server(
    'E04',
    'a length that is too long',
    async (step) => {
      await step.raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100000\r\n\r\n{}')
      step.hangUp()
    },
    ['http'],
  ),
  server(
    'E04',
    'bad chunks',
    async (step) => {
      await step.raw('HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n{}\r\n')
      step.hangUp()
    },
    ['http'],
  ),
  server('E05', 'a result of 8 MB over a bound of 1 MB', (step) => step.result(said('x'.repeat(8 * MEGABYTE))), ['http', 'sse']),
  server(
    'E06',
    'a result 5,000 levels deep',
    (step) =>
      step.body(
        `{"jsonrpc":"2.0","id":${JSON.stringify(step.id)},"result":{"content":[],"deep":${'['.repeat(5_000)}${']'.repeat(5_000)}}}`,
        'application/json',
      ),
    ['http'],
  ),
  server(
    'E16',
    'two answers',
    (step) => {
      step.result(said('first'))
      step.result(said('second'))
    },
    ['sse', 'stdio'],
  ),
  server(
    'E18',
    'an encoding that is a lie',
    async (step) => {
      await step.raw(
        'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip\r\ncontent-length: 9\r\n\r\nnot gzip!',
      )
      step.hangUp()
    },
    ['http'],
  ),
  server(
    'E19',
    'a redirect',
    async (step) => {
      await step.raw('HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n')
      step.hangUp()
    },
    ['http'],
  ),
  server('E21', '10,000 notifications nobody asked for', async (step) => {
    for (let index = 0; index < 10_000; index += 1)
      await step.send({
        jsonrpc: '2.0',
        method: 'notifications/progress',
        params: { progressToken: `no-${index}`, progress: index },
      })
    step.result(said('ok'))
  }),
  server('E23', 'an error with a stack trace', (step) => step.error(-32_000, 'Error: secret\n    at /srv/app/main.js:1:1')),
  server('F12', 'a connection that ends instead of an answer', (step) => step.hangUp(), ['http', 'stdio']),
  provider('G04', 'a stream that stalls', faultAt(200, 'stall')),
  provider('G11', 'an answer that ends early', faultAt(200, 'end')),
  provider('G12', 'a reset in the answer', faultAt(150, 'reset')),
  provider('G12', 'a connection that closes before the first byte', faultAt(0, 'close')),
  provider('G14', 'a line of 5 MB', faultAt(120, Buffer.from(`data: ${'x'.repeat(5 * MEGABYTE)}`))),
  provider('G15', 'bytes that belong to nothing', faultAt(90, Buffer.from([0xff, 0xfe, 0x00, 0x0d, 0x0a]))),
  provider(
    'G15',
    'no choices',
    edited((text) => text.replaceAll(/"choices":\[.*?\]/g, '"choices":[]')),
  ),
  provider('G17', 'usage of a wrong type', lyingUsage('many')),
  provider('G17', 'no usage at all', lyingUsage(null)),
  provider('G18', 'an answer without an end', endless('data: {"choices":[]}\n\n', 60 * MEGABYTE)),
  provider('E04', 'a provider that lies about its length', lyingLength(500)),
  caller('B01', 'two lengths', (token) => post(token, CALL, 'content-length: 3\r\n')),
  caller(
    'B04',
    'headers that never end',
    (token) => `POST /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\nx-slow: `,
  ),
  caller('B07', 'headers of 64 KB', (token) => post(token, CALL, `x-large: ${'x'.repeat(65_536)}\r\n`)),
  caller('B02', 'no HTTP', () => Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 37) % 256))),
  caller('C01', 'a message 10,000 levels deep', (token) => post(token, '['.repeat(10_000))),
  caller('C03', 'the same key twice', (token) =>
    post(token, '{"jsonrpc":"2.0","id":1,"method":"tools/list","method":"tools/call"}'),
  ),
  caller('C08', 'a batch of 1,000', (token) => post(token, `[${Array.from({ length: 1_000 }, () => CALL).join(',')}]`)),
  caller('B05', 'a request that is cut off', (token) => post(token, CALL).slice(0, -20)),
]
