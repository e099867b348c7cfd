import { isJsonObject } from '../core/json.ts'
import type { Principal } from '../core/principal.ts'

const TEXTS = ['issuer', 'subject', 'org', 'team', 'project', 'agent', 'user'] as const
const LISTS = ['groups', 'roles', 'scopes'] as const
const KINDS = ['user', 'agent', 'service'] as const
const KNOWN = ['kind', ...TEXTS, ...LISTS].join(', ')

/**
 * Reads `--principal`: JSON, or pairs such as `team=research,user=ann,roles=a|b`. What is left out gets a value that no real
 * credential has, so that nothing is granted by accident.
 */
export function parsePrincipal(text: string): Principal {
  const given = text.trimStart().startsWith('{') ? parseJsonForm(text) : parsePairs(text)
  const unknown = Object.keys(given).find((key) => !KNOWN.split(', ').includes(key))
  if (unknown !== undefined) throw new Error(`--principal has no "${unknown}"; known: ${KNOWN}`)
  const texts = Object.fromEntries(TEXTS.flatMap((key) => (given[key] === undefined ? [] : [[key, asText(key, given[key])]])))
  const [groups = [], roles = [], scopes = []] = LISTS.map((key) => asList(key, given[key]))
  const kind = given['kind'] === undefined ? undefined : KINDS.find((known) => known === given['kind'])
  if (given['kind'] !== undefined && kind === undefined) throw new Error(`--principal: "kind" must be one of ${KINDS.join(', ')}`)
  const fallback = texts['user'] === undefined && texts['agent'] !== undefined ? 'agent' : 'user'
  return { issuer: 'urn:tollgate:explain', subject: 'explain', ...texts, kind: kind ?? fallback, groups, roles, scopes }
}

function parseJsonForm(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    if (isJsonObject(value)) return value
  } catch (error) {
    throw new Error(`--principal is not valid JSON: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
  }
  throw new Error('--principal must be a JSON object or pairs such as team=research,user=ann')
}

function parsePairs(text: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    text.split(',').map((pair) => {
      const [, key = '', value = ''] = /^\s*(\w+)=(.*)$/.exec(pair) ?? []
      if (key === '') throw new Error(`--principal: "${pair}" is not a pair such as team=research; known: ${KNOWN}`)
      return [key, LISTS.some((list) => list === key) ? value.split('|').filter((part) => part !== '') : value.trim()]
    }),
  )
}

function asText(key: string, value: unknown): string {
  if (typeof value !== 'string' || value === '') throw new Error(`--principal: "${key}" must be text`)
  return value
}

function asList(key: string, value: unknown): readonly string[] {
  if (value === undefined) return []
  if (typeof value === 'string') return [value]
  if (Array.isArray(value) && value.every((part) => typeof part === 'string')) return value
  throw new Error(`--principal: "${key}" must be a list of texts`)
}
