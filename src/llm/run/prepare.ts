import { GatewayError, toGatewayError } from '../../core/errors.ts'
import type { ModelTarget } from '../../core/snapshot.ts'
import type { LlmDeps } from '../contract.ts'
import { needsSameWire } from '../dialects/responses.ts'
import { newId } from '../ids.ts'
import { listOf } from '../loose-json.ts'
import type { WireName } from '../middle.ts'
import type { ProviderCall, ProviderReading, ProviderRequest, RequestBody } from '../provider.ts'
import type { LiveProvider } from '../provider-set.ts'
import { type ModelRequest, withDefaults } from '../request.ts'
import { hasPackedSignature } from '../signature.ts'
import type { DecodeContext, TargetProfile } from '../wire.ts'
import { shownNames } from './shown-names.ts'
import type { ModelVisit } from './visit.ts'

/** A request written for one target, or why it cannot be. */
export type Preparation = Prepared | Unfit

/** Written and signed. */
export interface Prepared {
  readonly kind: 'ready'
  readonly live: LiveProvider
  readonly call: ProviderCall
  readonly request: ProviderRequest
  readonly reading: ProviderReading
  readonly headers: Readonly<Record<string, string>>
  readonly decodeContext: DecodeContext
}

/** The target cannot take this request; another one may. */
export interface Unfit {
  readonly kind: 'unfit'
  readonly reason: string
  /** What the caller is told when no other target can either. */
  readonly error?: GatewayError
}

/** What preparing looks at. */
export interface PrepareOptions {
  readonly deps: LlmDeps
  readonly visit: ModelVisit
  readonly target: ModelTarget
  /** A guard must see the words of a stream, so it is read and written anew. */
  readonly guarded: boolean
}

/** Writes a request for a target. Not a promise unless the credential has to be fetched. */
export function prepare(options: PrepareOptions): Preparation | Promise<Preparation> {
  const live = options.deps.providers.get(options.target.provider)
  if (live === undefined) return unfit('the provider is not configured')
  try {
    return write(options, live)
  } catch (error) {
    return refused(error)
  }
}

function write(options: PrepareOptions, live: LiveProvider): Preparation | Promise<Preparation> {
  const { visit, target } = options
  const { provider } = live
  const request = withDefaults(visit.request, target.params)
  const wire = wireFor(request, target, provider.wires(target.model))
  if (wire === undefined) return unfit('the provider has no wire for the model')
  const lost = wire === request.door.dialect.name || request.door.dialect.name !== 'responses' ? [] : needsSameWire(request.json)
  if (lost.length > 0) return cannotSay(lost)
  const call = toCall(options, live, request, wire)
  const said = provider.toProvider(call)
  const written = said.dropped.length === 0 ? said : { ...said, dropped: shownNames(said.dropped) }
  if (visit.strict && written.dropped.length > 0) return cannotSay(written.dropped)
  const unsigned: Record<string, string> = { 'accept-encoding': 'identity' }
  for (const name in live.config.headers) unsigned[name] = live.config.headers[name] ?? ''
  for (const name in written.headers) unsigned[name] = written.headers[name] ?? ''
  const ready = { live, call, request: written, reading: provider.fromProvider(call), unsigned }
  const credential = live.signer.sign(
    { method: 'POST', url: written.url, headers: unsigned, body: written.body },
    visit.exchange.signal,
  )
  if (credential instanceof Promise) return credential.then((headers) => signed(ready, headers), refused)
  return signed(ready, credential)
}

type Unsigned = Pick<Prepared, 'live' | 'call' | 'request' | 'reading'> & { readonly unsigned: Readonly<Record<string, string>> }

function signed({ live, call, request, reading, unsigned }: Unsigned, credential: Readonly<Record<string, string>>): Prepared {
  const { family, quirks } = call.target
  const decodeContext: DecodeContext = {
    family,
    newId,
    ...(quirks === undefined ? {} : { quirks }),
    ...(request.toolNames === undefined ? {} : { toolNames: request.toolNames }),
  }
  return { kind: 'ready', live, call, request, reading, headers: { ...unsigned, ...credential }, decodeContext }
}

function unfit(reason: string): Unfit {
  return { kind: 'unfit', reason }
}

function cannotSay(names: readonly string[]): Unfit {
  const list = names.join(', ')
  const error = new GatewayError('dropped_parameters', `no target can say all of the request: ${list}`, {
    details: { param: names[0], dropped: names },
  })
  return { kind: 'unfit', reason: `cannot say ${list}`, error }
}

function refused(thrown: unknown): Unfit {
  // Text nested so deeply that writing it overflows the stack is the caller's doing.
  const error =
    thrown instanceof RangeError
      ? new GatewayError('invalid_request', 'the body is nested too deeply', { cause: thrown })
      : toGatewayError(thrown)
  return { kind: 'unfit', reason: error.message, error }
}

/** The caller's own wire where the provider speaks it; else the one the target names; else the provider's best. */
function wireFor(request: ModelRequest, target: ModelTarget, wires: readonly WireName[]): WireName | undefined {
  const { dialect, operation } = request.door
  if (operation === 'embeddings') return wires[0]
  if (wires.includes(dialect.name)) return dialect.name
  return target.wire !== undefined && wires.includes(target.wire) ? target.wire : wires[0]
}

function toCall(options: PrepareOptions, live: LiveProvider, request: ModelRequest, wire: WireName): ProviderCall {
  const { visit, target, deps } = options
  const { provider } = live
  const maxOutputTokens = deps.prices.maxOutputTokens(target)
  const isSame = wire === request.door.dialect.name && !options.guarded && !hasPackedSignature(request.bytes)
  const profile: TargetProfile = {
    model: target.model,
    family: provider.family(target.model),
    ...(provider.quirks === undefined ? {} : { quirks: provider.quirks }),
    ...(isSame || !isKnownToReason(deps, target) ? {} : { reasons: true }),
    ...(maxOutputTokens === undefined ? {} : { maxOutputTokens }),
  }
  return {
    operation: request.door.operation,
    wire,
    target: profile,
    ...(target.region === undefined ? {} : { region: target.region }),
    stream: request.stream,
    body: isSame
      ? { kind: 'same', bytes: request.bytes, members: request.members }
      : otherBody(visit, request, wire, profile.family),
    passed: wire === request.door.dialect.name ? visit.passed : {},
  }
}

/** Whether the price file says that the model thinks. One it does not say it of may think all the same. */
function isKnownToReason({ prices }: LlmDeps, target: ModelTarget): boolean {
  return listOf(prices.facts(target)?.['capabilities']).includes('reasoning')
}

function sameBody(request: ModelRequest): RequestBody {
  return { kind: 'same', bytes: request.bytes, members: request.members }
}

function otherBody(visit: ModelVisit, request: ModelRequest, wire: WireName, family: string): RequestBody {
  if (request.door.operation !== 'embeddings') return { kind: 'middle', request: visit.middle(request.json, family) }
  return wire === 'chat' ? sameBody(request) : { kind: 'json', json: request.json }
}
