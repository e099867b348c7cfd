import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startServer, type RunningServer } from './child.ts'

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url))
const START_MS = 20_000
const MCP_URL = /(http:\/\/[^\s"]+\/mcp)\b/

/** Starts a gateway whose only catalog shows everything one upstream has, under its own names, to anybody on this machine. */
export async function startGateway(upstreamUrl: string): Promise<RunningServer> {
  const folder = await mkdtemp(join(tmpdir(), 'tollgate-conformance-'))
  const removeFolder = (): Promise<void> => rm(folder, { recursive: true, force: true })
  try {
    await writeConfiguration(folder, upstreamUrl)
    const gateway = await startServer([MAIN, 'start', '--config', join(folder, 'tollgate.json')], MCP_URL, START_MS)
    return {
      url: gateway.url,
      close: async () => {
        await gateway.close()
        await removeFolder()
      },
    }
  } catch (error) {
    await removeFolder()
    throw error
  }
}

async function writeConfiguration(folder: string, upstreamUrl: string): Promise<void> {
  const everything = [{ server: 'everything', allow: ['*'] }]
  const files: Readonly<Record<string, unknown>> = {
    'tollgate.json': {
      data: { port: 0 },
      admin: { port: 0 },
      health: { port: 0 },
      identity: { anonymous: {} },
      // The suite is one anonymous caller who leaves sessions and listens behind.
      bounds: { sessionsPerPrincipal: 1_000, listensPerPrincipal: 1_000, parkedPerPrincipal: 1_000 },
    },
    'servers/everything.json': { type: 'http', url: upstreamUrl },
    'catalogs/everything.json': {
      title: 'Everything',
      for: {},
      tools: everything,
      prompts: everything,
      resources: everything,
    },
  }
  for (const part of ['servers', 'catalogs']) await mkdir(join(folder, part))
  for (const [name, content] of Object.entries(files))
    await writeFile(join(folder, name), `${JSON.stringify(content, null, 2)}\n`)
}
