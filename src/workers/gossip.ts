// What one worker learned and another may be asked for. A message stands in the queue of the other worker when `tell` returns, and `catchUp` empties
// that queue: what was told before an answer went out is known when the caller's next request is read, whichever worker it reaches.
import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { Gossip } from '../lib/gossip.ts'

interface Rumour {
  readonly topic: string
  readonly name: string
  readonly value: unknown
}

/** The gossip of one worker, over a port to each other one. */
export interface PortGossip extends Gossip {
  /** Takes the port to a worker into use, in the place of the one to that worker before it ended. */
  connect(worker: number, port: MessagePort): void
  close(): void
}

/** Makes the gossip of one worker. */
export function createGossip(): PortGossip {
  const ports = new Map<number, MessagePort>()
  const listeners = new Map<string, ((name: string, value: unknown) => void)[]>()
  const take = ({ topic, name, value }: Rumour): void => {
    for (const listener of listeners.get(topic) ?? []) listener(name, value)
  }
  return {
    tell(topic, name, value) {
      for (const port of ports.values()) port.postMessage({ topic, name, value } satisfies Rumour)
    },
    hear(topic, listener) {
      listeners.set(topic, [...(listeners.get(topic) ?? []), listener])
    },
    catchUp() {
      for (const port of ports.values()) {
        // Only `tell` posts on these ports.
        for (let next = receiveMessageOnPort(port); next !== undefined; next = receiveMessageOnPort(port))
          take(next.message as Rumour)
      }
    },
    connect(worker, port) {
      ports.get(worker)?.close()
      ports.set(worker, port)
      port.on('message', take)
      port.on('close', () => {
        if (ports.get(worker) === port) ports.delete(worker)
      })
      port.unref()
    },
    close() {
      for (const port of ports.values()) port.close()
    },
  }
}
