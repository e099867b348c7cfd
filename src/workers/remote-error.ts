import { inspect } from 'node:util'
import { type ErrorCode, GatewayError, toGatewayError } from '../core/errors.ts'

/** A failure on its way between two workers. */
export interface RemoteError {
  readonly code: ErrorCode
  readonly message: string
  readonly details?: Readonly<Record<string, unknown>>
  readonly retryAfterSeconds?: number
  /** What the log may know of its cause. */
  readonly cause?: string
}

/** Writes a failure so that it can be posted. */
export function toRemoteError(error: unknown): RemoteError {
  const { code, message, details, retryAfterSeconds, cause } = toGatewayError(error)
  return {
    code,
    message,
    ...(details === undefined ? {} : { details }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(cause === undefined ? {} : { cause: wordsOf(cause) }),
  }
}

/** The failure as the other worker threw it. */
export function fromRemoteError({ code, message, details, retryAfterSeconds, cause }: RemoteError): GatewayError {
  return new GatewayError(code, message, {
    ...(details === undefined ? {} : { details }),
    ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }),
    ...(cause === undefined ? {} : { cause: new Error(cause) }),
  })
}

function wordsOf(cause: unknown): string {
  return cause instanceof Error ? (cause.stack ?? cause.message) : inspect(cause)
}
