import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/core/errors.ts'
import { resolveCommand } from '../../../src/mcp/upstream/child-command.ts'
import { toChildEnvironment } from '../../../src/mcp/upstream/child-environment.ts'
import { createStderrSink } from '../../../src/mcp/upstream/child-stderr.ts'
import {
  callTool,
  childProgram,
  createCaller,
  isAlive,
  jsonOf,
  root,
  StdioBench,
  textOf,
  toStdioServer,
} from '../../support/stdio-fixtures.ts'

const MEGABYTE = 1_048_576

/** Memory of this process in bytes, after what can be collected was. */
const residentBytes = (): number => process.memoryUsage.rss()

describe('what travels to a child', () => {
  test.each([
    ['an argument that begins with a dash', '--version'],
    ['a NUL', 'a\u0000b'],
    ['line breaks', 'a\nb\r\nc\u2028d\u2029e\u0085f'],
    ['a shell line', '$(touch /tmp/x); `id` | sh & "\''],
    ['a text of one megabyte', 'x'.repeat(MEGABYTE)],
  ])('F04: %s arrives as JSON on stdin and not in argv', async (_name, value) => {
    await using bench = new StdioBench()
    const child = await bench.child(['--one', 'two words'])

    expect(jsonOf(await callTool(child, 'echo', { value }))).toEqual({ value })
    expect(jsonOf(await callTool(child, 'argv'))).toEqual(['--one', 'two words'])
  })

  test('F14: only allow-listed variables, references resolved, nothing of the gateway', async () => {
    const gateway = {
      PATH: '/usr/bin',
      HOME: '/home/gate',
      LANG: 'C.UTF-8',
      TZ: 'UTC',
      TMPDIR: '/tmp',
      NODE_OPTIONS: '--require /tmp/evil.js',
      LD_PRELOAD: '/tmp/evil.so',
      OPENAI_API_KEY: 'sk-gateway',
      TOLLGATE_KEY: 'ring',
      REGION: 'eu',
      API_KEY: 'upstream-key',
    }
    await using bench = new StdioBench()
    const child = await bench.child(
      [],
      { inherit: ['REGION', 'NOT_SET'], env: { MODE: 'test', TOKEN: 'env:API_KEY' } },
      { env: gateway, secrets: { read: (reference) => (reference === 'env:API_KEY' ? 'upstream-key' : '') } },
    )

    expect(jsonOf(await callTool(child, 'environment'))).toEqual({
      PATH: `${dirname(process.execPath)}:/usr/bin`,
      HOME: '/home/gate',
      LANG: 'C.UTF-8',
      TZ: 'UTC',
      TMPDIR: '/tmp',
      REGION: 'eu',
      MODE: 'test',
      TOKEN: 'upstream-key',
    })
  })

  test('the folder of our Node comes first on PATH, once, and no entry means the folder of the child', () => {
    const ours = dirname(process.execPath)
    const toPath = (path: string) => toChildEnvironment(toStdioServer({}), { PATH: path }, { read: () => '' }).env['PATH']

    expect([toPath(`/a:${ours}:/b`), toPath('/a::.:bin:/a'), toPath('')]).toEqual([`${ours}:/a:/b`, `${ours}:/a`, ours])
  })

  test.each(['NODE_OPTIONS', 'LD_PRELOAD', 'LD_LIBRARY_PATH', 'DYLD_INSERT_LIBRARIES', 'BASH_ENV', 'TOLLGATE_KEY'])(
    'F14: %s is not given to a child, neither inherited nor fixed',
    (name) => {
      const secrets = { read: () => '' }

      expect(() => toChildEnvironment(toStdioServer({ inherit: [name] }), { [name]: 'x' }, secrets)).toThrow(name)
      expect(() => toChildEnvironment(toStdioServer({ env: { [name]: 'x' } }), {}, secrets)).toThrow(name)
    },
  )

  test('J08: a secret is in the environment of its child alone, never in argv', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { env: { TOKEN: 'env:T' } }, { secrets: { read: () => 'canary-4711' } })
    await callTool(child, 'echo')

    expect(readFileSync(`/proc/${child.pid}/cmdline`, 'utf8')).not.toContain('canary-4711')
    expect(readFileSync(`/proc/${bench.guard.pid()}/environ`, 'utf8')).toBe('')
  })

  test('a missing secret names the reference and starts nothing', async () => {
    await using bench = new StdioBench()

    const started = bench.child([], { env: { TOKEN: 'env:SURELY_NOT_SET' } })

    await expect(started).rejects.toMatchObject({
      code: 'upstream_unavailable',
      message: expect.stringContaining('env:SURELY_NOT_SET'),
    })
    expect(bench.guard.pid()).toBe(undefined)
  })

  test('node of the file means the Node of the gateway, and the folder is the given one', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { command: 'node', cwd: 'servers' }, { env: { PATH: '/usr/local/bin:/usr/bin:/bin' } })

    expect(jsonOf(await callTool(child, 'where'))).toMatchObject({ node: process.execPath, cwd: join(root, 'servers') })
  })
})

