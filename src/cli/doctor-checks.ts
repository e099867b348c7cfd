import type { Issuer } from '../config/identity.ts'
import { describe } from './bridge/flight.ts'
import { fetchText, type TextAnswer } from './fetch-text.ts'
import type { CliIo } from './io.ts'

/** What one check found. `fix` says what to do when it is not `ok`. */
export interface Finding {
  readonly check: string
  readonly outcome: 'ok' | 'warn' | 'fail'
  readonly message: string
  readonly fix?: string
}

const MAX_SKEW_SECONDS = 30
const LIST = '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}'
const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' }

/** A health door. */
export async function checkProbe(check: string, url: URL, signal: AbortSignal): Promise<Finding> {
  try {
    const { status, body } = await fetchText(url, { signal })
    if (status === 200) return { check, outcome: 'ok', message: url.href }
    return {
      check,
      outcome: 'fail',
      message: `${url.href} answers HTTP ${status}: ${oneLine(body)}`,
      fix: 'the answer names what is missing; "tollgate validate" checks the files',
    }
  } catch (error) {
    return {
      check,
      outcome: 'fail',
      message: `${url.href}: ${describe(error)}`,
      fix: 'start it with "npm start" or "tollgate start", or name its configuration with --config',
    }
  }
}

/** Asks the MCP door without a credential, as every client does first. */
export async function checkChallenge(
  endpoint: string,
  signal: AbortSignal,
  wantsChallenge: boolean,
): Promise<{ readonly finding: Finding; readonly answer?: TextAnswer }> {
  const check = 'challenge'
  try {
    const answer = await fetchText(new URL(endpoint), { method: 'POST', headers: HEADERS, body: LIST, signal })
    return { finding: { check, ...judgeChallenge(answer, endpoint, wantsChallenge) }, answer }
  } catch (error) {
    const fix = 'check publicUrl, DNS, TLS and what stands between here and the data listener'
    return { finding: { check, outcome: 'fail', message: `${endpoint}: ${describe(error)}`, fix } }
  }
}

function judgeChallenge({ status, headers }: TextAnswer, endpoint: string, wantsChallenge: boolean): Omit<Finding, 'check'> {
  if (!wantsChallenge) {
    if (status !== 401)
      return {
        outcome: 'warn',
        message: `${endpoint} serves callers without a credential`,
        fix: 'remove "anonymous" from "identity" unless that is meant',
      }
    return {
      outcome: 'fail',
      message: `${endpoint} answers 401 although "anonymous" is set`,
      fix: 'see that this gateway runs this configuration',
    }
  }
  if (status !== 401)
    return {
      outcome: 'fail',
      message: `${endpoint} answers HTTP ${status} without a credential, not 401`,
      fix: 'see that publicUrl leads to this gateway and no proxy answers in its place',
    }
  const given = headers['www-authenticate'] ?? ''
  const named = /^Bearer\b.*\bresource_metadata="([^"]+)"/.exec(given)?.[1]
  if (named === undefined)
    return {
      outcome: 'fail',
      message: `401 without Bearer resource_metadata in WWW-Authenticate (${given || 'absent'})`,
      fix: 'let the proxy pass WWW-Authenticate on',
    }
  if (named !== metadataUrl(endpoint)) {
    return {
      outcome: 'fail',
      message: `the challenge points to ${named}, clients expect ${metadataUrl(endpoint)}`,
      fix: 'set publicUrl to the URL that callers use',
    }
  }
  return { outcome: 'ok', message: `401 with resource_metadata at ${endpoint}` }
}

