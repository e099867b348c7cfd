// Group F of the catalogue through the real gateway: hostile child processes, with the probe tenant beside and the invariants after. The
// connector alone meets the same rows in test/unit/stdio.
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { askAdmin } from '../kit/admin-side.ts'
import { startArena, type Arena } from '../kit/arena.ts'
import { readFigures } from '../kit/process-figures.ts'
import { childProgram, untilGone } from '../support/stdio-fixtures.ts'
import { modernRequest } from '../support/raw-mcp.ts'

/** Rows that are not run here, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  F03: 'no package or image metadata is read: the argument list of a child stands in its file alone',
  F05: 'no approval by content exists yet: a child is started as its operator-owned file says, whatever its program contains',
}

const CANARY = 'child-canary-90ad'
const timeouts = { connectMs: 3_000, firstByteMs: 600, idleMs: 600, totalMs: 1_500, listMs: 3_000 }
const legacy = { type: 'stdio', command: 'node', era: 'legacy', timeouts, breaker: { failures: 1_000 } }

/** A small correct server, which runs `extra` when its tool is called. */
const program = (tool: string, extra: string, atStart = ''): string => `
import { createInterface } from 'node:readline'
import { appendFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
${atStart}
const send = (message) => process.stdout.write(JSON.stringify({ jsonrpc: '2.0', ...message }) + '\\n')
createInterface(process.stdin).on('line', (line) => {
  const { id, method } = JSON.parse(line)
  if (id === undefined) return
  if (method === 'initialize')
    send({ id, result: { protocolVersion: '2025-11-25', capabilities: { tools: {} }, serverInfo: { name: 'x', version: '1' } } })
  else if (method === 'tools/list') send({ id, result: { tools: [{ name: '${tool}', inputSchema: { type: 'object' } }] } })
  else { ${extra}; send({ id, result: { content: [{ type: 'text', text: 'did ${tool}' }] } }) }
})`

const PROGRAMS: Readonly<Record<string, string>> = {
  'crashing.mjs': program('never', '', `appendFileSync('starts.txt', 'x'); process.exit(3)`),
  'hog.mjs': program('hog', 'const held = []; for (;;) held.push(new Array(1e6).fill(Math.random()))'),
  'forks.mjs': program(
    'forks',
    `for (let n = 0; n < 20; n += 1) appendFileSync('forks.txt', spawn('sleep', ['300'], { stdio: 'ignore' }).pid + ' ')`,
  ),
}

let arena: Arena

beforeAll(async () => {
  process.env['GATEWAY_CANARY'] = CANARY // in the environment of the gateway, for children to look for
  arena = await startArena({
    servers: {
      kid: {
        ...legacy,
        args: [childProgram],
        env: { GIVEN: 'file:given' },
        concurrency: { max: 4, queue: 4 },
        bounds: { lineBytes: 262_144, resultBytes: 262_144, stderrBytesPerSecond: 16_384 },
      },
      tree: { ...legacy, args: [childProgram, '--stubborn', '--tree'] },
      crashing: { ...legacy, args: ['crashing.mjs'] },
      hog: { ...legacy, args: ['--max-old-space-size=32', 'hog.mjs'] },
      forks: { ...legacy, args: ['forks.mjs'], timeouts: {} },
    },
    files: { ...PROGRAMS, given: 'given-secret-77' },
    canaries: [CANARY, 'given-secret-77'],
  })
  await Promise.all(['kid_echo', 'tree_where', 'hog', 'forks'].map((name) => arena.offers(name)))
}, 30_000)

afterAll(async () => {
  delete process.env['GATEWAY_CANARY']
  await arena[Symbol.asyncDispose]()
})

/** Text of the answer, or why there was none. */
async function ask(name: string, args: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const { message, text } = await arena.call(name, args)
  const [block] = (message?.result?.['content'] ?? []) as { text: string }[] // the children answer with text
  const reason = message?.error?.data?.['reason']
  return block?.text ?? (typeof reason === 'string' ? reason : text)
}

/** Asks until the child answers again. */
async function untilBack(): Promise<void> {
  await expect.poll(() => ask('kid_echo', { back: 1 }), { timeout: 8_000, interval: 100 }).toBe('{"back":1}')
}

/** The process of the child `kid`. */
async function kidPid(): Promise<number> {
  await untilBack()
  return (JSON.parse(await ask('kid_where')) as { pid: number }).pid // what the child says of itself
}

it('rows that are not run here have a reason', () => {
  expect(Object.values(ELSEWHERE).every((reason) => reason.length > 40)).toBe(true)
})

