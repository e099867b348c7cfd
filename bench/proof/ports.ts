import { once } from 'node:events'
import { createServer } from 'node:net'

/** Below the ports that Linux gives to outgoing connections, so that no client of the load takes one between two starts. */
const FIRST = 15_000
const COUNT = 15_000

/** A port nobody listens on, which stays free while the program that wants it is started again. */
export async function pickPort(): Promise<number> {
  const port = FIRST + Math.floor(Math.random() * COUNT)
  const server = createServer()
  try {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return await pickPort()
    throw error
  }
  server.close()
  await once(server, 'close')
  return port
}
