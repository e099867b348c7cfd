import { configPath, readGatewayFile } from './gateway-file.ts'
import { EXIT, type CliIo } from './io.ts'
import type { Lent } from './lent.ts'
import { CLIENTS, clientSnippet, entryName, mcpUrl, renderSnippet, type ClientId } from './connect.ts'

/** Options of `tollgate connect`. */
export interface ConnectOptions {
  readonly catalog?: string
  /** The MCP URL, or the public URL without a path. */
  readonly url?: string
  readonly json?: boolean
  readonly config?: string
}

/** Tells whether a word names a client. */
export function isClient(word: string): word is ClientId {
  return CLIENTS.some((client) => client === word)
}

/** The MCP URL meant by `--url` and `--catalog`, else that of the configuration. */
export function endpointUrl(options: ConnectOptions, io: CliIo): string {
  if (options.url === undefined) return mcpUrl(readGatewayFile(configPath(options.config, io), io).publicUrl, options.catalog)
  const { pathname, href } = new URL(options.url)
  return pathname === '/' ? mcpUrl(href, options.catalog) : href
}

/** `tollgate connect <client>`: prints the exact configuration of a client. */
export function connect(client: ClientId, options: ConnectOptions, io: CliIo, lent: Pick<Lent, 'command'>): number {
  const snippet = clientSnippet(client, {
    name: entryName(options.catalog),
    url: endpointUrl(options, io),
    command: lent.command,
  })
  io.out(options.json === true ? `${JSON.stringify(snippet, null, 2)}\n` : renderSnippet(snippet))
  return EXIT.ok
}
