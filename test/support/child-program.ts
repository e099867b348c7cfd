// A stdio server of the legacy era that does what it is told, good and bad. Raw lines on purpose: no SDK would let it misbehave.
//   node test/support/child-program.ts [--stubborn] [--tree] [--exit-on-probe] [--silent-on-probe] [--crash-at-start] [--deaf] [--modern] [--slow-probe]
import { spawn } from 'node:child_process'
import { closeSync, readdirSync, writeSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** Whatever a test sent: it is believed. */
type Sent = ReturnType<typeof JSON.parse>
type Message = { id?: number | string; method?: string; params?: Sent; result?: unknown; error?: unknown }

const flags = new Set(process.argv.slice(2))
const waiting = new Map<string, (answer: Message) => void>()
const cancelled: unknown[] = []
const levels: unknown[] = []
const listens: unknown[] = []
let descendants: number[] = []
let asked = 0

if (flags.has('--crash-at-start')) process.exit(3)
if (flags.has('--stubborn')) {
  process.on('SIGTERM', () => undefined)
  setInterval(() => undefined, 60_000)
}
if (flags.has('--tree')) {
  // The way npx does it: a shell that waits for a program. Neither reads stdin, so its end tells them nothing.
  const program = `process.on('SIGTERM', () => {}); setInterval(() => {}, 60000)`
  const shell = spawn('/bin/sh', ['-c', `"${process.execPath}" -e "${program}" & echo $!; wait`], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const inner = await new Promise<number>((resolve) => shell.stdout.once('data', (text: Buffer) => resolve(Number(text))))
  descendants = [shell.pid ?? 0, inner]
}

const send = (message: object): void => {
  process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`)
}
const text = (value: unknown) => ({
  content: [{ type: 'text', text: typeof value === 'string' ? value : JSON.stringify(value) }],
})

const ask = (method: string, params: object): Promise<Message> => {
  const id = `s${++asked}`
  send({ id, method, params })
  return new Promise((resolve) => waiting.set(id, resolve))
}

/** A synchronous write that waits for the reader, as a flooding program would. */
const pour = (fd: number, chunk: Buffer, times: number): void => {
  for (let round = 0; round < times; round++) {
    for (let from = 0; from < chunk.length; from += writeSome(fd, chunk, from));
  }
}

const writeSome = (fd: number, chunk: Buffer, from: number): number => {
  try {
    return writeSync(fd, chunk, from)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EAGAIN')) throw error
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 2)
    return 0
  }
}

const TOOLS: Record<string, (id: number | string, input: Sent, meta: Sent) => unknown> = {
  echo: (_id, input) => text(input),
  argv: () => text(process.argv.slice(2)),
  environment: () => text(process.env),
  where: () => text({ pid: process.pid, cwd: process.cwd(), node: process.execPath, version: process.version, descendants }),
  descriptors: () => text(readdirSync('/proc/self/fd').length),
  seen: () => text({ cancelled, levels }),
  meta: (_id, _input, meta) => text(meta),
  never: () => undefined,
  crash: () => process.exit(7),
  verbatim: (_id, input) => input['result'],
  listens: () => text(listens),
  late: (id, input) => void setTimeout(send, input['ms'], { id, result: text('late') }),
  twice: (id) => {
    send({ id, result: text('first') })
    return text('second')
  },
  both: (id) => send({ id, result: {}, error: { code: 1, message: 'x' } }),
  neither: (id) => send({ id }),
  list: (id) => send({ id, result: [1] }),
  'wrong-id': (id) => send({ id: String(id), result: text('stolen') }),
  fails: (id) => send({ id, error: { code: -32_000, message: 'no', data: { why: 1 } } }),
  number: (id) => {
    process.stdout.write(`{"jsonrpc":"2.0","id":${id},"result":{"content":[],"n":12345678901234567890,"small":1e-400}}\n`)
  },
  progress: (_id, input, meta) => {
    const token: unknown = input['token'] ?? meta['progressToken']
    for (let step = 1; step <= input['steps']; step++) {
      send({ method: 'notifications/progress', params: { progressToken: token, progress: step, message: `step ${step}` } })
    }
    return input['answer'] === false ? undefined : text('done')
  },
  drip: (_id, input, meta) => {
    let step = 0
    setInterval(() => {
      send({ method: 'notifications/progress', params: { progressToken: meta['progressToken'], progress: ++step } })
    }, input['everyMs'])
  },
  log: (_id, input) => {
    for (const level of input['levels']) send({ method: 'notifications/message', params: { level, data: `${level} message` } })
    return input['answer'] === false ? undefined : text('done')
  },
  ask: async (_id, input) =>
    text(
      (await Promise.all(input['requests'].map((request: Sent) => ask(request.method, request.params)))).map(
        (a) => a.result ?? a.error,
      ),
    ),
  'ask-and-answer': (_id, input) => {
    void ask(input['method'], {})
    return new Promise((resolve) => setTimeout(resolve, 100, text('did not wait')))
  },
  announce: (_id, input) => {
    send({ method: input['method'], params: input['params'] ?? {} })
    return text('done')
  },
  'close-stdin': () => {
    process.stdin.destroy()
    closeSync(0)
    setInterval(() => undefined, 60_000)
    return text('closed')
  },
  'close-stdout': () => {
    setInterval(() => undefined, 60_000)
    closeSync(1)
  },
  'long-line': (_id, input) => pour(1, Buffer.alloc(65_536, 'x'), Math.ceil(input['bytes'] / 65_536)),
  lines: (_id, input) => {
    pour(1, Buffer.from('{"jsonrpc":"2.0","method":"notifications/nothing"}\n'.repeat(1_000)), input['thousands'])
    return text('done')
  },
  junk: (_id, input) => {
    pour(1, Buffer.from(input['binary'] ? [0xff, 0xfe, 0x00, 0x0a] : 'not json at all\n'), input['lines'])
    return text('done')
  },
  stderr: (_id, input) => {
    pour(2, Buffer.from(input['text']), input['times'] ?? 1)
    return text('done')
  },
}

async function answer({ id, method, params = {} }: Message): Promise<void> {
  if (id === undefined) {
    if (method === 'notifications/cancelled') cancelled.push(params['requestId'])
  } else if (method === 'initialize' && !flags.has('--modern')) {
    send({
      id,
      result: {
        protocolVersion: params['protocolVersion'],
        capabilities: { tools: { listChanged: true }, logging: {}, resources: { subscribe: true } },
        serverInfo: { name: 'child', version: '1' },
        declared: params['capabilities'],
      },
    })
  } else if (method === 'server/discover' && flags.has('--modern')) {
    const capabilities = { tools: { listChanged: true }, resources: { subscribe: true } }
    if (flags.has('--slow-probe')) await new Promise((resolve) => setTimeout(resolve, 200))
    send({ id, result: { resultType: 'complete', supportedVersions: ['2026-07-28'], capabilities } })
  } else if (method === 'subscriptions/listen') {
    const _meta = { 'io.modelcontextprotocol/subscriptionId': id }
    send({ method: 'notifications/subscriptions/acknowledged', params: { notifications: params['notifications'], _meta } })
    listens.push({ id, filter: params['notifications'] })
  } else if (method === 'logging/setLevel') {
    levels.push(params['level'])
    send({ id, result: {} })
  } else if (method === 'resources/subscribe') {
    send({ id, result: {} })
    send({ method: 'notifications/resources/updated', params: { uri: params['uri'] } })
  } else if (method === 'tools/list') {
    send({ id, result: { tools: Object.keys(TOOLS).map((name) => ({ name, inputSchema: { type: 'object' } })) } })
  } else if (method === 'tools/call') {
    const result = await TOOLS[params['name']]?.(id, params['arguments'] ?? {}, params['_meta'] ?? {})
    if (result !== undefined) send({ id, result })
  } else {
    send({ id, error: { code: -32_601, message: 'Method not found' } })
  }
}

function read(line: string): void {
  const message = JSON.parse(line) as Message
  if (message.method === 'server/discover' && flags.has('--exit-on-probe')) process.exit(9)
  if (message.method === 'server/discover' && flags.has('--silent-on-probe')) return
  if (message.method === undefined) waiting.get(String(message.id))?.(message)
  else void answer(message)
}

if (flags.has('--deaf')) {
  // Answers the handshake, then never reads again.
  const lines = createInterface(process.stdin)
  lines.on('line', (line) => {
    read(line)
    if (line.includes('notifications/initialized')) process.stdin.pause()
  })
  setInterval(() => undefined, 60_000)
} else {
  createInterface(process.stdin).on('line', read)
}
