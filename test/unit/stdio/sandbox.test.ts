import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkServer } from '../../../src/config/check-server.ts'
import { confine, type SandboxOptions } from '../../../src/mcp/upstream/child-sandbox.ts'
import { callTool, isAlive, root, StdioBench, textOf, toStdioServer, untilGone } from '../../support/stdio-fixtures.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const prying = join(root, 'test/fixtures/prying/main.ts')
const NODE = { type: 'node' }
const BUBBLEWRAP = { type: 'bubblewrap', command: '/usr/bin/bwrap' }

/** A program node runs, below a folder with packages, unless told otherwise. */
function optionsOf(settings: object, over: Partial<SandboxOptions> = {}): SandboxOptions {
  const config = toStdioServer({ args: ['--no-warnings', 'tools/main.js', '--stdio'], ...settings })
  return { config, executable: '/opt/node', cwd: '/work', restricted: false, knows: () => false, ...over }
}

/** A process and everything below it, where the system says so. */
function familyOf(pid: number): number[] {
  const list = `/proc/${pid}/task/${pid}/children`
  const children = existsSync(list) ? readFileSync(list, 'utf8').split(' ').filter(Boolean).map(Number) : []
  return [pid, ...children.flatMap(familyOf)]
}

describe('the command line of a child', () => {
  test('without a sandbox it is what the file says', () => {
    expect(confine(optionsOf({}))).toEqual({
      executable: '/opt/node',
      args: ['--no-warnings', 'tools/main.js', '--stdio'],
      env: {},
    })
  })

  test('F14: a program of node reads its folder and the packages it may import, and nothing else', () => {
    const { args, env } = confine(optionsOf({ sandbox: NODE }))

    expect(args).toEqual([
      '--permission',
      ...['/work/tools', '/work/tools/node_modules', '/work/node_modules', '/node_modules'].flatMap((path) => [
        `--allow-fs-read=${path}`,
        `--allow-fs-read=${path}/*`,
      ]),
      '--no-warnings',
      'tools/main.js',
      '--stdio',
    ])
    expect(env).toEqual({})
  })

  test('a program of an installed package reads that package', () => {
    const { args } = confine(optionsOf({ sandbox: NODE, args: ['/app/node_modules/@scope/tool/dist/cli.js'] }))

    expect(args.slice(1, 3)).toEqual([
      '--allow-fs-read=/app/node_modules/@scope/tool',
      '--allow-fs-read=/app/node_modules/@scope/tool/*',
    ])
    expect(args).not.toContain('--allow-fs-read=/app/*')
  })

  test('every grant of the file is a flag, and what this Node does not know is left out', () => {
    const sandbox = { ...NODE, read: ['/data'], write: ['/out'], network: true, processes: true, threads: true }
    const known = confine(optionsOf({ sandbox }, { knows: () => true })).args
    const unknown = confine(optionsOf({ sandbox })).args

    expect(known).toEqual(
      expect.arrayContaining([
        '--allow-fs-read=/data',
        '--allow-fs-read=/data/*',
        '--allow-fs-read=/out/*',
        '--allow-fs-write=/out/*',
        '--allow-child-process',
        '--allow-worker',
        '--allow-net',
      ]),
    )
    expect(known).not.toContain('--allow-fs-write=/data/*')
    expect(unknown).not.toContain('--allow-net')
  })

  test('under a restricted gateway a program of node is confined, and no other inherits the grants of the gateway', () => {
    const restricted = { restricted: true }

    expect(confine(optionsOf({}, restricted)).args[0]).toBe('--permission')
    expect(confine(optionsOf({ sandbox: { type: 'none' } }, restricted))).toMatchObject({
      args: ['--no-warnings', 'tools/main.js', '--stdio'],
      env: { NODE_OPTIONS: '--permission --no-permission' },
    })
    expect(confine(optionsOf({}, { ...restricted, executable: '/usr/bin/python3' })).env).toHaveProperty('NODE_OPTIONS')
  })

  test('bubblewrap shares nothing that was not granted', () => {
    const { executable, args } = confine(optionsOf({ sandbox: { ...BUBBLEWRAP, read: ['/data'], write: ['/out'] } }))

    expect(executable).toBe('/usr/bin/bwrap')
    expect(args.slice(0, 2)).toEqual(['--unshare-all', '--die-with-parent'])
    expect(args.join(' ')).toContain(
      '--ro-bind-try /data /data --bind /out /out --chdir /work -- /opt/node --no-warnings tools/main.js',
    )
    expect(args).not.toContain('--share-net')
    expect(args.filter((word) => ['/', '/etc', '/home', '/root', '/var', '/work'].includes(word))).toEqual(['/work', '/work']) // --dir, --chdir
  })

  test('bubblewrap shares the network, and the names of hosts, when that is granted', () => {
    const { args } = confine(optionsOf({ sandbox: { ...BUBBLEWRAP, network: true } }))

    expect(args).toEqual(expect.arrayContaining(['--share-net', '/etc/resolv.conf']))
  })
})

