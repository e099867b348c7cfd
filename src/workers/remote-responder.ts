import type { ByteStream, EventStream, Responder } from '../core/responder.ts'
import type { FromOwner } from './handover-messages.ts'

/** What the owner of a request has in the place of the caller's connection: it posts the answer to where the request arrived. */
export class RemoteResponder implements Responder {
  readonly #id: number
  readonly #post: (message: FromOwner) => void
  readonly #hangUpListeners: (() => void)[] = []
  #hungUp = false
  #stream: RemoteStream | undefined
  #started = false

  constructor(id: number, post: (message: FromOwner) => void) {
    this.#id = id
    this.#post = post
  }

  get started(): boolean {
    return this.#started
  }

  get hungUp(): boolean {
    return this.#hungUp
  }

  onHangUp(listener: () => void): void {
    if (this.hungUp) listener()
    else this.#hangUpListeners.push(listener)
  }

  send(status: number, headers: Readonly<Record<string, string>>, body?: string | Buffer): void {
    if (this.#started || this.hungUp) return
    this.#started = true
    this.#post({ type: 'answer', id: this.#id, status, headers, ...(body === undefined ? {} : { body }) })
  }

  stream(headers: Readonly<Record<string, string>>, { idle = false }: { readonly idle?: boolean } = {}): EventStream {
    const isOpen = this.#begin()
    if (isOpen) this.#post({ type: 'events', id: this.#id, headers, idle })
    return this.#opened(isOpen)
  }

  bytes(headers: Readonly<Record<string, string>>): ByteStream {
    const isOpen = this.#begin()
    if (isOpen) this.#post({ type: 'bytes', id: this.#id, headers })
    return this.#opened(isOpen)
  }

  /** The caller is gone before its answer was complete. */
  hangUp(): void {
    if (this.#hungUp) return
    this.#hungUp = true
    for (const listener of this.#hangUpListeners) listener()
    this.#stream?.over(true)
  }

  /** The stream to the caller is over. */
  closed(byCaller: boolean): void {
    this.#stream?.over(byCaller)
  }

  taken(bytes: number): void {
    this.#stream?.taken(bytes)
  }

  #begin(): boolean {
    if (this.#started || this.hungUp) return false
    this.#started = true
    return true
  }

  #opened(isOpen: boolean): RemoteStream {
    this.#stream = new RemoteStream(this.#id, this.#post, isOpen)
    return this.#stream
  }
}

/** Bytes under way to the other worker and its caller, past which a facet waits. */
const MAX_UNDER_WAY = 262_144

class RemoteStream implements EventStream, ByteStream {
  readonly #id: number
  readonly #post: (message: FromOwner) => void
  readonly #closeListeners: ((byCaller: boolean) => void)[] = []
  readonly #drainListeners: (() => void)[] = []
  #closed: boolean
  #underWay = 0
  #isFull = false

  constructor(id: number, post: (message: FromOwner) => void, isOpen: boolean) {
    this.#id = id
    this.#post = post
    this.#closed = !isOpen
  }

  get closed(): boolean {
    return this.#closed
  }

  send(data: string, { id: name, retryMs }: { readonly id?: string; readonly retryMs?: number } = {}): void {
    if (this.#closed) return
    const fields = { ...(name === undefined ? {} : { name }), ...(retryMs === undefined ? {} : { retryMs }) }
    this.#post({ type: 'event', id: this.#id, data, ...fields })
  }

  comment(text: string): void {
    if (!this.#closed) this.#post({ type: 'comment', id: this.#id, text })
  }

  write(frames: string | Buffer): boolean {
    if (this.#closed) return true
    this.#underWay += frames.length
    this.#isFull = this.#underWay > MAX_UNDER_WAY
    this.#post({ type: 'frames', id: this.#id, frames })
    return !this.#isFull
  }

  end(frames?: string | Buffer): void {
    if (this.#closed) return
    this.#post({ type: 'end', id: this.#id, ...(frames === undefined ? {} : { frames }) })
    this.over(false)
  }

  onDrain(listener: () => void): void {
    this.#drainListeners.push(listener)
  }

  onClose(listener: (byCaller: boolean) => void): void {
    if (this.#closed) listener(false)
    else this.#closeListeners.push(listener)
  }

  taken(bytes: number): void {
    this.#underWay -= bytes
    if (!this.#isFull || this.#underWay > MAX_UNDER_WAY) return
    this.#isFull = false
    for (const listener of this.#drainListeners) listener()
  }

  over(byCaller: boolean): void {
    if (this.#closed) return
    this.#closed = true
    for (const listener of this.#closeListeners) listener(byCaller)
  }
}
