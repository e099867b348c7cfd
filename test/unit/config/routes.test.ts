import { describe, expect, test } from 'vitest'
import { readConfig } from '../../../src/catalog/read.ts'
import { createFolder } from './folder.ts'

const PROVIDERS = { one: { type: 'openai', key: 'env:KEY' }, two: { type: 'anthropic', key: 'env:KEY' } }
const TARGET = { provider: 'one', model: 'm' }
const ROUTES = { fast: { targets: [TARGET] } }

async function problemsOf(gateway: object, catalog: object = {}) {
  await using folder = await createFolder({
    'tollgate.json': { mode: 'development', providers: PROVIDERS, routes: ROUTES, ...gateway },
    'catalogs/c.json': { title: 'c', for: {}, ...catalog },
  })
  return (await readConfig(folder.config, {})).problems
}

test('a good set of providers, routes and models has no problems', async () => {
  const routes = {
    'openai/gpt-5:fast': {
      strategy: 'weighted',
      targets: [
        { ...TARGET, region: 'eu', weight: 0 },
        { ...TARGET, when: "'admin' in principal.roles" },
        { provider: 'two', model: 'c', canary: 5 },
      ],
      regions: ['eu'],
      when: 'request.inputTokens < 100000 && time.getHours() >= 0',
    },
  }
  const guards = { own: { evaluators: [{ type: 'tool_calls', when: "tool.name == 'rm' && args.path == '/'" }] } }
  const models = [{ route: 'openai/gpt-5:fast', as: 'fast', when: 'request.tools.size() == 0' }]
  const budgets = [
    { usd: '1', per: 'day' },
    { usd: '1', per: 'day', by: 'team' },
  ]

  expect(await problemsOf({ routes, guards }, { models, guards: ['baseline', 'own'], budgets })).toEqual([])
})

describe('routes and providers', () => {
  const route = (over: object) => ({ routes: { fast: { targets: [TARGET], ...over } } })

  test.each<[name: string, gateway: object, path: string, message: string]>([
    [
      'unknown provider',
      route({ targets: [{ provider: 'onee', model: 'm' }] }),
      '$.routes.fast.targets[0].provider',
      'unknown provider "onee"; did you mean "one"?',
    ],
    ['no providers at all', { providers: {} }, '$.routes.fast.targets[0].provider', 'unknown provider "one"'],
    [
      'the same target twice',
      route({ targets: [TARGET, { ...TARGET, weight: 2 }] }),
      '$.routes.fast.targets[1]',
      'the same provider, model and region as target 0',
    ],
    ['pins without a target', route({ regions: ['eu'] }), '$.routes.fast.regions', 'no target is in these regions'],
    [
      'weights all 0',
      route({ strategy: 'weighted', targets: [{ ...TARGET, weight: 0 }] }),
      '$.routes.fast.targets',
      'every weight is 0',
    ],
    [
      'canaries over 100',
      route({ targets: [TARGET, { ...TARGET, region: 'a', canary: 60 }, { ...TARGET, region: 'b', canary: 60 }] }),
      '$.routes.fast.targets',
      'the canaries take 120 percent',
    ],
    ['only canaries', route({ targets: [{ ...TARGET, canary: 10 }] }), '$.routes.fast.targets', 'every target is a canary'],
    [
      'condition of a route',
      route({ when: 'args.x == 1' }),
      '$.routes.fast.when',
      'Unknown variable: args; known: principal, request, time, at character 1',
    ],
    [
      'condition of a target',
      route({ targets: [{ ...TARGET, when: 'request.streaming' }] }),
      '$.routes.fast.targets[0].when',
      'a request has no "streaming"; it has model, dialect, operation, stream',
    ],
    ['condition of a principal', route({ when: "principal.teem == 'x'" }), '$.routes.fast.when', 'a principal has no "teem"'],
    [
      'condition of a guard',
      { guards: { g: { evaluators: [{ type: 'tool_calls', when: 'principal.team' }] } } },
      '$.guards.g.evaluators[0].when',
      'known: tool, args',
    ],
    [
      'pattern of a guard',
      { guards: { g: { evaluators: [{ type: 'pattern', patterns: ['fine', '(a'] }] } } },
      '$.guards.g.evaluators[0].patterns[1]',
      'does not compile',
    ],
    [
      'demo in production',
      { mode: 'production', providers: { one: { type: 'demo' } }, identity: { apiKeys: true } },
      '$.providers.one.type',
      'only for "mode": "development"',
    ],
    [
      'a star nothing stands for',
      route({ targets: [{ provider: 'one', model: 'gpt-*' }] }),
      '$.routes.fast.targets[0].model',
      'the name of the route',
    ],
    [
      'a parameter that is the request itself',
      route({ targets: [{ ...TARGET, params: { top_k: 5, stream: true } }] }),
      '$.routes.fast.targets[0].params.stream',
      '"stream" is for the caller to say',
    ],
    [
      'a secret in a header',
      { providers: { one: { type: 'openai', key: 'env:KEY', headers: { Authorization: 'Bearer abc' } } } },
      '$.providers.one.headers.Authorization',
      'write "key" instead',
    ],
    [
      'a secret in a URL',
      { providers: { one: { type: 'azure', baseUrl: 'https://u:p@a.example', credentials: { type: 'key', key: 'env:KEY' } } } },
      '$.providers.one.baseUrl',
      'write "credentials" instead',
    ],
    ['no URL', { providers: { one: { type: 'openai_compatible' } } }, '$.providers.one', '"baseUrl" is missing'],
    [
      'no URL for a profile without one',
      { providers: { one: { type: 'openai_compatible', profile: 'databricks' } } },
      '$.providers.one',
      'the profile "databricks" has none of its own',
    ],
    [
      'metadata by address',
      { providers: { one: { type: 'bedrock', region: 'eu-west-1', credentials: { type: 'metadata' } } } },
      '$.providers.one.credentials.url',
      'add "169.254.169.254:80" there if that is meant',
    ],
    [
      'metadata by name',
      { providers: { one: { type: 'vertex', project: 'p', credentials: { type: 'metadata' } } } },
      '$.providers.one.credentials.url',
      'add "metadata.google.internal:80" there',
    ],
  ])('%s', async (_name, gateway, path, message) => {
    const problems = await problemsOf(gateway)

    expect(problems.map((problem) => problem.path)).toContain(path)
    expect(problems.find((problem) => problem.path === path)?.message).toContain(message)
  })

  test('a provider that is at fault is known to the routes', async () => {
    const problems = await problemsOf({ providers: { one: { type: 'opanai', key: 'env:KEY' } } })

    expect(problems.map(({ path }) => path)).toEqual(['$.providers.one.type'])
  })

  test.each([['169.254.169.254:80'], ['169.254.0.0/16'], ['169.254.169.254']])(
    'metadata is fine when egress allows %s',
    async (entry) => {
      const providers = { one: { type: 'bedrock', region: 'eu-west-1', credentials: { type: 'metadata' } } }

      expect(await problemsOf({ providers, egress: { allow: [entry] } })).toEqual([])
    },
  )

  test('metadata of a test on loopback needs nothing', async () => {
    const credentials = { type: 'metadata', url: 'http://127.0.0.1:9' }

    expect(await problemsOf({ providers: { one: { type: 'vertex', project: 'p', credentials } } })).toEqual([])
  })
})

