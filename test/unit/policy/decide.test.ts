import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DecisionRequest } from '../../../src/core/decision.ts'
import type { Principal } from '../../../src/core/principal.ts'
import { decide, eligible, visible } from '../../../src/policy/decide.ts'
import { explain } from '../../../src/policy/explain.ts'
import { ready, snapshotOf } from '../catalog/inventory.ts'

const NOW = new Date('2026-11-23T12:00:00Z')
const TOOLS = ['search_docs', 'get_doc', 'get_secret', 'delete_doc', 'ping']

function principal(over: Partial<Principal> = {}): Principal {
  return { issuer: 'https://idp.example', subject: 'ann', kind: 'user', groups: [], roles: [], scopes: [], ...over }
}

const glob = fc.constantFrom('*', 'get_*', '*doc', 'search_docs', '*_secret', 'nothing', 'p*g')
const when = fc.constantFrom(
  undefined,
  "principal.team == 'a'",
  "args.q == 'x'",
  "principal.team == 'a' && args.q == 'x'",
  "(principal.team == 'a' && args.q == 'x') || (principal.team == 'b' && args.q == 'y')",
  "principal.roles.exists(r, r == 'admin') || args.q.startsWith('pub')",
  "time > timestamp('2020-01-01T00:00:00Z')",
  'args.missing.deep == 1',
)
const rule = fc
  .record(
    {
      server: fc.constantFrom('one', 'two'),
      allow: fc.array(glob, { minLength: 1, maxLength: 3 }),
      deny: fc.array(glob, { maxLength: 2 }),
      when,
    },
    { requiredKeys: ['server', 'allow'] },
  )
  .map((given) => JSON.parse(JSON.stringify(given)) as object)
const audience = fc.constantFrom(
  {},
  { teams: ['a'] },
  { teams: ['*'] },
  { agents: ['bot-*'] },
  { groups: ['g'] },
  { teams: ['a'], when: "principal.roles.exists(r, r == 'admin')" },
)
const catalog = fc.record({ for: audience, tools: fc.array(rule, { maxLength: 4 }) })
const caller = fc
  .record({
    team: fc.constantFrom('a', 'b', undefined),
    agent: fc.constantFrom('bot-1', undefined),
    groups: fc.constantFrom([], ['g']),
    roles: fc.constantFrom([], ['admin']),
  })
  .map((given) => principal(JSON.parse(JSON.stringify(given)) as Partial<Principal>))
const ARGS = [{}, { q: 'x' }, { q: 'y' }, { q: 'public' }, { q: 1 }]

describe('decide', () => {
  it('what can be called is listed, and what no arguments make callable is not', async () => {
    await fc.assert(
      fc.asyncProperty(fc.record({ c: catalog, d: catalog }), caller, async (catalogs, who) => {
        const snapshot = await snapshotOf(catalogs, [ready('one', { tools: TOOLS }), ready('two', { tools: TOOLS })])
        const view = snapshot.view(eligible(who, snapshot, NOW))
        const listed = new Set(visible(who, view, 'tool', NOW).map(({ name }) => name))
        const names = new Set([
          ...view.byName.tool.keys(),
          ...TOOLS,
          ...TOOLS.flatMap((tool) => [`one_${tool}`, `two_${tool}`]),
          'no_such',
        ])
        for (const name of names) {
          const request: DecisionRequest = { principal: who, snapshot, action: 'call', target: { kind: 'tool', name }, now: NOW }
          const callable = ARGS.some((args) => decide({ ...request, args }).outcome === 'allow')
          const isListed = decide({ ...request, action: 'list' }).outcome === 'allow'

          expect(isListed, `decide(list) and the list agree on ${name}`).toBe(listed.has(name))
          if (callable) expect(listed.has(name), `${name} is callable`).toBe(true)
          // The arguments above make every condition of this test true when any arguments do, but for the one on a missing member.
          if (listed.has(name) && !callable) expect(view.byName.tool.get(name)?.when?.source).toBe('args.missing.deep == 1')
        }
      }),
      { numRuns: 60 },
    )
  })

  it('a caller of no catalog is shown nothing and may do nothing, whatever its name', async () => {
    await fc.assert(
      fc.asyncProperty(fc.string(), async (team) => {
        fc.pre(team !== 'a')
        const snapshot = await snapshotOf({ c: { for: { teams: ['a'] }, tools: [{ server: 'one', allow: ['*'] }] } }, [
          ready('one', { tools: TOOLS }),
        ])

        expect(eligible(principal({ team }), snapshot, NOW)).toEqual([])
        expect(
          decide({ principal: principal({ team }), snapshot, action: 'call', target: { kind: 'tool', name: 'ping' }, now: NOW })
            .reason,
        ).toBe('no-catalog')
      }),
      { numRuns: 20 },
    )
  })

  it('equal questions have equal answers, trace and all', async () => {
    const snapshot = await snapshotOf({ c: { tools: [{ server: 'one', allow: ['get_*'], when: "args.q == 'x'" }] } }, [
      ready('one', { tools: TOOLS }),
    ])
    const request: DecisionRequest = {
      principal: principal(),
      snapshot,
      action: 'call',
      target: { kind: 'tool', name: 'get_doc' },
      args: { q: 'x' },
      now: NOW,
    }

    expect(JSON.stringify(decide(request))).toBe(JSON.stringify(decide(request)))
  })
})

describe('explain', () => {
  const question = (over: Partial<DecisionRequest> & { name: string }, snapshot: DecisionRequest['snapshot']) =>
    explain({
      principal: principal({ team: 'a' }),
      snapshot,
      action: 'call',
      target: { kind: 'tool', name: over.name },
      now: NOW,
      ...over,
    })

  it('names a server that is quarantined as the reason, and its words', async () => {
    const snapshot = await snapshotOf(
      {
        c: {
          tools: [
            { server: 'one', allow: ['*'] },
            { server: 'bad', tool: 'lost' },
          ],
        },
      },
      [ready('one', { tools: TOOLS })],
      { 'servers/bad.json': { type: 'htp' } },
    )

    expect(question({ name: 'lost' }, snapshot)).toMatchObject({
      outcome: 'deny',
      reason: 'server-unavailable',
      change: expect.stringContaining('server "bad"'),
    })
  })

  it('a tool that a registered server offers and no rule names says where to add it', async () => {
    const snapshot = await snapshotOf({ c: { tools: [{ server: 'one', allow: ['ping'] }] } }, [
      ready('one', { tools: TOOLS }),
      ready('two', { tools: ['only_here'] }),
    ])

    expect(question({ name: 'only_here' }, snapshot).change).toBe(
      'add a rule for server "two" with "only_here" to catalogs/c.json',
    )
  })
})
