import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { env } from 'node:process'
import fc from 'fast-check'
import { parse } from 'yaml'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/catalog/read.ts'
import { convertLitellm } from '../../../src/cli/import-litellm.ts'
import { convertPortkey } from '../../../src/cli/import-portkey.ts'
import { PriceFile } from '../../../src/config/prices.ts'
import { runCli } from './cli-harness.ts'

const FIXTURES = join(import.meta.dirname, '../../fixtures/import')

/** Everything a user sees of the fixtures, with what is written; variables that are still to be set are set. */
async function subject() {
  const cwd = await mkdtemp(join(tmpdir(), 'tollgate-import-test-'))
  await cp(FIXTURES, cwd, { recursive: true })
  const run = async (...words: readonly string[]) =>
    await runCli(['import', ...words], { io: { cwd, env: { PATH: env['PATH'] } } })
  const json = async (name: string): Promise<Record<string, unknown>> => JSON.parse(await readFile(join(cwd, name), 'utf8'))
  const check = async (folder: string, variables: Readonly<Record<string, unknown>>) => {
    const samples = { AWS_REGION: 'eu-central-1', JWT_ISSUER: 'https://issuer.example' }
    const variablesSet = {
      ...Object.fromEntries(Object.keys(variables).map((name) => [name, 'set'])),
      ...samples,
      PATH: env['PATH'],
    }
    const { problems } = await readConfig(join(cwd, folder, 'tollgate.json'), variablesSet)
    return problems
  }
  return { cwd, run, json, check, [Symbol.asyncDispose]: () => rm(cwd, { recursive: true, force: true }) }
}

async function everything(folder: string): Promise<string> {
  const names = (await readdir(folder, { recursive: true })).filter((name) => name.endsWith('.json') && !name.includes('schema'))
  const texts = await Promise.all(
    names.toSorted().map(async (name) => `--- ${name}\n${await readFile(join(folder, name), 'utf8')}`),
  )
  return texts.join('')
}

const IMPORTS = [
  ['litellm', ['litellm', 'litellm.yaml', '--models', 'litellm-models.json', '--out', 'new']],
  ['litellm-with-keys', ['litellm', 'litellm.yaml', '--keys', 'litellm-keys.json', '--out', 'new']],
  ['portkey', ['portkey', 'portkey.json', '--providers', 'portkey-providers.json', '--route', 'smart', '--out', 'new']],
] as const

describe.each(IMPORTS)('import %s', (name, words) => {
  test('says of every place what became of it, and writes what it said', async () => {
    await using run = await subject()

    const { code, out, err } = await run.run(...words)

    expect(err).toBe('')
    expect(code).toBe(0)
    await expect(`${out}\n${await everything(join(run.cwd, 'new'))}`).toMatchFileSnapshot(join(FIXTURES, `${name}.golden.txt`))
  })

  test('leads to files the gateway takes, and to no secret in any of them', async () => {
    await using run = await subject()

    const { code, out } = await run.run(...words, '--json')

    expect(code).toBe(0)
    const answer = JSON.parse(out)
    const problems = await run.check('new', answer.variables)
    const issues = problems.filter(({ message }) => !message.startsWith('nobody can call'))
    expect(issues).toEqual([])
    expect(`${out}${await everything(join(run.cwd, 'new'))}`).not.toMatch(/hunter2/i)
  })

  test('a second time changes nothing, and does not overwrite what an operator changed', async () => {
    await using run = await subject()
    await run.run(...words)
    const first = await everything(join(run.cwd, 'new'))

    const again = await run.run(...words)
    const same = await everything(join(run.cwd, 'new'))
    const changed = (await run.json('new/tollgate.json')) as { routes: Record<string, { title?: string }> }
    for (const route of Object.values(changed.routes)) route.title = 'mine'
    await writeFile(join(run.cwd, 'new/tollgate.json'), JSON.stringify({ ...changed, publicUrl: 'https://x.example' }))
    const refused = await run.run(...words)
    const forced = await run.run(...words, '--force')

    expect([again.code, refused.code, forced.code]).toEqual([0, 1, 0])
    expect(same).toBe(first)
    expect(refused.err).toContain('nothing was written: these are there and say something else: routes.')
    expect((await run.json('new/tollgate.json'))['publicUrl']).toBe('https://x.example')
  })
})

