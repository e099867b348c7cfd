// Tells whether a URI could have come from a URI template (RFC 6570). How it works: (1) the template is cut into literals and gaps, and
// each kind of gap may hold certain characters; (2) the set of places reachable in the URI is carried from part to part; (3) the URI
// matches when its end is reachable. Time is template parts times URI length, whatever the texts. It does not find the variables' values.

type Part = { readonly literal: string } | { readonly gap: RegExp; readonly lead: string }

/** Characters a gap may hold after its leading character, by operator. A slash never is in a gap that does not ask for it. */
const GAPS: Readonly<Record<string, { readonly gap: RegExp; readonly lead: string }>> = {
  '': { gap: /[^/?#\s]/, lead: '' },
  '+': { gap: /\S/, lead: '' },
  '#': { gap: /\S/, lead: '#' },
  '.': { gap: /[^/?#\s]/, lead: '.' },
  '/': { gap: /[^?#\s]/, lead: '/' },
  ';': { gap: /[^/?#\s]/, lead: ';' },
  '?': { gap: /[^#\s]/, lead: '?' },
  '&': { gap: /[^#\s]/, lead: '&' },
}

const MAX_PARTS = 64
const MAX_LENGTH = 8_192

/** Compiles a template into a question about URIs. A template that cannot be read matches nothing. */
export function compileTemplate(template: string): (uri: string) => boolean {
  const parts = readTemplate(template)
  if (parts === undefined) return () => false
  return (uri) => uri.length <= MAX_LENGTH && !hasDotSegments(uri) && matches(parts, uri)
}

function readTemplate(template: string): readonly Part[] | undefined {
  const parts: Part[] = []
  let at = 0
  for (const match of template.matchAll(/\{([+#./;?&]?)([^{}]+)\}/g)) {
    if (match.index > at) parts.push({ literal: template.slice(at, match.index) })
    const gap = GAPS[match[1] ?? '']
    if (gap !== undefined) parts.push(gap)
    at = match.index + match[0].length
  }
  if (at < template.length) parts.push({ literal: template.slice(at) })
  const unread = parts.some((part) => 'literal' in part && /[{}]/.test(part.literal))
  return unread || parts.length > MAX_PARTS ? undefined : parts
}

/** `..` inside a path would mean another place at the upstream than the one the template names. */
function hasDotSegments(uri: string): boolean {
  const path = uri.replace(/^[a-z][a-z0-9+.-]*:/i, '').split(/[?#]/, 1)[0] ?? ''
  return path.split(/[/\\]|%2f|%5c/i).some((segment) => /^(\.|%2e){1,2}$/i.test(segment))
}

function matches(parts: readonly Part[], uri: string): boolean {
  let reached = new Uint8Array(uri.length + 1)
  reached[0] = 1
  for (const part of parts) {
    reached = 'literal' in part ? overLiteral(reached, uri, part.literal) : overGap(reached, uri, part)
  }
  return reached[uri.length] === 1
}

function overLiteral(reached: Uint8Array, uri: string, literal: string): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(reached.length)
  for (let at = 0; at + literal.length <= uri.length; at += 1) {
    if (reached[at] === 1 && uri.startsWith(literal, at)) next[at + literal.length] = 1
  }
  return next
}

/** A gap with a leading character may be absent altogether; one without may be empty. */
function overGap(reached: Uint8Array, uri: string, { gap, lead }: { gap: RegExp; lead: string }): Uint8Array<ArrayBuffer> {
  const next = new Uint8Array(reached)
  let inside = false
  for (let at = 0; at < uri.length; at += 1) {
    const character = uri.charAt(at)
    if (reached[at] === 1 && (lead === '' ? gap.test(character) : character === lead)) inside = true
    else if (inside && !gap.test(character)) inside = false
    if (inside) next[at + 1] = 1
  }
  return next
}
