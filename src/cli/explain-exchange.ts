import { isJsonObject, type JsonObject } from '../core/json.ts'
import { printable } from '../lib/printable.ts'

/** The answer of `GET /admin/v1/exchanges/:id`: ledger entries with their JSON columns opened. */
export interface ExchangeAnswer {
  readonly exchange: string
  readonly attempts: readonly JsonObject[]
}

/** The words a terminal shows for one exchange: who asked, what was decided, each attempt, and what routing considered. */
export function renderExchange({ exchange, attempts }: ExchangeAnswer): string {
  const last = attempts.at(-1) ?? {}
  const text = (key: string): string | undefined => textOf(last[key])
  const who = ['kind', 'org', 'team', 'project', 'agent', 'user'].flatMap((key) => {
    const value = text(key === 'kind' ? 'principalKind' : key)
    return value === undefined ? [] : [`${key} ${value}`]
  })
  const rule = text('rule')
  const facts: [string, string | undefined][] = [
    ['at', typeof last['at'] === 'number' ? new Date(last['at']).toISOString() : undefined],
    ['caller', who.join(', ')],
    ['session', text('session')],
    ['catalog', text('catalog')],
    ['decision', `${text('decision') ?? '?'} (${text('reason') ?? '?'})${rule === undefined ? '' : ` by ${rule}`}`],
    ['error', text('error')],
    ['dropped', text('dropped')],
    ['flags', text('flags')],
    ['revision', text('revision')],
  ]
  const lines = [
    `${(text('status') ?? 'unknown').toUpperCase()} ${text('kind') ?? ''} ${text('target') ?? ''} in exchange ${exchange}`,
    ...facts.flatMap(([name, value]) => (value === undefined ? [] : [`  ${name.padEnd(9)} ${value}`])),
    '',
    'attempts',
    ...attempts.map(attemptLine),
    ...renderConsidered(last['routing']),
    ...renderVerdicts(last['verdicts']),
  ]
  return `${lines.map(printable).join('\n')}\n`
}

/** Lines about targets that routing looked at, in its order; those it would try are numbered. Empty for anything else. */
export function renderConsidered(considered: unknown): string[] {
  if (!Array.isArray(considered) || considered.length === 0) return []
  let place = 0
  const rows = considered.filter(isJsonObject).map((one) => {
    const outcome = textOf(one['outcome']) ?? '?'
    if (outcome === 'candidate') place += 1
    const [mark, word] = outcome === 'candidate' ? [String(place), ''] : ['-', `${outcome}, `]
    return `  ${mark.padEnd(4)} ${textOf(one['target']) ?? '?'}: ${word}${textOf(one['reason']) ?? ''}`
  })
  return ['', 'targets', ...rows]
}

function attemptLine(entry: JsonObject): string {
  const [provider, model, region] = ['provider', 'model', 'region'].map((key) => textOf(entry[key]))
  const target =
    provider === undefined
      ? (textOf(entry['server']) ?? 'no upstream')
      : `${provider}/${model ?? '?'}${region === undefined ? '' : `@${region}`}`
  const parts = [
    textOf(entry['error']),
    unit(entry['upstreamMs'], 'ms'),
    unit(entry['firstTokenMs'], 'ms to the first content'),
    unit(tokensIn(entry), 'tokens in'),
    unit(tokensOut(entry), 'tokens out'),
    typeof entry['nanoUsd'] === 'number' ? `$${entry['nanoUsd'] / 1e9}` : undefined,
    textOf(entry['usageSource']),
  ]
  const facts = parts.filter((part) => part !== undefined).join(', ')
  return `  ${(typeof entry['attempt'] === 'number' ? String(entry['attempt']) : '?').padEnd(4)} ${(textOf(entry['status']) ?? '?').padEnd(9)} ${target}${facts === '' ? '' : `: ${facts}`}`
}

function tokensIn(entry: JsonObject): number | undefined {
  return sum(entry, [
    'inputTokens',
    'cacheReadTokens',
    'cacheWrite5mTokens',
    'cacheWrite1hTokens',
    'inputAudioTokens',
    'inputImageTokens',
  ])
}

function tokensOut(entry: JsonObject): number | undefined {
  return sum(entry, ['outputTokens', 'reasoningTokens', 'outputAudioTokens'])
}

/** The kinds are disjoint; undefined when none is known. */
function sum(entry: JsonObject, keys: readonly string[]): number | undefined {
  const known = keys.map((key) => entry[key]).filter((value) => typeof value === 'number')
  return known.length === 0 ? undefined : known.reduce((total, value) => total + value, 0)
}

function renderVerdicts(verdicts: unknown): string[] {
  if (!Array.isArray(verdicts) || verdicts.length === 0) return []
  const rows = verdicts
    .filter(isJsonObject)
    .map((one) => `  ${['hook', 'evaluator', 'action', 'reason'].flatMap((key) => textOf(one[key]) ?? []).join(' ')}`)
  return ['', 'verdicts', ...rows]
}

function unit(value: unknown, name: string): string | undefined {
  return typeof value === 'number' ? `${Math.round(value)} ${name}` : undefined
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
