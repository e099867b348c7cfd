// Group I of the security catalogue, the part about files: whatever a file becomes, the last good one serves, and one place says why.
import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setImmediate as turn } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { readConfig } from '../../src/catalog/read.ts'
import { buildSnapshot } from '../../src/catalog/snapshot.ts'
import { validate } from '../../src/cli/validate.ts'
import { proveGuards } from '../../src/gateway/guards.ts'
import { createCliIo } from '../support/cli-io.ts'
import { answer, modern, startFakeUpstream, tool, type FakeUpstream } from '../support/fake-upstream.ts'
import { gatewayFile, startTestGateway, type TestGateway } from '../support/gateway.ts'
import { developmentToken, startGatewayProcess, writeFiles } from '../support/gateway-process.ts'
import { modernRequest } from '../support/raw-mcp.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const done = { resultType: 'complete', content: [{ type: 'text', text: 'done' }] }
const CATALOG = { title: 'Research', for: { teams: ['research'] }, tools: [{ server: 'notes', allow: ['say', 'wait'] }] }
const GATEWAY = gatewayFile({ guards: { house: { evaluators: [{ type: 'pattern', patterns: ['forbidden'] }] } } })

let upstream: FakeUpstream
let gateway: TestGateway
let headers: Record<string, string>
let release: () => void = () => undefined

beforeAll(async () => {
  const call = modern(
    () => [tool('say'), tool('wait')],
    async (request, response) => {
      const { name } = request.body['params'] as { name: string } // tools/call
      if (name === 'wait') await new Promise<void>((resolve) => (release = resolve))
      answer(response, request, done)
    },
  )
  upstream = await startFakeUpstream(call)
  gateway = await startTestGateway({
    'tollgate.json': GATEWAY,
    'servers/notes.json': { type: 'http', url: upstream.url },
    'catalogs/research.json': CATALOG,
  })
  await gateway.until((snapshot) => snapshot.catalogs.get('research')?.items.tool.length === 2)
  headers = { authorization: `Bearer ${await gateway.token('research')}` }
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await upstream[Symbol.asyncDispose]()
})
afterEach(async () => {
  for (const name of readdirSync(join(gateway.folder, 'catalogs')))
    rmSync(join(gateway.folder, 'catalogs', name), { force: true })
  gateway.write('tollgate.json', GATEWAY)
  gateway.write('servers/notes.json', { type: 'http', url: upstream.url })
  gateway.write('catalogs/research.json', CATALOG)
  expect((await gateway.running.files.reload()).problems).toEqual([])
  expect(gateway.logs().filter(({ message }) => message === 'unexpected error')).toEqual([])
})

async function names(): Promise<string[]> {
  const { message } = await modernRequest(`${gateway.url}/mcp`, 'tools/list', {}, { headers })
  return ((message?.result?.['tools'] ?? []) as { name: string }[]).map(({ name }) => name) // tools/list
}

const call = (name: string, args: object = {}) =>
  modernRequest(`${gateway.url}/mcp`, 'tools/call', { name, arguments: args }, { headers })
const deep = (levels: number) => `${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`
const good = JSON.stringify(CATALOG)

/** The longest time between two turns of the event loop until the signal. */
async function longestGap(signal: AbortSignal): Promise<number> {
  let [longest, last] = [0, performance.now()]
  while (!signal.aborted) {
    await turn()
    const now = performance.now()
    longest = Math.max(longest, now - last)
    last = now
  }
  return longest
}

const rules = (count: number) => Array.from({ length: count }, (_, index) => ({ server: 'notes', tool: `t${index}` }))

