import { connect, type Socket } from 'node:net'

// A load that does as little as a load can: ready-made bytes on plain sockets, arrivals at a pace of their own (open loop) or each after the
// last (closed loop). `node bench/proof/raw-load.ts '<plan as JSON>'` writes its result as JSON.

/** What is sent. */
export interface LoadPlan {
  readonly port: number
  readonly token: string
  readonly milliseconds: number
  readonly connections: number
  /** Arrivals per second; without it every connection sends again as soon as it was answered. */
  readonly perSecond?: number
}

/** What came back. */
export interface LoadResult {
  readonly ok: number
  readonly okP50: number
  readonly okP99: number
  /** Answers 429 and 503. */
  readonly shed: number
  readonly shedP99: number
  /** Of those, the ones without Retry-After. */
  readonly bare: number
  /** Other answers, and connections that failed. */
  readonly failed: number
  /** Arrivals for which no connection was free. */
  readonly unsent: number
}

const META =
  '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":{"name":"proof","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}'

function requestsOf(token: string): readonly Buffer[] {
  const post = (path: string, more: string, body: string): Buffer =>
    Buffer.from(
      `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n${more}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
  const mirrors = 'mcp-protocol-version: 2026-07-28\r\nmcp-method: tools/call\r\nmcp-name: echo\r\n'
  return [
    post(
      '/mcp',
      mirrors,
      `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"size":64},${META}}}`,
    ),
    post('/v1/chat/completions', '', '{"model":"mock","messages":[{"role":"user","content":"hello"}]}'),
  ]
}

interface Tally {
  readonly okMs: number[]
  readonly shedMs: number[]
  bare: number
  failed: number
  unsent: number
}

interface Line {
  socket: Socket | undefined
  sentAt: number
  isBusy: boolean
  text: string
}

async function run(plan: LoadPlan): Promise<LoadResult> {
  const tally: Tally = { okMs: [], shedMs: [], bare: 0, failed: 0, unsent: 0 }
  const requests = requestsOf(plan.token)
  const free: Line[] = Array.from({ length: plan.connections }, () => ({ socket: undefined, sentAt: 0, isBusy: false, text: '' }))
  const lines = [...free]
  const begun = performance.now()
  let arrivals = 0
  const isOver = (): boolean => performance.now() - begun >= plan.milliseconds
  const send = (line: Line): void =>
    begin(line, {
      port: plan.port,
      bytes: requests[arrivals++ % requests.length] ?? Buffer.alloc(0),
      over: (kind) => {
        note(tally, line, kind)
        if (plan.perSecond === undefined && !isOver()) send(line)
        else free.push(line)
      },
    })
  if (plan.perSecond === undefined) for (const line of free.splice(0)) send(line)
  while (!isOver()) {
    for (let due = ((performance.now() - begun) * (plan.perSecond ?? 0)) / 1_000 - arrivals - tally.unsent; due >= 1; due -= 1) {
      const line = free.pop()
      if (line === undefined) tally.unsent += 1
      else send(line)
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  for (const { socket } of lines) socket?.destroy()
  return resultOf(tally)
}

type Ending = 'ok' | 'shed' | 'bare' | 'failed'

interface Sending {
  readonly port: number
  readonly bytes: Buffer
  over(kind: Ending): void
}

/** Sends one request on a line, over a new connection where the last one is gone. */
function begin(line: Line, { port, bytes, over }: Sending): void {
  const end = (kind: Ending): void => {
    if (!line.isBusy) return
    line.isBusy = false
    over(kind)
  }
  line.isBusy = true
  line.text = ''
  line.sentAt = performance.now()
  const socket = line.socket ?? connect({ port, host: '127.0.0.1', noDelay: true })
  line.socket = socket
  socket.removeAllListeners('data').removeAllListeners('close').removeAllListeners('error')
  socket.on('data', (chunk: Buffer) => {
    line.text += chunk.toString('latin1')
    const kind = endingOf(line.text)
    if (kind !== undefined) end(kind)
  })
  socket.on('error', () => undefined)
  socket.on('close', () => {
    line.socket = undefined
    end('failed')
  })
  socket.write(bytes)
}

/** What a whole answer is; undefined while it is not whole. */
function endingOf(text: string): Ending | undefined {
  const head = text.indexOf('\r\n\r\n')
  if (head === -1) return undefined
  const [, length] = /\r\ncontent-length: (\d+)/i.exec(text) ?? []
  const isWhole = length === undefined ? text.endsWith('0\r\n\r\n') : text.length >= head + 4 + Number(length)
  if (!isWhole) return undefined
  const status = text.slice(9, 12)
  if (status === '200') return 'ok'
  if (status !== '429' && status !== '503') return 'failed'
  return /\r\nretry-after: /i.test(text.slice(0, head + 2)) ? 'shed' : 'bare'
}

function note(tally: Tally, line: Line, kind: Ending): void {
  const ms = performance.now() - line.sentAt
  if (kind === 'ok') tally.okMs.push(ms)
  else if (kind === 'failed') tally.failed += 1
  else tally.shedMs.push(ms)
  if (kind === 'bare') tally.bare += 1
}

function resultOf({ okMs, shedMs, bare, failed, unsent }: Tally): LoadResult {
  const share = (values: number[], part: number): number => {
    const sorted = Float64Array.from(values).sort()
    return sorted[Math.max(0, Math.ceil(sorted.length * part) - 1)] ?? 0
  }
  return {
    ok: okMs.length,
    okP50: share(okMs, 0.5),
    okP99: share(okMs, 0.99),
    shed: shedMs.length,
    shedP99: share(shedMs, 0.99),
    bare,
    failed,
    unsent,
  }
}

if (import.meta.main) process.stdout.write(JSON.stringify(await run(JSON.parse(process.argv[2] ?? '') as LoadPlan))) // the program that starts it writes the plan
