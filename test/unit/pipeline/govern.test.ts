import { describe, expect, it } from 'vitest'
import type { Decision } from '../../../src/core/decision.ts'
import type { Entry } from '../../../src/core/entry.ts'
import { GatewayError } from '../../../src/core/errors.ts'
import { NO_TOKENS } from '../../../src/core/usage.ts'
import type { Exchange } from '../../../src/core/exchange.ts'
import type { BudgetRule, CatalogItem, CatalogView, Snapshot } from '../../../src/core/snapshot.ts'
import type { Guard } from '../../../src/guard/guard.ts'
import { govern, type GovernDeps } from '../../../src/pipeline/govern.ts'
import type { AttemptFacts, FacetCall } from '../../../src/pipeline/facet.ts'

const rule = { file: 'catalogs/a.json', line: 3, column: 1, path: '$.tools[0]' }
const item = {
  kind: 'tool',
  catalog: 'a',
  server: 'notes',
  name: 'note',
  priceNanoUsd: 2_000_000,
  rule,
  definition: { name: 'create_note', digest: 'sha256:1' },
} as unknown as CatalogItem
const allowed: Decision = { outcome: 'allow', reason: 'allowed', item, rule, trace: [] }
const denied: Decision = { outcome: 'deny', reason: 'unknown-target', trace: [] }

function exchange(): Exchange {
  const principal = { issuer: 'i', subject: 's', kind: 'user' as const, team: 'research', groups: [], roles: [], scopes: [] }
  return {
    id: 'x1',
    at: 1_000,
    startedAt: 0,
    facet: 'mcp',
    method: 'tools/call',
    session: 'run',
    identity: { principal, key: 'k', method: 'jwt' },
    snapshot: { revision: 'r1' } as Snapshot,
    view: {} as CatalogView,
    era: 'modern',
    protocolVersion: '2026-07-28',
    trace: { traceId: 't', spanId: 's', sampled: true },
    signal: new AbortController().signal,
    requestBytes: 10,
    timings: { queueMs: 0, guardMs: 0, upstreamMs: 0 },
  }
}

function guardThat(inspect: Guard['inspect']): Guard {
  return {
    active: () => true,
    inspect,
    openStream: () => {
      throw new Error('no stream here')
    },
  }
}

function road(over: Partial<GovernDeps> = {}) {
  const entries: Entry[] = []
  const steps: string[] = []
  const deps: GovernDeps = {
    ledger: {
      record: async (entry) => {
        steps.push('ledger')
        entries.push(entry)
      },
      assertWritable: () => undefined,
      query: async () => [],
      entries: async () => [],
      close: async () => undefined,
    },
    limiter: {
      admit: () => {
        steps.push('limits')
        return { admitted: true, release: () => steps.push('release') }
      },
      peek: () => ({ used: 0, resetMs: 0 }),
    },
    budgets: {
      reserve: () => ({ granted: true, settle: (nanoUsd) => steps.push(`settle ${nanoUsd}`) }),
      balance: () => ({ spent: 0, reserved: 0 }),
    },
    guard: () =>
      guardThat(async (hook) => {
        steps.push(`guard ${hook}`)
        return []
      }),
    budgetRules: () => [],
    cost: ({ usage }) => ({ nanoUsd: (usage?.output ?? 0) * 10, priceVersion: 'table#m' }),
    limitRules: () => [],
    digest: () => 'sha256:args',
    monotonic: () => 5,
    report: () => undefined,
    ended: () => undefined,
    ...over,
  }
  return { deps, entries, steps }
}

function call(decision: Decision, open: () => Promise<string>, steps: string[] = []): FacetCall<string> {
  const lens = { parts: [], replace: () => undefined }
  return {
    kind: 'tool',
    target: 'note',
    args: {},
    decide: () => decision,
    open: async () => {
      steps.push('upstream')
      return open()
    },
    requestText: () => lens,
    responseText: () => lens,
    facts: () => ({ status: 'ok', bytes: 7 }),
    refusal: () => new GatewayError('not_found', 'Unknown tool: note'),
  }
}