describe('a catalog that becomes bad', () => {
  it.each<[name: string, content: string | object | Buffer, message: string]>([
    ['I01: cut in a text', good.slice(0, 12), 'not closed'],
    ['I01: cut between texts', good.slice(0, -1), 'found the end of the file'],
    ['I01: emptied', '', 'the file is empty'],
    ['I01: blanks alone', ' \t ', 'the file is empty'],
    ['I01: a zip archive', Buffer.from('504b0304ff00fe80c3', 'hex'), 'not UTF-8'],
    [
      'I01: overlong UTF-8',
      Buffer.concat([Buffer.from('{"title":"'), Buffer.from('c080', 'hex'), Buffer.from('"}')]),
      'not UTF-8',
    ],
    ['I01: zero bytes after its end', `${good}\0\0\0`, 'expected the end of the file'],
    ['I01: two objects', good + good, 'expected the end of the file'],
    ['I01: a comment', `// mine\n${good}`, 'comments are not allowed'],
    ['I01: a comma too many', good.replace('}', ',}'), 'remove the comma'],
    ['I01: a key given twice', good.replace('{', '{"title":"Other",'), 'the key "title" is given twice'],
    ['I01: a key given twice, once escaped', good.replace('{', '{"\\u0074itle":"Other",'), 'the key "title" is given twice'],
    ['I01: the key __proto__', good.replace('{', '{"__proto__":{"title":"x"},'), '"__proto__" is not allowed'],
    ['I01: nested 101 deep', deep(101), 'nested 100 deep'],
    ['I01: nested 200,000 deep', deep(200_000), 'nested 100 deep'],
    ['I01: a number beyond all numbers', good.replace('[', '[1e999,'), 'too large to be kept exactly'],
    ['I01: a text of 4 MB that is never closed', `{"title":"${'x'.repeat(4_000_000)}`, 'not closed'],
    ['I01: a list', '[]', 'expected an object'],
    ['I02: an unknown server', { ...CATALOG, tools: [{ server: 'nots', allow: ['*'] }] }, 'did you mean "notes"'],
    ['I02: an unknown guard', { ...CATALOG, guards: ['hose'] }, 'did you mean "house"'],
    ['I02: an unknown route', { ...CATALOG, models: [{ route: 'fast' }] }, 'unknown route "fast"'],
    ['I02: an expression of nothing', { ...CATALOG, for: { when: 'principle.team == "x"' } }, 'does not compile'],
    [
      'I02: one name for two tools',
      {
        ...CATALOG,
        tools: [
          { server: 'notes', tool: 'say', as: 'x' },
          { server: 'notes', tool: 'wait', as: 'x' },
        ],
      },
      'already given',
    ],
    ['I04: 9 MB', ' '.repeat(9_000_000), 'at most 8388608 are read'],
    ['I04: 200,000 rules', { ...CATALOG, tools: rules(200_000) }, 'more than 100000 values'],
    ['I05: 2,001 rules', { ...CATALOG, tools: rules(2_001) }, 'at most 2000 entries; found 2001'],
    [
      'I05: 33 budgets',
      { ...CATALOG, budgets: Array.from({ length: 33 }, () => ({ usd: '1', per: 'day' })) },
      'at most 32 entries',
    ],
    ['I05: 17 guards', { ...CATALOG, guards: Array.from({ length: 17 }, () => 'house') }, 'at most 16 entries'],
  ])('%s changes nothing and says where', async (_name, content, message) => {
    const path = join(gateway.folder, 'catalogs/research.json')
    writeFileSync(path, typeof content === 'string' || Buffer.isBuffer(content) ? content : JSON.stringify(content))

    const { problems } = await gateway.running.files.reload()

    expect(problems[0]).toMatchObject({ file: 'catalogs/research.json', line: 1, message: expect.stringContaining(message) })
    expect(await names()).toEqual(['say', 'wait'])
    expect((await call('say')).status).toBe(200)
  })
})

describe('what a file can be besides a file', () => {
  const path = (name: string) => join(gateway.folder, 'catalogs', name)
  it.each<[name: string, make: () => void, message: string]>([
    ['a pipe nobody writes to', () => execFileSync('mkfifo', [path('other.json')]), 'no regular file'],
    ['a link to a device without an end', () => symlinkSync('/dev/zero', path('other.json')), 'no regular file'],
    ['a link to itself', () => symlinkSync('other.json', path('other.json')), 'ELOOP'],
    ['a link to a folder', () => symlinkSync('/', path('other.json')), 'no regular file'],
    ['a name that is no id', () => writeFileSync(path('../catalogs/A B.json'), good), 'the file name is the id'],
    ['a name of the language', () => writeFileSync(path('__proto__.json'), good), 'the file name is the id'],
  ])('I13: %s is said, and the rest is followed', async (_name, make, message) => {
    make()
    gateway.write('catalogs/research.json', { ...CATALOG, tools: [{ server: 'notes', allow: ['say'] }] })

    const { problems } = await gateway.running.files.reload()

    expect(problems).toMatchObject([{ message: expect.stringContaining(message) }])
    expect(await names()).toEqual(['say'])
  })

  it('I13: a link to a file outside is followed, and a link to nothing takes the catalog away', async () => {
    await using elsewhere = await temporaryFolder()
    writeFileSync(join(elsewhere.path, 'real.json'), JSON.stringify({ ...CATALOG, tools: [{ server: 'notes', allow: ['say'] }] }))
    rmSync(path('research.json'))
    symlinkSync(join(elsewhere.path, 'real.json'), path('research.json'))
    await gateway.running.files.reload()
    const followed = await names()

    rmSync(join(elsewhere.path, 'real.json'))
    await gateway.running.files.reload()

    expect(followed).toEqual(['say'])
    expect((await modernRequest(`${gateway.url}/mcp`, 'tools/list', {}, { headers })).status).toBe(403)
  })
})

