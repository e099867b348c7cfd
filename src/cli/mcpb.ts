import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { extname } from 'node:path'
import { createZip } from './zip.ts'

/** What a bundle is made for. */
export interface BundleTarget {
  /** Name of the extension. */
  readonly name: string
  readonly title: string
  readonly version: string
  /** The MCP URL it offers as default. */
  readonly url: string
}

/** In the order in which each uses only what stands above it. */
const PARTS = ['envelope', 'http', 'lines', 'sse', 'flight', 'session', 'calls', 'bridge'] as const

/** Starts the bridge from the settings Claude Desktop asked for. Plain JavaScript: it is only ever a part of the bundle. */
const START = `
const log = (_level, text) => process.stderr.write('tollgate: ' + text + '\\n')
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => stop.abort())
try {
  const url = bridgeUrl(process.env.TOLLGATE_URL ?? '', process.env.TOLLGATE_ALLOW_HTTP === 'true')
  const token = process.env.TOLLGATE_TOKEN ?? ''
  const headers = token === '' ? {} : { authorization: 'Bearer ' + token }
  await runBridge({ url, headers, log: (level, text) => (level === 'info' ? log(level, text) : undefined) }, { input: process.stdin, output: process.stdout, signal: stop.signal })
} catch (error) {
  log('info', error.message)
  process.exitCode = 1
}
process.stdin.destroy()
`

/** The MCPB bundle for a one-click install in Claude Desktop: a zip with its manifest and the bridge as one file. Deterministic. */
export function createBundle(target: BundleTarget): Buffer {
  const json = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value, null, 2)}\n`)
  return createZip([
    { path: 'manifest.json', data: json(bundleManifest(target)) },
    { path: 'package.json', data: json({ type: 'module', private: true }) },
    { path: 'server/index.js', data: Buffer.from(bridgeProgram()) },
  ])
}

/** `manifest.json` of the bundle (manifest version 0.3). */
function bundleManifest({ name, title, version, url }: BundleTarget): object {
  return {
    manifest_version: '0.3',
    name,
    display_name: title,
    version,
    description: `The tools of ${title}, through Tollgate.`,
    author: { name: 'Tollgate' },
    server: {
      type: 'node',
      entry_point: 'server/index.js',
      mcp_config: {
        command: 'node',
        args: ['${__dirname}/server/index.js'],
        env: {
          TOLLGATE_TOKEN: '${user_config.token}',
          TOLLGATE_URL: '${user_config.url}',
          TOLLGATE_ALLOW_HTTP: '${user_config.allow_http}',
        },
      },
    },
    user_config: {
      url: { type: 'string', title: 'Gateway URL', description: 'The MCP URL of your gateway.', default: url, required: true },
      token: {
        type: 'string',
        title: 'Token',
        description: 'A token or API key of the gateway.',
        sensitive: true,
        required: true,
      },
      allow_http: {
        type: 'boolean',
        title: 'Allow plain http',
        description: 'Send the token unencrypted to another machine. Only in a network that is yours.',
        default: false,
        required: false,
      },
    },
    tools_generated: true,
    prompts_generated: true,
    compatibility: { platforms: ['darwin', 'win32', 'linux'], runtimes: { node: '>=18' } },
  }
}

/** The bridge as one JavaScript module that imports only Node's own: the parts one behind the other, imports of each other left out. */
function bridgeProgram(): string {
  const extension = extname(import.meta.url)
  const imports = new Set<string>()
  const bodies = PARTS.map((part) => {
    const source = readFileSync(new URL(`./bridge/${part}${extension}`, import.meta.url), 'utf8')
    const code = extension === '.ts' ? stripTypeScriptTypes(source) : source
    return code
      .replaceAll(/^import [^'"]*?from '([^']+)';?\n/gm, (line: string, from: string) => {
        if (from.startsWith('node:')) imports.add(line.trim())
        return ''
      })
      .replaceAll(/^export (?=(async )?function|const|class)/gm, '')
      .replaceAll(/[ \t]+$/gm, '')
      .replaceAll(/\n{3,}/g, '\n\n')
  })
  return `${[...mergeImports(imports)].join('\n')}\n\n${bodies.join('\n')}${START}`
}

/** One line per module: a name may be bound only once. */
function mergeImports(lines: Iterable<string>): string[] {
  const names = new Map<string, Set<string>>()
  for (const line of lines) {
    const [, list = '', from = ''] = /^import \{([^}]*)\} from '([^']+)'/.exec(line.replaceAll(/\s+/g, ' ')) ?? []
    if (from === '') throw new Error(`the bundle cannot hold ${line}`)
    const known = names.get(from) ?? new Set()
    for (const name of list.split(',')) if (name.trim() !== '') known.add(name.trim())
    names.set(from, known)
  }
  return [...names].flatMap(([from, known]) =>
    known.size === 0 ? [] : [`import { ${[...known].sort().join(', ')} } from '${from}'`],
  )
}
