// A Map would do, were it not for V8: a hash table that is replaced by a larger or cleaner one keeps a reference to its successor. One dead
// table in old space thus keeps all later ones alive, with everything that was ever in them, until the next full collection. Where entries
// come and go with every call, every call then survives the cheap collections. Two plain arrays leave nothing behind.

/** Things under way by key: few at a time, coming and going with every call. Keeps no order. */
export class InFlight<Key, Value> {
  readonly #keys: Key[] = []
  readonly #values: Value[] = []

  get size(): number {
    return this.#keys.length
  }

  get(key: Key): Value | undefined {
    const place = this.#keys.indexOf(key)
    return place < 0 ? undefined : this.#values[place]
  }

  set(key: Key, value: Value): void {
    const place = this.#keys.indexOf(key)
    this.#keys[place < 0 ? this.#keys.length : place] = key
    this.#values[place < 0 ? this.#values.length : place] = value
  }

  /** The last entry takes the place of the one that goes. */
  delete(key: Key): void {
    const place = this.#keys.indexOf(key)
    if (place < 0) return
    const [lastKey, lastValue] = [this.#keys.pop(), this.#values.pop()]
    if (place === this.#keys.length) return
    // `as`: the entry that goes is not the last, so there was a last one.
    this.#keys[place] = lastKey as Key
    this.#values[place] = lastValue as Value
  }

  /** A copy: entries may go while it is read. */
  keys(): readonly Key[] {
    return [...this.#keys]
  }

  /** A copy: entries may go while it is read. */
  values(): readonly Value[] {
    return [...this.#values]
  }
}
