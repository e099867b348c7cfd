import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'

/** Reads secrets by reference; lent to whoever needs one. The value is never kept here. */
export interface Secrets {
  /** The value behind `env:NAME` or `file:PATH` (trailing line break removed). Throws an Error that names the reference, never the value. */
  read(reference: string): string
}

/** Secrets from an environment and from files relative to `base`. */
export function createSecrets(env: Readonly<Record<string, string | undefined>>, base: string): Secrets {
  return {
    read(reference) {
      const [kind, rest] = [reference.slice(0, reference.indexOf(':')), reference.slice(reference.indexOf(':') + 1)]
      const value = kind === 'env' ? env[rest] : readSecretFile(resolve(base, rest), reference)
      if (value === undefined || value === '') throw new Error(`secret ${reference} is not set`)
      return value
    },
  }
}

function readSecretFile(path: string, reference: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
  } catch (error) {
    throw new Error(`secret ${reference} cannot be read`, { cause: error })
  }
}
