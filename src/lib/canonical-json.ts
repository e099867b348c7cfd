import { createHash } from 'node:crypto'

/**
 * The canonical bytes of a JSON value after RFC 8785 (JCS): members sorted by UTF-16 code units at every level, no blanks.
 * Numbers are written as ECMAScript does, so values that differ only in spelling (1.0 and 1) are equal.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value))
}

/** `sha256:<hex>` over the canonical bytes of a JSON value. */
export function digestOf(value: unknown): string {
  return `sha256:${createHash('sha256').update(canonicalJson(value)).digest('hex')}`
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null || JSON.isRawJSON(value)) return value
  const copy = Object.create(null) as Record<string, unknown> // no prototype: a member may be called __proto__
  for (const key of Object.keys(value).sort()) copy[key] = sorted((value as Record<string, unknown>)[key])
  return copy
}
