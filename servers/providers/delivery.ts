// The way of an answer onto the socket, right or wrong. Three steps: frames are spoiled as the behaviour says, framing makes bytes of them,
// and a pen writes the bytes, counting, and breaks off, stalls or scribbles where it was told to.
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { setImmediate as nextTurn, setTimeout as wait } from 'node:timers/promises'
import type { Behaviour, Counts } from './behaviour.ts'
import type { Framing } from './framing.ts'
import type { FakeWire, Frame, Refusal } from './wire.ts'

/** How an answer ended. */
export type Outcome = 'complete' | 'cut' | 'stalled' | 'hung_up' | 'dropped'

/** Writes one answer and tells how it ended; `say` hears of every usage as its last byte leaves. */
export async function deliver(
  response: ServerResponse,
  chunks: Iterable<Chunk>,
  behaviour: Behaviour,
  say: (counts: Counts) => void,
): Promise<Outcome> {
  const pen = createPen(response, behaviour)
  if (behaviour.firstByte !== undefined) {
    response.flushHeaders()
    await pause(behaviour.firstByte, response)
  }
  let isFirst = true
  for (const chunk of chunks) {
    if (!isFirst && chunk.paced && behaviour.delay !== undefined) await pause(behaviour.delay, response)
    isFirst = false
    const end = chunk.fault === undefined ? await pen.write(chunk.bytes) : await pen.break(chunk.fault)
    if (end !== undefined) return end
    if (chunk.says !== undefined) say(chunk.says)
  }
  return await pen.end()
}

/** Bytes to write, or a fault at this place. */
export interface Chunk {
  readonly bytes: Buffer
  readonly says?: Counts
  /** A delay goes before it. */
  readonly paced: boolean
  readonly fault?: 'cut' | 'stalled'
}

const NOTHING = Buffer.alloc(0)

/** The chunks of a whole answer. */
export function wholeChunks(body: Buffer, says: Counts | undefined): Chunk[] {
  return [says === undefined ? { bytes: body, paced: false } : { bytes: body, says, paced: false }]
}

/** The same chunks compressed, each a gzip member of its own: a body of several members is one gzip body. */
export function* gzipped(chunks: Iterable<Chunk>): Generator<Chunk> {
  for (const chunk of chunks) yield chunk.bytes.length === 0 ? chunk : { ...chunk, bytes: gzipSync(chunk.bytes) }
}

/** The chunks of a stream, spoiled as told. */
export function* streamChunks(wire: FakeWire, frames: Iterable<Frame>, framing: Framing, behaviour: Behaviour): Generator<Chunk> {
  if (framing.opening) yield { bytes: framing.opening, paced: false }
  let content = 0
  for (const frame of spoil(frames, wire, behaviour)) {
    if (frame === 'cut' || frame === 'stalled') {
      yield { bytes: NOTHING, paced: false, fault: frame }
      return
    }
    const isContent = frame.kind === 'content'
    if (isContent && behaviour.pings !== undefined && content % behaviour.pings === 0) {
      const ping = wire.ping ? framing.encode(wire.ping) : framing.comment?.('ping')
      if (ping) yield { bytes: ping, paced: false }
    }
    if (behaviour.comments === true && framing.comment) yield { bytes: framing.comment('fake comment'), paced: false }
    if (isContent) content += 1
    const bytes = framing.encode(frame)
    yield frame.says === undefined ? { bytes, paced: isContent } : { bytes, paced: isContent, says: frame.says }
  }
  if (framing.closing) yield { bytes: framing.closing, paced: false }
}

/** The error a behaviour asks for. */
export function refusalOf(behaviour: Behaviour): Refusal {
  const refusal = { status: behaviour.status ?? 500, message: behaviour.message ?? 'the fake provider was told to fail' }
  return behaviour.code === undefined ? refusal : { ...refusal, code: behaviour.code }
}

