import type { SharedRecords } from '../lib/shared-records.ts'

const WINDOW_MS = 60_000
/** A piece holds moments behind the number of the next piece. */
const NEXT = 0
/** How many numbers a piece takes: one is the way to the next. */
export const PIECE_WIDTH = 16
const MOMENTS = PIECE_WIDTH - 1

/** Numbers of one window: its first piece and the place there, its last piece and how full it is, and how many moments it holds. */
const FIRST = 0
const FIRST_AT = 1
const LAST = 2
const LAST_FULL = 3
const LENGTH = 4
/** How many numbers a window takes, besides its pieces. */
export const CALL_WINDOW_WIDTH = 5

/** The moments of the calls in the last minute, oldest first, in a chain of pieces of shared memory. Pieces are named from 1. */
export class CallWindow {
  readonly #pieces: SharedRecords
  readonly #values: Float64Array
  readonly #at: number

  constructor(pieces: SharedRecords, values: Float64Array, at: number) {
    this.#pieces = pieces
    this.#values = values
    this.#at = at
  }

  count(now: number): number {
    this.#forget(now)
    return this.#get(LENGTH)
  }

  /** Milliseconds until one more call fits under `max`. A limit may have been lowered since: then several must leave first. */
  waitMs(now: number, max: number): number {
    const excess = this.count(now) - max
    return excess < 0 ? 0 : this.#momentAt(excess) + WINDOW_MS - now
  }

  /** Milliseconds until the window is empty. */
  resetMs(now: number): number {
    this.#forget(now)
    return this.#get(LENGTH) === 0 ? 0 : this.#read(this.#get(LAST), this.#get(LAST_FULL) - 1) + WINDOW_MS - now
  }

  /** Counts a call. False when no memory is left for it. */
  add(now: number): boolean {
    if ((this.#get(LAST) === 0 || this.#get(LAST_FULL) === MOMENTS) && !this.#extend()) return false
    const full = this.#get(LAST_FULL)
    this.#pieces.values[(this.#get(LAST) - 1) * PIECE_WIDTH + 1 + full] = now
    this.#set(LAST_FULL, full + 1)
    this.#set(LENGTH, this.#get(LENGTH) + 1)
    return true
  }

  /** Gives all memory back. */
  clear(): void {
    while (this.#get(FIRST) !== 0) this.#dropFirst()
    this.#set(LENGTH, 0)
  }

  #get(offset: number): number {
    return this.#values[this.#at + offset] ?? 0
  }

  #set(offset: number, value: number): void {
    this.#values[this.#at + offset] = value
  }

  #read(piece: number, place: number): number {
    return this.#pieces.values[(piece - 1) * PIECE_WIDTH + 1 + place] ?? 0
  }

  #nextOf(piece: number): number {
    return this.#pieces.values[(piece - 1) * PIECE_WIDTH + NEXT] ?? 0
  }

  #momentAt(index: number): number {
    let piece = this.#get(FIRST)
    let place = this.#get(FIRST_AT) + index
    for (; place >= MOMENTS; place -= MOMENTS) piece = this.#nextOf(piece)
    return this.#read(piece, place)
  }

  /** A moment exactly one window old is out: [now - 60 s, now) and [now, now + 60 s) share no call. */
  #forget(now: number): void {
    while (this.#get(LENGTH) > 0 && this.#read(this.#get(FIRST), this.#get(FIRST_AT)) + WINDOW_MS <= now) {
      this.#set(LENGTH, this.#get(LENGTH) - 1)
      this.#set(FIRST_AT, this.#get(FIRST_AT) + 1)
      if (this.#get(FIRST_AT) === MOMENTS || this.#get(LENGTH) === 0) this.#dropFirst()
    }
  }

  #extend(): boolean {
    const piece = this.#pieces.take() + 1
    if (piece === 0) return false
    const last = this.#get(LAST)
    if (last === 0) this.#set(FIRST, piece)
    else this.#pieces.values[(last - 1) * PIECE_WIDTH + NEXT] = piece
    this.#set(LAST, piece)
    this.#set(LAST_FULL, 0)
    return true
  }

  #dropFirst(): void {
    const piece = this.#get(FIRST)
    const next = this.#nextOf(piece)
    this.#pieces.give(piece - 1)
    this.#set(FIRST, next)
    this.#set(FIRST_AT, 0)
    if (next === 0) this.#set(LAST, 0)
  }
}
