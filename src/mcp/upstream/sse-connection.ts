import type { Dispatcher } from 'undici'
import type { HttpServer, SseServer } from '../../config/server.ts'
import type { JsonObject } from '../../core/json.ts'
import type { Connection } from './contract.ts'
import { openConversation } from './rpc-handshake.ts'
import { RpcPeer } from './rpc-peer.ts'
import { RpcConnection } from './rpc.ts'
import { SseLink, type SseCredential } from './sse-link.ts'

/** What an HTTP+SSE connection borrows. */
export interface SseDeps {
  readonly id: string
  /** Connects to the origin of the URL and nowhere else; the caller closes it. The stream takes one of its connections for itself. */
  readonly dispatcher: Dispatcher
  readonly credential?: SseCredential | undefined
  /** Monotonic milliseconds. */
  readonly now: () => number
  readonly clientInfo: JsonObject
  /** Client capabilities declared for the whole conversation. */
  readonly capabilities?: JsonObject
}

/** Opens a conversation over HTTP+SSE of 2024-11-05. Such servers are legacy; there is nothing to detect. */
export async function connectSse(config: SseServer | HttpServer, deps: SseDeps): Promise<Connection> {
  const { timeouts, bounds, concurrency } = config
  const link = new SseLink({ server: deps.id, config, dispatcher: deps.dispatcher, credential: deps.credential })
  await link.open()
  const peer = new RpcPeer(link, deps.id)
  try {
    const facts = await openConversation(peer, {
      server: deps.id,
      era: 'legacy',
      clientInfo: deps.clientInfo,
      capabilities: deps.capabilities ?? {},
      probeMs: 0,
      answerMs: timeouts.firstByteMs,
    })
    return new RpcConnection(peer, facts, {
      server: deps.id,
      clientInfo: deps.clientInfo,
      deadlines: timeouts,
      maxResultBytes: bounds.resultBytes,
      maxInFlight: concurrency.max,
      closeMs: 0,
      now: deps.now,
    })
  } catch (error) {
    await peer.close(0)
    throw error
  }
}
