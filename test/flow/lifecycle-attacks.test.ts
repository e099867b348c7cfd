// Group I of the security catalogue, the part about processes, and the clock of group H: signals in every order, ends that take too long,
// clocks that jump, folders that cannot be used. The gateway is a process of its own.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { migrate, openSqlite, schemaVersion } from '../../src/store/sqlite.ts'
import { answer, modern, startFakeUpstream, tool, type FakeUpstream } from '../support/fake-upstream.ts'
import { startFakeProviders } from '../support/fake-providers.ts'
import { gatewayFile } from '../support/gateway.ts'
import { developmentToken, type GatewayProcess, startGatewayProcess, writeFiles } from '../support/gateway-process.ts'
import { modernRequest, openListen, type RawAnswer } from '../support/raw-mcp.ts'
import { untilGone } from '../support/stdio-fixtures.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

type Folder = Awaited<ReturnType<typeof temporaryFolder>>

const done = { resultType: 'complete', content: [{ type: 'text', text: 'done' }] }
const program = join(import.meta.dirname, '../support/child-program.ts')
const said = { messages: [{ role: 'user', content: 'hi' }], stream: true }
const LONG = { provider: 'fake', model: 'x?size=2000&chunks=40&delay=40' }
const ENDLESS = { provider: 'fake', model: 'x?size=20000&chunks=2000&delay=50' }

let upstream: FakeUpstream
let fakes: Awaited<ReturnType<typeof startFakeProviders>>
let release: () => void = () => undefined

