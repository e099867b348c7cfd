// How the claims of a token become a principal. Each field has a list of sources; the first that answers wins. A source answers a
// single-valued field with a non-empty string, an integer, or a list of exactly one of these; anything else is no answer.
import type { Claims, ClaimSource, Issuer } from '../config/identity.ts'
import { isJsonObject, type JsonObject } from '../core/json.ts'
import type { Principal } from '../core/principal.ts'
import { parseJsonPointer, readJsonPointer } from '../lib/json-pointer.ts'
import { denied } from './denial.ts'

/** Compiles a CEL expression over named variables; lent, because this room does not know the language. Throws on a bad expression. */
export type CompileExpression = (
  source: string,
  variables: readonly 'claims'[],
) => (context: Readonly<Record<string, unknown>>) => unknown

/** What the claims of one token say. */
export interface MappedClaims {
  readonly principal: Principal
  readonly session?: string
}

type Read = (claims: JsonObject) => unknown
type Field = keyof Claims
type Readers = Readonly<Record<Field, readonly Read[]>>

const FIELDS: readonly Field[] = ['kind', 'org', 'team', 'project', 'agent', 'user', 'groups', 'roles', 'scopes', 'session']
const MAX_TEXT = 256
/** One string of scopes holds many. */
const MAX_SCOPE_TEXT = 65_536
const MAX_LIST = 2_000

/** Prepares the claim mapping of one issuer. */
export function createClaimMapping(issuer: Issuer, compileExpression: CompileExpression): (claims: JsonObject) => MappedClaims {
  const entries = FIELDS.map((field) => [
    field,
    sourcesOf(issuer.claims[field]).map((source) => toReader(source, compileExpression)),
  ])
  // The entries hold every field by construction.
  const readers = Object.fromEntries(entries) as Readers
  return (claims) => mapClaims(claims, readers)
}

function mapClaims(claims: JsonObject, readers: Readers): MappedClaims {
  const { iss, sub } = claims
  if (typeof iss !== 'string' || typeof sub !== 'string' || sub === '') throw denied('no_subject')
  const text = (field: Field) => firstText(claims, readers[field])
  const groups = readList(claims, readers.groups)
  if (groups.length === 0 && hasGroupOverage(claims)) throw denied('group_overage')
  const agent = text('agent')
  const user = text('user')
  const kind = kindOf(claims, text('kind'), agent)
  const optional = {
    org: text('org'),
    team: text('team'),
    project: text('project'),
    agent,
    // A program that acts for itself has no user; the default mapping would name the program.
    user: kind === 'user' || user !== sub ? user : undefined,
  }
  const principal: Principal = {
    issuer: iss,
    subject: checkText(sub, MAX_TEXT),
    kind,
    ...dropUndefined(optional),
    groups,
    roles: readList(claims, readers.roles),
    scopes: readList(claims, readers.scopes, MAX_SCOPE_TEXT).flatMap((scope) => scope.split(' ').filter((part) => part !== '')),
  }
  const session = text('session')
  return { principal, ...(session === undefined ? {} : { session }) }
}

/**
 * What the subject is. The mapped value when it is one of the three; else a program when the issuer says that no user took part
 * (client credentials: the subject is the client, or `gty`/`idtyp` say so): `agent` when it names an actor or agent, `service`
 * otherwise; else a user, also when an agent acts for them (that agent is `agent`).
 */
function kindOf(claims: JsonObject, mapped: string | undefined, agent: string | undefined): Principal['kind'] {
  if (mapped === 'user' || mapped === 'agent' || mapped === 'service') return mapped
  const { sub, azp, client_id: client, gty, idtyp } = claims
  const isProgram = sub === agent || sub === azp || sub === client || gty === 'client-credentials' || idtyp === 'app'
  if (!isProgram) return 'user'
  return agent !== undefined && agent !== azp && agent !== client ? 'agent' : 'service'
}

/** Entra leaves the groups out when there are more than fit and points elsewhere; "no groups" would be a wrong answer. */
function hasGroupOverage(claims: JsonObject): boolean {
  const names = claims['_claim_names']
  return claims['hasgroups'] === true || (isJsonObject(names) && names['groups'] !== undefined)
}

function sourcesOf(claim: Claims[Field]): readonly ClaimSource[] {
  if (claim === undefined) return []
  return Array.isArray(claim) ? claim : [claim]
}

function toReader(source: ClaimSource, compileExpression: CompileExpression): Read {
  if (typeof source === 'string') {
    const tokens = parseJsonPointer(source)
    return (claims) => readJsonPointer(claims, tokens)
  }
  const evaluate = compileExpression(source.cel, ['claims'])
  return (claims) => {
    try {
      return evaluate({ claims })
    } catch {
      // An expression over a claim this token does not have is a source without an answer.
      return undefined
    }
  }
}

function firstText(claims: JsonObject, readers: readonly Read[]): string | undefined {
  for (const read of readers) {
    const answer = read(claims)
    const list: readonly unknown[] = Array.isArray(answer) ? answer : [answer]
    const text = list.length === 1 ? toText(list[0], MAX_TEXT) : undefined
    if (text !== undefined) return text
  }
  return undefined
}

function readList(claims: JsonObject, readers: readonly Read[], maxText = MAX_TEXT): readonly string[] {
  for (const read of readers) {
    const answer = read(claims)
    const list: readonly unknown[] = Array.isArray(answer) ? answer : [answer]
    if (list.length > MAX_LIST) throw denied('malformed')
    const texts = list.map((value) => toText(value, maxText)).filter((text) => text !== undefined)
    if (texts.length > 0) return [...new Set(texts)]
  }
  return []
}

function toText(value: unknown, maxText: number): string | undefined {
  if (typeof value === 'string' && value !== '') return checkText(value, maxText)
  if (typeof value === 'bigint' || Number.isSafeInteger(value)) return String(value)
  return undefined
}

/** Bounded and free of control characters: these texts become keys, log fields and headers. */
function checkText(text: string, maxText: number): string {
  if (text.length > maxText || /\p{Cc}/u.test(text)) throw denied('malformed')
  return text
}

function dropUndefined(fields: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(fields).filter((entry): entry is [string, string] => entry[1] !== undefined))
}
