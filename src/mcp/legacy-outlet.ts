import type { Responder } from '../core/responder.ts'
import { JSON_HEADERS, STREAM_HEADERS, type Outlet, type OutletOptions } from './outlet.ts'
import type { ReplayStream } from './replay.ts'
import { openStream, type Session } from './session.ts'
import { POLLING_VERSION } from './versions.ts'

/** What a legacy outlet needs besides the responder. */
export interface LegacyOutletOptions extends OutletOptions {
  readonly session: Session
  readonly maxBytes: number
  monotonic(): number
}

/** A refusal that comes at once still has its own HTTP status; after this a caller who wants a stream gets it. */
const SOON_MS = 20

/**
 * The outlet of one request in a session. Streams carry event ids and survive their connection: a hang-up does not cancel, the caller
 * may come back with `Last-Event-ID` for what it missed.
 */
export function createLegacyOutlet(responder: Responder, options: LegacyOutletOptions): Outlet {
  const { session, accept } = options
  let stream: ReplayStream | undefined
  let timer: NodeJS.Timeout | undefined
  let over = false
  const open = () => {
    clearTimeout(timer)
    if (stream !== undefined) return stream
    const connection = responder.stream(STREAM_HEADERS)
    options.streams.add(connection)
    stream = openStream(session, connection, options)
    return stream
  }
  return {
    push(message) {
      if (over || !accept.stream) return false
      open().send(message)
      return true
    },
    answer(status, headers, body) {
      if (over) return
      over = true
      clearTimeout(timer)
      const wantsStream = accept.prefersStream && status === 200
      if (stream === undefined && !wantsStream) return responder.send(status, { ...JSON_HEADERS, ...headers }, body)
      const opened = open()
      opened.send(typeof body === 'string' ? body : body.toString('utf8'))
      opened.finish()
    },
    drop() {
      if (over) return
      over = true
      clearTimeout(timer)
      if (stream === undefined) responder.send(202, {})
      else stream.finish()
    },
    expectDelay() {
      if (over || stream !== undefined || !accept.stream) return
      timer = setTimeout(open, accept.prefersStream ? SOON_MS : options.lateMs)
    },
    suspend() {
      if (over || session.protocolVersion !== POLLING_VERSION) return
      if (accept.prefersStream) open().suspend()
      else stream?.suspend()
    },
  }
}
