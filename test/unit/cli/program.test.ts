import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { runCli } from './cli-harness.ts'

describe('the command line', () => {
  test.each([
    ['an unknown verb', ['strat'], 'start'],
    ['an unknown option', ['connect', 'cursor', '--catalogue', 'x'], '--catalog'],
    ['an unknown client', ['connect', 'emacs'], 'claude-desktop'],
    ['a missing argument', ['connect'], 'client'],
    ['a URL that is none', ['connect', 'cursor', '--url', 'nowhere'], 'https://gate.example.com/mcp'],
  ])('meets %s with exit 2, a hint on stderr and nothing on stdout', async (_name, words, hint) => {
    const { code, out, err } = await runCli(words)

    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(hint)
  })

  test('answers --version and --help on stdout with exit 0', async () => {
    const version = await runCli(['--version'])
    const help = await runCli(['--help'])

    expect(version).toEqual({ code: 0, out: '1.2.3\n', err: '' })
    expect(help).toMatchObject({ code: 0, err: '' })
    expect(help.out).toContain('connect')
  })

  test.each([
    ['--config before the verb', ['--config', 'a.json', 'start'], {}, '/project/a.json'],
    ['--config behind the verb', ['start', '--config', '/etc/a.json'], {}, '/etc/a.json'],
    ['TOLLGATE_CONFIG', ['start'], { TOLLGATE_CONFIG: 'b.json' }, '/project/b.json'],
    ['nothing', ['start'], {}, '/project/tollgate.json'],
  ])('takes the configuration from %s', async (_name, words, env, expected) => {
    let seen = ''
    const start = ({ config }: { config: string }) => {
      seen = config
      return Promise.resolve(0)
    }

    await runCli(words, { io: { env, cwd: '/project' }, lent: { start } })

    expect(seen).toBe(expected)
  })

  test('passes the exit code of a verb on', async () => {
    expect((await runCli(['start'], { lent: { start: () => Promise.resolve(7) } })).code).toBe(7)
  })

  test('turns a failure into one line and exit 1', async () => {
    const { code, out, err } = await runCli(['start'], { lent: { start: () => Promise.reject(new Error('the port is taken')) } })

    expect({ code, out, err }).toEqual({ code: 1, out: '', err: 'tollgate: the port is taken\n' })
  })
})

describe('tollgate connect', () => {
  test('takes the URL from publicUrl, else from the listener', async () => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'public.json'), '{"publicUrl":"https://${HOST:-gate.example.com}/"}')
    await writeFile(join(folder.path, 'local.json'), '{"data":{"host":"0.0.0.0","port":9090}}')
    const run = (name: string) => runCli(['connect', 'codex', '--json', '--config', join(folder.path, name)])

    const urls = await Promise.all(
      ['public.json', 'local.json'].map(async (name) => JSON.parse((await run(name)).out).text.split('\n')[1]),
    )

    expect(urls).toEqual(['url = "https://gate.example.com/mcp"', 'url = "http://127.0.0.1:9090/mcp"'])
  })

  test('takes --url with and without a path, and --catalog', async () => {
    const urlOf = async (...words: string[]) =>
      JSON.parse((await runCli(['connect', 'codex', '--json', ...words])).out).text.split('"')[1]

    expect(await urlOf('--url', 'https://h.example')).toBe('https://h.example/mcp')
    expect(await urlOf('--url', 'https://h.example', '--catalog', 'research')).toBe('https://h.example/mcp/research')
    expect(await urlOf('--url', 'https://h.example/gate/mcp')).toBe('https://h.example/gate/mcp')
  })

  test('says which file is missing and how to name another, with exit 3', async () => {
    const { code, err } = await runCli(['connect', 'cursor'], { io: { cwd: '/nowhere' } })

    expect(code).toBe(3)
    expect(err).toBe(
      'tollgate: /nowhere/tollgate.json: there is no such file; name the configuration with --config or TOLLGATE_CONFIG\n',
    )
  })

  test('starts the bridge of Claude Desktop by absolute paths, since it has another PATH', async () => {
    const { out } = await runCli(['connect', 'claude-desktop', '--url', 'http://127.0.0.1:8080', '--json'])

    expect(JSON.parse(JSON.parse(out).text).mcpServers.tollgate).toMatchObject({
      command: '/opt/node',
      args: ['/opt/tollgate.mjs', 'stdio', 'http://127.0.0.1:8080/mcp'],
    })
  })
})

async function temporaryFolder() {
  const path = await mkdtemp(join(tmpdir(), 'tollgate-cli-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