describe('large and many files', () => {
  it('I04: a file of 200,000 rules does not hold up the calls under way', async () => {
    gateway.write('catalogs/large.json', { ...CATALOG, tools: rules(200_000) })
    const delay = monitorEventLoopDelay({ resolution: 5 })
    delay.enable()

    const reloading = gateway.running.files.reload()
    const during = await Promise.all(Array.from({ length: 20 }, () => call('say')))
    await reloading
    delay.disable()

    expect(during.map(({ status }) => status)).toEqual(Array.from({ length: 20 }, () => 200))
    expect(delay.max / 1e6).toBeLessThan(500) // 80 ms on an idle machine; 1.4 s when all of it was read at once
  })

  it('I04: 12,000 good rules are put in force in slices', async () => {
    for (let file = 0; file < 12; file += 1)
      gateway.write(`catalogs/many-${file}.json`, { ...CATALOG, for: {}, tools: rules(1_000) })
    await gateway.running.files.reload()
    for (let file = 0; file < 12; file += 1) rmSync(join(gateway.folder, `catalogs/many-${file}.json`))
    for (let file = 0; file < 12; file += 1)
      gateway.write(`catalogs/most-${file}.json`, { ...CATALOG, for: {}, tools: rules(1_000) })
    const stop = new AbortController()
    const measuring = longestGap(stop.signal)
    const started = performance.now()

    await gateway.running.files.reload()
    const tookMs = performance.now() - started
    stop.abort()

    expect(gateway.running.files.current.get().catalogs.has('most-11')).toBe(true)
    expect(await measuring).toBeLessThan(tookMs / 4) // all of it takes more than half of the time when it is made at once
  })

  it('I07: 96 reloads asked for at once, over files that are half written, never put a half file in force', async () => {
    const seen = new Set<string>()
    const stop = gateway.running.files.current.subscribe((next) => {
      seen.add(JSON.stringify(next.catalogs.get('research')?.items.tool.map(({ name }) => name)))
    })
    const file = join(gateway.folder, 'catalogs/research.json')
    const versions = [good, JSON.stringify({ ...CATALOG, tools: [{ server: 'notes', allow: ['say'] }] })]
    const statuses: number[] = []

    for (let round = 0; round < 24; round += 1) {
      const text = versions[round % 2] ?? ''
      const reloads = Array.from({ length: 4 }, () => gateway.running.files.reload())
      writeFileSync(file, text.slice(0, round))
      await turn()
      truncateSync(file, 0)
      writeFileSync(file, text)
      statuses.push((await call('say')).status)
      await Promise.all(reloads)
    }
    stop()

    expect([...seen].toSorted()).toEqual(['["say","wait"]', '["say"]'])
    expect(statuses.filter((status) => status !== 200)).toEqual([])
  })
})

describe('what is taken away', () => {
  it('I08: a call under way ends well after its tool, its server and its catalog are gone; new ones find nothing', async () => {
    const pending = call('wait')
    await upstream.seen(({ body }) => (body['params'] as { name?: string } | undefined)?.name === 'wait')

    rmSync(join(gateway.folder, 'catalogs/research.json'))
    rmSync(join(gateway.folder, 'servers/notes.json'))
    await gateway.running.files.reload()
    const after = await call('wait')
    release()

    expect(after.status).toBe(403)
    expect((await pending).message?.result).toMatchObject({ content: done.content })
  })

  it('I02: a catalog whose guard was taken away stays guarded', async () => {
    gateway.write('catalogs/research.json', { ...CATALOG, guards: ['house'] })
    await gateway.running.files.reload()
    const before = await call('say', { text: 'forbidden' })

    gateway.write('tollgate.json', gatewayFile())
    const { problems } = await gateway.running.files.reload()
    const after = await call('say', { text: 'forbidden' })

    expect(problems).toMatchObject([{ file: 'catalogs/research.json', message: 'unknown guard "house"' }])
    expect(before.message?.error?.message).toContain('words that must not pass')
    expect(after.message?.error?.message).toBe(before.message?.error?.message)
  })
})