describe('govern', () => {
  it('takes the stops in the order of the road', async () => {
    const { deps, steps, entries } = road()

    const answer = await govern(
      deps,
      exchange(),
      call(allowed, async () => 'done', steps),
    )

    expect(answer).toBe('done')
    expect(steps).toEqual(['limits', 'guard request', 'upstream', 'guard response', 'release', 'ledger'])
    expect(entries).toMatchObject([
      {
        id: 'x1',
        status: 'ok',
        team: 'research',
        server: 'notes',
        upstreamTarget: 'create_note',
        nanoUsd: 2_000_000,
        rule: 'catalogs/a.json:3',
        argumentsDigest: 'sha256:args',
      },
    ])
  })

  it('a denied exchange opens nothing and still writes one entry that costs nothing', async () => {
    const { deps, steps, entries } = road()

    await expect(
      govern(
        deps,
        exchange(),
        call(denied, async () => 'done', steps),
      ),
    ).rejects.toThrow('Unknown tool: note')

    expect(steps).toEqual(['ledger'])
    expect(entries).toMatchObject([{ status: 'denied', decision: 'deny', reason: 'unknown-target', nanoUsd: 0 }])
  })

  it('an exchange over a limit is told when to come back and opens nothing', async () => {
    const limitRule = { key: 'k', kind: 'rate' as const, max: 1, label: 'catalog "a": 1 call per minute' }
    const { deps, entries } = road({
      limiter: {
        admit: () => ({ admitted: false, rule: limitRule, retryAfterSeconds: 42 }),
        peek: () => ({ used: 1, resetMs: 0 }),
      },
    })

    const failure = await govern(
      deps,
      exchange(),
      call(allowed, async () => 'done'),
    ).catch((error: unknown) => error)

    expect(failure).toMatchObject({ code: 'rate_limited', retryAfterSeconds: 42 })
    expect(entries).toMatchObject([{ status: 'limited', error: 'rate_limited', nanoUsd: 0 }])
  })

  it('a block by the guard before the upstream costs nothing', async () => {
    const verdict = { action: 'block' as const, evaluator: 'secrets', version: '1', finos: [], ms: 1 }
    const { deps, entries } = road({ guard: () => guardThat(async () => [verdict]) })

    await expect(
      govern(
        deps,
        exchange(),
        call(allowed, async () => 'done'),
      ),
    ).rejects.toMatchObject({ code: 'guard_blocked' })

    expect(entries).toMatchObject([{ status: 'blocked', nanoUsd: 0 }])
  })

  it.each([
    ['upstream_unavailable', 0],
    ['overloaded', 0],
    ['header_mismatch', 0],
    ['invalid_params', 0],
    ['upstream_timeout', 2_000_000],
    ['upstream_invalid', 2_000_000],
  ] as const)('a call that ends with %s costs %s nano-dollars', async (code, nanoUsd) => {
    const { deps, entries } = road()

    await expect(
      govern(
        deps,
        exchange(),
        call(allowed, async () => Promise.reject(new GatewayError(code, 'no'))),
      ),
    ).rejects.toMatchObject({ code })

    expect(entries).toMatchObject([{ status: 'error', error: code, nanoUsd }])
  })

  it('an answer that is blocked is charged, since the upstream has worked', async () => {
    const verdict = { action: 'block' as const, evaluator: 'secrets', version: '1', finos: [], ms: 1 }
    const { deps, entries } = road({
      guard: () => guardThat(async (hook) => (hook === 'response' ? [verdict] : [])),
    })
    const visit = exchange()
    const opened = call(allowed, async () => {
      visit.timings.upstreamMs = 3
      return 'done'
    })

    await expect(govern(deps, visit, opened)).rejects.toMatchObject({ code: 'guard_blocked' })

    expect(entries).toMatchObject([{ status: 'blocked', nanoUsd: 2_000_000 }])
  })

  it('a foreign error becomes internal, its text stays inside, and the limits are given back', async () => {
    const { deps, entries, steps } = road()

    const failure = await govern(
      deps,
      exchange(),
      call(allowed, async () => Promise.reject(new Error('password=hunter2'))),
    ).catch((error: unknown) => error)

    expect(failure).toMatchObject({ code: 'internal' })
    expect(String(failure)).not.toContain('hunter2')
    expect(entries).toMatchObject([{ status: 'error', error: 'internal' }])
    expect(steps).toContain('release')
  })

  it('when the ledger cannot be written the upstream is not opened', async () => {
    const { deps, steps } = road()
    const broken = {
      ...deps,
      ledger: {
        ...deps.ledger,
        assertWritable: () => {
          throw new GatewayError('ledger_unavailable', 'the ledger cannot be written')
        },
      },
    }

    await expect(
      govern(
        broken,
        exchange(),
        call(allowed, async () => 'done', steps),
      ),
    ).rejects.toMatchObject({ code: 'ledger_unavailable' })

    expect(steps).not.toContain('upstream')
  })

  it('an answer whose entry could not be recorded is not given out', async () => {
    const { deps } = road()
    const broken = {
      ...deps,
      ledger: { ...deps.ledger, record: async () => Promise.reject(new GatewayError('ledger_unavailable', 'disk full')) },
    }

    await expect(
      govern(
        broken,
        exchange(),
        call(allowed, async () => 'done'),
      ),
    ).rejects.toMatchObject({ code: 'ledger_unavailable' })
  })

  const attempt: AttemptFacts = {
    at: 2_000,
    provider: 'openai',
    model: 'gpt-x',
    priceAs: 'gpt-x',
    region: undefined,
    reportedModel: undefined,
    serviceTier: undefined,
    firstTokenMs: undefined,
    routing: undefined,
    stream: false,
    upstreamMs: 3,
    bytes: 9,
    usage: { ...NO_TOKENS, input: 5, output: 7, source: 'provider' },
    dropped: ['seed'],
  }
  const budget: BudgetRule = { id: 'a#0', catalog: 'a', nanoUsd: 1_000_000, per: 'month', by: 'catalog', rule }

  it('writes one entry per attempt, each with its own provider, usage and cost', async () => {
    const settled: number[] = []
    const { deps, entries } = road({
      budgetRules: () => [budget],
      budgets: {
        reserve: () => ({ granted: true, settle: (nanoUsd) => settled.push(nanoUsd) }),
        balance: () => ({ spent: 0, reserved: 0 }),
      },
    })
    const base = call(allowed, async () => 'done')
    const model: FacetCall<string> = {
      ...base,
      kind: 'model',
      open: async (_decision, given) => {
        given.retried({ ...attempt, provider: 'azure', usage: { ...attempt.usage!, output: 1 } }, 'upstream_timeout')
        return 'done'
      },
      facts: () => ({ status: 'ok', bytes: 9, attempt }),
    }

    await govern(deps, exchange(), model)

    expect(entries).toMatchObject([
      { attempt: 1, status: 'retried', error: 'upstream_timeout', provider: 'azure', nanoUsd: 10, outputTokens: 1 },
      {
        attempt: 2,
        status: 'ok',
        provider: 'openai',
        model: 'gpt-x',
        nanoUsd: 70,
        inputTokens: 5,
        outputTokens: 7,
        dropped: 'seed',
      },
    ])
    expect(settled).toEqual([80])
  })

  it('a cost nobody knows spends what was set aside for it', async () => {
    const settled: number[] = []
    const { deps } = road({
      budgetRules: () => [budget],
      budgets: {
        reserve: () => ({ granted: true, settle: (nanoUsd) => settled.push(nanoUsd) }),
        balance: () => ({ spent: 0, reserved: 0 }),
      },
      cost: () => ({ nanoUsd: null, priceVersion: null }),
    })
    const model: FacetCall<string> = {
      ...call(allowed, async () => 'done'),
      kind: 'model',
      estimate: () => ({ tokens: 10, nanoUsd: 900 }),
      facts: () => ({ status: 'ok', bytes: 9, attempt }),
    }

    await govern(deps, exchange(), model)

    expect(settled).toEqual([900])
  })

  it('a budget that does not cover the call refuses it before the upstream', async () => {
    const { deps, steps, entries } = road({
      budgetRules: () => [budget],
      budgets: {
        reserve: () => ({ granted: false, budget, retryAfterSeconds: 60 }),
        balance: () => ({ spent: 0, reserved: 0 }),
      },
    })

    await expect(
      govern(
        deps,
        exchange(),
        call(allowed, async () => 'done', steps),
      ),
    ).rejects.toMatchObject({ code: 'budget_exceeded', retryAfterSeconds: 60 })

    expect(steps).not.toContain('upstream')
    expect(entries).toMatchObject([{ status: 'limited', error: 'budget_exceeded', nanoUsd: 0 }])
  })

  it('an attempt whose price is not known is flagged and has no price, never zero', async () => {
    const { deps, entries } = road({ cost: () => ({ nanoUsd: null, priceVersion: null }) })
    const model: FacetCall<string> = {
      ...call(allowed, async () => 'done'),
      kind: 'model',
      facts: () => ({ status: 'ok', bytes: 9, attempt: { ...attempt, usage: { ...attempt.usage!, source: 'estimated' } } }),
    }

    await govern(deps, exchange(), model)

    expect(entries).toMatchObject([{ nanoUsd: null, flags: 'unpriced,estimated', usageSource: 'estimated' }])
  })
})
