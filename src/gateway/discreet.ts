import type { UpstreamCredential } from '../credentials/credential.ts'
import type { SentSecrets } from '../lib/sent-secrets.ts'
import type { Caller, Upstream, UpstreamRequest, UpstreamStep } from '../mcp/upstream/contract.ts'

/** The credential, with what it gave remembered. */
export function rememberedCredential(credential: UpstreamCredential, sent: SentSecrets): UpstreamCredential {
  return {
    fingerprint: credential.fingerprint,
    origin: credential.origin,
    headers(signal) {
      const headers = credential.headers(signal)
      return headers instanceof Promise ? headers.then((fetched) => sent.remember(fetched)) : sent.remember(headers)
    },
    rejected: () => credential.rejected(),
  }
}

/** The upstream, with its errors free of the credentials it was sent. Results are its own words and pass as they are. */
export function discreetUpstream(upstream: Upstream, sent: SentSecrets): Upstream {
  return {
    id: upstream.id,
    status: () => upstream.status(),
    inventory: () => upstream.inventory(),
    call: (request: UpstreamRequest, caller: Caller) => upstream.call(request, caller).then((step) => struck(step, sent)),
    watch: (uri, caller, updated) => upstream.watch(uri, caller, updated),
    inform: (method, params, key) => upstream.inform(method, params, key),
    refresh: () => upstream.refresh(),
    onChange: (listener) => upstream.onChange(listener),
    close: (graceMs) => upstream.close(graceMs),
  }
}

function struck(step: UpstreamStep, sent: SentSecrets): UpstreamStep {
  if (step.kind === 'error') return { ...step, error: sent.strike(step.error) }
  if (step.kind !== 'input' || step.held === undefined) return step
  const { held } = step
  return {
    ...step,
    held: {
      resume: async (responses, caller) => struck(await held.resume(responses, caller), sent),
      cancel: (reason) => held.cancel(reason),
    },
  }
}
