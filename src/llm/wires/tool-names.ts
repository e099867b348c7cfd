// Names of tools as a wire takes them, and the way back. (1) A name the wire takes is sent as it is and given to no other tool; (2) another one
// gets its letters and a digest of itself, so it is the same in every request; (3) the answer is read with the map of what was changed.
import type { ChatRequest } from '../middle.ts'
import type { DecodeContext } from '../wire.ts'
import { digest } from './digest.ts'

/** Tool names of one request. */
export interface ToolNames {
  /** The name to send for the caller's. */
  sent(name: string): string
  /** Sent names to the caller's names, where they differ; undefined when none does. */
  renamed(): ReadonlyMap<string, string> | undefined
}

/** What nearly every wire takes. */
const PLAIN = /^[A-Za-z0-9_-]{1,64}$/

/** Makes the names of one request. */
export function createToolNames(request: ChatRequest, allowed: RegExp = PLAIN): ToolNames {
  const taken = new Set(namesIn(request).filter((name) => allowed.test(name)))
  const changed = new Map<string, string>()
  const back = new Map<string, string>()
  return {
    sent(name) {
      if (allowed.test(name)) return name
      const known = changed.get(name)
      if (known !== undefined) return known
      const short = shortened(name, allowed, taken)
      taken.add(short)
      changed.set(name, short)
      back.set(short, name)
      return short
    },
    renamed: () => (back.size === 0 ? undefined : back),
  }
}

/** The caller's name of a tool the provider knows by another. */
export function callersName(name: string, { toolNames }: Pick<DecodeContext, 'toolNames'>): string {
  return toolNames?.get(name) ?? name
}

function namesIn({ tools, turns, toolChoice }: ChatRequest): string[] {
  const used = turns.flatMap(({ parts }) => parts.flatMap((part) => (part.type === 'tool-call' ? [part.name] : [])))
  const chosen = toolChoice?.type === 'tool' ? [toolChoice.name] : toolChoice?.type === 'subset' ? toolChoice.names : []
  return [...tools.map(({ name }) => name), ...used, ...chosen]
}

function shortened(name: string, allowed: RegExp, taken: ReadonlySet<string>): string {
  const letters = name.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 50)
  for (let round = 0; ; round += 1) {
    const made = `${letters}_${digest(round === 0 ? name : `${round} ${name}`, 12)}`
    // some wires take a letter or `_` only at the beginning
    const short = allowed.test(made) ? made : `_${made}`
    if (!taken.has(short)) return short
  }
}
