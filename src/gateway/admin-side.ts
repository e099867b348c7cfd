import type { AdminDeps } from '../admin/app.ts'
import type { PaidQuestion } from '../admin/explain.ts'
import { principalKey } from '../core/principal.ts'
import { limitRules } from '../metering/limit-rules.ts'
import { toUsd } from '../metering/usage-cells.ts'
import { NAME, type Parts } from './parts.ts'

const MAX_ATTEMPTS = 100

/** What the admin API may look at and do. */
export function adminSide(parts: Parts, adminUrl: string): AdminDeps {
  const { files, callers, ledger, observing, limiter, facet, models, life, options } = parts
  const resource = `${adminUrl}/admin`
  return {
    snapshot: () => files.current.get(),
    about: { name: NAME, version: options.version, startedAt: life.startedAt, instance: life.instance },
    facts: () => ({
      issuers: callers.authenticator.status(),
      ledger: ledger.status(),
      mcp: facet.stats(),
      inFlight: life.doors?.inFlight() ?? 0,
    }),
    authenticate: ({ headers }) =>
      callers.authenticator.authenticate(
        headers.authorization === undefined ? {} : { authorization: headers.authorization },
        resource,
      ),
    async principalOf(token) {
      const { principal } = await callers.authenticator.authenticate(
        { authorization: `Bearer ${token}` },
        `${life.doors?.publicUrl ?? ''}/mcp`,
      )
      return principal
    },
    limitsOf(principal, item) {
      const catalog = files.current.get().catalogs.get(item.catalog)
      const identity = { principal, key: principalKey(principal), method: 'jwt' as const }
      const rules = limitRules({ item, catalog, identity, session: '', defaults: files.files().gateway?.value.limits })
      return rules.map((rule) => ({ label: rule.label, max: rule.max, ...limiter.peek(rule) }))
    },
    budgetsOf: (question) => budgetsOf(parts, question),
    planOf: ({ item, principal, session = '', request, now }) =>
      models.router.plan({
        item,
        principal,
        stickyKey: JSON.stringify([principalKey(principal), session]),
        operation: 'chat',
        dialect: 'chat',
        budgeted: models.prices.isBudgeted(item, files.current.get()),
        now,
        ...(request === undefined ? {} : { request }),
      }).considered,
    targets: () => models.router.states(files.current.get()),
    exchange: (id) => ledger.entries({ id, from: 0, to: Number.MAX_SAFE_INTEGER, where: {}, limit: MAX_ATTEMPTS }),
    ledger,
    metrics: () => observing.metrics.expose(),
    reload: () => files.reload(),
    now: () => new Date(),
  }
}

function budgetsOf({ files, budgets }: Parts, { item, principal, session, at }: PaidQuestion) {
  const identity = { principal, key: principalKey(principal), method: 'jwt' as const }
  return (files.current.get().catalogs.get(item.catalog)?.budgets ?? []).map((budget) => {
    const { catalog, per, by, nanoUsd } = budget
    const label = `catalog "${catalog}" per ${per}${by === 'catalog' ? '' : ` for each ${by}`}`
    const known = per === 'session' && session === undefined ? undefined : { identity, session: session ?? '', at }
    if (known === undefined) return { label, usd: toUsd(nanoUsd) }
    const { spent, reserved } = budgets.balance(budget, known)
    return { label, usd: toUsd(nanoUsd), spentUsd: toUsd(spent), reservedUsd: toUsd(reserved) }
  })
}
