import { describe } from './bridge/flight.ts'
import { fetchText } from './fetch-text.ts'
import { configPath, readGatewayFile } from './gateway-file.ts'
import { EXIT, type CliIo } from './io.ts'

/** Options of `tollgate health`. */
export interface HealthOptions {
  /** Health URL instead of that of the configuration; `/livez` is added when it has no path. */
  readonly url?: string
  readonly config?: string
}

/** `tollgate health`: exit 0 when the gateway says it lives. For container health checks. */
export async function health(options: HealthOptions, io: CliIo): Promise<number> {
  const url = new URL(options.url ?? (await readGatewayFile(configPath(options.config, io), io)).healthUrl)
  if (url.pathname === '/') url.pathname = '/livez'
  try {
    const { status } = await fetchText(url, { timeoutMs: 3_000, signal: io.signal })
    if (status !== 200) {
      io.err(`tollgate: ${url.href} answers HTTP ${status}\n`)
      return EXIT.failure
    }
    io.out('ok\n')
    return EXIT.ok
  } catch (error) {
    io.err(`tollgate: no answer from ${url.href}: ${describe(error)}\n`)
    return EXIT.failure
  }
}
