import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import type { Snapshot } from '../../../src/core/snapshot.ts'
import type { ServerKnowledge } from '../../../src/catalog/snapshot.ts'
import { toNanoUsd } from '../../../src/catalog/resolve.ts'
import { readConfig } from '../../../src/catalog/read.ts'
import { buildSnapshot } from '../../../src/catalog/snapshot.ts'
import { createFolder } from '../config/folder.ts'
import { ready, snapshotOf } from './inventory.ts'

const tools = (snapshot: Snapshot, id = 'c') =>
  snapshot.catalogs.get(id)?.items.tool.map((item) => `${item.name}=${item.server}/${item.definition.name}`)
const withheld = (snapshot: Snapshot, kind = 'tool') =>
  snapshot.catalogs
    .get('c')
    ?.withheld.filter((one) => one.kind === kind)
    .map((one) => `${one.server}/${one.name} ${one.reason}`)
const all = (...servers: string[]) => servers.map((server) => ({ server, allow: ['*'] }))

describe('which tools are shown', () => {
  test('an empty list of rules grants nothing', async () => {
    expect(tools(await snapshotOf({ c: {} }, [ready('a', { tools: ['x'] })]))).toEqual([])
  })

  test('the order is that of the rules, then of the names in code units', async () => {
    const rules = [
      { server: 'b', allow: ['z*', 'a*'] },
      { server: 'a', allow: ['*'] },
    ]

    const snapshot = await snapshotOf({ c: { tools: rules } }, [
      ready('a', { tools: ['b', 'B', '_'] }),
      ready('b', { tools: ['z1', 'a1', 'other'] }),
    ])

    expect(tools(snapshot)).toEqual(['a1=b/a1', 'z1=b/z1', 'B=a/B', '_=a/_', 'b=a/b'])
    expect(withheld(snapshot)).toEqual(['b/other not-allowed'])
  })

  test('the first rule that matches wins, and a rule that names the tool beats globs before it', async () => {
    const rules = [
      { server: 'a', allow: ['*'], timeoutMs: 1 },
      { server: 'a', allow: ['x*'], timeoutMs: 2 },
      { server: 'a', tool: 'xy', timeoutMs: 3 },
    ]

    const snapshot = await snapshotOf({ c: { tools: rules } }, [ready('a', { tools: ['x', 'xy'] })])

    expect(snapshot.catalogs.get('c')?.items.tool.map((item) => [item.name, item.timeoutMs, item.rule.path])).toEqual([
      ['x', 1, '$.tools[0].allow[0]'],
      ['xy', 3, '$.tools[2].tool'],
    ])
  })

  test('deny holds for its own rule and says which glob', async () => {
    const rules = [{ server: 'a', allow: ['get_*'], deny: ['get_secret*'] }]

    const snapshot = await snapshotOf({ c: { tools: rules } }, [ready('a', { tools: ['get_x', 'get_secret_y'] })])

    expect(tools(snapshot)).toEqual(['get_x=a/get_x'])
    expect(snapshot.catalogs.get('c')?.withheld[0]).toMatchObject({
      reason: 'denied',
      message: 'denied by "get_secret*"',
      rule: { path: '$.tools[0].deny[0]', line: 11, file: 'catalogs/c.json' },
    })
  })

  test('what a rule names and nobody offers is said, with the nearest', async () => {
    const rules = [
      { server: 'a', tool: 'create_isue' },
      { server: 'a', allow: ['nothing_*'] },
    ]

    const snapshot = await snapshotOf({ c: { tools: rules } }, [ready('a', { tools: ['create_issue'] })])

    expect(withheld(snapshot)).toEqual(['a/create_issue not-allowed', 'a/create_isue not-offered', 'a/nothing_* not-offered'])
    expect(snapshot.catalogs.get('c')?.withheld[1]?.message).toContain('nearest: "create_issue"')
  })

  test('what was refused on arrival is said, not called missing', async () => {
    const drop = { kind: 'tool' as const, name: 'bad', reason: 'its schema is not valid' }

    const snapshot = await snapshotOf({ c: { tools: [{ server: 'a', tool: 'bad' }] } }, [ready('a', { dropped: [drop] })])

    expect(withheld(snapshot)).toEqual(['a/bad dropped'])
  })
})

