// Expressions in CEL (https://cel.dev), for catalogs, audiences and claim mappings.
// 1. An expression is parsed and type-checked once, against a closed list of variables. 2. Values become CEL values: whole numbers are
// int, other numbers double, objects maps, so that a caller cannot reach a prototype. 3. While listing there are no arguments and no
// request: what needs them fails inside the evaluator, and && || exists all absorb a failed side as the specification says, which is Kleene's logic.
// It does not promise to find every expression that can never be true: a failure beside a missing argument counts as unknown.
import { Environment } from '@marcbachmann/cel-js'
import { compilePattern } from './linear-pattern.ts'

type Variable = 'principal' | 'args' | 'request' | 'tool' | 'time' | 'claims'
type Node = { readonly op: string; readonly args: unknown; readonly start: number }

/** Values a condition may look at; without `args` or `request` whatever depends on them is unknown. */
type ConditionContext = {
  readonly principal: unknown
  readonly tool?: unknown
  readonly args?: unknown
  readonly request?: unknown
  readonly time: Date
}

type ConditionOutcome =
  | { readonly kind: 'true' }
  | { readonly kind: 'false' }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'error'; readonly message: string }

/** A compiled condition; `evaluate` never throws. */
type Condition = { readonly source: string; evaluate(context: ConditionContext): ConditionOutcome }

const CONDITION_VARIABLES: readonly Variable[] = ['principal', 'args', 'tool', 'time']
/** What conditions on models may name. */
export const MODEL_VARIABLES: readonly Variable[] = ['principal', 'request', 'time']
/** Identity fields a credential may leave out; a condition sees the empty string, so that one absent field does not fail a whole rule. */
const OPTIONAL_PRINCIPAL_FIELDS = ['org', 'team', 'project', 'agent', 'user'] as const
const PRINCIPAL_LISTS = ['groups', 'roles', 'scopes'] as const
/** What conditions know of a model request (core/condition.ts). */
const REQUEST_FIELDS: Readonly<Record<string, string>> = Object.fromEntries(
  ['model', 'dialect', 'operation', 'stream', 'maxTokens', 'inputTokens', 'tools', 'images', 'reasoning', 'metadata'].map(
    (field) => [field, 'dyn'],
  ),
)
/** What a principal has, for the check of names alone: a misspelt field would never be there, and the condition never true. */
const PRINCIPAL_FIELDS: Readonly<Record<string, string>> = {
  ...Object.fromEntries(['issuer', 'subject', 'kind', ...OPTIONAL_PRINCIPAL_FIELDS].map((field) => [field, 'string'])),
  ...Object.fromEntries(PRINCIPAL_LISTS.map((field) => [field, 'list'])),
}
const MAX_PATTERN_TEXT = 16_384
/** Most element visits nested loops may take over what a caller sent: `args.a.all(x, args.a.all(y, ...))` squares its size. */
const MAX_VISITS = 1_000_000
const MAX_LOOP_DEPTH = 4
const TIMESTAMP = 'google.protobuf.Timestamp'
const LOOPS = new Set(['all', 'exists', 'exists_one', 'map', 'filter'])

const environment = new Environment({ homogeneousAggregateLiterals: false, limits: { maxAstNodes: 2_000, maxDepth: 64 } })
  .registerFunction('string.matchesLinear(string): bool', matchesLinear)
  .registerFunction('matches(string, string): bool', matchesLinear)

/**
 * Compiles an expression that answers true or false. `variables` are those it may name, by default principal, args, tool and time.
 * Throws an Error with the position of the first fault.
 */
export function compileCondition(source: string, variables: readonly Variable[] = CONDITION_VARIABLES): Condition {
  const program = compile(source, variables)
  if (program.type !== 'bool' && program.type !== 'dyn')
    throw new Error(`the expression answers ${program.type}, not true or false`)
  return { source, evaluate: (context) => evaluateCondition(program, context) }
}

/** Compiles an expression that answers any value, returned as plain JSON. The compiled function throws when it cannot be evaluated. */
export function compileExpression(
  source: string,
  variables: readonly Variable[],
): (context: Readonly<Record<string, unknown>>) => unknown {
  const program = compile(source, variables)
  return (context) => {
    const values = new Map(variables.map((name) => [name as string, toCel(context[name], { count: 0, textLength: 0 })]))
    return fromCel(program.run(values))
  }
}

/**
 * Throws for a field no principal, or no model request, has: such a condition could never be true. Only operator files are held to it, when
 * they are read. The expression is type-checked again with known fields; other findings are the business of `compileCondition`.
 */
