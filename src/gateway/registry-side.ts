import type { Identity } from '../core/principal.ts'
import { renderRegistry, type RegistryBody } from '../edge/registry.ts'
import { eligible } from '../policy/decide.ts'
import type { Files } from './files.ts'

/** A request below `/v0.1/servers`: the unescaped segments behind it and the query. */
export interface RegistryVisit {
  readonly identity: Identity
  readonly path: readonly string[]
  readonly query: URLSearchParams
}

/** Answers the registry API over the catalogs a caller may use; remembers since when each looks as it does. */
export function createRegistrySide(files: Files): (visit: RegistryVisit, publicUrl: string) => RegistryBody {
  const since = new Map<string, { digest: string; at: number }>()
  const updatedAt = (id: string, digest: string): number => {
    const known = since.get(id)
    if (known?.digest === digest) return known.at
    const at = Date.now()
    since.set(id, { digest, at })
    return at
  }
  return ({ identity, path, query }, publicUrl) => {
    const snapshot = files.current.get()
    const catalogs = eligible(identity.principal, snapshot, new Date()).flatMap((id) => {
      const catalog = snapshot.catalogs.get(id)
      if (catalog === undefined) return []
      const { title, description, digest } = catalog
      return [{ id, title, digest, updatedAt: updatedAt(id, digest), ...(description === undefined ? {} : { description }) }]
    })
    return renderRegistry(catalogs, { path, query, publicUrl })
  }
}
