import { parseDuration } from './duration.ts'
import { EXIT, type CliIo } from './io.ts'
import type { DevelopmentTokens } from './lent.ts'

/** Options of `tollgate token`. */
export interface TokenOptions {
  readonly team?: string
  readonly subject?: string
  readonly role?: readonly string[]
  readonly audience?: string
  /** A duration such as 12h; 24h without. */
  readonly ttl?: string
  /** Print a JSON object of headers, as a client's headers helper wants it. */
  readonly headers?: boolean
}

/** `tollgate token`: a token of the development issuer. `tokens` is undefined outside development mode. */
export async function token(tokens: DevelopmentTokens | undefined, options: TokenOptions, io: CliIo): Promise<number> {
  if (tokens === undefined) {
    io.err(
      'tollgate: tokens are made in development mode only; set "mode": "development", or use your identity provider or "tollgate keys create"\n',
    )
    return EXIT.failure
  }
  const text = await tokens.mint({
    ...(options.team === undefined ? {} : { team: options.team }),
    ...(options.subject === undefined ? {} : { subject: options.subject }),
    ...(options.audience === undefined ? {} : { audience: options.audience }),
    roles: options.role ?? [],
    ttlSeconds: parseDuration(options.ttl ?? '24h') / 1000,
  })
  io.out(options.headers === true ? `${JSON.stringify({ Authorization: `Bearer ${text}` })}\n` : `${text}\n`)
  return EXIT.ok
}