export function checkKnownFields(source: string, variables: readonly Variable[] = CONDITION_VARIABLES): void {
  for (const { name, schema } of KNOWN_FIELDS) {
    if (!variables.includes(name)) continue
    const scope = environment.clone().registerVariable({ name, schema })
    for (const other of variables) if (other !== name) scope.registerVariable(other, other === 'time' ? TIMESTAMP : 'map')
    const { error } = scope.parse(source).check()
    const field = /^No such key: (\w+)$/.exec(summaryOf(error))?.[1]
    if (error === undefined || field === undefined || field in schema) continue
    const summary = `a ${name} has no "${field}"; it has ${Object.keys(schema).join(', ')}`
    throw describe({ summary, range: error.range }, source, variables)
  }
}

const KNOWN_FIELDS: readonly { readonly name: Variable; readonly schema: Readonly<Record<string, string>> }[] = [
  { name: 'principal', schema: PRINCIPAL_FIELDS },
  { name: 'request', schema: REQUEST_FIELDS },
]

const TRUE: ConditionOutcome = { kind: 'true' }
const FALSE: ConditionOutcome = { kind: 'false' }
const UNKNOWN: ConditionOutcome = { kind: 'unknown' }

type Program = {
  readonly type: string
  /** Names of the variables it looks at. */
  readonly uses: ReadonlySet<string>
  readonly loopDepth: number
  readonly splitsText: boolean
  run(values: ReadonlyMap<string, unknown>): unknown
}

/** What a caller sends, and what is not known while listing. */
const SENT = ['args', 'request'] as const

function evaluateCondition(program: Program, context: ConditionContext): ConditionOutcome {
  const isUnknown = SENT.some((name) => context[name] === undefined && program.uses.has(name))
  try {
    const answer = program.run(valuesOf(program, context))
    if (typeof answer === 'boolean') return answer ? TRUE : FALSE
    return { kind: 'error', message: 'the expression did not answer true or false' }
  } catch (error) {
    if (isUnknown) return UNKNOWN
    return { kind: 'error', message: summaryOf(error) }
  }
}

function valuesOf(program: Program, context: ConditionContext): Map<string, unknown> {
  const values = new Map<string, unknown>()
  if (program.uses.has('time')) values.set('time', context.time)
  if (program.uses.has('principal')) values.set('principal', converted(context.principal, withPrincipalDefaults).value)
  if (program.uses.has('tool') && context.tool !== undefined) values.set('tool', converted(context.tool).value)
  for (const name of SENT) {
    if (!program.uses.has(name) || context[name] === undefined) continue
    const { value, weight } = converted(context[name])
    const visits = (weight.count + (program.splitsText ? weight.textLength : 0)) ** program.loopDepth
    if (program.loopDepth > 1 && visits > MAX_VISITS)
      throw new Error(`the ${name === 'args' ? 'arguments are' : 'request is'} too large for the loops of this expression`)
    values.set(name, value)
  }
  return values
}

type Weight = { count: number; textLength: number }
type Converted = { readonly value: unknown; readonly weight: Weight }

/** Conversions of values that do not change while they live; several conditions look at the same ones. */
const conversions = new WeakMap<object, Converted>()

function converted(input: unknown, finish: (value: unknown) => unknown = (value) => value): Converted {
  const known = typeof input === 'object' && input !== null ? conversions.get(input) : undefined
  if (known !== undefined) return known
  const weight = { count: 0, textLength: 0 }
  const conversion = { value: finish(toCel(input, weight)), weight }
  if (typeof input === 'object' && input !== null) conversions.set(input, conversion)
  return conversion
}

function withPrincipalDefaults(value: unknown): unknown {
  if (!(value instanceof Map)) return value
  for (const field of OPTIONAL_PRINCIPAL_FIELDS) if (!value.has(field)) value.set(field, '')
  return value
}

function compile(source: string, variables: readonly Variable[]): Program {
  const scope = environment.clone()
  for (const name of variables) scope.registerVariable(name, name === 'time' ? TIMESTAMP : 'map')
  let parsed: ReturnType<typeof scope.parse>
  try {
    parsed = scope.parse(source)
  } catch (error) {
    throw describe(error, source, variables)
  }
  const facts = { uses: new Set<string>(), loopDepth: 0, splitsText: false }
  inspect(parsed.ast, facts, 0)
  if (facts.loopDepth > MAX_LOOP_DEPTH) throw new Error(`loops may be nested ${MAX_LOOP_DEPTH} deep`)
  const check = parsed.check()
  if (!check.valid) throw describe(check.error, source, variables)
  return { ...facts, type: check.type ?? 'dyn', run: (values) => parsed(values) as unknown }
}

