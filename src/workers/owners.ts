// Which worker a request belongs to. What a worker seals for callers (session ids, states of calls that wait for their answer) holds that worker's
// number, so nobody can choose another one; a request that brings such a text is served where the session lives or the call waits.
import { LRUCache } from 'lru-cache'
import { isJsonObject } from '../core/json.ts'
import type { Sealer } from '../lib/seal.ts'
import type { McpRequest } from '../mcp/contract.ts'

const REMEMBERED = 20_000
const SESSION = 'mcp-session'
const STATE = 'mcp-request-state'

/** A sealer whose texts say which worker made them. */
export function createOwnedSealer(sealer: Sealer, worker: number): Sealer {
  return {
    seal: (purpose, value) => sealer.seal(purpose, isJsonObject(value) ? { ...value, w: worker } : value),
    open: (purpose, sealed) => sealer.open(purpose, sealed),
  }
}

/**
 * Finds the worker that a request of the MCP door belongs to; undefined: it is served where it arrived. A text that was sealed when there were more
 * workers belongs to one of those there are.
 */
export function createOwners(sealer: Sealer, workers: number): (request: McpRequest) => number | undefined {
  const known = new LRUCache<string, number>({ max: REMEMBERED })
  const ownerOfSession = (id: string): number | undefined => {
    const remembered = known.get(id)
    if (remembered !== undefined) return remembered
    const owner = workerOf(sealer.open(SESSION, id), workers)
    if (owner !== undefined) known.set(id, owner)
    return owner
  }
  return ({ headers, body }) => {
    const id = headers['mcp-session-id']
    if (typeof id === 'string') return ownerOfSession(id)
    const state = body === undefined ? undefined : requestState(body)
    if (state === undefined) return undefined
    const sealed = sealer.open(STATE, state)
    return isJsonObject(sealed) && sealed['parked'] !== undefined ? workerOf(sealed, workers) : undefined
  }
}

function workerOf(sealed: unknown, workers: number): number | undefined {
  const worker = isJsonObject(sealed) ? sealed['w'] : undefined
  return typeof worker === 'number' ? worker % workers : undefined
}

function requestState(body: Buffer): string | undefined {
  if (!body.includes('"requestState"')) return undefined
  try {
    const message: unknown = JSON.parse(body.toString('utf8'))
    const params = isJsonObject(message) ? message['params'] : undefined
    const state = isJsonObject(params) ? params['requestState'] : undefined
    return typeof state === 'string' ? state : undefined
  } catch {
    return undefined // whoever reads the request says what is wrong with it
  }
}
