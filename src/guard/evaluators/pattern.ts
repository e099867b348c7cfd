import type { Evaluator as Config } from '../../config/guard.ts'
import { createPatternScan } from '../../lib/pattern-scan.ts'
import { ALLOW, type Finding, type Judge } from '../evaluator.ts'
import { sampleOf } from './pattern-sample.ts'

/** What goes on past all that is held is taken to go on to the next blank: a pattern cannot say where it would have ended. */
const toBlank = () => (text: string) => {
  const blank = text.search(/\s/)
  return blank === -1 ? text.length : blank
}

/** Finds words that must not pass, by regular expressions matched in linear time. */
export function pattern({ name, patterns, action, replacement }: Extract<Config, { type: 'pattern' }>): Judge {
  const scan = createPatternScan(patterns)
  // Each pattern must match its own sample; one that cannot is shown by an empty canary.
  const samples = patterns.map((source) => sampleOf(source, createPatternScan([source])))
  const isLive = samples.every((sample) => sample !== undefined)
  return {
    name,
    version: '1',
    hooks: ['request', 'response', 'call'],
    finos: ['MI-3', 'MI-17', 'RI-18', 'RI-20'],
    replacement,
    holds: action !== 'flag',
    canary: { parts: isLive ? [{ path: 'text', text: samples[0] ?? '' }] : [] },
    inspect({ parts, from, isEnd }) {
      const findings = parts.flatMap(({ text }, part): Finding[] =>
        scan
          .find(text, from, isEnd)
          .map(({ start, end }) => ({ part, start, end, label: 'words that must not pass', rest: toBlank })),
      )
      return findings.length === 0 ? ALLOW : { action, findings }
    },
  }
}