function* spoil(frames: Iterable<Frame>, wire: FakeWire, behaviour: Behaviour): Generator<Frame | 'cut' | 'stalled'> {
  const { errorAt, cutChunk, stallChunk, invalidJsonAt, noEnd, noFinish } = behaviour
  let content = 0
  let count = 0
  for (const frame of frames) {
    const isContent = frame.kind === 'content'
    // What was to happen after more content than there is happens before the end.
    const reached = (at: number | undefined) => at !== undefined && (isContent ? content >= at : isEnding(frame))
    if (reached(errorAt)) return void (yield wire.errorFrame(refusalOf(behaviour), count))
    if (reached(cutChunk)) return void (yield 'cut')
    if (reached(stallChunk)) return void (yield 'stalled')
    if (noFinish === true && isEnding(frame)) return
    count += 1
    if (noEnd === true && frame.kind === 'end') continue
    yield isContent && content === invalidJsonAt ? { ...frame, data: frame.data.slice(0, -2) } : frame
    if (isContent) content += 1
  }
}

const isEnding = ({ kind }: Frame) => kind === 'finish' || kind === 'usage' || kind === 'end'

interface Pen {
  /** Undefined while there is more to write. */
  write(bytes: Buffer): Promise<Outcome | undefined>
  break(fault: 'cut' | 'stalled'): Promise<Outcome>
  end(): Promise<Outcome>
}

const GARBAGE = Buffer.from([0x00, 0xff, 0xfe, ...Buffer.from('}{ garbage ]['), 0x0a, 0x80])

function createPen(response: ServerResponse, behaviour: Behaviour): Pen {
  const { garbageByte, cutByte, stallByte } = behaviour
  let offset = 0
  const breakOff = async (fault: 'cut' | 'stalled'): Promise<Outcome> => {
    response.flushHeaders()
    if (fault === 'cut') cutConnection(response, behaviour.cut ?? 'close')
    else if (!response.destroyed) await once(response, 'close')
    return fault
  }
  /** Writes `bytes` up to an absolute place when that place lies in them. */
  const upTo = async (place: number | undefined, bytes: Buffer): Promise<boolean> => {
    if (place === undefined || place < offset || place >= offset + bytes.length) return false
    await put(response, bytes.subarray(0, place - offset), behaviour)
    return true
  }
  return {
    write: async (bytes) => {
      if (await upTo(cutByte, bytes)) return await breakOff('cut')
      if (await upTo(stallByte, bytes)) return await breakOff('stalled')
      if (await upTo(garbageByte, bytes)) {
        await put(response, GARBAGE, behaviour)
        await put(response, bytes.subarray((garbageByte ?? 0) - offset), behaviour)
      } else await put(response, bytes, behaviour)
      offset += bytes.length
      return response.destroyed ? 'hung_up' : undefined
    },
    break: breakOff,
    end: async () => {
      if (response.destroyed) return 'hung_up'
      // A body shorter than its header says can only end with the connection.
      if ((behaviour.lengthOff ?? 0) > 0) return await breakOff('cut')
      response.end()
      await Promise.race([once(response, 'finish'), once(response, 'close')])
      return response.writableFinished ? 'complete' : 'hung_up'
    },
  }
}

async function put(response: ServerResponse, bytes: Buffer, { oneByte }: Behaviour): Promise<void> {
  if (oneByte !== true) return await send(response, bytes)
  for (let at = 0; at < bytes.length && !response.destroyed; at += 1) {
    await send(response, bytes.subarray(at, at + 1))
    await nextTurn()
  }
}

async function send(response: ServerResponse, bytes: Buffer): Promise<void> {
  if (bytes.length === 0 || response.destroyed || response.write(bytes)) return
  await Promise.race([once(response, 'drain'), once(response, 'close')])
}

function cutConnection(response: ServerResponse, how: 'close' | 'reset'): void {
  if (how === 'reset') response.socket?.resetAndDestroy()
  else response.socket?.destroySoon()
}

/** Waits, but not longer than the caller does. */
export async function pause(milliseconds: number, response: ServerResponse): Promise<void> {
  if (milliseconds <= 0 || response.destroyed) return
  const gone = new AbortController()
  const leave = () => gone.abort()
  response.once('close', leave)
  try {
    await wait(milliseconds, undefined, { signal: gone.signal })
  } catch (error) {
    if (!gone.signal.aborted) throw error
  } finally {
    response.off('close', leave)
  }
}
