// The gateway under the permission model of Node, with the grants it prints itself: that they are enough for its work, and no more.
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startFakeProviders } from '../support/fake-providers.ts'
import { developmentToken, startGatewayProcess, writeFiles, type GatewayProcess } from '../support/gateway-process.ts'
import { modernRequest } from '../support/raw-mcp.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { runCli } from '../unit/cli/cli-harness.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const main = join(root, 'src/main.ts')

const RESEARCH = {
  title: 'Research',
  for: { teams: ['research'] },
  tools: [
    { server: 'clock', tool: 'current_time' },
    { server: 'prying', tool: 'read' },
  ],
  models: [{ route: 'chat' }],
}

/** Asks until the answer is the wanted one; rejects with the last one after the bound. */
async function untilSame<T>(ask: () => Promise<T>, wanted: T, withinMs = 5_000): Promise<void> {
  const deadline = performance.now() + withinMs
  for (;;) {
    const answer = await ask()
    if (JSON.stringify(answer) === JSON.stringify(wanted)) return
    if (performance.now() > deadline) throw new Error(`still ${JSON.stringify(answer)}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

/** The flags the gateway of a folder asks for. */
async function flagsOf(folder: string): Promise<string[]> {
  const { out } = await runCli(['permissions', '--json', '--config', join(folder, 'tollgate.json')])
  return (JSON.parse(out) as { flags: string[] }).flags // the verb under test
}

describe('a restricted gateway', { timeout: 30_000 }, () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let outside: Awaited<ReturnType<typeof temporaryFolder>>
  let fakes: Awaited<ReturnType<typeof startFakeProviders>>
  let gateway: GatewayProcess
  let headers: Record<string, string>

  const file = (over: object = {}) => ({
    mode: 'development',
    data: { port: 0 },
    admin: { port: 0 },
    health: { port: 0 },
    providers: { fake: { type: 'openai_compatible', baseUrl: `${fakes.url}/v1`, key: 'file:secrets/fake-key' } },
    routes: { chat: { targets: [{ provider: 'fake', model: 'fake' }] } },
    ...over,
  })
  const toolNames = async () => {
    const { message } = await modernRequest(`${gateway.url}/mcp`, 'tools/list', {}, { headers })
    return ((message?.result?.['tools'] ?? []) as { name: string }[]).map(({ name }) => name) // tools/list
  }
  const use = async (name: string, input: object) => {
    const { message } = await modernRequest(`${gateway.url}/mcp`, 'tools/call', { name, arguments: input }, { headers })
    const [block] = (message?.result?.['content'] ?? []) as { text: string }[] // tools/call
    return block?.text ?? JSON.stringify(message)
  }
  const admin = async (path: string, method = 'GET') => {
    const token = await developmentToken(folder.path, { roles: ['admin'] })
    const answer = await fetch(gateway.adminUrl + path, { method, headers: { authorization: `Bearer ${token}` } })
    return (await answer.json()) as Record<string, unknown>
  }

  const written = async () => {
    const { entries } = (await admin('/admin/v1/entries?limit=100')) as { entries: Record<string, string>[] } // the admin API
    return entries.map(({ kind, provider, server, status }) => `${kind} ${provider ?? server} ${status}`).toSorted()
  }

  beforeAll(async () => {
    folder = await temporaryFolder()
    outside = await temporaryFolder()
    fakes = await startFakeProviders()
    mkdirSync(join(folder.path, 'secrets'))
    writeFileSync(join(folder.path, 'secrets/fake-key'), 'sk-fake-0123456789')
    writeFileSync(join(outside.path, 'prices.json'), '{}')
    writeFiles(folder.path, {
      'tollgate.json': file(),
      'servers/clock.json': { type: 'stdio', command: 'node', args: [join(root, 'servers/clock/main.ts')] },
      'servers/prying.json': {
        type: 'stdio',
        command: 'node',
        args: [join(root, 'test/fixtures/prying/main.ts')],
        era: 'legacy',
      },
      'catalogs/research.json': RESEARCH,
    })
    gateway = await startGatewayProcess(folder.path, await flagsOf(folder.path))
    headers = { authorization: `Bearer ${await developmentToken(folder.path, { team: 'research' })}` }
    await untilSame(toolNames, ['current_time', 'read'], 20_000)
  })

  afterAll(async () => {
    await gateway.kill('SIGTERM')
    await fakes[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
    await outside[Symbol.asyncDispose]()
  })

  test('O11: serves a tool call and a chat, and writes both into its ledger', async () => {
    const time = await use('current_time', {})
    const chat = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'chat', messages: [{ role: 'user', content: 'Hello' }] }),
    })
    const answer = await chat.text()

    expect(time).toMatch(/\d{2}:\d{2}/)
    expect([chat.status, answer]).toEqual([200, expect.stringContaining('choices')])
    await untilSame(written, ['model fake ok', 'tool clock ok'])
  })

  test('F14: a child that node runs is confined without a setting', async () => {
    expect(await use('read', { path: join(root, 'test/fixtures/prying/main.ts') })).toMatch(/^ok /)
    expect(await use('read', { path: join(folder.path, 'secrets/fake-key') })).toBe('ERR_ACCESS_DENIED')
    expect(await use('read', { path: join(folder.path, 'tollgate.json') })).toBe('ERR_ACCESS_DENIED')
  })

  test('takes a changed catalog into use', async () => {
    writeFiles(folder.path, { 'catalogs/research.json': { ...RESEARCH, tools: RESEARCH.tools.slice(0, 1) } })
    await untilSame(toolNames, ['current_time'])

    writeFiles(folder.path, { 'catalogs/research.json': RESEARCH })

    await untilSame(toolNames, ['current_time', 'read'])
  })

  test('does not read a file that its configuration names only now: the change is refused, and what was in force stays', async () => {
    writeFiles(folder.path, { 'tollgate.json': file({ prices: [join(outside.path, 'prices.json')] }) })
    const refused = await admin('/admin/v1/reload', 'POST')
    const time = await use('current_time', {})
    writeFiles(folder.path, { 'tollgate.json': file() })
    const taken = await admin('/admin/v1/reload', 'POST')

    expect(JSON.stringify(refused['problems'])).toContain('prices.json')
    expect(time).toMatch(/\d{2}:\d{2}/)
    expect(JSON.stringify(taken['problems'])).not.toContain('prices.json')
  })

  test('says nothing about what it was granted on purpose', () => {
    expect(gateway.output()).not.toContain('SecurityWarning')
  })
})

describe('start --restricted', { timeout: 60_000 }, () => {
  test.runIf(process.platform === 'linux')('becomes the gateway with those flags, as the same process', async () => {
    await using folder = await temporaryFolder()
    const listeners = { data: { port: 0 }, admin: { port: 0 }, health: { port: 0 } }
    writeFiles(folder.path, { 'tollgate.json': { mode: 'development', ...listeners }, 'catalogs/research.json': RESEARCH })
    const words = [join(root, 'bin/tollgate.mjs'), 'start', '--restricted', '--config', join(folder.path, 'tollgate.json')]
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
    let health = ''
    for await (const line of createInterface({ input: child.stdout })) {
      health = /^\s+health\s+(http\S+)/.exec(line)?.[1] ?? ''
      if (health !== '') break
    }

    const answer = await fetch(health)
    const command = readFileSync(`/proc/${child.pid}/cmdline`, 'utf8').split('\0')
    const exited = once(child, 'exit')
    child.kill('SIGTERM')

    expect(answer.status).toBe(200)
    expect(command).toEqual(expect.arrayContaining(['--permission', ...(await flagsOf(folder.path))]))
    expect(await exited).toEqual([0, null])
  })
})

describe('the printed flags', { timeout: 30_000 }, () => {
  // Stands in a granted folder, as code would that got into the process; each line is one attempt.
  const PROBE = `
    import fs from 'node:fs'
    import { spawnSync } from 'node:child_process'
    import { Worker } from 'node:worker_threads'
    const [, , outside, folder, program] = process.argv
    const attempt = async (name, act) => {
      try { console.log(name, (await act()) ?? 'done') } catch (error) { console.log(name, error.code ?? error.name) }
    }
    const inThread = "const { parentPort, workerData } = require('node:worker_threads');" +
      "try { require('node:fs').readFileSync(workerData); parentPort.postMessage('done') }" +
      "catch (error) { parentPort.postMessage(error.code) }"
    await attempt('read-outside', () => void fs.readFileSync(outside))
    await attempt('list-outside', () => void fs.readdirSync('/etc'))
    await attempt('write-outside', () => fs.writeFileSync(outside, 'x'))
    await attempt('write-configuration', () => fs.writeFileSync(folder + '/catalogs/research.json', 'x'))
    await attempt('write-program', () => fs.appendFileSync(program, ''))
    await attempt('spawn', () => { const { error } = spawnSync(process.execPath, ['--version']); if (error) throw error })
    await attempt('code-from-text', () => new Function('return 1')())
    await attempt('prototype-by-name', () => String({}['__proto__']))
    await attempt('native-code', () => process.dlopen({ exports: {} }, outside))
    await attempt('inspector', async () => void (await import('node:inspector')).open(0))
    await attempt('read-in-a-thread', () => new Promise((done) =>
      new Worker(inThread, { eval: true, workerData: outside }).on('message', done)))
    await attempt('write-state', () => fs.writeFileSync(folder + '/.tollgate/probe', 'x'))
    await attempt('read-program', () => void fs.readFileSync(program))
  `

  test('O11: open nothing but what the gateway needs', async () => {
    await using folder = await temporaryFolder()
    await using elsewhere = await temporaryFolder()
    const outside = join(elsewhere.path, 'secret')
    writeFileSync(outside, 'canary')
    writeFiles(folder.path, { 'tollgate.json': { mode: 'development' }, 'catalogs/research.json': RESEARCH })
    mkdirSync(join(folder.path, '.tollgate'))
    writeFileSync(join(folder.path, 'catalogs/probe.mjs'), PROBE)

    const words = [join(folder.path, 'catalogs/probe.mjs'), outside, folder.path, main]
    const { stdout } = await run(process.execPath, [...(await flagsOf(folder.path)), ...words])

    const denied = ['read-outside', 'list-outside', 'write-outside', 'write-configuration', 'write-program', 'spawn']
    expect(stdout.trim().split('\n')).toEqual([
      ...denied.map((name) => `${name} ERR_ACCESS_DENIED`),
      'code-from-text EvalError',
      'prototype-by-name undefined',
      'native-code ERR_DLOPEN_DISABLED',
      'inspector ERR_ACCESS_DENIED',
      'read-in-a-thread ERR_ACCESS_DENIED',
      'write-state done',
      'read-program done',
    ])
    expect(readFileSync(outside, 'utf8')).toBe('canary')
  })

  test('name what the configuration names, and processes only where there are children', async () => {
    await using folder = await temporaryFolder()
    const at = (path: string) => join(folder.path, path)
    writeFileSync(at('key'), 'sk-fake-0123456789')
    writeFileSync(at('own.json'), JSON.stringify({ updated: '2026-11-01', models: [] }))
    const provider = { type: 'openai', key: 'file:key' }
    const gateway = { mode: 'development', state: 'kept', providers: { openai: provider } }
    writeFiles(folder.path, { 'tollgate.json': gateway, 'catalogs/research.json': { title: 'R', for: { teams: ['research'] } } })
    const before = await flagsOf(folder.path)
    writeFiles(folder.path, {
      'servers/clock.json': { type: 'stdio', command: 'node', args: [join(root, 'servers/clock/main.ts')] },
    })
    const after = await flagsOf(folder.path)

    const own = (flags: readonly string[]) => flags.filter((flag) => flag.includes(folder.path))
    expect(own(before)).toEqual([
      ...['tollgate.json', 'servers/*', 'catalogs/*', 'revocations.json', 'key', 'kept/*'].map(
        (path) => `--allow-fs-read=${at(path)}`,
      ),
      `--allow-fs-write=${at('kept/*')}`,
    ])
    expect(before.filter((flag) => flag.startsWith('--allow-fs-write'))).toHaveLength(1)
    expect(before).not.toContain('--allow-child-process')
    expect(after).toContain('--allow-child-process')
    expect(after).toContain(`--allow-fs-read=${process.execPath}`)
    expect(existsSync(at('kept'))).toBe(false)
  })

  test('say for people what each is for; without a usable configuration there are none', async () => {
    await using folder = await temporaryFolder()
    writeFiles(folder.path, { 'tollgate.json': { mode: 'development' }, 'broken.json': { mode: 'nonsense' } })

    const shown = await runCli(['permissions', '--config', join(folder.path, 'tollgate.json')])
    const refused = await runCli(['start', '--restricted', '--config', join(folder.path, 'broken.json')])

    const lines = shown.out.trimEnd().split('\n')
    expect(lines.map((line) => line.split('  # ')[0])).toEqual(await flagsOf(folder.path))
    expect(lines.filter((line) => !/ {2}# \w/.test(line))).toEqual([])
    expect(refused).toMatchObject({ code: 3, out: '', err: expect.stringContaining('"tollgate validate" says why') })
  })
})