describe('which commands are started', () => {
  test.each([
    ['a relative path', { command: './server' }],
    ['a path with folders', { command: 'bin/server' }],
    ['a home folder', { command: '~/server' }],
    ['a trailing space', { command: 'node ' }],
    ['a shell line', { command: 'node server.js' }],
    ['a name that is not on PATH', { command: 'surely-not-there' }],
    ['sh -c', { command: 'sh', args: ['-c', 'id'] }],
    ['bash -lc', { command: '/bin/bash', args: ['-lc', 'id'] }],
    ['node -e', { command: 'node', args: ['-e', '1'] }],
    ['node --eval=', { command: 'node', args: ['--eval=1'] }],
    ['node -r x -p', { command: 'node', args: ['-r', 'x', '-p', '1'] }],
    ['python3 -c', { command: '/usr/bin/python3', args: ['-c', '1'] }],
    ['npx -c', { command: '/usr/bin/npx', args: ['-c', 'id'] }],
    ['env X=1 cmd', { command: '/usr/bin/env', args: ['X=1', 'node'] }],
  ])('F02: %s is refused', (_name, settings) => {
    expect(() => resolveCommand(toStdioServer(settings), `${dirname(process.execPath)}:/usr/bin:/bin`)).toThrow(GatewayError)
  })

  test.each([
    ['a bare name', { command: 'node', args: ['server.js', '-e', 'its own option'] }, process.execPath],
    ['an absolute path', { command: '/usr/bin/python3', args: ['-m', 'server', '-c', 'file'] }, '/usr/bin/python3'],
    ['npx with a package', { command: '/usr/bin/npx', args: ['-y', '--package', 'x', 'y', '-c', 'z'] }, '/usr/bin/npx'],
    ['a one-liner the file allows', { command: '/bin/sh', args: ['-c', 'id'], allowInterpreterFlags: true }, '/bin/sh'],
  ])('F02: %s is started', (_name, settings, executable) => {
    expect(resolveCommand(toStdioServer(settings), dirname(process.execPath))).toBe(executable)
  })

  test('F02: a one-liner the file allows is reported at every start', async () => {
    await using bench = new StdioBench()
    await bench.child([], { allowInterpreterFlags: true })

    expect(bench.stderr().text).toContain('allowInterpreterFlags')
  })

  test('a program that cannot be executed is unavailable, with the reason of the system', async () => {
    await using bench = new StdioBench()

    await expect(bench.connect({ command: join(root, 'package.json') })).rejects.toMatchObject({
      code: 'upstream_unavailable',
      message: 'server "child" could not be started: EACCES',
    })
  })
})

