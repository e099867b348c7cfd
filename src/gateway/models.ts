import type { ConfigFiles } from '../config/load.ts'
import { loadPriceFiles, priceTypeOf } from '../config/price-files.ts'
import type { Report } from '../core/events.ts'
import type { JsonObject } from '../core/json.ts'
import type { ModelTarget, Snapshot } from '../core/snapshot.ts'
import { createSigner } from '../credentials/signers.ts'
import type { Egress } from '../lib/egress.ts'
import type { Secrets } from '../lib/secrets.ts'
import type { LlmDeps } from '../llm/contract.ts'
import { createProviderSet, type ProviderSet } from '../llm/provider-set.ts'
import { createDemoDispatcher } from '../llm/providers/demo-dispatcher.ts'
import { createRouter, type LiveRouter } from '../llm/routing/router.ts'
import type { ModelFacts, PriceQuery, Prices } from '../metering/contract.ts'
import { createPrices } from '../metering/prices.ts'

/** What the model side borrows. */
export interface ModelsDeps {
  readonly secrets: Secrets
  readonly egress: Egress
  readonly report: Report
  files(): ConfigFiles
}

/** Providers, routing and prices of the model facet. */
export interface Models {
  readonly providers: ProviderSet
  readonly router: LiveRouter
  readonly prices: LlmDeps['prices']
  priceTable(): Prices
  /** Takes the providers and prices of a new configuration into use. */
  apply(files: ConfigFiles): Promise<void>
  close(): Promise<void>
}

const CONNECT_MS = 10_000

/** Opens the model side. */
export function openModels(deps: ModelsDeps): Models {
  const providers = createProviderSet({
    createSigner: (config, baseUrl) =>
      createSigner(config, { secrets: deps.secrets, fetch: deps.egress.fetch, now: () => Date.now(), baseUrl }),
    dispatcher: (url, connections) =>
      deps.egress.dispatcher(url, { literalAllowed: true, connections, connectTimeoutMs: CONNECT_MS }),
    demo: createDemoDispatcher,
  })
  let table = createPrices([])
  const prices = pricesOf(deps, () => table)
  const router = createRouter({
    now: () => performance.now(),
    random: Math.random,
    serves: (target, operation) => unserved(providers, target, operation),
    estimate: (target, input, output) => prices.estimate(target, input, output),
    changed: ({ target, provider, circuit, reason }) => deps.report({ type: 'target-state', target, provider, circuit, reason }),
  })
  return {
    providers,
    router,
    prices,
    priceTable: () => table,
    async apply(files) {
      // Prices first: when a file of them cannot be read, nothing has changed yet.
      const loaded = createPrices(await loadPriceFiles(files.folder, files.gateway?.value.prices ?? []))
      table = loaded
      providers.apply(files.gateway?.value.providers ?? {})
    },
    close: () => providers.close(),
  }
}

/** Why a provider cannot do what is asked; undefined when it can. */
function unserved(
  providers: ProviderSet,
  target: ModelTarget,
  operation: 'chat' | 'embeddings' | 'count_tokens',
): string | undefined {
  const live = providers.get(target.provider)
  if (live === undefined) return 'the provider is not configured'
  if (!live.provider.operations.includes(operation)) return `the provider offers no ${operation}`
  return live.provider.wires(target.model).length === 0 ? 'the provider does not serve this model' : undefined
}

/** The price of a target is looked up under the type of its provider, or the profile of an OpenAI-shaped one. */
export function priceQuery(
  files: ConfigFiles,
  target: Pick<ModelTarget, 'provider' | 'priceAs' | 'region'>,
  at: number,
  tier?: string,
): PriceQuery {
  const config = files.gateway?.value.providers[target.provider]
  const providerType = config === undefined ? '' : priceTypeOf(config)
  return {
    providerType,
    provider: target.provider,
    model: target.priceAs,
    at,
    ...(target.region === undefined ? {} : { region: target.region }),
    ...(tier === undefined ? {} : { tier }),
  }
}

function pricesOf({ files }: ModelsDeps, prices: () => Prices): LlmDeps['prices'] {
  const queryOf = (target: ModelTarget): PriceQuery => priceQuery(files(), target, Date.now())
  return {
    estimate: (target, input, output) => prices().estimate(queryOf(target), input, output),
    ceiling(target, { input, output, isPriority }) {
      const standard = prices().ceiling(queryOf(target), input, output)
      if (!isPriority) return standard
      return prices().ceiling(priceQuery(files(), target, Date.now(), 'priority'), input, output) ?? standard
    },
    facts: (target) => toWire(prices().facts(queryOf(target))),
    maxOutputTokens: (target) => prices().facts(queryOf(target))?.maxOutputTokens,
    isBudgeted: (item, snapshot: Snapshot) => (snapshot.catalogs.get(item.catalog)?.budgets.length ?? 0) > 0,
  }
}

/** What `GET /v1/models` says of a model besides its name. */
function toWire(facts: ModelFacts | undefined): JsonObject | undefined {
  if (facts === undefined) return undefined
  const { contextTokens, maxOutputTokens, mode, capabilities } = facts
  const pricing = {
    ...(facts.inputUsdPerMillion === undefined ? {} : { input: facts.inputUsdPerMillion }),
    ...(facts.cachedInputUsdPerMillion === undefined ? {} : { cached_input: facts.cachedInputUsdPerMillion }),
    ...(facts.outputUsdPerMillion === undefined ? {} : { output: facts.outputUsdPerMillion }),
  }
  return {
    ...(contextTokens === undefined ? {} : { context_window: contextTokens }),
    ...(maxOutputTokens === undefined ? {} : { max_output_tokens: maxOutputTokens }),
    ...(mode === undefined ? {} : { mode }),
    ...(Object.keys(pricing).length === 0 ? {} : { pricing: { currency: 'USD', per: '1M tokens', ...pricing } }),
    capabilities,
  }
}
