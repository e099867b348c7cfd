import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { HttpOptions } from './http-calls.ts'
import { modernHeaders } from './http-headers.ts'
import { readMessage } from './http-message.ts'
import { LastingStream } from './http-stream.ts'
import { toListenFilter } from './listen-filter.ts'
import { SUBSCRIPTION_ID, toEnvelope } from './rpc-envelope.ts'

/** Told instead of a method of the protocol when a stream of change notices was lost and is there again: what changed in between is unknown. */
export const RECONNECTED = 'tollgate/reconnected'

/** Change notices of a modern upstream: one `subscriptions/listen` with the union of what is wanted. */
export interface ModernListen {
  /** Resolves when the server acknowledged, refused, or took too long; it goes on trying. */
  listen(uris: readonly string[]): Promise<void>
  close(): void
}

type Notify = (method: string, params: JsonObject) => void

/** Makes the listen side of one modern upstream. */
export function createModernListen(options: HttpOptions, capabilities: JsonObject, notify: Notify): ModernListen {
  let current: { readonly key: string; readonly stream: LastingStream; readonly ready: Promise<void> } | undefined
  let lastId = 0

  const start = (filter: JsonObject, replaced: LastingStream | undefined): { stream: LastingStream; ready: Promise<void> } => {
    const ready = Promise.withResolvers<void>()
    const params = { _meta: toEnvelope(options.clientInfo, {}), notifications: filter }
    const headers = modernHeaders('subscriptions/listen', params)
    let id = ''
    let acknowledged = 0
    const onAcknowledged = (): void => {
      replaced?.close()
      acknowledged += 1
      if (acknowledged > 1) notify(RECONNECTED, {})
      ready.resolve()
    }
    const stream: LastingStream = new LastingStream({
      open: (listener) => {
        id = `listen-${++lastId}`
        const body = JSON.stringify({ jsonrpc: '2.0', id, method: 'subscriptions/listen', params })
        const { resultBytes: maxBodyBytes, eventBytes: maxEventBytes } = options.bounds
        return options.endpoint.open({ method: 'POST', headers: [...headers], body, maxBodyBytes, maxEventBytes }, listener)
      },
      event: (data) => {
        const message = readMessage(data, data.length)
        // A result ends it in good order, an error is the server's last word.
        if (message?.kind === 'answer') return message.outcome.kind === 'result' ? stream.again() : stream.close()
        if (message?.kind !== 'notification') return
        const params_ = withoutSubscription(message.params, id)
        if (params_ === undefined) return
        if (message.method === 'notifications/subscriptions/acknowledged') onAcknowledged()
        else notify(message.method, params_)
      },
      isFinal: ({ status }) => status < 500 && status !== 429 && status !== 401,
      up: () => undefined,
      over: () => ready.resolve(),
    })
    return { stream, ready: ready.promise }
  }

  return {
    async listen(uris) {
      const filter = toListenFilter(capabilities, uris)
      const key = JSON.stringify(filter)
      if (current?.key !== key) {
        const replaced = current?.stream
        if (key === '{}') current = undefined
        else current = { key, ...start(filter, replaced) }
        if (!current) replaced?.close()
      }
      await Promise.race([current?.ready, new Promise((resolve) => setTimeout(resolve, options.timeouts.listMs).unref())])
    },
    close() {
      current?.stream.close()
      current = undefined
    },
  }
}

/** The params without the id of our subscription; undefined for a notification of another one. */
function withoutSubscription(params: JsonObject, id: string): JsonObject | undefined {
  const meta = isJsonObject(params['_meta']) ? params['_meta'] : {}
  const { [SUBSCRIPTION_ID]: subscription, ...rest } = meta
  if (subscription !== id) return undefined
  const { _meta: _dropped, ...others } = params
  return Object.keys(rest).length === 0 ? others : { ...others, _meta: rest }
}
