import { GatewayError } from '../core/errors.ts'
import type { Secrets } from '../lib/secrets.ts'

/** One secret by reference, read when it is used and kept a moment, so that a rotated file is noticed without a read per call. */
export interface SecretValue {
  read(): string
  forget(): void
}

const KEEP_MS = 5_000

/** Prepares a secret. A value with line breaks or other control characters is refused: no credential has them, and a header would break. */
export function createSecretValue(reference: string, secrets: Secrets, now: () => number): SecretValue {
  let kept: { readonly value: string; readonly until: number } | undefined
  return {
    read() {
      if (kept !== undefined && now() < kept.until) return kept.value
      kept = { value: readSecret(reference, secrets), until: now() + KEEP_MS }
      return kept.value
    },
    forget() {
      kept = undefined
    },
  }
}

function readSecret(reference: string, secrets: Secrets): string {
  let value: string
  try {
    value = secrets.read(reference)
  } catch (error) {
    throw new GatewayError('upstream_auth', 'the credential for this server is not available', { cause: error })
  }
  if (!/\p{Cc}/u.test(value)) return value
  throw new GatewayError('upstream_auth', 'the credential for this server is not usable', {
    cause: new Error(`${reference} holds control characters`),
  })
}
