// A stand-in for a worker of the gateway: it serves at once, throws when it is told to reload certificates, and ends when it is closed.
import { parentPort } from 'node:worker_threads'
import type { FromWorker, ToWorker } from '../../src/workers/control-messages.ts'

const tell = (message: FromWorker): void => parentPort?.postMessage(message)

parentPort?.on('message', (message: ToWorker) => {
  if (message.type === 'reload-tls') throw new Error('broken')
  if (message.type === 'drain') tell({ type: 'idle' })
  if (message.type === 'ask') tell({ type: 'answer', id: message.id, answer: `here: ${message.question}` })
  if (message.type === 'state') tell({ type: 'applied', generation: message.state.generation })
  if (message.type === 'close') parentPort?.close()
})
tell({ type: 'figures', figures: { inFlight: 1, sessions: 2, streams: 3, parked: 4 } })
tell({ type: 'ready' })
