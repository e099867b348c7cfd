import { Readable, Writable } from 'node:stream'
import { bridgeUrl, runBridge } from './bridge/bridge.ts'
import { endpointUrl } from './connect-verb.ts'
import { configPath } from './gateway-file.ts'
import { EXIT, type CliIo } from './io.ts'
import type { Lent } from './lent.ts'

/** Options of `tollgate stdio`. The flags of mcp-remote that make sense here mean the same. */
export interface StdioOptions {
  readonly catalog?: string
  readonly url?: string
  /** `Name:value`, where `${NAME}` stands for a variable. */
  readonly header?: readonly string[]
  readonly tokenEnv?: string
  readonly allowHttp?: boolean
  /** In development mode without a token: the team to mint one for. Default: the catalog's name. */
  readonly team?: string
  readonly debug?: boolean
  readonly silent?: boolean
  readonly config?: string
}

const TOKEN_VARIABLE = 'TOLLGATE_TOKEN'
const TOKEN_SECONDS = 3_600

/** `tollgate stdio`: an MCP server on stdin and stdout in front of the gateway's URL. Standard output carries JSON-RPC and nothing else. */
export async function stdio(options: StdioOptions, io: CliIo, lent: Pick<Lent, 'development'>): Promise<number> {
  const url = bridgeUrl(await endpointUrl(options, io), options.allowHttp === true)
  const headers = parseHeaders(options.header ?? [], io.env)
  const log = (level: 'info' | 'debug', text: string): void => {
    if (options.silent !== true && (level === 'info' || options.debug === true)) io.err(`tollgate stdio: ${text}\n`)
  }
  const authorization = 'authorization' in headers ? undefined : await tokenSource(options, io, lent)
  log('debug', `relaying to ${url.href}`)
  const output = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      io.out(chunk.toString('utf8'))
      done()
    },
  })
  const bridge = { url, headers, log, ...(authorization === undefined ? {} : { authorization }) }
  // A Node stream without an encoding yields buffers.
  await runBridge(bridge, { input: io.stdin as AsyncIterable<Buffer | string>, output, signal: io.signal })
  // A pending read would keep the process alive after a signal.
  if (io.stdin instanceof Readable) io.stdin.destroy()
  return EXIT.ok
}

/** Reads `Name:value` options; `${NAME}` is replaced by the variable, which must be set. */
export function parseHeaders(lines: readonly string[], env: CliIo['env']): Record<string, string> {
  return Object.fromEntries(
    lines.map((line) => {
      const [, name = '', raw = ''] = /^([!#$%&'*+.^_`|~\w-]+):\s*(.*)$/s.exec(line) ?? []
      if (name === '') throw new Error(`--header must look like Name:value, for instance --header 'X-Team:\${TEAM}'`)
      const value = raw.replaceAll(/\$\{([A-Za-z_]\w*)\}/g, (_whole, variable: string) => {
        const found = env[variable]
        if (found === undefined) throw new Error(`--header ${name} needs the variable ${variable}, which is not set`)
        return found
      })
      if (/[\0\r\n]/.test(value)) throw new Error(`--header ${name} holds a line break`)
      return [name.toLowerCase(), value]
    }),
  )
}

/** Where the token comes from: a variable, else the development issuer of the configuration, else nowhere (anonymous callers). */
async function tokenSource(
  options: StdioOptions,
  io: CliIo,
  lent: Pick<Lent, 'development'>,
): Promise<(() => Promise<string>) | undefined> {
  const variable = options.tokenEnv ?? TOKEN_VARIABLE
  const token = io.env[variable]
  if (token !== undefined && token !== '') return () => Promise.resolve(`Bearer ${token}`)
  if (options.tokenEnv !== undefined) throw new Error(`the variable ${variable} holds no token`)
  if (options.url !== undefined) return undefined
  const development = await lent.development(configPath(options.config, io))
  const team = options.team ?? options.catalog
  if (development === undefined || team === undefined) return undefined
  let minted: { readonly value: string; readonly until: number } | undefined
  return async () => {
    const now = io.now().getTime()
    if (minted === undefined || now >= minted.until) {
      const value = await development.mint({ team, ttlSeconds: TOKEN_SECONDS })
      minted = { value, until: now + TOKEN_SECONDS * 800 }
    }
    return `Bearer ${minted.value}`
  }
}