describe('an upstream that is away', () => {
  const state = (name: 'down' | 'disabled' | 'starting', offer?: string[]): [string, ServerKnowledge] => {
    const known = ready('a', { tools: offer ?? [] })[1]
    const status = { state: name, since: 0, circuit: 'closed' } as const
    return ['a', offer === undefined ? { status } : { ...known, status }]
  }

  test('keeps its last good list while it is down', async () => {
    expect(tools(await snapshotOf({ c: { tools: all('a') } }, [state('down', ['x'])]))).toEqual(['x=a/x'])
  })

  test('shows nothing while it has never answered, and says so', async () => {
    const snapshot = await snapshotOf({ c: { tools: [...all('a'), { server: 'a', tool: 'x' }] } }, [state('starting')])

    expect(tools(snapshot)).toEqual([])
    expect(withheld(snapshot)).toEqual(['a/* server-unavailable', 'a/x server-unavailable'])
  })

  test('shows nothing while its file is bad or it is disabled, and the names of the others stay', async () => {
    const servers = [ready('a', { tools: ['x', 'y'] }), ready('b', { tools: ['x'] })]
    const catalog = { c: { tools: all('a', 'b') } }

    const quarantined = await snapshotOf(catalog, servers, { 'servers/a.json': '{' })
    const disabled = await snapshotOf(catalog, servers, {
      'servers/a.json': { type: 'http', url: 'https://a.example', enabled: false },
    })

    for (const snapshot of [quarantined, disabled]) {
      expect(tools(snapshot)).toEqual(['b_x=b/x'])
      expect(withheld(snapshot)).toEqual(['a/x server-unavailable', 'a/y server-unavailable'])
    }
    expect(quarantined.servers.get('a')?.status).toMatchObject({
      state: 'quarantined',
      reason: expect.stringContaining('servers/a.json:1:2'),
    })
    expect(quarantined.problems).toHaveLength(1)
  })
})

describe('names', () => {
  test.each<[name: string, rules: object[], offers: Record<string, string[]>, shown: string[]]>([
    ['upstream names stay', all('a'), { a: ['x'] }, ['x=a/x']],
    ['a collision prefixes both', all('a', 'b'), { a: ['x', 'y'], b: ['x'] }, ['a_x=a/x', 'y=a/y', 'b_x=b/x']],
    [
      'an alias wins over a natural name',
      [{ server: 'a', tool: 'x', as: 'y' }, ...all('b')],
      { a: ['x'], b: ['y'] },
      ['y=a/x', 'b_y=b/y'],
    ],
    [
      'a prefix on request',
      [
        { server: 'a', allow: ['*'], prefix: true },
        { server: 'b', allow: ['*'], prefix: 'my' },
      ],
      { a: ['x'], b: ['x'] },
      ['a_x=a/x', 'my_x=b/x'],
    ],
    ['characters outside the alphabet', all('a'), { a: ['get.user/é'] }, ['get_user__=a/get.user/é']],
    ['two that meet within one server', all('a'), { a: ['a.b', 'a_b'] }, ['a_a_b_HASH=a/a.b', 'a_a_b_HASH=a/a_b']],
    [
      'a prefixed one that meets another',
      all('a', 'b', 'a_b'),
      { a: ['b_c', 'z'], b: ['z'], a_b: ['c', 'z'] },
      ['b_c=a/b_c', 'a_z=a/z', 'b_z=b/z', 'c=a_b/c', 'a_b_z=a_b/z'],
    ],
    [
      'prefixes that meet',
      [
        { server: 'a', allow: ['*'], prefix: true },
        { server: 'a_b', allow: ['*'], prefix: true },
      ],
      { a: ['b_c'], a_b: ['c'] },
      ['a_b_c_HASH=a/b_c', 'a_b_c_HASH=a_b/c'],
    ],
  ])('%s', async (_name, rules, offers, shown) => {
    const servers = Object.entries(offers).map(([server, names]) => ready(server, { tools: names }))

    const names = tools(await snapshotOf({ c: { tools: rules } }, servers))

    expect(names?.map((name) => name.replace(/_[0-9a-f]{8}=/, '_HASH='))).toEqual(shown)
    expect(new Set(names?.map((name) => name.split('=')[0])).size).toBe(shown.length)
  })

  test('a long name is cut, hashed and stable', async () => {
    const long = `${'a'.repeat(100)}.x`

    const [first, second] = await Promise.all(
      [1, 2].map(() => snapshotOf({ c: { tools: all('a') } }, [ready('a', { tools: [long] })])),
    )

    expect(first && tools(first)?.[0]).toMatch(/^a{39}_[0-9a-f]{8}=/)
    expect(first && tools(first)).toEqual(second && tools(second))
  })

  test('prompts are named like tools', async () => {
    const snapshot = await snapshotOf({ c: { prompts: all('a', 'b') } }, [
      ready('a', { prompts: ['p'] }),
      ready('b', { prompts: ['p', 'q'] }),
    ])

    expect(snapshot.catalogs.get('c')?.items.prompt.map((item) => item.shown['name'])).toEqual(['a_p', 'b_p', 'q'])
  })

  test('a resource two servers offer is wrapped, but never a ui:// one', async () => {
    const snapshot = await snapshotOf({ c: { resources: all('a', 'b') } }, [
      ready('a', { resources: ['x://1', 'ui://w'], templates: ['t://{id}'] }),
      ready('b', { resources: ['x://1', 'x://2', 'ui://w'], templates: ['t://{id}'] }),
    ])

    expect(snapshot.catalogs.get('c')?.items.resource.map((item) => item.shown['uri'])).toEqual([
      'ui://w',
      'tollgate+a:x://1',
      'tollgate+b:x://1',
      'x://2',
    ])
    expect(snapshot.catalogs.get('c')?.items.template.map((item) => item.shown['uriTemplate'])).toEqual([
      'tollgate+a:t://{id}',
      'tollgate+b:t://{id}',
    ])
    expect(withheld(snapshot, 'resource')).toEqual(['b/ui://w name-collision'])
  })
})