describe('guards that do not act', () => {
  const dead = { house: { evaluators: [{ type: 'secrets' }, { type: 'pattern', patterns: ['a\\bb'] }] } }

  it('I02: a reload with one keeps the last good file and names the place', async () => {
    gateway.write('tollgate.json', gatewayFile({ guards: dead }))

    const { problems } = await gateway.running.files.reload()

    expect(problems).toMatchObject([
      { file: 'tollgate.json', path: '$.guards.house.evaluators[1]', message: expect.stringContaining('does not act') },
    ])
  })

  it('I09: a start with one ends with code 3 and the place; validate says the same', async () => {
    await using folder = await temporaryFolder()
    writeFiles(folder.path, { 'tollgate.json': gatewayFile({ guards: dead }) })
    const io = createCliIo({ cwd: folder.path })

    const failure = await startGatewayProcess(folder.path).catch((error: unknown) => String(error))
    const code = await validate({ config: 'tollgate.json', json: false }, io, { prove: proveGuards })

    expect(failure).toContain('ended with 3')
    expect(failure).toContain('$.guards.house.evaluators[1]: this evaluator does not act')
    expect(code).toBe(3)
    expect(io.written.out).toContain('$.guards.house.evaluators[1]: this evaluator does not act')
  })
})

describe('one bad server among good ones', () => {
  it.each<[name: string, server: unknown]>([
    ['a port where nobody listens', { type: 'http', url: 'http://127.0.0.1:9/mcp' }],
    ['a name that does not resolve', { type: 'http', url: 'https://nowhere.invalid/mcp' }],
    ['a program that is not there', { type: 'stdio', command: 'node', args: ['missing.js'] }],
    [
      'a secret that is not set',
      { type: 'http', url: 'http://127.0.0.1:9/mcp', credential: { type: 'bearer', token: 'env:NOT_SET' } },
    ],
    ['no JSON', '{'],
  ])('I03: %s leaves the others as they are', async (_name, server) => {
    gateway.write('servers/other.json', server)

    await gateway.running.files.reload()

    expect(await names()).toEqual(['say', 'wait'])
    expect((await call('say')).status).toBe(200)
    rmSync(join(gateway.folder, 'servers/other.json'))
  })

  it('I15: with every server down it starts, says so, and lists nothing', async () => {
    await using folder = await temporaryFolder()
    writeFiles(folder.path, {
      'tollgate.json': gatewayFile(),
      'servers/notes.json': { type: 'http', url: 'http://127.0.0.1:9/mcp' },
      'servers/other.json': { type: 'http', url: 'http://127.0.0.1:9/mcp' },
      'catalogs/research.json': CATALOG,
    })

    const started = await startGatewayProcess(folder.path)
    const authorization = `Bearer ${await developmentToken(folder.path, { team: 'research' })}`
    const ready = await fetch(`${started.healthUrl}/readyz?verbose`)
    const { message } = await modernRequest(`${started.url}/mcp`, 'tools/list', {}, { headers: { authorization } })
    const code = await started.kill('SIGTERM')

    expect(ready.status).toBe(200)
    expect(await ready.text()).toContain('degraded')
    expect(message?.result?.['tools']).toEqual([])
    expect(started.readyMs).toBeLessThan(10_000) // about 1.5 s on an idle machine, the bound on asking the servers included
    expect(code).toBe(0)
  })
})

