// Which era a message belongs to, after mcp-protocol 5.1: the body decides, headers are a cross-check.
import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { Message, NotificationMessage, RequestMessage } from './message.ts'
import { decodeHeaderValue } from './param-headers.ts'
import { eraOf, LOG_LEVELS, META, MODERN_VERSION, SUPPORTED_VERSIONS } from './versions.ts'

/** What a stateless request says of its client. */
export interface Envelope {
  readonly protocolVersion: string
  readonly capabilities: JsonObject
  readonly clientInfo: JsonObject | undefined
  readonly logLevel: string | undefined
}

/** A message with its era. Legacy ones still need their session. */
export type Classified =
  | { readonly kind: 'modern-request'; readonly message: RequestMessage; readonly envelope: Envelope }
  | { readonly kind: 'modern-notification'; readonly message: NotificationMessage }
  | { readonly kind: 'legacy'; readonly message: Message }

/** Requests of the stateless revision; anything else is an unknown method there. */
const MODERN_METHODS = new Set([
  'server/discover',
  'tools/list',
  'tools/call',
  'prompts/list',
  'prompts/get',
  'resources/list',
  'resources/templates/list',
  'resources/read',
  'completion/complete',
  'subscriptions/listen',
])

/** Sorts a message into its era. Throws GatewayError for everything that 5.1 refuses. */
export function classify(message: Message, headers: IncomingHttpHeaders): Classified {
  const headerVersion = single(headers['mcp-protocol-version'])
  if (headerVersion !== undefined && eraOf(headerVersion) === undefined && !hasClaim(message)) throw unsupported(headerVersion)
  const isModernHeader = headerVersion === MODERN_VERSION
  if (message.kind === 'response') {
    if (isModernHeader) throw new GatewayError('invalid_request', `clients of ${MODERN_VERSION} send no responses`)
    return { kind: 'legacy', message }
  }
  if (!hasClaim(message)) {
    if (!isModernHeader) return { kind: 'legacy', message }
    if (message.kind === 'notification') return { kind: 'modern-notification', message }
    throw missingKeys(message.meta)
  }
  const claim = checkClaim(message, headers, headerVersion)
  if (message.kind === 'notification') return { kind: 'modern-notification', message }
  if (!MODERN_METHODS.has(message.method)) throw unknownMethod(message.method)
  return { kind: 'modern-request', message, envelope: claim }
}

/** True when the message itself says that it is stateless. */
export function hasClaim(message: Message): boolean {
  return message.kind !== 'response' && message.meta?.[META.protocolVersion] !== undefined
}

/** What to throw for a method nobody knows. */
export function unknownMethod(method: string): GatewayError {
  return new GatewayError('method_not_found', `Method not found: ${printable(method)}`)
}

/** A caller's own text, cut and without control characters, so that it can be quoted in an error. */
export function printable(text: string): string {
  return text.slice(0, 200).replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?')
}

/** The value of a header that is given at most once. */
export function single(value: string | readonly string[] | undefined): string | undefined {
  return typeof value === 'object' ? value[0] : value?.trim()
}

type Call = RequestMessage | NotificationMessage

function checkClaim(message: Call, headers: IncomingHttpHeaders, headerVersion: string | undefined): Envelope {
  const claimed = message.meta?.[META.protocolVersion]
  if (typeof claimed !== 'string') throw invalid(`"${META.protocolVersion}" must be a text`)
  if (headerVersion !== claimed) {
    throw mismatch(
      headerVersion === undefined ? 'the header MCP-Protocol-Version is missing' : 'MCP-Protocol-Version differs from the body',
    )
  }
  if (claimed !== MODERN_VERSION) throw unsupported(claimed)
  const envelope = readEnvelope(message.meta ?? {}, claimed)
  if (message.kind === 'request') checkMirrors(message, headers)
  return envelope
}

function readEnvelope(meta: JsonObject, protocolVersion: string): Envelope {
  const capabilities = meta[META.clientCapabilities]
  const clientInfo = meta[META.clientInfo]
  const logLevel = meta[META.logLevel]
  const token = meta['progressToken']
  if (capabilities === undefined) throw missingKeys(meta)
  if (!isJsonObject(capabilities)) throw invalid(`"${META.clientCapabilities}" must be an object`)
  if (clientInfo !== undefined && !isJsonObject(clientInfo)) throw invalid(`"${META.clientInfo}" must be an object`)
  if (logLevel !== undefined && !(typeof logLevel === 'string' && LOG_LEVELS.includes(logLevel))) {
    throw invalid(`"${META.logLevel}" must be one of ${LOG_LEVELS.join(', ')}`)
  }
  if (token !== undefined && typeof token !== 'string' && !Number.isSafeInteger(token)) {
    throw invalid('"progressToken" must be a text or an integer')
  }
  return { protocolVersion, capabilities, clientInfo, logLevel }
}

/** The argument that `Mcp-Name` mirrors, by method. */
const NAMED_BY: Readonly<Record<string, string>> = { 'tools/call': 'name', 'prompts/get': 'name', 'resources/read': 'uri' }

function checkMirrors(message: RequestMessage, headers: IncomingHttpHeaders): void {
  const method = single(headers['mcp-method'])
  if (method === undefined) throw mismatch('the header Mcp-Method is missing')
  if (method !== message.method) throw mismatch('Mcp-Method differs from the method of the body')
  const member = NAMED_BY[message.method]
  if (member === undefined) return
  const named = message.params[member]
  if (typeof named !== 'string') throw invalid(`"${member}" must be a text`)
  const header = single(headers['mcp-name'])
  if (header === undefined) throw mismatch('the header Mcp-Name is missing')
  if (decodeHeaderValue(header) !== named) throw mismatch(`Mcp-Name differs from "${member}" of the body`)
}

function missingKeys(meta: JsonObject | undefined): GatewayError {
  const missing = [META.protocolVersion, META.clientCapabilities].filter((key) => meta?.[key] === undefined)
  return invalid(`"_meta" lacks ${missing.map((key) => `"${key}"`).join(' and ')}`)
}

const invalid = (message: string) => new GatewayError('invalid_params', message)
const mismatch = (message: string) => new GatewayError('header_mismatch', message)

function unsupported(requested: string): GatewayError {
  const details = { supported: SUPPORTED_VERSIONS, requested: printable(requested) }
  return new GatewayError('unsupported_version', `unsupported protocol version; known: ${SUPPORTED_VERSIONS.join(', ')}`, {
    details,
  })
}
