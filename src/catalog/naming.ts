import { createHash } from 'node:crypto'

/** Longest name shown to clients: hosts put `mcp__<server>__` in front, and model APIs stop at 64. */
const MAX_NAME = 48

/** Something that wants a name. `alias` was chosen by the admin and always kept; `prefix` is put in front on collision, or always. */
export interface NameRequest {
  readonly server: string
  /** The upstream's own name. */
  readonly name: string
  readonly alias?: string | undefined
  readonly prefix?: string | boolean | undefined
}

/**
 * Gives every request a name of its own within `[a-zA-Z0-9_-]{1,48}`, in request order; undefined where even a hash does not help.
 * An alias wins over everything. Two natural names that meet are both prefixed with their server, and hashed when they still meet, so
 * that nobody wins by coming first and the outcome does not depend on order.
 */
export function assignNames(requests: readonly NameRequest[]): (string | undefined)[] {
  const plain = requests.map((request) => request.alias ?? fit(prefixed(request, request.prefix), request))
  const apart = resolveClashes(requests, plain, (request) => fit(prefixed(request, request.prefix || true), request))
  const hashed = resolveClashes(requests, apart, (request) => withHash(prefixed(request, request.prefix || true), request))
  const counts = countNames(hashed)
  return hashed.map((name, index) => (counts.get(name) === 1 || requests[index]?.alias !== undefined ? name : undefined))
}

/** Shortens a name to what clients may see, keeping it recognisable and unique by eight characters of a hash. */
export function fit(name: string, identity: { readonly server: string; readonly name: string }): string {
  const clean = sanitise(name)
  return clean.length <= MAX_NAME ? clean : withHash(name, identity)
}

/** The name with a hash of what it stands for; the same target always gets the same one. */
export function withHash(
  name: string,
  { server, name: upstreamName }: { readonly server: string; readonly name: string },
): string {
  const hash = createHash('sha256')
    .update(JSON.stringify([server, upstreamName]))
    .digest('hex')
    .slice(0, 8)
  return `${sanitise(name).slice(0, MAX_NAME - 9)}_${hash}`
}

function sanitise(name: string): string {
  return name.replace(/[^a-zA-Z0-9_-]/gu, '_') || '_'
}

function prefixed({ server, name }: NameRequest, prefix: string | boolean | undefined): string {
  if (prefix === undefined || prefix === false) return name
  return `${prefix === true ? server : prefix}_${name}`
}

/** Renames, by `rename`, every request without an alias whose name another one has too. */
function resolveClashes(
  requests: readonly NameRequest[],
  names: readonly string[],
  rename: (request: NameRequest) => string,
): string[] {
  const counts = countNames(names)
  return requests.map((request, index) => {
    const name = names[index] ?? ''
    return request.alias === undefined && (counts.get(name) ?? 0) > 1 ? rename(request) : name
  })
}

function countNames(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1)
  return counts
}
