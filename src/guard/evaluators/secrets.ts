import type { Evaluator as Config } from '../../config/guard.ts'
import { ALLOW, type Finding, type Judge } from '../evaluator.ts'
import { scanSecrets } from './secrets-scan.ts'

/** Finds credentials: keys of well-known issuers, private keys, tokens. */
export function secrets({ action }: Extract<Config, { type: 'secrets' }>): Judge {
  return {
    name: 'secrets',
    version: '1',
    hooks: ['request', 'response', 'call'],
    finos: ['MI-23', 'MI-1', 'RI-29', 'RI-1'],
    replacement: '[redacted]',
    holds: action !== 'flag',
    // Made here, because a key that is written out would be found in this file.
    canary: { parts: [{ path: 'text', text: `key ghp_${'aB3dE5fG7h'.repeat(4).slice(0, 36)} end` }] },
    inspect({ parts, from }) {
      const findings = parts.flatMap(({ text }, part): Finding[] =>
        scanSecrets(text, from).map((secret) => ({ part, ...secret })),
      )
      return findings.length === 0 ? ALLOW : { action, findings }
    },
  }
}
