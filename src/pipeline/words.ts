import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { TextLens, TextPart } from '../core/text-lens.ts'

/** The members of a result that hold words a model or a person will read. */
const RESULT_MEMBERS = [
  'content',
  'structuredContent',
  'contents',
  'messages',
  'description',
  'completion',
  'inputRequests',
  'message',
]

/** Every text inside some members of an object, read when asked for and replaced in place. */
export function createLens(root: JsonObject, members: readonly string[] = RESULT_MEMBERS): TextLens {
  return new MemberLens(root, members)
}

class MemberLens implements TextLens {
  readonly #root: JsonObject
  readonly #members: readonly string[]
  #found: Map<string, Place> | undefined

  constructor(root: JsonObject, members: readonly string[]) {
    this.#root = root
    this.#members = members
  }

  get parts(): readonly TextPart[] {
    return [...this.#places()].map(([path, place]) => ({ path, text: place.read() }))
  }

  replace(path: string, text: string): void {
    this.#places().get(path)?.write(text)
  }

  #places(): Map<string, Place> {
    if (this.#found !== undefined) return this.#found
    this.#found = new Map()
    for (const member of this.#members) collect(this.#root, member, member, this.#found)
    return this.#found
  }
}

interface Place {
  read(): string
  write(text: string): void
}

function textAt(holder: Readonly<Record<string | number, Json | undefined>>, key: string | number): string {
  const value = holder[key]
  return typeof value === 'string' ? value : ''
}

/** Binary content and what names it are not words. Only in content blocks: data of a tool may use the same names for anything. */
function isWordless(path: string, name: string, holder: JsonObject): boolean {
  if (!/^(content|contents|messages)\[/.test(path)) return false
  if (name === 'data') return holder['type'] === 'image' || holder['type'] === 'audio'
  return name === 'type' || name === 'mimeType' || name === 'blob'
}

/** Names may look like paths (`a.b`), so two places may have one path; none of them may go unseen. */
function freePath(path: string, found: ReadonlyMap<string, Place>): string {
  let free = path
  while (found.has(free)) free = `${path}#${found.size}${free.slice(path.length)}`
  return free
}

function collect(holder: JsonObject | readonly Json[], key: string | number, path: string, found: Map<string, Place>): void {
  // Parsed JSON of this exchange alone: nobody else holds it, so it may be changed in place.
  const open = holder as Record<string | number, Json | undefined>
  if (!Object.hasOwn(open, key)) return
  const value = open[key]
  if (typeof value === 'string') {
    const define = (text: string) =>
      Object.defineProperty(open, key, { value: text, enumerable: true, writable: true, configurable: true })
    found.set(freePath(path, found), { read: () => textAt(open, key), write: define })
  } else if (Array.isArray(value)) {
    for (const index of value.keys()) collect(value, index, `${path}[${index}]`, found)
  } else if (isJsonObject(value) && !JSON.isRawJSON(value)) {
    for (const name of Object.keys(value)) {
      if (!isWordless(path, name, value)) collect(value, name, `${path}.${name}`, found)
    }
  }
}
