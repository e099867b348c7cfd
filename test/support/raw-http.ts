// HTTP by the byte: what is sent is sent as written, and what comes back is read with a reader of its own, so that nothing of Node's client
// hides what the server did.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

/** One answer as it came over the wire. Header names are lower case; repeated ones are joined by a comma. */
export interface WireAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** Everything that came back on one connection. */
export interface WireTalk {
  readonly answers: readonly WireAnswer[]
  /** The server ended the connection. */
  readonly closed: boolean
  readonly text: string
}

/** How a talk goes. */
export interface TalkOptions {
  /** Ends the talk when so many whole answers came; without it only the server's end or the time does. */
  readonly answers?: number
  readonly withinMs?: number
  /** The address to come from. */
  readonly from?: string
}

/** Opens a connection; errors on it are the server's way to end it and are left alone. */
export async function openSocket(url: string, from?: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), ...(from === undefined ? {} : { localAddress: from }) })
  await once(socket, 'connect')
  return socket.on('error', () => undefined)
}

/** Sends bytes on a new connection and reads until the server ends it, enough answers came or the time is over. */
export async function talk(url: string, bytes: string | Buffer, options: TalkOptions = {}): Promise<WireTalk> {
  const socket = await openSocket(url, options.from)
  const heard = listenTo(socket)
  socket.write(bytes)
  try {
    return await heard(options)
  } finally {
    socket.destroy()
  }
}

/** Reads what comes on a socket; may be asked several times. */
export function listenTo(socket: Socket): (options?: TalkOptions) => Promise<WireTalk> {
  const chunks: Buffer[] = []
  let closed = false
  const waiting = new Set<() => void>()
  const wake = (): void => waiting.forEach((each) => each())
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    wake()
  })
  for (const event of ['end', 'close'] as const)
    socket.on(event, () => {
      closed = true
      wake()
    })
  const read = (): WireTalk => {
    const bytes = Buffer.concat(chunks)
    return { answers: readAnswers(bytes, closed), closed, text: bytes.toString('latin1') }
  }
  return ({ answers = Number.POSITIVE_INFINITY, withinMs = 5_000 } = {}) =>
    new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer)
        waiting.delete(look)
        resolve(read())
      }
      const look = (): void => {
        if (closed || read().answers.length >= answers) done()
      }
      const timer = setTimeout(done, withinMs)
      waiting.add(look)
      look()
    })
}

/** The whole answers in these bytes. */
function readAnswers(bytes: Buffer, isEnd: boolean): WireAnswer[] {
  const answers: WireAnswer[] = []
  let rest = bytes.toString('latin1')
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(rest)?.[1])
    if (end < 0 || Number.isNaN(status)) return answers
    const headers = readHeaders(rest.slice(0, end))
    const body = readWireBody(rest.slice(end + 4), { status, headers, isEnd })
    if (body === undefined) return answers
    if (status >= 200) answers.push({ status, headers, body: Buffer.from(body.text, 'latin1').toString() })
    rest = rest.slice(end + 4 + body.length)
  }
}

function readHeaders(head: string): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const line of head.split('\r\n').slice(1)) {
    const at = line.indexOf(':')
    const name = line.slice(0, at).toLowerCase()
    const value = line.slice(at + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return headers
}

interface WireHead {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly isEnd: boolean
}

/** The body at the start of these bytes and how many of them it takes; nothing while it is not whole. */
function readWireBody(rest: string, { status, headers, isEnd }: WireHead): { text: string; length: number } | undefined {
  if (status < 200 || status === 204 || status === 304) return { text: '', length: 0 }
  if (headers['transfer-encoding'] === 'chunked') return readChunks(rest)
  const length = headers['content-length']
  if (length === undefined) return isEnd ? { text: rest, length: rest.length } : undefined
  return rest.length < Number(length) ? undefined : { text: rest.slice(0, Number(length)), length: Number(length) }
}

function readChunks(rest: string): { text: string; length: number } | undefined {
  let text = ''
  for (let at = 0; ;) {
    const line = rest.indexOf('\r\n', at)
    if (line < 0) return undefined
    const size = Number.parseInt(rest.slice(at, line), 16)
    const end = line + 2 + size + 2
    if (rest.length < end) return undefined
    text += rest.slice(line + 2, line + 2 + size)
    if (size === 0) return { text, length: end }
    at = end
  }
}
