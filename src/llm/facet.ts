import { GatewayError } from '../core/errors.ts'
import type { Identity } from '../core/principal.ts'
import type { Responder } from '../core/responder.ts'
import { InFlight } from '../lib/in-flight.ts'
import { type LlmParts, ModelCall } from './call.ts'
import type { LlmDeps, LlmFacet, LlmHttpRequest } from './contract.ts'
import { toDialectError } from './errors.ts'
import { createItemMemory } from './items.ts'
import { listModels } from './models.ts'
import { dialectOf, type Door, doorOf } from './request.ts'
import { createSignatureMemory } from './signature.ts'

const SIGNATURE_ENTRIES = 20_000
const SIGNATURE_BYTES = 33_554_432
const ITEM_ENTRIES = 20_000
const ITEM_LENGTH = 16_777_216

/** Makes the facet that answers the model doors. */
export function createLlmFacet(deps: LlmDeps): LlmFacet {
  const parts: LlmParts = {
    deps,
    signatures: createSignatureMemory({ maxEntries: SIGNATURE_ENTRIES, maxBytes: SIGNATURE_BYTES }, deps.gossip),
    active: new InFlight(),
  }
  const items = createItemMemory({ maxEntries: ITEM_ENTRIES, maxLength: ITEM_LENGTH }, deps.gossip)
  const idle: (() => void)[] = []
  return {
    async handle(request, responder) {
      let call: ModelCall | undefined
      try {
        const door = doorFor(request)
        if (door === undefined) return responder.send(200, headersOf(request), JSON.stringify(listModels(deps, request)))
        const followed = items.follow(door, request)
        call = new ModelCall(parts, followed.door, followed.http, responder)
        parts.active.set(call, call)
        await call.answer()
        followed.done()
      } catch (error) {
        if (!(error instanceof GatewayError)) deps.report({ type: 'internal-error', exchange: request.exchangeId, error })
        refuse(request, responder, error, call?.headers())
      } finally {
        if (call !== undefined) parts.active.delete(call)
        call?.over()
        if (parts.active.size === 0) for (const resolve of idle.splice(0)) resolve()
      }
    },
    drain: () => (parts.active.size === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
    close() {
      const reason = new GatewayError('draining', 'the gateway is shutting down')
      for (const { controller } of parts.active.values()) controller.abort(reason)
    },
    checkIdentities(isRevoked: (identity: Identity) => boolean) {
      const reason = new GatewayError('unauthenticated', 'the credential of this request is no longer valid')
      for (const { controller, identity } of parts.active.values()) if (isRevoked(identity)) controller.abort(reason)
    },
  }
}

/** The door a request came to; undefined for the list of models. */
function doorFor({ path, httpMethod }: LlmHttpRequest): Door | undefined {
  if (path === '/v1/models' || path.startsWith('/v1/models/')) {
    if (httpMethod !== 'GET') throw new GatewayError('method_not_allowed', 'the list of models takes GET')
    return undefined
  }
  const door = doorOf(path)
  if (door === undefined) throw new GatewayError('method_not_found', `there is no ${path}`)
  if (httpMethod !== 'POST') throw new GatewayError('method_not_allowed', `${path} takes POST`)
  return door
}

/** Answers with an error in the caller's dialect. */
function refuse(
  request: LlmHttpRequest,
  responder: Responder,
  thrown: unknown,
  about: Readonly<Record<string, string>> = {},
): void {
  if (responder.started) return
  const dialect = dialectOf(request.path, request.headers)
  const error = toDialectError(thrown, dialect.name)
  const retryAfter = thrown instanceof GatewayError ? thrown.retryAfterSeconds : undefined
  const headers = {
    ...headersOf(request),
    ...about,
    ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    ...(error.status === 405 ? { allow: doorOf(request.path) === undefined ? 'GET' : 'POST' } : {}),
  }
  responder.send(error.status, headers, JSON.stringify(dialect.errorBody(error, request.exchangeId)))
}

function headersOf({ exchangeId }: LlmHttpRequest): Record<string, string> {
  return {
    'content-type': 'application/json',
    'x-tollgate-request-id': exchangeId,
    'x-request-id': exchangeId,
    'request-id': exchangeId,
  }
}
