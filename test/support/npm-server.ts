import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

const require = createRequire(import.meta.url)

/** The registration of a server that npm installed (`@modelcontextprotocol/<name>`), run by our Node. */
export function npmServer(
  name: 'server-everything' | 'server-filesystem' | 'server-memory',
  args: readonly string[],
): Record<string, unknown> {
  const manifest = require.resolve(`@modelcontextprotocol/${name}/package.json`)
  const { bin } = JSON.parse(readFileSync(manifest, 'utf8')) as { bin: Record<string, string> } // the package's own manifest
  const [program = ''] = Object.values(bin)
  return { type: 'stdio', command: process.execPath, args: [join(dirname(manifest), program), ...args] }
}