describe('a tool as clients see it', () => {
  const raw: JsonObject = {
    name: 'create_note',
    icons: [{ src: 'x' }],
    inputSchema: {
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      type: 'object',
      $defs: { P: { type: 'string' } },
      required: ['path', 'workspace', 'format'],
      properties: {
        workspace: { type: 'string', 'x-mcp-header': 'Workspace' },
        path: { $ref: '#/$defs/P' },
        format: { enum: ['md', 'txt'] },
        token: { type: 'string' },
      },
      dependentRequired: { workspace: ['path'], path: ['workspace', 'format', 'other'] },
      additionalProperties: false,
    },
    'x-vendor': { kept: true },
    description: 'old',
  }
  const rule = {
    server: 'notes',
    tool: 'create_note',
    as: 'note',
    title: 'Take a note',
    description: 'new',
    arguments: { hide: ['workspace', 'token'], set: { workspace: 'research' }, default: { format: 'md' } },
    price: { usd: '0.002' },
    limits: { callsPerMinute: 5 },
    labels: { content: 'trusted' },
  }

  test('has its arguments rewritten and everything else kept, in order', async () => {
    const snapshot = await snapshotOf({ c: { tools: [rule] } }, [ready('notes', { tools: [raw] })], {
      'servers/notes.json': { type: 'http', url: 'https://n.example', labels: { owner: 'ada' } },
    })
    const [item] = snapshot.catalogs.get('c')?.items.tool ?? []

    expect(JSON.stringify(item?.shown)).toBe(
      JSON.stringify({
        name: 'note',
        icons: [{ src: 'x' }],
        inputSchema: {
          $schema: 'https://json-schema.org/draft/2020-12/schema',
          type: 'object',
          $defs: { P: { type: 'string' } },
          required: ['path'],
          properties: { path: { $ref: '#/$defs/P' }, format: { enum: ['md', 'txt'], default: 'md' } },
          dependentRequired: { path: ['other'] },
          additionalProperties: false,
        },
        'x-vendor': { kept: true },
        description: 'new',
        title: 'Take a note',
      }),
    )
    expect(item).toMatchObject({
      priceNanoUsd: 2_000_000,
      limits: { callsPerMinute: 5, by: 'catalog' },
      labels: { owner: 'ada', content: 'trusted' },
      arguments: { set: { workspace: 'research' } },
    })
    expect(item?.definition.raw).toBe(raw)
    expect(item?.shownDigest).not.toBe(item?.definition.digest)
    expect(snapshot.problems).toEqual([])
  })

  test.each([
    [
      'an argument that is set holds wherever it is asked for',
      { anyOf: [{ required: ['a'] }, { required: ['b'] }] },
      { anyOf: [{}, { required: ['b'] }] },
    ],
    [
      'an argument no call has is no way out',
      { oneOf: [{ required: ['gone'] }, { required: ['b'] }] },
      { oneOf: [false, { required: ['b'] }] },
    ],
    ['nor a reason to refuse', { not: { required: ['gone', 'b'] } }, { not: false }],
    [
      'conditions name only what is shown',
      { if: { properties: { a: { const: 'x' }, b: { minLength: 2 } }, required: ['a', 'b'] }, else: { required: ['c', 'gone'] } },
      { if: { properties: { b: { minLength: 2 } }, required: ['b'] }, else: {} },
    ],
    [
      'schemas below one another are followed',
      { allOf: [{ anyOf: [{ required: ['a'] }] }, true] },
      { allOf: [{ anyOf: [{}] }, true] },
    ],
  ])('asks for a hidden argument in no corner: %s', async (_name, part, shown) => {
    const properties = { a: { type: 'string' }, b: { type: 'string' }, c: { type: 'string' }, gone: {} }
    const tool = { server: 'n', tool: 't', arguments: { hide: ['gone'], set: { a: 'x' }, default: { c: 'y' } } }
    const offered = { name: 't', inputSchema: { type: 'object', properties, ...part } }

    const snapshot = await snapshotOf({ c: { tools: [tool] } }, [ready('n', { tools: [offered] })])

    expect(snapshot.catalogs.get('c')?.items.tool[0]?.shown['inputSchema']).toEqual({
      type: 'object',
      properties: { b: { type: 'string' }, c: { type: 'string', default: 'y' } },
      ...shown,
    })
  })

  test('is the upstream definition itself when nothing is overridden', async () => {
    const snapshot = await snapshotOf({ c: { tools: all('notes') } }, [ready('notes', { tools: [raw] })])
    const [item] = snapshot.catalogs.get('c')?.items.tool ?? []

    expect(item?.shown).toBe(raw)
    expect(item?.shownDigest).toBe(item?.definition.digest)
  })

  test('an argument the tool does not have is a problem with its place', async () => {
    const wrong = { ...rule, arguments: { hide: ['workspce'], set: { x: 1 } } }

    const snapshot = await snapshotOf({ c: { tools: [wrong] } }, [ready('notes', { tools: [raw] })])

    expect(snapshot.problems.map(({ file, path, message }) => `${file} ${path} ${message}`)).toEqual([
      'catalogs/c.json $.tools[0].arguments.hide[0] the tool "create_note" of "notes" declares no argument "workspce"',
      'catalogs/c.json $.tools[0].arguments.set.x the tool "create_note" of "notes" declares no argument "x"',
    ])
    expect(tools(snapshot)).toEqual(['note=notes/create_note'])
  })
})

