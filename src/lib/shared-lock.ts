// A lock that threads take around a few reads and writes of shared memory. Taking it spins, because nobody holds it for long; a thread that was
// ended while it held it is noticed by the count of takings, which then stands still, and the lock is taken from it.

const HOLDER = 0
const TAKINGS = 1
const SPINS = 200
const PAUSE_MS = 1
const DEAD_AFTER_MS = 2_000

/** Memory of one lock. */
export function allocateLock(): SharedArrayBuffer {
  return new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)
}

/** One thread's hand on a lock. Not reentrant, and nothing may be awaited between `take` and `release`. */
export class SharedLock {
  readonly #words: Int32Array
  readonly #holder: number

  constructor(memory: SharedArrayBuffer, worker: number) {
    this.#words = new Int32Array(memory)
    this.#holder = worker + 1
  }

  take(): void {
    for (let spin = 0; spin < SPINS; spin += 1) if (this.#tryTake(0)) return
    this.#takeSlowly()
  }

  release(): void {
    // A lock that was taken from this thread is somebody else's now.
    Atomics.compareExchange(this.#words, HOLDER, this.#holder, 0)
  }

  #tryTake(from: number): boolean {
    if (Atomics.compareExchange(this.#words, HOLDER, from, this.#holder) !== from) return false
    Atomics.add(this.#words, TAKINGS, 1)
    return true
  }

  #takeSlowly(): void {
    let takings = Atomics.load(this.#words, TAKINGS)
    let waited = 0
    for (;;) {
      const holder = Atomics.load(this.#words, HOLDER)
      if (holder === 0 && this.#tryTake(0)) return
      Atomics.wait(this.#words, HOLDER, holder, PAUSE_MS)
      waited += PAUSE_MS
      const now = Atomics.load(this.#words, TAKINGS)
      if (now !== takings) waited = 0
      takings = now
      if (waited >= DEAD_AFTER_MS && this.#tryTake(holder)) return
    }
  }
}
