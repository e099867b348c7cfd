import { compileCondition, MODEL_VARIABLES } from '../lib/condition.ts'
import { asObject } from './import-work.ts'

/** Why a condition cannot be said here. */
export class ConditionError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'ConditionError'
  }
}

const COMPARISONS: Readonly<Record<string, string>> = { $eq: '==', $ne: '!=', $gt: '>', $gte: '>=', $lt: '<', $lte: '<=' }
const PARAMS: Readonly<Record<string, string>> = {
  model: 'request.model',
  stream: 'request.stream',
  max_tokens: 'request.maxTokens',
  max_completion_tokens: 'request.maxTokens',
  max_output_tokens: 'request.maxTokens',
}
const MAX_DEPTH = 16

/** A query of Portkey as CEL over the request and the caller. Throws a ConditionError for what cannot be said. */
export function toCondition(query: unknown): string {
  const source = conjunction(query, 0)
  try {
    compileCondition(source, MODEL_VARIABLES)
  } catch (error) {
    throw new ConditionError(`it does not compile: ${error instanceof Error ? error.message : 'unknown reason'}`)
  }
  return source
}

function conjunction(query: unknown, depth: number): string {
  if (depth > MAX_DEPTH) throw new ConditionError('it is nested too deep')
  const parts = Object.entries(asObject(query)).map(([field, value]) => {
    if (field === '$and' || field === '$or') return group(field, value, depth)
    return comparison(field, value)
  })
  if (parts.length === 0) throw new ConditionError('the query is empty')
  return parts.length === 1 ? (parts[0] ?? '') : `(${parts.join(' && ')})`
}

function group(operator: '$and' | '$or', value: unknown, depth: number): string {
  if (!Array.isArray(value) || value.length === 0) throw new ConditionError(`${operator} needs a list`)
  return `(${value.map((item) => conjunction(item, depth + 1)).join(operator === '$and' ? ' && ' : ' || ')})`
}

function comparison(field: string, value: unknown): string {
  const { term, exists } = termOf(field)
  const isPlain = typeof value !== 'object' || value === null
  const operators: [string, unknown][] = isPlain ? [['$eq', value]] : Object.entries(value)
  const parts = operators.map(([operator, operand]) => operation(term, operator, operand))
  if (parts.length === 0) throw new ConditionError(`${field} is compared with nothing`)
  return `(${[...exists, ...parts].join(' && ')})`
}

function operation(term: string, operator: string, operand: unknown): string {
  const symbol = COMPARISONS[operator]
  if (symbol !== undefined) return `${term} ${symbol} ${literal(operand)}`
  if (operator === '$in' || operator === '$nin') {
    if (!Array.isArray(operand)) throw new ConditionError(`${operator} needs a list`)
    const list = `${term} in [${operand.map(literal).join(', ')}]`
    return operator === '$in' ? list : `!(${list})`
  }
  if (operator === '$regex' && typeof operand === 'string') return `${term}.matches(${literal(operand)})`
  throw new ConditionError(`there is no operator ${operator}`)
}

/** Where a field stands here. What may be absent is asked for first: an error would count as false under "not" too. */
function termOf(field: string): { readonly term: string; readonly exists: readonly string[] } {
  const [, room, name = ''] = /^(metadata|params)\.(.+)$/s.exec(field) ?? []
  if (room === 'metadata') {
    if (name === '_user') return { term: 'principal.user', exists: [] }
    const key = JSON.stringify(name)
    return { term: `request.metadata[${key}]`, exists: ['has(request.metadata)', `${key} in request.metadata`] }
  }
  const term = room === 'params' && Object.hasOwn(PARAMS, name) ? PARAMS[name] : undefined
  if (term !== undefined) return { term, exists: [] }
  throw new ConditionError(`"${field}" is not known of a request: model, stream, max_tokens and metadata are`)
}

function literal(value: unknown): string {
  if (typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value)))
    return JSON.stringify(value)
  throw new ConditionError('values are texts, numbers, true and false')
}