describe('the same inputs', () => {
  const offers = { a: { tools: ['x', 'y', 'z'], prompts: ['p'] }, b: { tools: ['x', 'w'], resources: ['r://1'] } }
  const catalogs = { one: { tools: all('a', 'b'), prompts: all('a') }, two: { tools: all('b'), resources: all('b') } }

  test('give the same revision whatever order they come in', async () => {
    const forward = await snapshotOf(catalogs, [ready('a', offers.a), ready('b', offers.b)])
    const reversed = (offer: object) =>
      Object.fromEntries(Object.entries(offer).map(([key, list]) => [key, [...(list as string[])].reverse()]))
    const backward = await snapshotOf(Object.fromEntries(Object.entries(catalogs).reverse()), [
      ready('b', reversed(offers.b)),
      ready('a', reversed(offers.a)),
    ])

    expect(backward.revision).toBe(forward.revision)
    expect(JSON.stringify(backward.view(['two', 'one']).items)).toBe(JSON.stringify(forward.view(['one', 'two']).items))
    expect([...backward.catalogs.keys()]).toEqual(['one', 'two'])
  })

  test('reordered members of a definition change no digest', async () => {
    const schema = { type: 'object', properties: { a: {}, b: {} } }
    const one = await snapshotOf({ c: { tools: all('a') } }, [ready('a', { tools: [{ name: 't', inputSchema: schema }] })])
    const other = await snapshotOf({ c: { tools: all('a') } }, [
      ready('a', { tools: [{ inputSchema: { properties: { b: {}, a: {} }, type: 'object' }, name: 't' }] }),
    ])

    expect(other.revision).toBe(one.revision)
  })

  test('a changed definition, rule or limit changes the revision', async () => {
    const revisions = await Promise.all([
      snapshotOf({ c: { tools: all('a') } }, [ready('a', { tools: ['x'] })]),
      snapshotOf({ c: { tools: all('a') } }, [ready('a', { tools: ['y'] })]),
      snapshotOf({ c: { tools: all('a'), limits: { concurrent: 1 } } }, [ready('a', { tools: ['x'] })]),
      snapshotOf({ c: { tools: [{ server: 'a', allow: ['*'], when: 'args.q == "1"' }] } }, [ready('a', { tools: ['x'] })]),
    ])

    expect(new Set(revisions.map((snapshot) => snapshot.revision)).size).toBe(4)
  })
})

