import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { Json } from '../../src/core/json.ts'
import { partsOf, type Desk, type Wire } from './hostile-step.ts'
import { writeThrough } from './write-through.ts'

const CHILD = fileURLToPath(new URL('./hostile-child.ts', import.meta.url))

/** Standard input and output: the child is a pipe to this process, where the script runs. */
export async function startHostileStdio(desk: Desk): Promise<Wire> {
  const children = new Set<Socket>()
  const server = createServer({ noDelay: true }, (child) => {
    const gone = new AbortController()
    children.add(child)
    child.on('error', () => undefined)
    child.on('close', () => {
      gone.abort()
      children.delete(child)
    })
    const lines = createInterface({ input: child })
    lines.on('error', () => undefined)
    lines.on('line', (line) => take({ desk, child, gone: gone.signal }, line))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  return {
    file: { type: 'stdio', command: 'node', args: [CHILD, String(port)] },
    push: async (message) => void (await Promise.all([...children].map((child) => writeLine(child, JSON.stringify(message))))),
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close')
      server.close()
      for (const child of children) child.destroy()
      await closed
    },
  }
}

interface Open {
  readonly desk: Desk
  readonly child: Socket
  readonly gone: AbortSignal
}

function take({ desk, child, gone }: Open, line: string): void {
  const parts = partsOf(JSON.parse(line) as Json) // what JSON.parse gives
  const id = parts.id ?? null
  desk.take({
    ...parts,
    headers: {},
    gone,
    result: (result) => void writeLine(child, JSON.stringify({ jsonrpc: '2.0', id, result })),
    error: (code, message) => void writeLine(child, JSON.stringify({ jsonrpc: '2.0', id, error: { code, message } })),
    send: (message) => writeLine(child, JSON.stringify(message)),
    body: (bytes) => void writeThrough(child, bytes),
    raw: (bytes) => writeThrough(child, bytes),
    hangUp: () => child.destroySoon(),
  })
}

function writeLine(child: Socket, text: string): Promise<void> {
  return writeThrough(child, `${text}\n`)
}
