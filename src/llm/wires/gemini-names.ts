import { createHash } from 'node:crypto'

/** Function names as Gemini takes them, and the way back. */
export interface FunctionNames {
  /** The name to send for one of the caller's; the same for the same name. */
  sent(name: string): string
  /** Sent name to the caller's name, for those that differ; undefined when none does. */
  renamed(): ReadonlyMap<string, string> | undefined
}

const ALLOWED = /^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/

/** Maps names outside Gemini's alphabet. Deterministic, so that a prompt cache stays warm, and never two names to one. */
export function createFunctionNames(): FunctionNames {
  const renamed = new Map<string, string>()
  return {
    sent(name) {
      if (ALLOWED.test(name)) return name
      const letters = name.replaceAll(/[^A-Za-z0-9_.-]/g, '_').slice(0, 40)
      const sent = `_${letters}_${createHash('sha256').update(name).digest('hex').slice(0, 16)}`
      renamed.set(sent, name)
      return sent
    },
    renamed: () => (renamed.size === 0 ? undefined : renamed),
  }
}