/** The RFC 9728 document of an endpoint: there, and about this endpoint. */
export async function checkResourceMetadata(endpoint: string, signal: AbortSignal): Promise<Finding> {
  const check = 'metadata'
  const url = metadataUrl(endpoint)
  try {
    const { status, body } = await fetchText(new URL(url), { signal })
    if (status !== 200)
      return { check, outcome: 'fail', message: `${url} answers HTTP ${status}`, fix: 'let the proxy pass /.well-known/ on' }
    const document = toObject(body)
    if (document?.['resource'] !== endpoint) {
      return {
        check,
        outcome: 'fail',
        message: `${url} is about ${String(document?.['resource'])}, not ${endpoint}`,
        fix: 'set publicUrl to the URL that callers use',
      }
    }
    const servers = document['authorization_servers']
    const count = Array.isArray(servers) ? servers.length : 0
    if (count > 0) return { check, outcome: 'ok', message: `${url} names ${count} authorization server${count === 1 ? '' : 's'}` }
    return {
      check,
      outcome: 'warn',
      message: `${url} names no authorization server`,
      fix: 'clients that sign in with OAuth need one in "identity.issuers"; tokens and keys work without',
    }
  } catch (error) {
    return { check, outcome: 'fail', message: `${url}: ${describe(error)}`, fix: 'let the proxy pass /.well-known/ on' }
  }
}

/** The keys of an issuer: reachable, and its metadata is about this issuer. */
export async function checkIssuer({ issuer, jwks }: Issuer, io: Pick<CliIo, 'signal'>): Promise<Finding> {
  const check = 'issuer'
  if (!('url' in jwks) && !('discovery' in jwks))
    return { check, outcome: 'ok', message: `${issuer} (keys in the configuration)` }
  try {
    const url = 'url' in jwks ? jwks.url : await discover(issuer, io.signal)
    const { status, body } = await fetchText(new URL(url), { signal: io.signal })
    const keys = status === 200 ? toObject(body)?.['keys'] : undefined
    if (!Array.isArray(keys) || keys.length === 0) throw new Error(`${url} answers HTTP ${status} without keys`)
    return { check, outcome: 'ok', message: `${issuer} has ${keys.length} key${keys.length === 1 ? '' : 's'} at ${url}` }
  } catch (error) {
    return {
      check,
      outcome: 'fail',
      message: `${issuer}: ${describe(error)}`,
      fix: 'check the issuer and its jwks in tollgate.json, and that this machine may reach it',
    }
  }
}

/** `jwks_uri` from the OpenID metadata, else from RFC 8414's, whose well-known part stands in front of the path. */
async function discover(issuer: string, signal: AbortSignal): Promise<string> {
  const { origin, pathname } = new URL(issuer)
  const path = pathname.replace(/\/+$/, '')
  const tried = [`${origin}${path}/.well-known/openid-configuration`, `${origin}/.well-known/oauth-authorization-server${path}`]
  for (const url of tried) {
    const { status, body } = await fetchText(new URL(url), { signal })
    const document = status === 200 ? toObject(body) : undefined
    if (document === undefined) continue
    if (document['issuer'] !== issuer) throw new Error(`${url} is about the issuer ${String(document['issuer'])}`)
    if (typeof document['jwks_uri'] === 'string') return document['jwks_uri']
  }
  throw new Error(`no metadata with jwks_uri at ${tried.join(' or ')}`)
}

/** Tokens have times on them: both clocks must agree. */
export function checkClock(date: string | undefined, now: Date): Finding {
  const check = 'clock'
  const theirs = Date.parse(date ?? '')
  if (Number.isNaN(theirs)) return { check, outcome: 'warn', message: 'the gateway sends no Date header to compare with' }
  const seconds = Math.round(Math.abs(theirs - now.getTime()) / 1_000)
  if (seconds <= MAX_SKEW_SECONDS) return { check, outcome: 'ok', message: `within ${seconds} s of the gateway's` }
  return {
    check,
    outcome: 'fail',
    message: `${seconds} s off the gateway's`,
    fix: 'synchronise the clocks (NTP); tokens are refused outside "skewSeconds"',
  }
}

/** Where clients look for the metadata of an endpoint (RFC 9728 3.1). */
function metadataUrl(endpoint: string): string {
  const { origin, pathname } = new URL(endpoint)
  return `${origin}/.well-known/oauth-protected-resource${pathname}`
}

function toObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    // The branches above leave nothing but an object.
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function oneLine(text: string): string {
  return text.replaceAll(/\s+/g, ' ').trim().slice(0, 300)
}
