import { hash } from 'node:crypto'

/**
 * The canonical bytes of a JSON value after RFC 8785 (JCS): members sorted by UTF-16 code units at every level, no blanks.
 * Numbers are written as ECMAScript does, so values that differ only in spelling (1.0 and 1) are equal.
 */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item ?? null)).join(',')}]`
  if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return JSON.stringify(value)
  const members = value as Readonly<Record<string, unknown>> // any object that is not an array is read by its own members
  const written: string[] = []
  for (const key of Object.keys(members).sort()) {
    if (members[key] !== undefined) written.push(`${JSON.stringify(key)}:${canonicalJson(members[key])}`)
  }
  return `{${written.join(',')}}`
}

/** `sha256:<hex>` over the canonical bytes of a JSON value. */
export function digestOf(value: unknown): string {
  return `sha256:${hash('sha256', canonicalJson(value))}`
}