describe('the sandbox of a registration', () => {
  const check = (settings: object) =>
    checkServer(toStdioServer(settings), { folder: root, env: { PATH: '/nowhere' }, raw: settings })

  test('its paths start from the folder of tollgate.json', () => {
    const { value, faults } = check({ sandbox: { ...NODE, read: ['docs'], write: ['/tmp/out'] } })

    expect(value).toMatchObject({ sandbox: { read: [join(root, 'docs')], write: ['/tmp/out'] } })
    expect(faults).toEqual([])
  })

  test('the permission model is for programs of node', () => {
    const { faults } = check({ command: '/bin/cat', sandbox: NODE })

    expect(faults).toEqual([{ path: ['sandbox', 'type'], message: expect.stringContaining('take "bubblewrap"') }])
  })

  test('bubblewrap must be there', () => {
    const { faults } = check({ sandbox: { type: 'bubblewrap' } })

    expect(faults).toEqual([{ path: ['sandbox', 'command'], message: expect.stringContaining('bwrap is not on PATH') }])
  })
})

// Without user namespaces, or without the program, only the command line can be judged.
const hasBubblewrap = spawnSync('/usr/bin/bwrap', ['--unshare-all', '--ro-bind', '/', '/', 'true']).status === 0

describe.each([
  { name: 'node', sandbox: NODE, denied: 'ERR_ACCESS_DENIED', offline: false, isThere: true },
  { name: 'bubblewrap', sandbox: BUBBLEWRAP, denied: 'ENOENT', offline: true, isThere: hasBubblewrap },
])('a child in the sandbox $name', ({ sandbox, denied, offline, isThere }) => {
  const listener = createServer((socket) => socket.destroy())
  const connect = async (bench: StdioBench, grants: object = {}) =>
    await bench.connect({ era: 'legacy', args: [prying], sandbox: { ...sandbox, ...grants } })
  const use = async (child: Awaited<ReturnType<typeof connect>>, tool: string, input: Parameters<typeof callTool>[2] = {}) =>
    textOf(await callTool(child, tool, input))

  beforeAll(async () => {
    listener.listen(0, '127.0.0.1')
    await once(listener, 'listening')
  })

  afterAll(() => void listener.close())

  test.runIf(isThere)('F14: reads its own program and no other file', async () => {
    await using folder = await temporaryFolder()
    const secret = join(folder.path, 'secret')
    writeFileSync(secret, 'canary')
    await using bench = new StdioBench()

    const child = await connect(bench)

    expect(await use(child, 'read', { path: prying })).toMatch(/^ok /)
    expect(await use(child, 'read', { path: secret })).toBe(denied)
    expect(await use(child, 'read', { path: join(root, 'tollgate.json') })).toBe(denied)
    expect(await use(child, 'read', { path: '/proc/1/environ' })).not.toContain('canary')
    expect(await use(child, 'environment')).not.toContain('permission')
  })

  test.runIf(isThere)('F14: reads and writes where its file says', async () => {
    await using folder = await temporaryFolder()
    await using open = await temporaryFolder()
    writeFileSync(join(folder.path, 'told'), 'news')
    await using bench = new StdioBench()

    const child = await connect(bench, { read: [folder.path], write: [open.path] })

    expect(await use(child, 'read', { path: join(folder.path, 'told') })).toBe('ok news')
    expect(await use(child, 'write', { path: join(folder.path, 'told') })).toMatch(/ERR_ACCESS_DENIED|EROFS/)
    expect(await use(child, 'write', { path: join(open.path, 'new') })).toBe('ok')
    expect(readFileSync(join(open.path, 'new'), 'utf8')).toBe('written')
    expect(existsSync(join(folder.path, 'new'))).toBe(false)
  })

  test.runIf(isThere && !offline)('F14: starts no process unless its file says so', async () => {
    await using bench = new StdioBench()

    const [closed, open] = [await connect(bench), await connect(bench, { processes: true })]

    expect(await use(closed, 'spawn')).toBe('ERR_ACCESS_DENIED')
    expect(await use(open, 'spawn')).toBe('ok')
  })

  test.runIf(isThere && offline)('F14: has no network unless its file says so', async () => {
    const { port } = listener.address() as AddressInfo // it listens
    await using bench = new StdioBench()

    const [closed, open] = [await connect(bench), await connect(bench, { network: true })]

    expect(await use(closed, 'connect', { port })).toBe('ECONNREFUSED')
    expect(await use(open, 'connect', { port })).toBe('ok')
  })

  test.runIf(isThere)('F07: is gone when it is closed', async () => {
    await using bench = new StdioBench()
    const child = await connect(bench)
    const all = familyOf(child.pid)
    expect(all.every(isAlive)).toBe(true)
    if (offline) expect(all.length).toBeGreaterThan(1) // bubblewrap, and what it started

    await child.close()

    await untilGone(all, 5_000)
  })
})

test('F14: a published server works within its grants, and not where its own arguments reach further', async () => {
  await using granted = await temporaryFolder()
  await using other = await temporaryFolder()
  writeFileSync(join(granted.path, 'told'), 'news')
  writeFileSync(join(other.path, 'secret'), 'canary')
  const program = join(root, 'node_modules/@modelcontextprotocol/server-filesystem/dist/index.js')
  await using bench = new StdioBench()

  const child = await bench.connect({
    args: [program, granted.path, other.path],
    sandbox: { ...NODE, write: [granted.path] },
  })
  const use = async (name: string, input: Parameters<typeof callTool>[2]) => textOf(await callTool(child, name, input))

  expect(await use('read_text_file', { path: join(granted.path, 'told') })).toBe('news')
  expect(await use('write_file', { path: join(granted.path, 'new'), content: 'more' })).toContain('Successfully')
  expect(await use('read_text_file', { path: join(other.path, 'secret') })).not.toContain('canary')
})
