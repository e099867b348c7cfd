import { createServer } from 'node:http'
import { Pool } from 'undici'

// The least a gateway on Node can cost: node:http in front, undici behind, every byte passed on: `node bench/pass-through.ts <port> <upstream>`.

const pool = new Pool(process.argv[3] ?? '', { connections: 10_000, pipelining: 1 })
const HOP = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host', 'content-length', 'date'])

type Headers = Readonly<Record<string, string | string[] | undefined>>

function passed(headers: Headers, kept?: string): Record<string, string | string[]> {
  const clean: Record<string, string | string[]> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined && (name === kept || !HOP.has(name))) clean[name] = value
  }
  return clean
}

const server = createServer((request, response) => {
  const chunks: Buffer[] = []
  request.on('data', (chunk: Buffer) => chunks.push(chunk))
  request.on('end', () => {
    const { url: path = '/', headers } = request
    pool.dispatch(
      { method: 'POST', path, headers: passed(headers), body: Buffer.concat(chunks) },
      {
        onRequestStart: () => undefined,
        onResponseStart: (_controller, status, received) => void response.writeHead(status, passed(received, 'content-length')),
        onResponseData: (_controller, chunk) => void response.write(chunk),
        onResponseEnd: () => void response.end(),
        onResponseError: () => void response.destroy(),
      },
    )
  })
})
server.listen(Number(process.argv[2]), '127.0.0.1')