describe('F what may start a process', () => {
  it('F01: no request to the admin or the data listener starts or changes a server', async () => {
    const evil = {
      type: 'stdio',
      command: '/bin/sh',
      args: ['-c', `touch ${arena.folder}/owned`],
      env: { A: 'b' },
      transport: 'stdio',
    }
    const { url, adminUrl } = arena.gateway
    const statuses: number[] = []

    const broken = await arena.attack(async () => {
      for (const method of ['POST', 'PUT', 'PATCH', 'DELETE'])
        for (const path of [
          'servers',
          'servers/kid',
          'servers/test',
          'catalogs/arena',
          'targets',
          'status',
          'connect',
          'test-connection',
        ]) {
          const headers = { authorization: `Bearer ${arena.admin.token}`, 'content-type': 'application/json' }
          const answer = await fetch(`${adminUrl}/admin/v1/${path}`, { method, headers, body: JSON.stringify(evil) })
          await answer.text()
          statuses.push(answer.status)
        }
      const headers = { authorization: `Bearer ${arena.admin.token}`, 'content-type': 'application/json' }
      const reloaded = await fetch(`${adminUrl}/admin/v1/reload`, {
        method: 'POST',
        headers,
        body: JSON.stringify({ servers: { evil } }),
      })
      expect(reloaded.status).toBe(200)
      for (const method of ['servers/add', 'tools/call', 'initialize'])
        await modernRequest(
          `${url}/mcp`,
          method,
          { name: 'kid_echo', ...evil },
          { headers: { authorization: `Bearer ${arena.token}` } },
        )
    })

    expect(new Set(statuses)).toEqual(new Set([404]))
    expect(existsSync(join(arena.folder, 'owned'))).toBe(false)
    expect(broken).toEqual([])
  }, 30_000)

  it('F02: shells, one-liners, relative programs and detours in a new server file are refused', async () => {
    const touch = `touch ${arena.folder}/owned`
    const files: readonly object[] = [
      { command: 'sh', args: ['-c', touch] },
      { command: '/bin/sh', args: ['-c', touch] },
      { command: `sh -c "${touch}"` },
      { command: 'node', args: ['-e', '1'] },
      { command: 'env', args: ['X=1', 'sh', '-c', touch] },
      { command: './run.sh' },
      { command: '~/run.sh' },
      { command: 'sh ', args: [] },
    ]
    const server = (index: number): string => join(arena.folder, `servers/bad-${index}.json`)

    const broken = await arena.attack(async () => {
      for (const [index, file] of files.entries()) writeFileSync(server(index), JSON.stringify({ type: 'stdio', ...file }))
      await reload()
      const status = JSON.parse(await askAdmin(arena.admin, '/admin/v1/status')) as { servers: { id: string; state: string }[] } // the admin API
      const bad = status.servers.filter(({ id }) => id.startsWith('bad-'))
      expect(bad.map(({ state }) => state)).toEqual(files.map(() => 'quarantined'))
      for (const index of files.keys())
        writeFileSync(server(index), JSON.stringify({ type: 'http', url: 'http://127.0.0.1:1/', enabled: false }))
      await reload()
    })

    expect(existsSync(join(arena.folder, 'owned'))).toBe(false)
    expect(broken).toEqual([])
  }, 30_000)

  it('F04 F14: what a caller sends is never in the arguments; the environment is the listed one', async () => {
    const args = { '-e': 'process.exit()', '--inspect': true, nul: '\u0000', line: 'a\nb', huge: 'x'.repeat(100_000) }
    let environment: Record<string, string> = {}
    let words = ''

    const broken = await arena.attack(async () => {
      await ask('kid_echo', args)
      words = await ask('kid_argv', args)
      // Not through `ask`: this child was given one secret of its own, and shows it.
      const headers = { authorization: `Bearer ${arena.token}` }
      const answer = await modernRequest(
        `${arena.gateway.url}/mcp`,
        'tools/call',
        { name: 'kid_environment', arguments: {} },
        { headers },
      )
      const [block] = (answer.message?.result?.['content'] ?? []) as { text: string }[] // the child answers with text
      environment = JSON.parse(block?.text ?? '{}') as Record<string, string> // its process.env
    })

    expect(words).toBe('[]')
    expect(environment['GIVEN']).toBe('given-secret-77')
    expect(Object.keys(environment).filter((name) => !['PATH', 'HOME', 'LANG', 'TZ', 'TMPDIR', 'GIVEN'].includes(name))).toEqual(
      [],
    )
    expect(JSON.stringify(environment)).not.toContain(CANARY)
    expect(broken).toEqual([])
  }, 30_000)
})

