// What README and docs show is run: every JSON file in them is validated together, every command line is executed against a gateway.
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/catalog/read.ts'
import { clientSnippet } from '../../src/cli/connect.ts'
import { gatewayFile } from '../support/gateway.ts'
import { developmentToken, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const root = join(import.meta.dirname, '../..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')

/** Files shown in a document: a line with nothing but the path in backticks, then the block. */
function filesIn(document: string): [string, string][] {
  return [...read(document).matchAll(/^`([\w./-]+\.json)`\n\n```json\n([\s\S]*?)```$/gm)].map(([, path = '', text = '']) => [
    path,
    text,
  ])
}

describe('files shown in documents', () => {
  it('README: the catalog is valid beside the bundled servers, and the slip is reported as shown', async () => {
    await using folder = await temporaryFolder()
    for (const path of ['tollgate.json', 'servers', 'catalogs/prices'])
      cpSync(join(root, path), join(folder.path, path), { recursive: true })
    const [[path, text] = ['', '']] = filesIn('README.md')
    writeFileSync(join(folder.path, path), text)

    expect((await readConfig(join(folder.path, 'tollgate.json'), process.env)).problems).toEqual([])
    writeFileSync(join(folder.path, path), text.replace('"limits": { "callsPerMinute": 10,', '"limit": { "callsPerMinute": 10,'))
    const [problem] = (await readConfig(join(folder.path, 'tollgate.json'), process.env)).problems

    expect(read('README.md')).toContain(
      `${problem?.file}:${problem?.line}:${problem?.column}  error\n  ${problem?.path}: ${problem?.message}`,
    )
  })

  it('docs/configuration.md: all files together are valid', async () => {
    await using folder = await temporaryFolder()
    const files = filesIn('docs/configuration.md')
    const certificates: [string, string][] = [
      ['tls/cert.pem', 'PEM'],
      ['tls/key.pem', 'PEM'],
    ]
    for (const [path, text] of [...files, ...certificates]) {
      mkdirSync(join(folder.path, path, '..'), { recursive: true })
      writeFileSync(join(folder.path, path), text)
    }

    const { problems, gateway } = await readConfig(join(folder.path, 'tollgate.json'), process.env)

    expect(files.length).toBe(7)
    expect(problems).toEqual([])
    expect(gateway?.value.mode).toBe('production')
  })

  it('README: client snippets are what connect prints', () => {
    const target = { name: 'tollgate', url: 'http://127.0.0.1:8080/mcp' }

    for (const client of ['claude-code', 'cursor', 'codex'] as const)
      expect(read('README.md')).toContain(clientSnippet(client, target).text.trim())
  })
})

describe('commands shown in documents', () => {
  let gateway: GatewayProcess
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let env: NodeJS.ProcessEnv

  beforeAll(async () => {
    folder = await temporaryFolder()
    cpSync(join(root, 'catalogs'), join(folder.path, 'catalogs'), { recursive: true })
    const { providers, routes } = JSON.parse(read('tollgate.json')) as Record<string, unknown>
    const own = gatewayFile({ servers: join(root, 'servers'), providers, routes, prices: ['catalogs/prices/demo.json'] })
    writeFileSync(join(folder.path, 'tollgate.json'), JSON.stringify(own))
    gateway = await startGatewayProcess(folder.path)
    const ports = {
      data: { port: Number(new URL(gateway.url).port) },
      admin: { port: Number(new URL(gateway.adminUrl).port) },
      health: { port: Number(new URL(gateway.healthUrl).port) },
    }
    writeFileSync(join(folder.path, 'client.json'), JSON.stringify({ mode: 'development', ...ports }))
    env = {
      ...process.env,
      TOLLGATE_CONFIG: join(folder.path, 'client.json'),
      TOLLGATE_TOKEN: await developmentToken(folder.path, { team: 'research' }),
    }
  })

  afterAll(async () => {
    await gateway.kill('SIGTERM')
    await folder[Symbol.asyncDispose]()
  })

  const shell = [...read('README.md').matchAll(/```sh\n([\s\S]*?)```/g)].flatMap(([, block = '']) => block.trim().split('\n'))

  it('README has the commands this test knows', () => {
    expect(shell.slice(0, 2)).toEqual(['npm start', 'npm test']) // this very test is part of the second; the first is the gateway below
    expect(shell.length).toBe(7)
  })

  it.each(shell.slice(2))('%s', async (line) => {
    const command = line
      .replace('./bin/tollgate.mjs', join(root, 'bin/tollgate.mjs'))
      .replace('http://127.0.0.1:8080', gateway.url)

    const { stdout } = await promisify(execFile)(
      'sh',
      ['-c', `${command}${line.startsWith('export') ? ' && echo "$TOLLGATE_TOKEN"' : ''}`],
      { env, cwd: folder.path },
    )

    expect(stdout.trim().length).toBeGreaterThan(10)
  })
})
