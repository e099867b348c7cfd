// A TCP proxy that does to bytes what bad networks do. Each connection is two pumps; a pump asks for the faults anew before every piece, so
// they can change while a connection is open. Latency holds each piece back by itself: what comes meanwhile waits in the kernel.
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'

/** What happens to bytes on their way; nothing said means nothing happens. */
export interface Faults {
  /** Milliseconds every piece is late, in both directions. */
  readonly latencyMs?: number
  /** At most so many milliseconds more. */
  readonly jitterMs?: number
  /** Bytes per second and connection, in each direction. */
  readonly bytesPerSecond?: number
  /** Pieces of at most so many bytes. */
  readonly sliceBytes?: number
  /** The connection ends after so many bytes of the answer. */
  readonly cutAtByte?: number
  /** How it ends there: a reset unless `close` is said. */
  readonly cut?: 'reset' | 'close'
  /** Accepted and reset at once. */
  readonly refuse?: boolean
  /** Loss: what comes is read and goes nowhere, in both directions. */
  readonly swallow?: boolean
  /** Half-open: neither side is read nor closed any more, until this changes. */
  readonly freeze?: boolean
  /** Milliseconds between the end of one side and telling the other. */
  readonly slowCloseMs?: number
}

/** A running proxy. */
export interface FaultProxy extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** Replaces all faults; open connections feel it as well. */
  become(faults: Faults): void
  /** Connections accepted so far. */
  accepted(): number
  /** Connections that are open now, on the side of the caller. */
  open(): number
  /** Ends every connection by a reset. */
  resetAll(): void
}

interface State {
  faults: Faults
  changed: PromiseWithResolvers<void>
  accepted: number
  readonly target: { readonly port: number; readonly host: string }
  readonly sockets: Set<Socket>
  readonly stop: AbortController
  readonly random: () => number
}

/** Starts a proxy on a free port in front of a port of the loopback interface; `seed` makes the jitter repeatable. */
export async function startFaultProxy(targetPort: number, first: Faults = {}, seed = 1): Promise<FaultProxy> {
  const state: State = {
    faults: first,
    changed: Promise.withResolvers<void>(),
    accepted: 0,
    target: { port: targetPort, host: '127.0.0.1' },
    sockets: new Set(),
    stop: new AbortController(),
    random: createRandom(seed),
  }
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true, noDelay: true }, (socket) => accept(state, socket))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // node:net: what a TCP server has
  const end = (): void => state.sockets.forEach((socket) => socket.resetAndDestroy())
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    become(faults) {
      state.faults = faults
      state.changed.resolve()
      state.changed = Promise.withResolvers<void>()
    },
    accepted: () => state.accepted,
    open: () => state.sockets.size,
    resetAll: end,
    async [Symbol.asyncDispose]() {
      state.stop.abort()
      state.changed.resolve()
      end()
      const closed = once(server, 'close')
      server.close()
      await closed
    },
  }
}

/** Numbers from 0 to 1 that are the same for the same seed. */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 0x1_0000_0000
  }
}

function accept(state: State, caller: Socket): void {
  state.accepted += 1
  track(state, caller)
  if (state.faults.refuse === true) return void caller.resetAndDestroy()
  const upstream = connect({ ...state.target, allowHalfOpen: true, noDelay: true })
  upstream.on('error', () => caller.resetAndDestroy())
  caller.on('close', () => upstream.destroy())
  void pump(state, caller, upstream)
  void pump(state, upstream, caller, 0)
}

function track(state: State, socket: Socket): void {
  state.sockets.add(socket)
  socket.on('error', () => undefined)
  socket.on('close', () => state.sockets.delete(socket))
}

/** One direction of one connection. `passed` is counted for the direction of answers alone. */
interface Direction {
  readonly state: State
  readonly from: Socket
  readonly to: Socket
  passed: number | undefined
}

/** Carries one direction; `passed` is given for the direction of answers, whose bytes are counted. */
async function pump(state: State, from: Socket, to: Socket, passed?: number): Promise<void> {
  const direction: Direction = { state, from, to, passed }
  try {
    for await (const chunk of from as AsyncIterable<Buffer>) if (await carry(direction, chunk)) return
    await thaw(state)
    if ((state.faults.slowCloseMs ?? 0) > 0) await wait(state.faults.slowCloseMs, undefined, { signal: state.stop.signal })
    if (state.faults.swallow !== true) to.end()
  } catch {
    // One side was reset: so is the other, and that is all there is to tell.
    if (!to.destroyed) to.resetAndDestroy()
  }
}

/** Carries one chunk piece by piece; answers whether the connection was cut. */
async function carry(direction: Direction, chunk: Buffer): Promise<boolean> {
  const { state, to } = direction
  for (let at = 0; at < chunk.length;) {
    await thaw(state)
    const piece = chunk.subarray(at, at + (state.faults.sliceBytes ?? chunk.length))
    at += piece.length
    if (state.faults.swallow === true) continue
    await hold(state, piece.length)
    const left = direction.passed === undefined ? Infinity : (state.faults.cutAtByte ?? Infinity) - direction.passed
    if (left <= piece.length) {
      await cut(direction, piece.subarray(0, Math.max(0, left)))
      return true
    }
    await put(to, piece)
    if (direction.passed !== undefined) direction.passed += piece.length
  }
  return false
}

async function thaw(state: State): Promise<void> {
  while (state.faults.freeze === true && !state.stop.signal.aborted) await state.changed.promise
}

async function hold(state: State, bytes: number): Promise<void> {
  const { latencyMs = 0, jitterMs = 0, bytesPerSecond } = state.faults
  const ms = latencyMs + jitterMs * state.random() + (bytesPerSecond === undefined ? 0 : (bytes / bytesPerSecond) * 1_000)
  if (ms > 0) await wait(ms, undefined, { signal: state.stop.signal })
}

async function cut({ state, from, to }: Direction, last: Buffer): Promise<void> {
  await put(to, last)
  from.destroy()
  if (state.faults.cut === 'close') to.destroySoon()
  else to.resetAndDestroy()
}

/** Writes and waits until the kernel has it, so that a reset does not take it back. */
async function put(to: Socket, bytes: Buffer): Promise<void> {
  if (bytes.length === 0 || to.destroyed) return
  await new Promise<void>((resolve, reject) => to.write(bytes, (error) => (error ? reject(error) : resolve())))
}
