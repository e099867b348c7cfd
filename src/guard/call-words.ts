// The words of a proposed tool call. Arguments are judged as the tool would read them, not as they are escaped: every text in them is a part
// of its own, names of members and numbers too, and what is redacted is written back as JSON; a number becomes a text. Arguments that are not
// strict JSON (a member named twice among them) are one part.
import { isJsonObject, type Json } from '../core/json.ts'
import type { TextLens, TextPart } from '../core/text-lens.ts'
import { parseStrictJson } from '../lib/strict-json.ts'

/** A tool call taken apart. */
export interface CallWords {
  readonly parts: readonly TextPart[]
  readonly call: { readonly name: string; readonly args?: unknown }
  /** The arguments with some parts replaced, by index of the part; undefined where that cannot be done (a name, or arguments that are not JSON). */
  rewritten(texts: ReadonlyMap<number, string>): string | undefined
}

const BOUNDS = { depth: 128, nodes: 100_000 }

/** Takes a lens with the parts `name` and `arguments` apart. */
export function toCallWords(lens: TextLens): CallWords {
  const given = lens.parts
  const name = given.find(({ path }) => path === 'name')?.text ?? ''
  const text = given.find(({ path }) => path === 'arguments')?.text ?? ''
  const root = readArguments(text)
  if (root === undefined) {
    const parts = [
      { path: 'name', text: name },
      { path: 'arguments', text },
    ]
    return { parts, call: { name }, rewritten: () => undefined }
  }
  const found: Found[] = []
  collect(root, 'value', 'arguments', found)
  return {
    parts: [{ path: 'name', text: name }, ...found.map(({ path, text: words }) => ({ path, text: words }))],
    call: { name, args: root.value },
    rewritten(texts) {
      if (texts.has(0) || found.some(({ write }, index) => write === undefined && texts.has(index + 1))) return undefined
      found.forEach((one, index) => {
        const instead = texts.get(index + 1)
        if (instead !== undefined) one.write?.(instead)
      })
      return JSON.stringify(root.value)
    },
  }
}

interface Found extends TextPart {
  /** Absent for the name of a member, which cannot be redacted. */
  readonly write?: (text: string) => void
}

type Holder = Record<string | number, Json | undefined>

function readArguments(text: string): { readonly value: Json } | undefined {
  if (text.trim() === '') return { value: {} }
  try {
    return { value: parseStrictJson(text, BOUNDS).value as Json } // what the parser makes is JSON
  } catch {
    return undefined // judged as it stands
  }
}

function collect(holder: object, key: string | number, path: string, found: Found[]): void {
  // Our own parse of the arguments: nobody else holds it, so it may be changed in place.
  const open = holder as Holder
  const value = open[key]
  const text = textOf(value)
  if (text !== undefined) {
    const write = (written: string) =>
      Object.defineProperty(open, key, { value: written, enumerable: true, writable: true, configurable: true })
    found.push({ path, text, write })
  } else if (Array.isArray(value)) {
    for (const index of value.keys()) collect(value, index, `${path}[${index}]`, found)
  } else if (isJsonObject(value)) {
    for (const name of Object.keys(value)) {
      const inner = `${path}.${name}`
      found.push({ path: inner, text: name })
      collect(value, name, inner, found)
    }
  }
}

/** Texts, and numbers as they are written: a card number is one wherever it stands. */
function textOf(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  return JSON.isRawJSON(value) ? value.rawJSON : undefined
}