describe('null, blank and nothing in every field', () => {
  const FILES = {
    'tollgate.json': gatewayFile({
      limits: { callsPerMinute: 100 },
      bounds: { inFlight: 10 },
      telemetry: { level: 'warn', exchanges: true },
      egress: { allow: ['127.0.0.1:80'] },
      ledger: { durability: 'strict' },
      identity: {
        issuers: [
          { issuer: 'https://idp.test', audience: ['x'], jwks: { url: 'https://idp.test/keys' }, claims: { team: '/team' } },
        ],
      },
      guards: { house: { evaluators: [{ type: 'pattern', patterns: ['x'] }] } },
      providers: { p: { type: 'openai', key: 'env:KEY' } },
      routes: { r: { targets: [{ provider: 'p', model: 'm' }] } },
    }),
    'servers/notes.json': {
      type: 'http',
      url: 'https://notes.test/mcp',
      headers: { 'x-a': 'b' },
      credential: { type: 'bearer', token: 'env:T' },
      timeouts: { totalMs: 1_000 },
      labels: { a: 'b' },
    },
    'catalogs/research.json': {
      title: 'R',
      for: { teams: ['*'], when: 'principal.team == "x"' },
      guards: ['house'],
      budgets: [{ usd: '1', per: 'day' }],
      limits: { callsPerMinute: 1 },
      models: [{ route: 'r', limits: { tokensPerMinute: 1 } }],
      tools: [
        {
          server: 'notes',
          tool: 't',
          as: 'u',
          arguments: { hide: ['a'], set: { b: 1 } },
          price: { usd: '1' },
          when: 'args.a == 1',
        },
      ],
      prompts: [{ server: 'notes', allow: ['*'] }],
      resources: [{ server: 'notes', allow: ['*'], deny: ['x'] }],
    },
  } as const

  /** Every place of a value, root left out. */
  function placesOf(value: unknown, path: readonly (string | number)[] = []): (string | number)[][] {
    if (typeof value !== 'object' || value === null) return []
    const keys = Array.isArray(value) ? value.map((_, index) => index) : Object.keys(value)
    return keys.flatMap((key) => {
      const at = [...path, key]
      return [at, ...placesOf((value as Record<string | number, unknown>)[key], at)] // an own key, just listed
    })
  }

  /** The value with something else at one place. */
  function replaced(value: unknown, [step, ...rest]: readonly (string | number)[], by: unknown): unknown {
    if (step === undefined) return by
    if (Array.isArray(value)) return value.map((item, index) => (index === step ? replaced(item, rest, by) : (item as unknown)))
    const members = Object.entries(value as object) // a step leads into objects and lists only
    return Object.fromEntries(members.map(([key, member]) => [key, key === step ? replaced(member, rest, by) : member]))
  }

  /** Reads a folder as the gateway does; how many problems it has. */
  async function used(folder: string): Promise<number> {
    const files = await proveGuards(await readConfig(join(folder, 'tollgate.json'), {}))
    buildSnapshot({ files, servers: new Map(), generation: 1, now: 0 })
    return files.problems.length
  }

  it.each(Object.keys(FILES))(
    'I06: in %s ends as a problem or a default, also when a snapshot is made of it',
    async (file) => {
      await using folder = await temporaryFolder()
      writeFiles(folder.path, FILES)
      const content = FILES[file as keyof typeof FILES] // a key of it
      const troubles: string[] = []

      for (const place of placesOf(content)) {
        for (const by of [null, '', -1, 1e300, [null], { '': null }, undefined]) {
          writeFileSync(join(folder.path, file), JSON.stringify(replaced(content, place, by)))
          const problems = await used(folder.path).catch((error: unknown) => String(error))
          const isFree = place.includes('set') || by !== null // arguments of tools are any JSON
          if (typeof problems === 'string' || (problems === 0 && !isFree))
            troubles.push(`${place.join('.')} = ${JSON.stringify(by)}: ${problems}`)
        }
      }

      expect(troubles).toEqual([])
    },
    60_000,
  )
})

it('I14: what validate says of a folder is what the start says of it', async () => {
  await using folder = await temporaryFolder()
  writeFiles(folder.path, {
    'tollgate.json': { mode: 'development', datta: {}, guards: { house: { evaluators: [] } } },
    'catalogs/research.json': { title: '', tools: [{ server: 'nobody' }] },
  })
  const io = createCliIo({ cwd: folder.path })

  const failure = await startGatewayProcess(folder.path).catch((error: unknown) => String(error))
  await validate({ config: 'tollgate.json', json: false }, io, { prove: proveGuards })

  const said = io.written.out.split('\n').filter((line) => line.startsWith('  $'))
  expect(said.length).toBeGreaterThan(3)
  for (const line of said) expect(failure).toContain(line)
})

it('I13: a seal key that others may read ends the start with the way out', async () => {
  await using folder = await temporaryFolder()
  writeFiles(folder.path, { 'tollgate.json': gatewayFile() })
  mkdirSync(join(folder.path, '.tollgate'))
  writeFileSync(join(folder.path, '.tollgate/seal-key'), Buffer.alloc(32, 1).toString('base64'), { mode: 0o644 })

  const failure = await startGatewayProcess(folder.path).catch((error: unknown) => String(error))

  expect(failure).toContain('may be read by others; run: chmod 600')
  expect(failure).not.toContain(readFileSync(join(folder.path, '.tollgate/seal-key'), 'utf8'))
})