describe('children that fail', () => {
  test.each(['auto', 'modern', 'legacy'])('F06: one that crashes at start rejects with how it ended (era %s)', async (era) => {
    await using bench = new StdioBench()

    await expect(bench.child(['--crash-at-start'], { era })).rejects.toMatchObject({
      code: 'upstream_unavailable',
      message: expect.stringContaining('exited with code 3'),
    })
  })

  test('F06: one that crashes during a call fails the calls under way, and says how long it ran', async () => {
    await using bench = new StdioBench()
    const [child, other] = await Promise.all([bench.child(), bench.child()])
    const closed = new Promise((resolve) => child.onClose(resolve))
    const waiting = callTool(child, 'never')

    await expect(callTool(child, 'crash')).rejects.toMatchObject({ code: 'upstream_unavailable' })

    await expect(waiting).rejects.toMatchObject({ code: 'upstream_unavailable' })
    expect(await closed).toBe('it exited with code 7')
    expect(await child.exited).toMatchObject({
      code: 7,
      signal: null,
      reason: 'it exited with code 7',
      uptimeMs: expect.any(Number),
    })
    expect(textOf(await callTool(other, 'echo', { fine: true }))).toBe('{"fine":true}')
  })

  test('F06: a child killed from outside is reported with the signal', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()

    process.kill(child.pid, 'SIGKILL')

    expect((await child.exited).reason).toBe('it was ended by SIGKILL')
  })

  test('F09: after 18 starts and stops no zombie, no child and no descriptor is left', async () => {
    const count = () => readdirSync('/proc/self/fd').length
    const children: number[] = []
    const cycle = async () => {
      await using bench = new StdioBench()
      children.push((await bench.child()).pid)
    }
    await cycle()
    const before = count()

    for (let round = 0; round < 6; round++) await Promise.all([cycle(), cycle(), cycle()])

    expect(children.filter((pid) => existsSync(`/proc/${pid}`))).toEqual([])
    expect(count()).toBeLessThanOrEqual(before + 2)
  })

  test('F12: a child that closes its stdin is ended at the first failed write', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    await callTool(child, 'close-stdin')

    await expect(callTool(child, 'echo')).rejects.toMatchObject({ code: 'upstream_unavailable' })

    expect((await child.exited).reason).toBe('it closed its stdin')
    expect(isAlive(child.pid)).toBe(false)
  })

  test('F12: a child that closes its stdout is ended', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()

    await expect(callTool(child, 'close-stdout')).rejects.toMatchObject({ code: 'upstream_unavailable' })

    expect((await child.exited).reason).toBe('it closed its stdout')
  })

  test('F12: calls to a child that is gone are refused at once', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()
    process.kill(child.pid, 'SIGKILL')
    await child.exited

    await expect(callTool(child, 'echo')).rejects.toMatchObject({ code: 'upstream_unavailable' })
    await expect(child.notify('notifications/x')).rejects.toMatchObject({ code: 'upstream_unavailable' })
  })

  test('F16: a child that does not read is found out by its backlog, not by our memory', async () => {
    await using bench = new StdioBench()
    const child = await bench.child(['--deaf'], { timeouts: { firstByteMs: 2_000 } })
    const before = residentBytes()
    const big = 'x'.repeat(MEGABYTE)

    const calls = await Promise.allSettled(Array.from({ length: 40 }, () => callTool(child, 'echo', { big })))

    const codes = calls.map((call) => (call.status === 'rejected' ? call.reason.code : 'answered'))
    expect(codes.filter((code) => code === 'overloaded').length).toBeGreaterThan(20)
    expect(codes.filter((code) => code === 'answered')).toEqual([])
    expect(residentBytes() - before).toBeLessThan(120 * MEGABYTE)
  })

  test('F16: a slow call holds up nobody, and a wedged one ends at its deadline', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { timeouts: { firstByteMs: 300 } })
    const wedged = callTool(child, 'never')

    expect(textOf(await callTool(child, 'echo', { quick: 1 }))).toBe('{"quick":1}')
    await expect(wedged).rejects.toMatchObject({ code: 'upstream_timeout' })
  })

  test('F16: more calls than allowed at one time are refused', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { concurrency: { max: 2 }, timeouts: { firstByteMs: 300 } })
    const held = [callTool(child, 'never'), callTool(child, 'never')]

    await expect(callTool(child, 'echo')).rejects.toMatchObject({ code: 'overloaded' })
    await Promise.allSettled(held)
    expect(textOf(await callTool(child, 'echo'))).toBe('{}')
  })
})