type Facts = { uses: Set<string>; loopDepth: number; splitsText: boolean }

/** Reads what an expression uses, and turns `matches` (a backtracking engine in the evaluator) into our linear one before the type check. */
function inspect(node: Node, facts: Facts, loops: number): void {
  let depth = loops
  if (node.op === 'id' && typeof node.args === 'string') facts.uses.add(node.args)
  if (node.op === 'rcall' && Array.isArray(node.args)) {
    const call = node.args as unknown[] // the parser's own array: [name, receiver, arguments]
    if (typeof call[0] === 'string' && LOOPS.has(call[0])) depth++
    if (call[0] === 'split') facts.splitsText = true
    if (call[0] === 'matches') {
      checkPattern((call[2] as readonly Node[])[0], node) // arguments are nodes by the parser's word
      call[0] = 'matchesLinear'
    }
  }
  if (node.op === 'call' && Array.isArray(node.args) && node.args[0] === 'matches')
    checkPattern((node.args[1] as readonly Node[])[1], node)
  facts.loopDepth = Math.max(facts.loopDepth, depth)
  for (const child of childrenOf(node.args)) inspect(child, facts, depth)
}

function childrenOf(value: unknown): readonly Node[] {
  if (Array.isArray(value)) return (value as readonly unknown[]).flatMap(childrenOf)
  return typeof value === 'object' && value !== null && 'op' in value ? [value as Node] : []
}

/** A pattern must be written out: one that a caller sends could not be checked when the file is loaded. */
function checkPattern(pattern: Node | undefined, call: Node): void {
  if (pattern === undefined) return
  if (pattern.op !== 'value' || typeof pattern.args !== 'string') {
    throw new Error(`matches() needs its pattern as a text literal, at character ${call.start + 1}`)
  }
  try {
    compilePattern(pattern.args)
  } catch (error) {
    throw new Error(`${summaryOf(error)}, at character ${pattern.start + 1}`, { cause: error })
  }
}

const patterns = new Map<string, (text: string) => boolean>()

function matchesLinear(text: string, pattern: string): boolean {
  if (text.length > MAX_PATTERN_TEXT) throw new Error(`matches() reads at most ${MAX_PATTERN_TEXT} characters`)
  let test = patterns.get(pattern)
  if (test === undefined) {
    if (patterns.size >= 1_000) patterns.clear() // patterns come from operator files: only many reloads get here
    test = compilePattern(pattern)
    patterns.set(pattern, test)
  }
  return test(text)
}

function toCel(value: unknown, weight: Weight): unknown {
  weight.count++
  if (typeof value === 'string') weight.textLength += value.length
  if (typeof value === 'number') return Number.isSafeInteger(value) ? BigInt(value) : value
  if (typeof value !== 'object' || value === null || value instanceof Date) return value
  if (Array.isArray(value)) return value.map((item) => toCel(item, weight))
  if (JSON.isRawJSON(value)) return rawNumber(value.rawJSON)
  const map = new Map<string, unknown>()
  for (const [key, member] of Object.entries(value)) if (member !== undefined) map.set(key, toCel(member, weight))
  return map
}

function rawNumber(text: string): unknown {
  if (!/^-?\d{1,19}$/.test(text)) return Number(text)
  const whole = BigInt(text)
  return BigInt.asIntN(64, whole) === whole ? whole : Number(text)
}

function fromCel(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value)
  if (Array.isArray(value)) return value.map(fromCel)
  if (value instanceof Map) return Object.fromEntries([...value].map(([key, member]) => [String(key), fromCel(member)]))
  if (value instanceof Date) return value.toISOString()
  if (typeof value !== 'object' || value === null) return value
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw new Error('the expression answers a value JSON cannot hold')
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, fromCel(member)]))
}

function summaryOf(error: unknown): string {
  if (typeof error === 'object' && error !== null && 'summary' in error && typeof error.summary === 'string') return error.summary
  return error instanceof Error ? error.message : 'the expression failed'
}

function describe(error: unknown, source: string, variables: readonly string[]): Error {
  const range =
    typeof error === 'object' && error !== null && 'range' in error ? (error.range as { start: number } | undefined) : undefined
  const hint = summaryOf(error).startsWith('Unknown variable') ? `; known: ${variables.join(', ')}` : ''
  const place = range === undefined ? '' : `, at character ${Math.min(range.start, source.length) + 1}`
  return new Error(`${summaryOf(error)}${hint}${place}`, { cause: error })
}
