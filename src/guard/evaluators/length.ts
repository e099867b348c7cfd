import type { Evaluator as Config } from '../../config/guard.ts'
import { ALLOW, type Judge } from '../evaluator.ts'

/** Blocks messages whose words are longer than allowed, all together. */
export function length({ max }: Extract<Config, { type: 'length' }>): Judge {
  return {
    name: 'length',
    version: '1',
    hooks: ['request', 'response', 'call'],
    finos: ['MI-8', 'MI-3', 'RI-7'],
    replacement: '',
    holds: false,
    canary: { parts: [{ path: 'text', text: 'a' }], earlier: max },
    inspect({ parts, from, earlier }) {
      let total = earlier
      for (const { text } of parts) total += text.length - from
      return total > max ? { action: 'block', reason: `longer than ${max} characters` } : ALLOW
    },
  }
}