beforeAll(async () => {
  fakes = await startFakeProviders()
  upstream = await startFakeUpstream(
    modern(
      () => [tool('say'), tool('wait')],
      async (request, response) => {
        const { name } = request.body['params'] as { name: string } // tools/call
        if (name === 'wait') await new Promise<void>((resolve) => (release = resolve))
        answer(response, request, done)
      },
    ),
  )
})
afterAll(async () => {
  await fakes[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})
beforeEach(() => void upstream.requests.splice(0))

/** The files of a gateway with a remote server, a child and a model. */
function files(over: object = {}, catalog: object = {}): Record<string, unknown> {
  return {
    'tollgate.json': gatewayFile({
      telemetry: { exchanges: false },
      providers: { fake: { type: 'openai', baseUrl: `${fakes.url}/v1`, key: 'file:key' } },
      routes: { long: { targets: [LONG] }, endless: { targets: [ENDLESS] } },
      ...over,
    }),
    key: 'sk-lifecycle',
    'servers/notes.json': { type: 'http', url: upstream.url },
    'servers/child.json': { type: 'stdio', command: 'node', args: [program, '--tree'], cwd: join(import.meta.dirname, '../..') },
    'catalogs/research.json': {
      title: 'Research',
      for: { teams: ['research'] },
      tools: [
        { server: 'notes', allow: ['*'] },
        { server: 'child', allow: ['*'] },
      ],
      models: [{ route: 'long' }, { route: 'endless' }],
      ...catalog,
    },
  }
}

interface Running extends AsyncDisposable {
  readonly process: GatewayProcess
  readonly headers: { readonly authorization: string }
  call(name: string, args?: object): Promise<RawAnswer>
  stream(model: string): Promise<Response>
  entries(): Promise<readonly Readonly<Record<string, unknown>>[]>
}

async function start(folder: Folder, nodeFlags: readonly string[] = []): Promise<Running> {
  const gateway = await startGatewayProcess(folder.path, nodeFlags)
  const headers = { authorization: `Bearer ${await developmentToken(folder.path, { team: 'research' })}` }
  const admin = { authorization: `Bearer ${await developmentToken(folder.path, { roles: ['viewer'] })}` }
  const call = (name: string, args: object = {}) =>
    modernRequest(`${gateway.url}/mcp`, 'tools/call', { name, arguments: args }, { headers })
  return {
    process: gateway,
    headers,
    call,
    stream: (model) =>
      fetch(`${gateway.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { ...headers, 'content-type': 'application/json' },
        body: JSON.stringify({ ...said, model }),
      }),
    async entries() {
      const response = await fetch(`${gateway.adminUrl}/admin/v1/entries?limit=1000`, { headers: admin })
      return ((await response.json()) as { entries: Record<string, unknown>[] }).entries // GET /admin/v1/entries
    },
    async [Symbol.asyncDispose]() {
      await gateway.kill('SIGKILL')
    },
  }
}

/** All processes below one, children of children too. */
function descendantsOf(pid: number): number[] {
  const list = `/proc/${pid}/task/${pid}/children`
  const children = existsSync(list) ? readFileSync(list, 'utf8').trim().split(' ').filter(Boolean).map(Number) : []
  return children.flatMap((child) => [child, ...descendantsOf(child)])
}

const exitOf = async ({ child }: GatewayProcess): Promise<readonly [number | null, NodeJS.Signals | null]> => {
  if (child.exitCode !== null || child.signalCode !== null) return [child.exitCode, child.signalCode]
  const [code, signal] = await once(child, 'exit')
  return [code, signal] // node:child_process
}

const isWaiting = ({ body }: { body: object }): boolean => (body as { params?: { name?: string } }).params?.name === 'wait' // tools/call of the fake

describe('an orderly end', () => {
  it.each(['SIGTERM', 'SIGINT'] as const)(
    'I10, I12: %s ends well what is under way (calls, a stream of a model, a listen), exit 0, no child left',
    async (signal) => {
      await using folder = await temporaryFolder()
      writeFiles(folder.path, files())
      await using on = await start(folder)
      const pid = on.process.child.pid ?? 0
      await on.call('where')
      const family = descendantsOf(pid)
      const held = on.call('wait')
      await upstream.seen(isWaiting)
      const child = on.call('late', { ms: 1_000 })
      const model = await on.stream('long')
      const listen = await openListen(`${on.process.url}/mcp`, on.headers)

      const exit = on.process.kill(signal)
      const refused = async (): Promise<number> => (await on.call('say')).status
      await expect.poll(refused, { timeout: 5_000 }).toBe(503)
      const readiness = (await fetch(`${on.process.healthUrl}/readyz`)).status
      const words = await model.text()
      release()

      expect(readiness).toBe(503)
      expect((await held).message?.result).toMatchObject({ content: done.content })
      expect((await child).message?.result).toMatchObject({ content: [{ text: 'late' }] })
      expect(words).toContain('data: [DONE]')
      expect(await listen.text()).toContain('"resultType":"complete"')
      expect(await exit).toBe(0)
      expect(family.length).toBeGreaterThan(2)
      await untilGone([pid, ...family], 5_000)
    },
  )

  it('I11: what does not end within the drain is ended and not called done, and is in the ledger; exit 0', async () => {
    await using folder = await temporaryFolder()
    writeFiles(folder.path, files({ bounds: { drainMs: 1_000 } }))
    await using on = await start(folder)
    const held = on.call('wait').catch((error: unknown) => error)
    await upstream.seen(isWaiting)
    const model = await on.stream('endless')

    const began = performance.now()
    const code = await on.process.kill('SIGTERM')
    const tookMs = performance.now() - began
    const words = await model.text().catch((error: unknown) => String(error))
    release()

    expect(code).toBe(0)
    expect(tookMs).toBeLessThan(10_000) // drain + 2 s on an idle machine
    expect(words).not.toContain('[DONE]')
    expect(words.slice(-400)).toContain('"error"')
    expect(await held).toBeDefined()
    await using again = await start(folder)
    const entries = await again.entries()
    expect(entries.map(({ target }) => String(target)).toSorted()).toEqual(['endless', 'wait'])
    expect(entries.filter(({ status }) => status === 'ok')).toEqual([])
  })

  it('I12: a second signal ends it at once, and the next start has every answered call', async () => {
    await using folder = await temporaryFolder()
    writeFiles(folder.path, files())
    await using on = await start(folder)
    const before = await on.call('say')
    void on.call('wait').catch(() => undefined)
    await upstream.seen(isWaiting)

    const exit = exitOf(on.process)
    on.process.child.kill('SIGTERM')
    await expect.poll(async () => (await on.call('say').catch(() => undefined))?.status, { timeout: 5_000 }).toBe(503)
    on.process.child.kill('SIGTERM')

    expect(await exit).toEqual([null, 'SIGTERM'])
    release()
    await using again = await start(folder)
    const ids = (await again.entries()).map(({ id }) => id)
    expect(ids).toContain(before.headers.get('x-tollgate-exchange'))
  })

  it('I12: SIGPIPE does not end it', async () => {
    await using folder = await temporaryFolder()
    writeFiles(folder.path, files())
    await using on = await start(folder)

    on.process.child.kill('SIGPIPE')
    const status = (await on.call('say')).status

    expect(status).toBe(200)
    expect(on.process.child.exitCode).toBeNull()
  })

  it('I12: nobody reading its output any more ends it in good order', async () => {
    await using folder = await temporaryFolder()
    writeFiles(folder.path, files({ telemetry: { exchanges: true } }))
    await using on = await start(folder)

    on.process.child.stdout?.destroy()
    const exit = exitOf(on.process)
    while (on.process.child.exitCode === null) await on.call('say').catch(() => undefined)

    expect(await exit).toEqual([0, null])
  })
})

describe('a start that cannot work', () => {
  /** What a start that fails says; one that works is ended. */
  async function failureOf(folder: string): Promise<string> {
    try {
      const started = await startGatewayProcess(folder)
      await started.kill('SIGKILL')
      return 'it started'
    } catch (error) {
      return String(error)
    }
  }

  it.each<[name: string, make: (state: string) => void]>([
    ['a state folder that is a file', (state) => writeFileSync(state, '')],
    ['a ledger that is a folder', (state) => mkdirSync(join(state, 'ledger/ledger.db'), { recursive: true })],
    [
      'a ledger that is no database',
      (state) => {
        mkdirSync(join(state, 'ledger'), { recursive: true })
        writeFileSync(join(state, 'ledger/ledger.db'), 'x'.repeat(4_096))
      },
    ],
  ])('I13: %s ends the start within seconds, with words and without a child', async (_name, make) => {
    await using folder = await temporaryFolder()
    writeFiles(folder.path, files())
    make(join(folder.path, '.tollgate'))

    const failure = await failureOf(folder.path)

    expect(failure).toMatch(/ended with [1-9]/)
    expect(failure).toContain('.tollgate')
    expect(failure).not.toContain('    at ')
  })

  it('I16: a change of the store that was killed in the middle has left no trace, and is made at the next start', async () => {
    await using folder = await temporaryFolder()
    const file = join(folder.path, 'store.db')
    const slow = `CREATE TABLE b (n); INSERT INTO b WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 50000000) SELECT n FROM c`
    const steps = ['CREATE TABLE a (n)', slow]
    const source = `import { migrate, openSqlite } from ${JSON.stringify(join(import.meta.dirname, '../../src/store/sqlite.ts'))}
      migrate(openSqlite(${JSON.stringify(file)}), ${JSON.stringify(steps)})`
    const migrating = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: 'ignore' })
    const wal = (): number => (existsSync(`${file}-wal`) ? statSync(`${file}-wal`).size : 0)
    await expect.poll(wal, { timeout: 10_000 }).toBeGreaterThan(1_000_000)

    migrating.kill('SIGKILL')
    await once(migrating, 'exit')
    const database = openSqlite(file)
    const left = [schemaVersion(database), tablesOf(database)]
    migrate(database, [steps[0] ?? '', 'CREATE TABLE b (n)'])
    const after = [schemaVersion(database), tablesOf(database)]
    database.close()

    expect(left).toEqual([1, ['a']])
    expect(after).toEqual([2, ['a', 'b']])
  })
})

function tablesOf(database: ReturnType<typeof openSqlite>): unknown[] {
  return database
    .prepare("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    .all()
    .map((row) => row['name'])
}

describe('a wall clock that jumps', () => {
  /** Moves what the process takes for the time by what stands in a file; the monotonic clock is left alone. */
  const jumping = (file: string): string[] => {
    const source = `
      import { readFileSync } from 'node:fs'
      const real = Date.now
      const shift = () => { try { return Number(readFileSync(${JSON.stringify(file)}, 'utf8')) } catch { return 0 } }
      const Real = Date
      globalThis.Date = class extends Real { constructor(...given) { if (given.length === 0) super(real() + shift()); else super(...given) } }
      globalThis.Date.now = () => real() + shift()`
    return ['--import', `data:text/javascript,${encodeURIComponent(source)}`]
  }
  const HOUR = 3_600_000

  it('H16: limits do not see it, and no period of a budget is granted twice', async () => {
    await using folder = await temporaryFolder()
    const shift = join(folder.path, 'shift')
    writeFiles(
      folder.path,
      files(
        { identity: { anonymous: { team: 'research' } } },
        {
          tools: [
            { server: 'notes', tool: 'say', as: 'limited', limits: { callsPerMinute: 2 } },
            { server: 'child', tool: 'echo', as: 'paid', price: { usd: '1' } },
            { server: 'child', tool: 'argv', as: 'free' },
          ],
          models: [],
          budgets: [{ usd: '2', per: 'hour' }],
        },
      ),
    )
    await using on = await start(folder, jumping(shift))
    const ask = (name: string): Promise<RawAnswer> =>
      modernRequest(`${on.process.url}/mcp`, 'tools/call', { name, arguments: {} })
    const outcomes = async (name: string, times: number): Promise<boolean[]> => {
      const answers: boolean[] = []
      for (let time = 0; time < times; time += 1) answers.push((await ask(name)).message?.result !== undefined)
      return answers
    }

    const atFirst = [await outcomes('limited', 3), await outcomes('paid', 3)]
    writeFileSync(shift, String(HOUR))
    const later = [await outcomes('limited', 1), await outcomes('paid', 3)]
    writeFileSync(shift, '0')
    const back = [await outcomes('limited', 1), await outcomes('paid', 1)]
    writeFileSync(shift, String(-24 * HOUR))
    const longAgo = await outcomes('free', 2)
    writeFileSync(shift, String(HOUR))
    const again = await outcomes('paid', 1)

    expect(atFirst).toEqual([
      [true, true, false],
      [true, true, false],
    ])
    expect(later).toEqual([[false], [true, true, false]])
    expect(back).toEqual([[false], [false]])
    // The period that was reached stays the one that pays, and it is empty.
    expect(longAgo).toEqual([false, false])
    expect(again).toEqual([false])
  })
})
