import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Era } from '../../core/snapshot.ts'
import type { JsonRpcError, ServerFacts } from './contract.ts'
import { LEGACY_VERSIONS, MODERN_VERSION, OFFERED_VERSION, toEnvelope } from './rpc-envelope.ts'
import type { Outcome, RpcPeer } from './rpc-peer.ts'

/** What it takes to open a conversation. */
export interface HandshakeOptions {
  readonly server: string
  /** `auto` asks the server; the others are the operator's pin. */
  readonly era: 'auto' | Era
  /** What an earlier conversation found; spares the probe of a legacy server, gives a modern one more time. */
  readonly known?: Era
  readonly clientInfo: JsonObject
  /** Client capabilities declared to a legacy server for the whole conversation. */
  readonly capabilities: JsonObject
  /** How long `server/discover` may take before `initialize` is tried as well. */
  readonly probeMs: number
  /** How long the server may take to answer what decides. */
  readonly answerMs: number
}

// The three errors only a modern server knows; its `supported` says which versions it has.
const MODERN_ERRORS: readonly number[] = [-32_020, -32_021, -32_022]

/**
 * Opens a conversation and learns the server's era: `server/discover` first; any answer that is not modern, or none within the probe
 * time, means `initialize`. A slow modern server that refuses to initialize, or answers the discovery first, is still taken as modern.
 */
export async function openConversation(peer: RpcPeer, options: HandshakeOptions): Promise<ServerFacts> {
  const era = options.era === 'auto' && options.known === 'legacy' ? 'legacy' : options.era
  const facts = await withTime(
    options.answerMs,
    options.server,
    era === 'legacy' ? initialize(peer, options) : detect(peer, options),
  )
  if (facts.era === 'legacy') await peer.tell('notifications/initialized')
  return facts
}

async function detect(peer: RpcPeer, options: HandshakeOptions): Promise<ServerFacts> {
  const discovery = discover(peer, options)
  const pinned = options.era === 'modern'
  const quick = pinned
    ? await discovery
    : await Promise.race([discovery, after(options.known === 'modern' ? options.answerMs : options.probeMs)])
  if (quick !== undefined && quick !== 'legacy') return quick
  if (pinned) throw new GatewayError('upstream_invalid', `server "${options.server}" does not speak ${MODERN_VERSION}`)
  const initialized = initialize(peer, options)
  if (quick === 'legacy') return await initialized
  // A refusal to initialize does not decide while a modern answer may still come.
  const late = discovery.then((found) => (found === 'legacy' ? initialized : found))
  return await Promise.any([initialized, late]).catch(() => initialized)
}

async function discover(peer: RpcPeer, options: HandshakeOptions): Promise<ServerFacts | 'legacy'> {
  const outcome = await ask(peer, 'server/discover', { _meta: toEnvelope(options.clientInfo, options.capabilities) })
  if (outcome.kind === 'error') return isModernError(outcome.error) ? toFacts({ supportedVersions: [MODERN_VERSION] }) : 'legacy'
  const versions = outcome.result['supportedVersions']
  return Array.isArray(versions) && versions.includes(MODERN_VERSION) ? toFacts(outcome.result) : 'legacy'
}

function isModernError({ code, data }: JsonRpcError): boolean {
  const supported = isJsonObject(data) ? data['supported'] : undefined
  return MODERN_ERRORS.includes(code) && (!Array.isArray(supported) || supported.includes(MODERN_VERSION))
}

function toFacts(result: JsonObject): ServerFacts {
  const meta = isJsonObject(result['_meta']) ? result['_meta'] : {}
  return { era: 'modern', protocolVersion: MODERN_VERSION, ...describe(result, meta['io.modelcontextprotocol/serverInfo']) }
}

async function initialize(peer: RpcPeer, { server, clientInfo, capabilities }: HandshakeOptions): Promise<ServerFacts> {
  const outcome = await ask(peer, 'initialize', { protocolVersion: OFFERED_VERSION, capabilities, clientInfo })
  if (outcome.kind === 'error') throw new GatewayError('upstream_invalid', `server "${server}" refused to initialize`)
  const protocolVersion = outcome.result['protocolVersion']
  if (typeof protocolVersion !== 'string' || !LEGACY_VERSIONS.includes(protocolVersion)) {
    throw new GatewayError('upstream_invalid', `server "${server}" speaks no protocol version known here`)
  }
  return { era: 'legacy', protocolVersion, ...describe(outcome.result, outcome.result['serverInfo']) }
}

function describe(result: JsonObject, serverInfo: unknown): Omit<ServerFacts, 'era' | 'protocolVersion'> {
  const { capabilities, instructions } = result
  return {
    capabilities: isJsonObject(capabilities) ? capabilities : {},
    ...(isJsonObject(serverInfo) ? { serverInfo } : {}),
    ...(typeof instructions === 'string' ? { instructions } : {}),
  }
}

/** Asks outside any call; a link that breaks rejects. */
function ask(peer: RpcPeer, method: string, params: JsonObject): Promise<Exclude<Outcome, { kind: 'failed' }>> {
  return new Promise((resolve, reject) => {
    peer.ask(
      method,
      () => params,
      (outcome) => (outcome.kind === 'failed' ? reject(outcome.error) : resolve(outcome)),
    )
  })
}

function after(ms: number): Promise<undefined> {
  return new Promise((resolve) => setTimeout(resolve, ms, undefined).unref())
}

async function withTime(ms: number, server: string, facts: Promise<ServerFacts>): Promise<ServerFacts> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    const error = new GatewayError('upstream_timeout', `server "${server}" did not answer the handshake within ${ms} ms`)
    timer = setTimeout(reject, ms, error)
  })
  try {
    return await Promise.race([facts, late])
  } finally {
    clearTimeout(timer)
  }
}
