import type { Definition } from '../core/snapshot.ts'

/** Schemes whose URIs mean something to hosts and so are never rewritten. */
const KEPT = /^(ui|skill):\/\//

/** The URI or template clients see when another server offers the same one. */
export function wrapUri(server: string, uri: string): string {
  return `tollgate+${server}:${uri}`
}

/**
 * Names resources: as the upstream calls them, and wrapped with the server where two servers offer the same URI. A URI that must not be
 * rewritten goes to the first; the others get none.
 */
export function nameResources(definitions: readonly Pick<Definition, 'server' | 'name'>[]): (string | undefined)[] {
  const owners = new Map<string, Set<string>>()
  for (const { server, name } of definitions) owners.set(name, (owners.get(name) ?? new Set()).add(server))
  const taken = new Set<string>()
  return definitions.map(({ server, name }) => {
    const shared = (owners.get(name)?.size ?? 0) > 1
    const uri = shared && !KEPT.test(name) ? wrapUri(server, name) : name
    if (taken.has(uri)) return undefined
    taken.add(uri)
    return uri
  })
}
