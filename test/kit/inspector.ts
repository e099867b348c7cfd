import type { GatewayProcess } from '../support/gateway-process.ts'

/** Flag of Node that lets `collectGarbage` reach a process. */
export const INSPECTABLE = '--inspect=127.0.0.1:0'

/** Makes a gateway that was started with INSPECTABLE collect its garbage, so that what memory is left is held by something. */
export async function collectGarbage(gateway: GatewayProcess): Promise<void> {
  const [, url] = /Debugger listening on (ws:\S+)/.exec(gateway.output()) ?? []
  if (url === undefined) throw new Error('the gateway was not started with INSPECTABLE')
  const socket = new WebSocket(url)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.addEventListener('open', () => socket.send(JSON.stringify({ id: 1, method: 'HeapProfiler.collectGarbage' })))
  socket.addEventListener('message', ({ data }) => {
    if (String(data).includes('"id":1')) resolve()
  })
  socket.addEventListener('error', () => reject(new Error('the inspector does not answer')))
  await promise
  const closed = new Promise((done) => socket.addEventListener('close', done))
  socket.close()
  await closed
}
