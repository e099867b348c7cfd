import { parsePattern, type PatternNode } from '../../lib/pattern-parser.ts'
import type { PatternScan } from '../../lib/pattern-scan.ts'

/** Letters tried first, so that a sample looks like words. */
const LIKELY = 'aA0 -_.@/:#$%&*+=!?\'"(),;<>[]{}|~^\n\t\r'.split('')
const MAX_BRANCHES = 32

/** A text that a pattern matches, found by walking through it; undefined when none was found, as for a pattern that can never match. */
export function sampleOf(source: string, scan: PatternScan): string | undefined {
  const node = parsePattern(source)
  for (let branch = 0; branch < MAX_BRANCHES; branch++) {
    const sample = write(node, branch)
    const candidates = [sample, ` ${sample} `, `a${sample}a`, `a${sample}`, `${sample}a`]
    const found = candidates.find((text) => scan.find(text, 0, true).length > 0)
    if (found !== undefined) return found
  }
  return undefined
}

/** One text of a pattern, assertions left aside. `branch` says which way to go where there are several. */
function write(node: PatternNode, branch: number): string {
  switch (node.kind) {
    case 'set':
      return letterOf(node.accepts, branch)
    case 'assert':
      return ''
    case 'sequence':
      return node.parts.map((part) => write(part, branch)).join('')
    case 'choice': {
      const part = node.parts[branch % node.parts.length]
      return part === undefined ? '' : write(part, branch)
    }
    case 'repeat':
      return write(node.part, branch).repeat(Math.max(node.min, node.max === 0 ? 0 : 1))
  }
}

function letterOf(accepts: (codePoint: number) => boolean, branch: number): string {
  const likely = LIKELY.filter((letter) => accepts(letter.codePointAt(0) ?? 0))
  if (likely.length > 0) return likely[branch % likely.length] ?? ''
  for (let point = 0; point <= 0xffff; point++) if (accepts(point)) return String.fromCodePoint(point)
  return accepts(0x1f600) ? String.fromCodePoint(0x1f600) : ''
}
