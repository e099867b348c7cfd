import { assertSendable, rewriteArguments } from '../catalog/arguments.ts'
import { sessionOf } from '../identity/session.ts'
import { traceOfMeta } from '../lib/trace-context.ts'
import { createLlmFacet } from '../llm/facet.ts'
import { createMcpFacet } from '../mcp/facet.ts'
import { govern } from '../pipeline/govern.ts'
import { decide, eligible, visible } from '../policy/decide.ts'
import { NAME, type Parts } from './parts.ts'
import { openRoad } from './road.ts'
import { createSessionPlaces } from './session-places.ts'

/** Makes both facets on one road. */
export function openFacets(
  parts: Omit<Parts, 'facet' | 'llm'>,
  sealer: Parameters<typeof createMcpFacet>[0]['sealer'],
): Pick<Parts, 'facet' | 'llm'> {
  const { files, servers, observing, models, counter, config, options, limiter, gossip } = parts
  const road = openRoad(parts)
  const common = {
    snapshot: () => files.current.get(),
    policy: { eligible, visible, decide },
    bounds: config.bounds,
    now: () => new Date(),
    monotonic: () => performance.now(),
    report: observing.report,
    sessionOf,
  }
  return {
    facet: createMcpFacet({
      ...common,
      govern: (exchange, call) => govern(road, exchange, call),
      upstream: (id) => servers.get(id),
      arguments: { rewrite: rewriteArguments, refuse: assertSendable },
      sealer,
      places: createSessionPlaces(limiter, config.bounds, gossip),
      info: { name: NAME, version: options.version },
      traceOf: traceOfMeta,
    }),
    llm: createLlmFacet({
      ...common,
      govern: (exchange, call) => govern(road, exchange, call),
      providers: models.providers,
      router: models.router,
      prices: models.prices,
      countTokens: (text) => counter.count(text),
      random: Math.random,
      gossip,
    }),
  }
}