describe('models, guards and budgets of catalogs', () => {
  test.each<[name: string, catalog: object, path: string, message: string]>([
    ['unknown route', { models: [{ route: 'fats' }] }, '$.models[0].route', 'unknown route "fats"; did you mean "fast"?'],
    [
      'a name given twice',
      { models: [{ route: 'fast' }, { route: 'fast' }] },
      '$.models[1].route',
      'already given to $.models[0]',
    ],
    [
      'an alias that is taken',
      {
        models: [
          { route: 'fast', as: 'x' },
          { route: 'fast', as: 'x' },
        ],
      },
      '$.models[1].as',
      'already given',
    ],
    [
      'condition over args',
      { models: [{ route: 'fast', when: 'args.x' }] },
      '$.models[0].when',
      'known: principal, request, time',
    ],
    ['unknown guard', { guards: ['basline'] }, '$.guards[0]', 'unknown guard "basline"; did you mean "baseline"?'],
    ['a guard twice', { guards: ['baseline', 'baseline'] }, '$.guards[1]', 'named twice'],
    ['a budget of nothing', { budgets: [{ usd: '0.00', per: 'day' }] }, '$.budgets[0].usd', 'refuses every call'],
    [
      'two budgets over the same',
      {
        budgets: [
          { usd: '1', per: 'day' },
          { usd: '2', per: 'day', by: 'catalog' },
        ],
      },
      '$.budgets[1]',
      '$.budgets[0] is a budget per day by catalog too',
    ],
    [
      'a budget where nothing costs anything',
      { tools: [{ server: 'x', allow: ['*'] }], budgets: [{ usd: '1', per: 'day' }] },
      '$.budgets',
      'would never refuse anything',
    ],
    ['limits without a number', { limits: { by: 'team' } }, '$.limits', 'counts nothing'],
    [
      'tokens of tools',
      { tools: [{ server: 'x', allow: ['*'], limits: { tokensPerMinute: 1 } }] },
      '$.tools[0].limits.tokensPerMinute',
      'only calls of models have tokens',
    ],
    ['tokens of a catalog without models', { limits: { tokensPerMinute: 1 } }, '$.limits.tokensPerMinute', 'never refuse'],
    ['limits of a model without a number', { models: [{ route: 'r', limits: {} }] }, '$.models[0].limits', 'counts nothing'],
  ])('%s', async (_name, catalog, path, message) => {
    const problems = await problemsOf({}, catalog)

    expect(problems).toContainEqual(
      expect.objectContaining({ file: 'catalogs/c.json', path, message: expect.stringContaining(message) }),
    )
  })

  test('one name for a route of many names leaves the model open', async () => {
    const routes = { 'gpt-*': { targets: [{ provider: 'one', model: 'gpt-*' }] } }
    const problems = await problemsOf(
      { routes },
      {
        models: [
          { route: 'gpt-*', as: 'gpt' },
          { route: 'gpt-*', as: 'our-*' },
        ],
      },
    )

    expect(problems.map(({ path }) => path)).toEqual(['$.models[0].as'])
  })

  test('a route that tollgate.json names is known while another part of that file is bad', async () => {
    const problems = await problemsOf({ data: { port: 'x' } }, { models: [{ route: 'fast' }] })

    expect(problems.map(({ path }) => path)).toEqual(['$.data.port'])
  })

  test('an unreadable tollgate.json makes no catalog bad', async () => {
    await using folder = await createFolder({
      'tollgate.json': '{',
      'catalogs/c.json': { title: 'c', for: {}, models: [{ route: 'fast' }] },
    })

    const files = await readConfig(folder.config, {})

    expect(files.problems.map(({ file }) => file)).toEqual(['tollgate.json'])
    expect([...files.catalogs.keys()]).toEqual(['c'])
  })
})
