import type { MessagePort } from 'node:worker_threads'
import type { McpFacet, McpRequest } from '../mcp/contract.ts'
import { type Handover, openHandover } from './handover.ts'

/** What the mesh of one worker borrows. */
export interface MeshDeps {
  readonly worker: number
  readonly facet: McpFacet
  /** The worker a request belongs to; undefined: any. */
  owner(request: McpRequest): number | undefined
}

/** The ways of one worker to all others. */
export interface Mesh {
  /** The facet for the door: it serves a request at the worker it belongs to. */
  readonly facet: McpFacet
  /** Takes the way to a worker into use, in the place of the one to that worker before it ended. */
  connect(worker: number, port: MessagePort): void
  close(): void
}

/** Makes the mesh of one worker. A request whose owner is gone is served here: what a session is stands in its sealed name. */
export function createMesh({ worker, facet, owner }: MeshDeps): Mesh {
  const others = new Map<number, Handover>()
  const wayOf = (request: McpRequest): Handover | undefined => {
    const other = others.size === 0 ? undefined : owner(request)
    const way = other === undefined || other === worker ? undefined : others.get(other)
    return way?.isOpen === true ? way : undefined
  }
  return {
    facet: {
      ...facet,
      handle: (request, responder) => wayOf(request)?.hand(request, responder) ?? facet.handle(request, responder),
    },
    connect(other, port) {
      others.get(other)?.close()
      others.set(
        other,
        openHandover(port, (request, responder) => facet.handle(request, responder)),
      )
    },
    close() {
      for (const way of others.values()) way.close()
    },
  }
}
