import type { JsonObject } from '../../core/json.ts'
import { canonicalJson } from '../../lib/canonical-json.ts'
import type { Connection } from './contract.ts'
import type { PoolKey } from './pool.ts'

type Updated = (params: JsonObject) => void

interface Group {
  readonly key: PoolKey
  readonly uris: Map<string, Set<Updated>>
}

/** Who watches which resource, by the connection that delivers it; many listeners of one URI cost one subscription. */
export class Watches {
  readonly #connect: (key: PoolKey) => Promise<Connection>
  readonly #groups = new Map<string, Group>()

  constructor(connect: (key: PoolKey) => Promise<Connection>) {
    this.#connect = connect
  }

  /** URIs that a connection with this key must deliver. */
  uris(key: PoolKey): string[] {
    return [...(this.#groups.get(textOf(key))?.uris.keys() ?? [])]
  }

  /** Starts to watch; resolves when the upstream knows. Returns the way to stop. */
  async add(key: PoolKey, uri: string, updated: Updated): Promise<() => void> {
    const group = this.#groups.get(textOf(key)) ?? { key, uris: new Map<string, Set<Updated>>() }
    const known = group.uris.get(uri)
    const listeners = known ?? new Set<Updated>()
    // a function of its own, so that two watchers lending the same one are two
    const listener: Updated = (params) => updated(params)
    listeners.add(listener)
    group.uris.set(uri, listeners)
    this.#groups.set(textOf(key), group)
    const stop = (): void => this.#remove(group, uri, listener)
    if (known) return stop
    try {
      await (await this.#connect(key)).listen(this.uris(key))
    } catch (error) {
      stop()
      throw error
    }
    return stop
  }

  /** Hands an update that came over the connection of `key` to those who watch its URI. */
  tell(key: PoolKey, params: JsonObject): void {
    const { uri } = params
    if (typeof uri !== 'string') return
    for (const listener of this.#groups.get(textOf(key))?.uris.get(uri) ?? []) listener(params)
  }

  #remove(group: Group, uri: string, listener: Updated): void {
    const listeners = group.uris.get(uri)
    if (listeners?.delete(listener) !== true || listeners.size > 0) return
    group.uris.delete(uri)
    if (group.uris.size === 0) this.#groups.delete(textOf(group.key))
    // The upstream learns it when it is there; a subscription too many harms nobody.
    this.#connect(group.key).then(
      (connection) => connection.listen(this.uris(group.key)),
      () => undefined,
    )
  }
}

function textOf({ principal, capabilities }: PoolKey): string {
  return canonicalJson([principal, capabilities])
}
