import { denied } from './denial.ts'

/** The credential headers of a request, as they came. Undefined means the header was not sent. */
export interface Presented {
  readonly authorization?: string | undefined
  readonly apiKey?: string | undefined
}

// RFC 6750 2.1 over RFC 9110 11.4: the scheme in any case, exactly one blank, then b64token and nothing else.
const BEARER = /^bearer ([A-Za-z0-9._~+/-]+=*)$/i

/** The one credential a request presents, or undefined when it presents none. Anything odd is refused, never overlooked. */
export function readPresented(presented: Presented, maxBytes: number): string | undefined {
  const { authorization, apiKey } = presented
  if ((authorization?.length ?? 0) > maxBytes + 7 || (apiKey?.length ?? 0) > maxBytes) throw denied('too_large')
  if (authorization === undefined) return apiKey === undefined ? undefined : readApiKeyHeader(apiKey)
  const token = BEARER.exec(authorization)?.[1]
  if (token === undefined) throw denied('malformed')
  // Two credentials that differ would let the caller choose which one an intermediary sees.
  if (apiKey !== undefined && apiKey !== token) throw denied('malformed')
  return token
}

function readApiKeyHeader(apiKey: string): string {
  if (!/^tgk_[0-9A-Za-z_]+$/.test(apiKey)) throw denied('malformed')
  return apiKey
}
