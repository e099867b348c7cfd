import type { Responder } from '../core/responder.ts'
import type { Accept } from './accept.ts'
import { failCall, runCall } from './call.ts'
import { relayable } from './capabilities.ts'
import type { Envelope } from './classify.ts'
import type { McpRequest } from './contract.ts'
import { discoverResult } from './discover.ts'
import { GatewayError } from '../core/errors.ts'
import type { CatalogView, Snapshot } from '../core/snapshot.ts'
import { AT_ONCE, resultBody, type Incoming } from './incoming.ts'
import { LISTS } from './lists.ts'
import { serveListen, type OpenListens } from './listen.ts'
import type { RequestMessage } from './message.ts'
import { createModernOutlet } from './outlet.ts'
import type { McpParts } from './parts.ts'
import { CALL_METHODS } from './target.ts'
import { traceOf } from './trace.ts'

/** One stateless request that was understood. */
export interface ModernRequest {
  readonly request: McpRequest
  readonly message: RequestMessage
  readonly envelope: Envelope
  readonly snapshot: Snapshot
  readonly view: CatalogView
  readonly accept: Accept
}

/** How long a caller waits without a sign of life: below the first-byte limits of hosts and load balancers. */
export const LATE_MS = 5_000

/** Answers stateless requests. */
export interface ModernDoor {
  handle(understood: ModernRequest, responder: Responder): Promise<void>
  readonly open: OpenListens
}

/** The stateless revision (2026-07-28): every request is complete in itself. */
export function createModernDoor(parts: McpParts): ModernDoor {
  const open: OpenListens = new Set()
  return {
    open,
    handle(understood, responder) {
      const { method } = understood.message
      const isCall = CALL_METHODS.has(method)
      const takesTime = isCall || method === 'subscriptions/listen'
      const controller = takesTime ? new AbortController() : AT_ONCE
      const incoming = toIncoming(parts, understood, responder, controller)
      // Closing the answer is how a stateless client cancels.
      if (takesTime) responder.onHangUp(() => controller.abort())
      return isCall ? runCall(parts, incoming) : answer(parts, incoming, { understood, responder, open })
    },
  }
}

interface Answering {
  readonly understood: ModernRequest
  readonly responder: Responder
  readonly open: OpenListens
}

/** Answers what is no call. */
async function answer(parts: McpParts, incoming: Incoming, { understood, responder, open }: Answering): Promise<void> {
  const { method, idText } = incoming.message
  try {
    if (method === 'server/discover') {
      incoming.outlet.answer(200, {}, resultBody(idText, discoverResult(incoming.snapshot, incoming.view, parts.serverInfo)))
    } else if (method === 'subscriptions/listen') {
      if (!understood.accept.stream)
        throw new GatewayError('not_acceptable', 'subscriptions/listen answers with text/event-stream')
      if (parts.isDraining()) throw new GatewayError('draining', 'the gateway is about to stop', { retryAfterSeconds: 1 })
      await serveListen(parts, incoming, responder, open)
    } else answerList(parts, incoming)
  } catch (error) {
    failCall(parts, incoming, error)
  }
}

/** Answers a list method from finished bytes. There is one page, so no cursor is valid. */
export function answerList({ deps, lists }: McpParts, incoming: Incoming): void {
  const { message, view, era, request } = incoming
  const { method, idText } = message
  const list = LISTS[method]
  if (list === undefined) throw new GatewayError('method_not_found', `Method not found: ${method}`)
  if (message.params['cursor'] !== undefined) throw new GatewayError('invalid_params', 'unknown cursor')
  const items = deps.policy.visible(request.identity.principal, view, list.kind, deps.now())
  incoming.outlet.answer(200, {}, lists.body({ method, view, items, era, idText }))
}

function toIncoming(
  { deps, streams }: McpParts,
  understood: ModernRequest,
  responder: Responder,
  controller: AbortController,
): Incoming {
  const { request, message, envelope, snapshot, view, accept } = understood
  return {
    request,
    message,
    exchangeId: request.exchangeId,
    era: 'modern',
    protocolVersion: envelope.protocolVersion,
    snapshot,
    view,
    capabilities: relayable(envelope.capabilities),
    clientInfo: envelope.clientInfo,
    logLevel: envelope.logLevel,
    mcpSession: undefined,
    trace: traceOf(deps, request, message),
    outlet: createModernOutlet(responder, { accept, streams, lateMs: LATE_MS }),
    controller,
    requestBytes: request.body?.length ?? 0,
  }
}
