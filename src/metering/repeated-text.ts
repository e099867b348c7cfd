// Text that is the same in many lines of the journal: written and summed once by who writes lines, checked once by who reads them. Callers choose
// what is in it, so all of it is bounded; what is forgotten is made again.
import { crc32 } from 'node:zlib'
import type { Entry } from '../core/entry.ts'

/** Which fields are kept as text, and how. */
export interface RepeatedFields {
  /** What entries with the same text have in common; those with the same key are looked through. */
  key(entry: Entry): string
  isSame(left: Entry, right: Entry): boolean
  write(entry: Entry): string
}

interface Written {
  readonly entry: Entry
  readonly text: string
  readonly sum: string
}

/** The end of a line, taken apart. */
export interface Repeated {
  readonly caller: string
  readonly course: string
}

const MAX_KEYS = 1_000
const MAX_TEXTS = 16

/** Text of some fields of entries, and its checksum. */
export class RepeatedText {
  readonly #fields: RepeatedFields
  readonly #written = new Map<string, Written[]>()

  constructor(fields: RepeatedFields) {
    this.#fields = fields
  }

  of(entry: Entry): Written {
    const key = this.#fields.key(entry)
    const texts = this.#written.get(key) ?? this.#begin(key)
    for (const written of texts) if (this.#fields.isSame(written.entry, entry)) return written
    const text = this.#fields.write(entry)
    const written = { entry, text, sum: checksum(text) }
    if (texts.length >= MAX_TEXTS) texts.length = 0
    texts.push(written)
    return written
  }

  #begin(key: string): Written[] {
    if (this.#written.size >= MAX_KEYS) this.#written.clear()
    const texts: Written[] = []
    this.#written.set(key, texts)
    return texts
  }
}

/** Ends of lines whose checksums were right. */
export class KnownTexts {
  readonly #known = new Map<string, Repeated & { readonly text: string }>()

  /** Caller and course out of the end of a line; undefined when it is not what the checksums are of. */
  find(sums: string, text: string): Repeated | undefined {
    const known = this.#known.get(sums)
    if (known?.text === text) return known
    const [caller = '', course = ''] = text.split('\t')
    if (checksum(caller) + checksum(course) !== sums) return undefined
    const found = { text, caller, course }
    if (this.#known.size >= MAX_KEYS * MAX_TEXTS) this.#known.clear()
    this.#known.set(sums, found)
    return found
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'))

/** CRC-32 as eight hex digits. */
export function checksum(text: string): string {
  const sum = crc32(text)
  return `${HEX[sum >>> 24]}${HEX[(sum >>> 16) & 255]}${HEX[(sum >>> 8) & 255]}${HEX[sum & 255]}`
}