describe('F children that misbehave', () => {
  it('F06: one that crashes at start is tried ever more slowly; one that crashes in a call comes back', async () => {
    const told: string[] = []

    const broken = await arena.attack(async () => {
      const waiting = ask('kid_never')
      told.push(await ask('kid_crash'), await waiting)
      await untilBack()
      await ask('kid_crash')
      await untilBack()
    })

    expect(told).toEqual(['upstream_unavailable', 'upstream_unavailable'])
    expect(readFileSync(join(arena.folder, 'starts.txt'), 'utf8').length).toBeLessThanOrEqual(12)
    expect(broken).toEqual([])
  }, 40_000)

  it('F09: a hundred reloads leave the children as they were', async () => {
    const before = await kidPid()

    const broken = await arena.attack(async () => {
      for (let count = 0; count < 100; count += 1) await reload()
    })

    expect(await kidPid()).toBe(before)
    expect(broken).toEqual([])
  }, 40_000)

  it('F11: floods on stdout are cut at the cap or read at a pace', async () => {
    const told: Record<string, string> = {}

    const broken = await arena.attack(async () => {
      for (const [name, args] of [
        ['long-line', { bytes: 50_000_000 }],
        ['lines', { thousands: 50 }],
        ['junk', { lines: 20_000, binary: true }],
        ['junk', { lines: 20_000 }],
      ] as const) {
        told[`${name} ${JSON.stringify(args)}`] = await ask(`kid_${name}`, args)
        await untilBack()
      }
    })

    expect(Object.values(told).filter((text) => text !== 'done' && !text.startsWith('upstream_'))).toEqual([])
    expect(told['long-line {"bytes":50000000}']).toMatch(/^upstream_/)
    expect(broken).toEqual([])
  }, 60_000)

  it('F12: closed pipes end the child and its calls, and it comes back', async () => {
    const told: string[] = []

    const broken = await arena.attack(async () => {
      await ask('kid_close-stdin')
      told.push(await ask('kid_echo'))
      await untilBack()
      told.push(await ask('kid_close-stdout'))
      await untilBack()
    })

    expect(told).toEqual(['upstream_unavailable', 'upstream_unavailable'])
    expect(broken).toEqual([])
  }, 40_000)

  it('F13: a flood on stderr is capped, and secrets in it are not passed on', async () => {
    const before = arena.gateway.output().length

    const broken = await arena.attack(async () => {
      await ask('kid_stderr', { text: `the secret is given-secret-77 and again given-secret-77\n`, times: 20 })
      await ask('kid_stderr', { text: `${'noise '.repeat(10_000)}\n`, times: 200 })
      await untilBack()
    })

    const heard = arena.gateway.output().slice(before)
    expect(heard).toContain('the secret is ')
    expect(heard.length).toBeLessThan(400_000)
    expect(broken).toEqual([])
  }, 40_000)

  it('F15: a child that takes all memory it may have ends alone; one that starts many others takes them along', async () => {
    const broken = await arena.attack(async () => {
      expect(await ask('hog')).toMatch(/^upstream_(?:unavailable|timeout)$/)
      expect(await ask('forks')).toBe('did forks')
      const forked = readFileSync(join(arena.folder, 'forks.txt'), 'utf8').trim().split(' ').map(Number)
      expect(forked).toHaveLength(20)
      setServer('forks', { ...legacy, args: ['forks.mjs'], enabled: false })
      await reload()
      await untilGone(forked, 10_000)
    })

    expect(broken).toEqual([])
  }, 40_000)

  it('F16: calls that never end hold up neither the next caller nor, past their deadline, their places', async () => {
    const broken = await arena.attack(async () => {
      const wedged = Promise.all([ask('kid_never'), ask('kid_never'), ask('kid_never')])
      expect(await ask('kid_echo', { quick: 1 })).toBe('{"quick":1}')
      expect(await wedged).toEqual(Array(3).fill('upstream_timeout'))
      await untilBack()
    })

    expect(broken).toEqual([])
  }, 40_000)

  it('F07 F08: a stubborn tree is gone to the last member when its file says so', async () => {
    const where = JSON.parse(await ask('tree_where')) as { pid: number; descendants: number[] } // what the child says of itself

    const broken = await arena.attack(async () => {
      setServer('tree', { ...legacy, args: [childProgram, '--stubborn', '--tree'], enabled: false })
      await reload()
      expect(await untilGone([where.pid, ...where.descendants], 10_000)).toBeLessThan(10_000)
    })

    expect(where.descendants).toHaveLength(2)
    expect(broken).toEqual([])
  }, 40_000)

  it('F10: killed, the gateway takes every child along', async () => {
    // Without the tree its names are its own again.
    await expect.poll(() => ask('echo', { back: 1 }), { timeout: 8_000 }).toBe('{"back":1}')
    const family = readFigures(arena.gateway.child.pid ?? 0).descendants

    await arena.gateway.kill('SIGKILL')

    expect(family.length).toBeGreaterThan(0)
    expect(await untilGone(family, 5_000)).toBeLessThan(5_000)
  }, 20_000)
})

async function reload(): Promise<void> {
  const headers = { authorization: `Bearer ${arena.admin.token}` }
  const answer = await fetch(`${arena.gateway.adminUrl}/admin/v1/reload`, { method: 'POST', headers })
  await answer.text()
  expect(answer.status).toBe(200)
}

function setServer(id: string, file: object): void {
  writeFileSync(join(arena.folder, `servers/${id}.json`), JSON.stringify(file))
}
