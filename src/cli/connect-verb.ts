import { writeFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { configPath, readGatewayFile } from './gateway-file.ts'
import { EXIT, type CliIo } from './io.ts'
import type { Lent } from './lent.ts'
import { createBundle, type BundleTarget } from './mcpb.ts'
import { CLIENTS, clientSnippet, entryName, mcpUrl, renderSnippet, type ClientId } from './connect.ts'

/** Options of `tollgate connect`. */
export interface ConnectOptions {
  readonly catalog?: string
  /** The MCP URL, or the public URL without a path. */
  readonly url?: string
  /** Write a bundle for a one-click install instead of printing. */
  readonly mcpb?: boolean
  readonly out?: string
  readonly json?: boolean
  readonly config?: string
}

/** Tells whether a word names a client. */
export function isClient(word: string): word is ClientId {
  return CLIENTS.some((client) => client === word)
}

/** The MCP URL meant by `--url` and `--catalog`, else that of the configuration. */
export async function endpointUrl(options: ConnectOptions, io: CliIo): Promise<string> {
  if (options.url === undefined) {
    const { publicUrl } = await readGatewayFile(configPath(options.config, io), io)
    return mcpUrl(publicUrl, options.catalog)
  }
  const { pathname, href } = new URL(options.url)
  return pathname === '/' ? mcpUrl(href, options.catalog) : href
}

/** `tollgate connect <client>`: prints the exact configuration of a client, or writes its bundle. */
export async function connect(
  client: ClientId,
  options: ConnectOptions,
  io: CliIo,
  lent: Pick<Lent, 'command' | 'version'>,
): Promise<number> {
  const target = { name: entryName(options.catalog), url: await endpointUrl(options, io), command: lent.command }
  if (options.mcpb === true) return await writeBundle(client, { ...target, version: lent.version }, options, io)
  const snippet = clientSnippet(client, target)
  io.out(options.json === true ? `${JSON.stringify(snippet, null, 2)}\n` : renderSnippet(snippet))
  return EXIT.ok
}

async function writeBundle(
  client: ClientId,
  target: Omit<BundleTarget, 'title'>,
  options: ConnectOptions,
  io: CliIo,
): Promise<number> {
  if (client !== 'claude-desktop') {
    io.err(`tollgate: --mcpb makes a bundle for claude-desktop, not for ${client}\n`)
    return EXIT.usage
  }
  const file = resolve(io.cwd, options.out ?? `${target.name}.mcpb`)
  const title = options.catalog === undefined ? 'Tollgate' : `Tollgate ${options.catalog}`
  const bundle = createBundle({ ...target, title })
  await writeFile(file, bundle)
  const facts = { file, bytes: bundle.length, url: target.url }
  io.out(options.json === true ? `${JSON.stringify(facts, null, 2)}\n` : `${file}\n`)
  io.err('open it with Claude Desktop (Settings > Extensions), which asks for the token\n')
  return EXIT.ok
}