describe('every key of the fixtures', () => {
  /** Paths of all members; what stands below a place the report speaks of is spoken of with it. */
  function membersOf(value: unknown, path: string): string[] {
    if (Array.isArray(value)) return value.flatMap((item, index) => membersOf(item, `${path}[${index}]`))
    if (typeof value !== 'object' || value === null) return [path]
    return Object.entries(value).flatMap(([key, member]) => {
      const step = /^[\w-]+$/.test(key) ? (path === '' ? key : `${path}.${key}`) : `${path}[${JSON.stringify(key)}]`
      return [step, ...membersOf(member, step)]
    })
  }
  const silent = (config: unknown, rows: readonly { readonly path: string }[]) => {
    const spoken = new Set(rows.map(({ path }) => path))
    const isSpoken = (path: string): boolean => {
      if (spoken.has(path)) return true
      const parent = path.replace(/(\.[\w-]+|\[\d+\]|\["(?:[^"\\]|\\.)*"\])$/, '')
      // A deployment or section as a whole says nothing of its single members.
      return (
        parent !== path &&
        parent !== '' &&
        !/^(model_list|(router|litellm|general)_settings|targets)$/.test(parent) &&
        isSpoken(parent)
      )
    }
    const leaves = membersOf(config, '').filter(
      (path, _index, all) =>
        !all.some((other) => other !== path && (other.startsWith(`${path}.`) || other.startsWith(`${path}[`))),
    )
    return [...new Set(leaves.filter((path) => !isSpoken(path)))]
  }

  test('of LiteLLM is spoken of', async () => {
    const config = parse(await readFile(join(FIXTURES, 'litellm.yaml'), 'utf8'))
    delete config.include

    const { report } = convertLitellm({ config, now: new Date(0) })

    expect(silent(config, report.rows)).toEqual([])
  })

  test('of Portkey is spoken of', async () => {
    const config = JSON.parse(await readFile(join(FIXTURES, 'portkey.json'), 'utf8'))

    const { report } = convertPortkey({ config, slugs: {}, route: 'x' })

    expect(silent(config, report.rows).filter((path) => !path.endsWith('.name'))).toEqual([])
  })
})

describe('a source that cannot be read', () => {
  test.each<[name: string, words: readonly string[], files: Readonly<Record<string, string>>, message: string]>([
    ['no such file', ['litellm', 'absent.yaml'], {}, 'absent.yaml: there is no such file'],
    ['YAML', ['litellm', 'bad.yaml'], { 'bad.yaml': 'a: 1\nb: [hunter2\n' }, 'bad.yaml:3:1  not YAML: bad'],
    ['an alias without anchor', ['litellm', 'bad.yaml'], { 'bad.yaml': 'a: *hunter2\n' }, 'bad.yaml: an alias has no anchor'],
    ['a list', ['litellm', 'bad.yaml'], { 'bad.yaml': '- a\n' }, 'bad.yaml: expected an object'],
    ['an include that is missing', ['litellm', 'a.yaml'], { 'a.yaml': 'include: [b.yaml]\n' }, 'b.yaml: there is no such file'],
    ['a circle', ['litellm', 'a.yaml'], { 'a.yaml': 'include: [b.yaml]\n', 'b.yaml': 'include: [a.yaml]\n' }, ': a circle'],
    ['JSON', ['portkey', 'bad.json'], { 'bad.json': '{\n  x' }, 'bad.json:2:3  expected a key'],
    ['nothing in it', ['litellm', 'a.yaml'], { 'a.yaml': 'general_settings: {}\n' }, 'nothing in this file that can be imported'],
    [
      'a slug nobody knows',
      ['portkey', 'portkey.json'],
      {},
      'say with --providers what these stand for: @openai-prod, @bedrock-eu',
    ],
  ])('%s', async (_name, words, files, message) => {
    await using run = await subject()
    for (const [name, text] of Object.entries(files)) await writeFile(join(run.cwd, name), text)

    const { code, err } = await run.run(...words, '--out', 'new')

    expect(code).toBe(3)
    expect(err).toContain(message)
    expect(err).not.toContain('hunter2')
    expect(await readdir(run.cwd)).not.toContain('new')
  })

  test('a result the gateway would refuse is not written', async () => {
    await using run = await subject()
    await writeFile(join(run.cwd, 'slugs.json'), '{ "x": { "type": "openai" } }')
    await writeFile(join(run.cwd, 'p.json'), '{ "provider": "@x" }')

    const { code, err } = await run.run('portkey', 'p.json', '--providers', 'slugs.json', '--out', 'new')

    expect(code).toBe(3)
    expect(err).toContain('nothing was written: the result would not be valid')
    expect(await readdir(run.cwd)).not.toContain('new')
  })
})

describe('groups of LiteLLM', () => {
  const row = (model_name: string, model: string, more: object = {}) => ({ model_name, litellm_params: { model, ...more } })
  const routesOf = (config: object) => Object.fromEntries(convertLitellm({ config: { ...config }, now: new Date(0) }).routes)

  test.each<[name: string, hints: readonly object[], targets: readonly object[]]>([
    ['weight decides', [{ weight: 3, rpm: 1 }, { weight: 1 }], [{ weight: 3 }, {}]],
    ['rpm where there is no weight', [{ rpm: 600 }, { rpm: 300 }], [{ weight: 600 }, { weight: 300 }]],
    ['tpm in thousands where there is neither', [{ tpm: 5000 }, { tpm: 1000 }], [{ weight: 5 }, {}]],
    ['order makes tiers', [{ order: 10 }, { order: 5 }, {}], [{ tier: 2 }, {}, { tier: 3 }]],
  ])('%s', (_name, hints, targets) => {
    const routes = routesOf({ model_list: hints.map((hint, index) => row('a', `groq/m${index}`, hint)) })

    expect(routes['a']).toMatchObject({
      targets: targets.map((target, index) => ({ provider: 'groq', model: `m${index}`, ...target })),
    })
  })

  test('fallbacks are later tiers, left to right, and no more than max_fallbacks', () => {
    const config = {
      model_list: [row('a', 'groq/a'), row('b', 'groq/b'), row('c', 'groq/c'), row('d', 'groq/d')],
      router_settings: { fallbacks: [{ a: ['c', 'b', 'd'] }], max_fallbacks: 2, num_retries: 1 },
    }

    expect(routesOf(config)['a']).toEqual({
      targets: [
        { provider: 'groq', model: 'a' },
        { provider: 'groq', model: 'c', tier: 2 },
        { provider: 'groq', model: 'b', tier: 3 },
      ],
      retries: 3,
    })
  })

  test('prices become decimal text per million', () => {
    const { prices } = convertLitellm({
      config: {
        model_list: [
          row('a', 'openai/m', { input_cost_per_token: 1.5e-7, output_cost_per_token: 6e-7, cache_read_input_token_cost: 0 }),
        ],
      },
      now: new Date(0),
    })

    expect(PriceFile.parse({ name: 'x', prices }).prices).toMatchObject([
      { provider: 'openai', model: 'm', usdPerMillion: { input: '0.15', output: '0.6', cacheRead: '0' } },
    ])
  })

  test('a key never gets more than its team', () => {
    const keys = { keys: [{ key_alias: 'k', team_id: 't', max_budget: 1, models: [] }], teams: [{ team_id: 't', models: ['a'] }] }
    const { catalogs } = convertLitellm({
      config: { model_list: [row('a', 'groq/a'), row('b', 'groq/b')] },
      keys,
      now: new Date(0),
    })

    expect([...catalogs.values()].map((catalog) => [catalog['for'], catalog['models']])).toEqual([
      [{ agents: ['k'], teams: ['t'] }, [{ route: 'a' }]],
      [{ teams: ['t'], when: '!(principal.agent in ["k"])' }, [{ route: 'a' }]],
    ])
  })
})

describe('whatever stands in a file', () => {
  const value = fc.jsonValue({ maxDepth: 3 })
  const members = (names: readonly string[]) =>
    fc.record(Object.fromEntries(names.map((name) => [name, value])), { requiredKeys: [] })
  const list = (names: readonly string[]) => fc.oneof(value, fc.array(members(names), { maxLength: 3 }))

  test('is read without a crash, from LiteLLM', () => {
    const params = members([
      'api_base',
      'api_key',
      'tags',
      'weight',
      'order',
      'timeout',
      'extra_headers',
      'input_cost_per_token',
      'x',
      '__proto__',
    ])
    const row = fc.record({
      model_name: fc.constantFrom('a', 'b', '*', ''),
      litellm_params: fc
        .tuple(params, fc.constantFrom('gpt-4o', 'bedrock/x', 'vertex_ai/x', 'azure/x', 'ollama/x'))
        .map(([more, model]) => ({ ...more, model })),
      model_info: value,
    })
    const config = fc.record(
      {
        model_list: fc.oneof(value, fc.array(row, { maxLength: 4 })),
        router_settings: members([
          'fallbacks',
          'default_fallbacks',
          'model_group_alias',
          'routing_groups',
          'retry_policy',
          'optional_pre_call_checks',
          'timeout',
        ]),
        litellm_settings: members(['max_budget', 'budget_duration', 'cost_discount_config', 'mcp_aliases']),
        general_settings: fc.record({ enable_jwt_auth: fc.constant(true), litellm_jwtauth: value }),
        mcp_servers: fc.oneof(
          value,
          fc.dictionary(fc.string(), members(['url', 'command', 'auth_type', 'auth_value', 'access_groups'])),
        ),
        guardrails: value,
        credential_list: list(['credential_name', 'credential_values']),
      },
      { requiredKeys: [] },
    )
    const keys = fc.oneof(
      value,
      fc.record({
        keys: list(['key_alias', 'models', 'team_id', 'aliases', 'max_budget']),
        teams: list(['team_id', 'team_alias', 'models']),
      }),
    )

    fc.assert(
      fc.property(config, keys, (given, answers) => {
        const { report, routes } = convertLitellm({ config: given, keys: answers, models: answers, now: new Date(0) })
        for (const route of routes.values()) expect(route['targets']).not.toEqual([])
        for (const { path, note } of report.rows) expect([typeof path, typeof note]).toEqual(['string', 'string'])
      }),
      { numRuns: 200 },
    )
  })

  test('is read without a crash, from Portkey', () => {
    const leaf = members(['provider', 'virtual_key', 'weight', 'override_params', 'retry', 'api_key', 'custom_host', 'name'])
    const strategy = fc.oneof(
      value,
      fc.record({
        mode: fc.constantFrom('fallback', 'loadbalance', 'conditional', 'single'),
        conditions: list(['query', 'then']),
        default: value,
      }),
    )
    const inner = fc.record({ strategy, targets: fc.oneof(value, fc.array(leaf, { maxLength: 3 })) })
    const config = fc.oneof(value, fc.record({ strategy, targets: fc.array(fc.oneof(leaf, inner), { maxLength: 3 }) }))

    fc.assert(
      fc.property(config, members(['a']), (given, slugs) => {
        const { routes } = convertPortkey({ config: given, slugs, route: 'x' })
        for (const route of routes.values()) expect(route['targets']).not.toEqual([])
      }),
      { numRuns: 200 },
    )
  })
})
