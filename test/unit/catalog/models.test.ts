import { describe, expect, test } from 'vitest'
import type { Principal } from '../../../src/core/principal.ts'
import type { DecisionRequest } from '../../../src/core/decision.ts'
import type { Snapshot } from '../../../src/core/snapshot.ts'
import { decide, visible } from '../../../src/policy/decide.ts'
import { explain } from '../../../src/policy/explain.ts'
import { ready, snapshotOf } from './inventory.ts'

const NOW = new Date('2026-11-23T12:00:00Z')
const PROVIDERS = {
  one: { type: 'openai', key: 'env:ONE' },
  two: { type: 'anthropic', key: 'env:TWO' },
}
const FAST = {
  targets: [
    { provider: 'one', model: 'gpt' },
    { provider: 'two', model: 'claude', region: 'eu', priceAs: 'sonnet' },
  ],
}

const gateway = (routes: object, providers: object = PROVIDERS) => ({
  'tollgate.json': { mode: 'development', providers, routes },
})
const withModels = (models: readonly object[], routes: object = { fast: FAST }, more: object = {}) =>
  snapshotOf({ c: { models, ...more } }, [], gateway(routes))
const names = (snapshot: Snapshot) => snapshot.catalogs.get('c')?.items.model.map(({ name }) => name)
const who: Principal = {
  issuer: 'https://idp.example',
  subject: 'ann',
  kind: 'user',
  team: 'research',
  groups: [],
  roles: [],
  scopes: [],
}
const ask = (snapshot: Snapshot, over: Partial<DecisionRequest> = {}) =>
  decide({ principal: who, snapshot, action: 'call', target: { kind: 'model', name: 'fast' }, request: {}, now: NOW, ...over })

describe('models of a catalog', () => {
  test('are items with their route, without any server', async () => {
    const snapshot = await withModels([
      { route: 'fast', as: 'quick', regions: ['eu'], strict: true, labels: { a: 'b' }, limits: { callsPerMinute: 5 } },
    ])

    expect(snapshot.problems).toEqual([])
    expect(snapshot.catalogs.get('c')?.items.model[0]).toMatchObject({
      kind: 'model',
      catalog: 'c',
      server: '',
      name: 'quick',
      shown: { id: 'quick' },
      definition: { kind: 'model', name: 'fast', server: '' },
      rule: { file: 'catalogs/c.json', path: '$.models[0].route' },
      model: { enabled: true, strict: true, regions: ['eu'], route: { id: 'fast', strict: false } },
      labels: { a: 'b' },
      limits: { callsPerMinute: 5 },
    })
  })

  test('routes carry keys, prices and places of their targets', async () => {
    const snapshot = await withModels([{ route: 'fast' }])

    expect(snapshot.routes.get('fast')?.targets).toMatchObject([
      { key: 'one/gpt', priceAs: 'gpt', enabled: true, tier: 1, weight: 1, rule: { path: '$.routes.fast.targets[0]' } },
      { key: 'two/claude@eu', priceAs: 'sonnet', region: 'eu' },
    ])
    expect(snapshot.catalogs.get('c')?.items.model[0]?.model?.route).toBe(snapshot.routes.get('fast'))
  })

  test('a target is off when its provider is', async () => {
    const providers = { ...PROVIDERS, two: { ...PROVIDERS.two, enabled: false } }
    const snapshot = await snapshotOf({ c: { models: [{ route: 'fast' }] } }, [], gateway({ fast: FAST }, providers))

    expect(snapshot.routes.get('fast')?.targets.map(({ enabled }) => enabled)).toEqual([true, false])
  })

  test('budgets are nano-dollars and keep their names when others come before them', async () => {
    const month = { usd: '500.5', per: 'month', by: 'team', soft: 0.8 }
    const [one, two] = await Promise.all([
      withModels([{ route: 'fast' }], undefined, { budgets: [month], guards: ['baseline'] }),
      withModels([{ route: 'fast' }], undefined, { budgets: [{ usd: '2', per: 'session' }, month] }),
    ])

    expect(one.catalogs.get('c')).toMatchObject({
      guards: ['baseline'],
      budgets: [{ nanoUsd: 500_500_000_000, soft: 0.8, by: 'team' }],
    })
    expect(two.catalogs.get('c')?.budgets[1]?.id).toBe(one.catalogs.get('c')?.budgets[0]?.id)
  })

  test('region pins that leave nobody are said', async () => {
    const snapshot = await withModels([{ route: 'fast', regions: ['us'] }])

    expect(snapshot.problems).toMatchObject([
      { path: '$.models[0].regions', message: 'no target of route "fast" is in these regions, so nothing can answer' },
    ])
  })

  test('two catalogs with the same model show it once, and different ones under one name apart', async () => {
    const routes = { fast: FAST, slow: FAST }
    const snapshot = await snapshotOf(
      {
        a: { models: [{ route: 'fast' }] },
        b: { models: [{ route: 'fast' }, { route: 'slow' }] },
        d: { models: [{ route: 'fast', as: 'slow' }] },
      },
      [],
      gateway(routes),
    )

    const items = snapshot.view(['a', 'b', 'd']).items.model

    expect(items.map(({ name, catalog, shown }) => [name, catalog, shown['id']])).toEqual([
      ['fast', 'a', 'fast'],
      ['slow', 'b', 'slow'],
      ['d/slow', 'd', 'd/slow'],
    ])
  })
})

