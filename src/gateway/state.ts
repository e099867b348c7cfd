import { mkdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import type { Gateway } from '../config/gateway.ts'
import { createFileOnce } from '../lib/atomic-file.ts'
import { createSealer, createSealKey, type Sealer } from '../lib/seal.ts'
import type { Secrets } from '../lib/secrets.ts'

/** Makes the state folder of a gateway, readable by its owner alone. */
export function openState(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
}

/** The sealer of session ids and request states: from the configured key ring, else from a key kept in the state folder. */
export async function openSealer(config: Gateway['seal'], folder: string, secrets: Secrets): Promise<Sealer> {
  if (config !== undefined) return createSealer(config.keys.map((reference) => Buffer.from(secrets.read(reference), 'base64')))
  const path = join(folder, 'seal-key')
  await createFileOnce(path, `${createSealKey().toString('base64')}\n`, 0o600)
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
    throw new Error(`${path} may be read by others; run: chmod 600 ${path}`)
  }
  return createSealer([Buffer.from(readFileSync(path, 'utf8').trim(), 'base64')])
}
