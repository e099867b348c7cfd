// Requests that belong to another worker than the one they arrived at. The raw request goes over a port of the two, with the identity that was
// verified; what the owner answers comes back message by message and is written by the responder of the connection. A hang-up travels the
// other way. When the owner dies its requests are ended, and the next request of such a session is served by whoever it reaches.
import type { MessagePort } from 'node:worker_threads'
import { GatewayError } from '../core/errors.ts'
import type { ByteStream, EventStream, Responder } from '../core/responder.ts'
import type { McpFacet, McpRequest } from '../mcp/contract.ts'
import type { FromOwner, HandedRequest, ToOwner } from './handover-messages.ts'
import { RemoteResponder } from './remote-responder.ts'

/** The requests of one pair of workers, in both directions. */
export interface Handover {
  /** Serves a request at the other worker. Resolves when that one is done with it. */
  hand(request: McpRequest, responder: Responder): Promise<void>
  readonly isOpen: boolean
  close(): void
}

interface Handed {
  readonly responder: Responder
  events: EventStream | undefined
  bytes: ByteStream | undefined
  done(): void
}

/** Opens the requests of one pair; `serve` answers those of the other worker. */
export function openHandover(port: MessagePort, serve: McpFacet['handle']): Handover {
  return new PortHandover(port, serve)
}

class PortHandover implements Handover {
  readonly #port: MessagePort
  readonly #serve: McpFacet['handle']
  /** Ours, at the other worker. */
  readonly #handed = new Map<number, Handed>()
  /** Those of the other worker, here. */
  readonly #served = new Map<number, RemoteResponder>()
  #lastId = 0
  #isOpen = true

  constructor(port: MessagePort, serve: McpFacet['handle']) {
    this.#port = port
    this.#serve = serve
    port.on('message', (message: ToOwner | FromOwner) => this.#take(message))
    port.on('close', () => this.#end())
    port.unref()
  }

  get isOpen(): boolean {
    return this.#isOpen
  }

  hand(request: McpRequest, responder: Responder): Promise<void> {
    this.#lastId += 1
    const id = this.#lastId
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#handed.set(id, { responder, events: undefined, bytes: undefined, done: resolve })
    this.#tell({ type: 'request', id, request: toHanded(request) })
    responder.onHangUp(() => {
      if (this.#handed.has(id)) this.#tell({ type: 'hung-up', id })
    })
    return promise
  }

  close(): void {
    this.#port.close()
  }

  #tell(message: ToOwner): void {
    this.#port.postMessage(message)
  }

  #take(message: ToOwner | FromOwner): void {
    if (message.type === 'request') void this.#answer(message.id, message.request)
    else if (message.type === 'hung-up') this.#served.get(message.id)?.hangUp()
    else if (message.type === 'closed') this.#served.get(message.id)?.closed(message.byCaller)
    else if (message.type === 'taken') this.#served.get(message.id)?.taken(message.bytes)
    else this.#write(message)
  }

  async #answer(id: number, request: HandedRequest): Promise<void> {
    const responder = new RemoteResponder(id, (message) => this.#port.postMessage(message))
    this.#served.set(id, responder)
    try {
      await this.#serve(fromHanded(request), responder)
    } finally {
      this.#served.delete(id)
      this.#port.postMessage({ type: 'over', id } satisfies FromOwner)
    }
  }

  #write(message: FromOwner): void {
    const { id } = message
    const handed = this.#handed.get(id)
    if (handed === undefined) return
    const { responder, events, bytes } = handed
    if (message.type === 'answer') responder.send(message.status, message.headers, toBody(message.body))
    else if (message.type === 'events')
      handed.events = this.#follow(id, responder.stream(message.headers, { idle: message.idle }))
    else if (message.type === 'bytes') handed.bytes = this.#follow(id, responder.bytes(message.headers))
    else if (message.type === 'event') events?.send(message.data, fieldsOf(message))
    else if (message.type === 'comment') events?.comment(message.text)
    else if (message.type === 'frames') this.#writeFrames(id, bytes, message.frames)
    else if (message.type === 'end') {
      events?.end()
      bytes?.end(toBody(message.frames))
    } else {
      this.#handed.delete(id)
      handed.done()
    }
  }

  #follow<Stream extends EventStream | ByteStream>(id: number, stream: Stream): Stream {
    stream.onClose((byCaller) => this.#tell({ type: 'closed', id, byCaller }))
    return stream
  }

  #writeFrames(id: number, stream: ByteStream | undefined, frames: string | Uint8Array): void {
    if (stream === undefined) return
    const taken = (): void => this.#tell({ type: 'taken', id, bytes: frames.length })
    if (stream.write(toBody(frames) ?? '')) return taken()
    let isOwed = true
    stream.onDrain(() => {
      if (isOwed) taken()
      isOwed = false
    })
  }

  /** The other worker is gone. */
  #end(): void {
    this.#isOpen = false
    for (const responder of this.#served.values()) responder.hangUp()
    for (const { responder, events, bytes, done } of this.#handed.values()) {
      if (!responder.started) refuse(responder)
      events?.end()
      bytes?.end()
      done()
    }
    this.#served.clear()
    this.#handed.clear()
  }
}

function refuse(responder: Responder): void {
  const error = new GatewayError('overloaded', 'the worker that served this request ended; try again', { retryAfterSeconds: 1 })
  const body = JSON.stringify({ jsonrpc: '2.0', id: null, error: { code: -32_603, message: error.message } })
  responder.send(503, { 'content-type': 'application/json', 'retry-after': '1' }, body)
}

function fieldsOf({ name, retryMs }: Extract<FromOwner, { type: 'event' }>): { readonly id?: string; readonly retryMs?: number } {
  return { ...(name === undefined ? {} : { id: name }), ...(retryMs === undefined ? {} : { retryMs }) }
}

function toHanded({ body, startedAt, ...request }: McpRequest): HandedRequest {
  return { ...request, body, startedOn: startedAt + performance.timeOrigin }
}

function fromHanded({ body, startedOn, ...request }: HandedRequest): McpRequest {
  return { ...request, body: toBuffer(body), startedAt: startedOn - performance.timeOrigin }
}

function toBody(body: string | Uint8Array | undefined): string | Buffer | undefined {
  return typeof body === 'string' ? body : toBuffer(body)
}

/** A Buffer is posted as plain bytes. */
function toBuffer(bytes: Uint8Array | undefined): Buffer | undefined {
  return bytes === undefined ? undefined : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