describe('revisions', () => {
  const tools = { tools: [{ server: 'a', allow: ['*'] }] }
  const build = (over: { routes?: object; providers?: object; models?: readonly object[] } = {}) =>
    snapshotOf(
      { c: { ...tools, models: over.models ?? [{ route: 'fast' }] } },
      [ready('a', { tools: ['x'] })],
      gateway(over.routes ?? { fast: FAST }, over.providers),
    )

  test.each([
    ['a route', { routes: { fast: { ...FAST, strategy: 'weighted' } } }],
    ['a route is switched off', { routes: { fast: { ...FAST, enabled: false } } }],
    ['a provider is switched off', { providers: { ...PROVIDERS, two: { ...PROVIDERS.two, enabled: false } } }],
    ['a model rule', { models: [{ route: 'fast', enabled: false }] }],
  ])('%s: catalog and snapshot have new ones, lists of tools do not', async (_name, change) => {
    const [before, after] = await Promise.all([build(), build(change)])

    expect(after.revision).not.toBe(before.revision)
    expect(after.catalogs.get('c')?.digest).not.toBe(before.catalogs.get('c')?.digest)
    const shown = (snapshot: Snapshot) => snapshot.catalogs.get('c')?.items.tool.map(({ shownDigest }) => shownDigest)
    expect(shown(after)).toEqual(shown(before))
  })

  test('equal files have equal ones', async () => {
    const [one, two] = await Promise.all([build(), build()])

    expect(two.revision).toBe(one.revision)
  })
})

describe('deciding about a model', () => {
  const CONDITIONAL = { ...FAST, when: "principal.team == 'research'" }

  test.each<[name: string, rule: object, route: object, request: object | undefined, reason: string, listed: boolean]>([
    ['no condition', {}, FAST, {}, 'allowed', true],
    ['rule switched off', { enabled: false }, FAST, {}, 'disabled', false],
    ['route switched off', {}, { ...FAST, enabled: false }, {}, 'disabled', false],
    ['the rule asks for no stream, and there is none', { when: '!request.stream' }, FAST, { stream: false }, 'allowed', true],
    [
      'the rule asks for no stream, and there is one',
      { when: '!request.stream' },
      FAST,
      { stream: true },
      'condition-false',
      true,
    ],
    ['the route is for another team', {}, { ...FAST, when: "principal.team == 'x'" }, {}, 'condition-false', false],
    ['the route is for this team', {}, CONDITIONAL, {}, 'allowed', true],
    ['both hold', { when: 'request.maxTokens < 10' }, CONDITIONAL, { maxTokens: 9 }, 'allowed', true],
    ['what the request does not say', { when: 'request.maxTokens < 10' }, FAST, {}, 'condition-error', true],
  ])('%s', async (_name, rule, ...[route, request, reason, listed]) => {
    const snapshot = await withModels([{ route: 'fast', ...rule }], { fast: route })
    expect(snapshot.problems).toEqual([])

    const view = snapshot.view(['c'])

    expect(ask(snapshot, request === undefined ? {} : { request: { ...request } }).reason).toBe(reason)
    expect(visible(who, view, 'model', NOW).map(({ name }) => name)).toEqual(listed ? ['fast'] : [])
    expect(ask(snapshot, { action: 'list' }).outcome).toBe(listed ? 'allow' : 'deny')
    expect(names(snapshot)).toEqual(['fast'])
  })

  test('the trace goes from the audience to the route', async () => {
    const snapshot = await withModels([{ route: 'fast', when: "request.dialect == 'chat'" }], { fast: CONDITIONAL })

    const { trace } = ask(snapshot, { request: { dialect: 'chat' } })

    expect(trace.map(({ step, outcome }) => `${step} ${outcome}`)).toEqual([
      'audience pass',
      'target pass',
      'rule pass',
      'condition pass',
      'condition pass',
      'route pass',
    ])
    expect(trace.at(-1)?.message).toBe('route "fast": ordered over one/gpt, two/claude@eu')
  })

  test('what is not granted looks like what does not exist', async () => {
    const snapshot = await withModels([{ route: 'fast' }], { fast: FAST, secret: FAST })
    const about = (name: string) => ask(snapshot, { target: { kind: 'model', name } })

    expect(about('secret').reason).toBe('unknown-target')
    expect(about('nonsense').reason).toBe('unknown-target')
  })
})

describe('explaining a model', () => {
  test.each<[name: string, rule: object, route: object, target: string, change: string]>([
    ['allowed', {}, FAST, 'fast', 'to refuse it, write "enabled": false into the rule at catalogs/c.json:6 ($.models[0].route)'],
    ['rule off', { enabled: false }, FAST, 'fast', 'write "enabled": true at catalogs/c.json:6'],
    ['route off', {}, { ...FAST, enabled: false }, 'fast', 'write "enabled": true at tollgate.json:'],
    ['condition of the route', {}, { ...FAST, when: "principal.team == 'x'" }, 'fast', "make `principal.team == 'x'` true"],
    ['not granted', {}, FAST, 'other', 'add { "route": "other" } to "models" of catalogs/c.json'],
    ['misspelt', {}, FAST, 'fats', 'no route is named "fats"; the nearest name is "fast"'],
  ])('%s', async (_name, rule, ...[route, target, change]) => {
    const snapshot = await withModels([{ route: 'fast', ...rule }], { fast: route, other: FAST })

    const explanation = explain({ principal: who, snapshot, action: 'call', target: { kind: 'model', name: target }, now: NOW })

    expect(explanation.change).toContain(change)
  })

  test('without facts of a request, what depends on them is open', async () => {
    const snapshot = await withModels([{ route: 'fast', when: '!request.stream' }])
    const about = {
      principal: who,
      snapshot,
      action: 'call' as const,
      target: { kind: 'model' as const, name: 'fast' },
      now: NOW,
    }

    expect(explain(about).outcome).toBe('allow')
    expect(explain({ ...about, request: { stream: true } }).reason).toBe('condition-false')
  })
})
