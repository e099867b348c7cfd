import { describe, expect, test } from 'vitest'
import { type Identity, type Principal, principalKey } from '../../../src/core/principal.ts'
import type { CallLimits, Catalog, CatalogItem, RuleLocation } from '../../../src/core/snapshot.ts'
import { limitRules } from '../../../src/metering/limit-rules.ts'

const rule: RuleLocation = { file: 'catalogs/research.json', line: 3, column: 5, path: '$.limits' }

function identity(fields: Partial<Principal> = {}): Identity {
  const principal: Principal = { issuer: 'i', subject: 's', kind: 'agent', groups: [], roles: [], scopes: [], ...fields }
  return { principal, key: principalKey(principal), method: 'jwt' }
}

const catalog = (limits: CallLimits): Catalog => ({ id: 'research', limits, limitsRule: rule }) as unknown as Catalog
const item = (limits: CallLimits): CatalogItem =>
  ({
    kind: 'tool',
    name: 'note',
    catalog: 'research',
    server: 'notes',
    definition: { name: 'create_note' },
    limits,
    rule,
  }) as unknown as CatalogItem

const keysBy = (by: NonNullable<CallLimits['by']>, who: Identity, session = 'run-1') =>
  limitRules({ catalog: catalog({ callsPerMinute: 5, by }), identity: who, session }).map(({ key }) => key)

test('item, catalog and gateway each give their own counters, in words', () => {
  const rules = limitRules({
    item: item({ concurrent: 1, by: 'agent' }),
    catalog: catalog({ callsPerMinute: 120, concurrent: 16 }),
    identity: identity(),
    session: 'run-1',
    defaults: { callsPerMinute: 1_000, by: 'team' },
  })

  expect(rules.map(({ kind, max, label, rule: where }) => ({ kind, max, label, located: where !== undefined }))).toEqual([
    { kind: 'concurrent', max: 1, label: 'tool "note" of catalog "research": 1 call at one time for each agent', located: true },
    { kind: 'rate', max: 120, label: 'catalog "research": 120 calls per minute', located: true },
    { kind: 'concurrent', max: 16, label: 'catalog "research": 16 calls at one time', located: true },
    { kind: 'rate', max: 1_000, label: 'the gateway: 1000 calls per minute for each team', located: false },
  ])
  expect(new Set(rules.map(({ key }) => key)).size).toBe(4)
})

describe('who shares a counter', () => {
  test.each([
    {
      name: 'everybody on the catalog',
      by: 'catalog',
      left: identity({ team: 'a' }),
      right: identity({ subject: 'x', team: 'b' }),
      isShared: true,
    },
    { name: 'one team', by: 'team', left: identity({ team: 'a' }), right: identity({ subject: 'x', team: 'a' }), isShared: true },
    { name: 'two teams', by: 'team', left: identity({ team: 'a' }), right: identity({ team: 'b' }), isShared: false },
    {
      name: 'teams of the same name in two organisations',
      by: 'team',
      left: identity({ org: 'o', team: 'a' }),
      right: identity({ org: 'p', team: 'a' }),
      isShared: false,
    },
    { name: 'callers without a team', by: 'team', left: identity(), right: identity({ subject: 'x' }), isShared: true },
    {
      name: 'a team called null and callers without one',
      by: 'team',
      left: identity({ team: 'null' }),
      right: identity(),
      isShared: false,
    },
    {
      name: 'names that only look alike when joined',
      by: 'team',
      left: identity({ org: 'a","b', team: 'c' }),
      right: identity({ org: 'a', team: 'b","c' }),
      isShared: false,
    },
    { name: 'one user', by: 'user', left: identity({ user: 'u' }), right: identity({ user: 'u', team: 'b' }), isShared: true },
    {
      name: 'a session name used by two principals',
      by: 'session',
      left: identity(),
      right: identity({ subject: 'x' }),
      isShared: false,
    },
  ] as const)('$name', ({ by, left, right, isShared }) => {
    expect(JSON.stringify(keysBy(by, left)) === JSON.stringify(keysBy(by, right))).toBe(isShared)
  })

  test('two sessions of one principal', () => {
    expect(keysBy('session', identity(), 'run-1')).not.toEqual(keysBy('session', identity(), 'run-2'))
  })
})