describe('children that flood', () => {
  test('F11: a line without an end is cut at the cap and the child is killed', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { bounds: { lineBytes: MEGABYTE } })
    const before = residentBytes()

    await expect(callTool(child, 'long-line', { bytes: 200 * MEGABYTE })).rejects.toMatchObject({ code: 'upstream_unavailable' })

    expect((await child.exited).reason).toBe(`it wrote a line over ${MEGABYTE} bytes`)
    expect(residentBytes() - before).toBeLessThan(40 * MEGABYTE)
  })

  test('F11: a hundred thousand messages nobody asked for are read at a pace that leaves time for others', async () => {
    await using bench = new StdioBench()
    const [flooding, other] = await Promise.all([bench.child(), bench.child()])
    const flood = callTool(flooding, 'lines', { thousands: 100 })
    let slowest = 0

    for (let round = 0; round < 20; round++) {
      const begun = performance.now()
      await callTool(other, 'echo', { round })
      slowest = Math.max(slowest, performance.now() - begun)
    }

    expect(slowest).toBeLessThan(500)
    expect(textOf(await flood)).toBe('done')
  })

  test.each([
    ['text', false],
    ['binary', true],
  ])('F11: a child that writes only %s that is no JSON-RPC is ended', async (_name, binary) => {
    await using bench = new StdioBench()
    const child = await bench.child()

    await expect(callTool(child, 'junk', { lines: 5_000, binary })).rejects.toMatchObject({ code: 'upstream_unavailable' })

    expect((await child.exited).reason).toContain('no JSON-RPC')
  })

  test('a few lines that are no messages are skipped', async () => {
    await using bench = new StdioBench()
    const child = await bench.child()

    expect(textOf(await callTool(child, 'junk', { lines: 20, binary: false }))).toBe('done')
  })

  test('F13: a flood on stderr is capped per second and counted', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { bounds: { stderrBytesPerSecond: 10_000 } })
    const begun = performance.now()
    const before = residentBytes()

    await callTool(child, 'stderr', { text: `${'noise '.repeat(200)}\n`, times: 20_000 })
    await child.close()

    const { text, droppedBytes } = bench.stderr()
    const seconds = Math.ceil((performance.now() - begun) / 1_000) + 1
    expect(text.length).toBeLessThanOrEqual(10_000 * seconds)
    expect(droppedBytes).toBeGreaterThan(20_000_000)
    expect(residentBytes() - before).toBeLessThan(60 * MEGABYTE)
  })

  test('F13: secrets the child was given do not come back over stderr, nor terminal tricks', async () => {
    await using bench = new StdioBench()
    const child = await bench.child([], { env: { TOKEN: 'env:T' } }, { secrets: { read: () => 'canary-4711' } })

    await callTool(child, 'stderr', {
      text: 'login with canary-4711\n\u001b[31mred\u001b[0m \u001b]0;title\u0007\u202eabc\u0000\n',
    })
    await child.close()

    expect(bench.stderr().text).toBe('login with [redacted]\nred  abc')
    expect(JSON.stringify(bench.events)).not.toContain('canary')
  })

  test('F13: a secret on the seam of two pieces, or cut by the cap, is not given out', () => {
    const reports: string[] = []
    const sink = createStderrSink({
      maxBytesPerSecond: 20_000,
      secrets: ['canary-4711'],
      now: () => 0,
      report: (text) => reports.push(text),
    })

    for (const part of ['x'.repeat(8_188), 'canary-', '4711', 'y'.repeat(11_000), 'zzzzcanar', 'y-4711'])
      sink.push(Buffer.from(part))
    sink.push(Buffer.from(`${'z'.repeat(700)}canary-4711`.repeat(20)))
    sink.end()

    expect(reports.join('')).not.toMatch(/canary|4711/)
  })
})

describe('files', () => {
  test('a script may be started by its absolute path, with the first line naming node', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'child-'))
    try {
      const script = join(folder, 'server')
      writeFileSync(script, `#!/usr/bin/env node\nimport(${JSON.stringify(childProgram)})\n`, { mode: 0o755 })
      await using bench = new StdioBench()
      const child = await bench.connect({ command: script, era: 'legacy' })

      expect(jsonOf(await callTool(child, 'where', {}, createCaller()))).toMatchObject({ node: process.execPath })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