test('a catalog is resolved again only when something it depends on changed', async () => {
  await using folder = await createFolder({
    'tollgate.json': { mode: 'development' },
    ...Object.fromEntries(['a', 'b'].map((id) => [`servers/${id}.json`, { type: 'http', url: 'https://x.example' }])),
    'catalogs/one.json': { title: 'one', for: {}, tools: all('a') },
    'catalogs/two.json': { title: 'two', for: {}, tools: all('b') },
  })
  const files = await readConfig(folder.config, {})
  const build = (...servers: [string, ServerKnowledge][]) =>
    buildSnapshot({ files, servers: new Map(servers), generation: 1, now: 0 })
  const [a, b] = [ready('a', { tools: ['x'] }), ready('b', { tools: ['y'] })]

  const first = build(a, b)
  const second = build([a[0], { ...a[1], status: { state: 'down', since: 1, circuit: 'open' } }], ready('b', { tools: ['z'] }))
  const third = build(a)

  expect(second.catalogs.get('one')).toBe(first.catalogs.get('one'))
  expect(tools(second, 'two')).toEqual(['z=b/z'])
  expect(second.servers.get('a')?.status.state).toBe('down')
  expect(third.catalogs.get('two')?.withheld).toMatchObject([{ reason: 'server-unavailable' }])
})

describe('a view over several catalogs', () => {
  test('shows the same item once and prefixes what differs under one name', async () => {
    const snapshot = await snapshotOf(
      {
        alpha: { tools: [{ server: 'a', allow: ['x', 'y'] }] },
        beta: {
          tools: [
            { server: 'a', allow: ['y'] },
            { server: 'b', tool: 'q', as: 'x' },
            { server: 'a', tool: 'z', description: 'other' },
          ],
        },
        gamma: { tools: [{ server: 'a', tool: 'z' }] },
      },
      [ready('a', { tools: ['x', 'y', 'z'] }), ready('b', { tools: ['q'] })],
    )

    const view = snapshot.view(['gamma', 'beta', 'alpha', 'alpha', 'unknown'])

    expect(view.id).toBe('alpha+beta+gamma')
    expect(view.items.tool.map((item) => `${item.name}=${item.catalog}:${item.definition.name}`)).toEqual([
      'x=alpha:x',
      'y=alpha:y',
      'beta_x=beta:q',
      'z=beta:z',
      'gamma_z=gamma:z',
    ])
    expect(view.byName.tool.get('beta_x')?.shown['name']).toBe('beta_x')
    expect(snapshot.view(['alpha', 'beta', 'gamma'])).toBe(view)
    expect(snapshot.view(['alpha']).items.tool).toEqual(snapshot.catalogs.get('alpha')?.items.tool)
    expect(snapshot.view([]).items.tool).toEqual([])
  })

  test('wraps a resource that two catalogs take from different servers', async () => {
    const snapshot = await snapshotOf({ alpha: { resources: all('a') }, beta: { resources: all('b') } }, [
      ready('a', { resources: ['x://1'] }),
      ready('b', { resources: ['x://1'] }),
    ])

    expect(snapshot.view(['alpha', 'beta']).items.resource.map((item) => item.shown['uri'])).toEqual([
      'x://1',
      'tollgate+b:x://1',
    ])
  })
})

test.each([
  ['0.002', 2_000_000],
  ['1', 1_000_000_000],
  ['0.000000001', 1],
  ['999999.999999999', 999_999_999_999_999],
  ['0.1', 100_000_000],
])('%s dollars are %i nano-dollars', (usd, nano) => {
  expect(toNanoUsd(usd)).toBe(nano)
})
