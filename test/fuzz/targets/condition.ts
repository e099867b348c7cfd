import { checkKnownFields, compileCondition, compileExpression, MODEL_VARIABLES } from '../../../src/lib/condition.ts'
import { compilePattern } from '../../../src/lib/linear-pattern.ts'
import { invariant, type Target } from '../target.ts'

const SEEDS = [
  'principal.team == "research" && "admin" in principal.roles\n{}',
  'args.path.startsWith("/tmp/") || args.size < 10\n{"path":"/tmp/x","size":3}',
  'args.items.all(x, args.items.exists(y, x.id == y.id))\n{"items":[{"id":1},{"id":2}]}',
  'tool.annotations.readOnlyHint == true ? has(args.a) : !has(args.a)\n{"a":null}',
  'args.text.matches("^[a-z]{1,8}(-[0-9]+)*$") && size(args.text) < 100\n{"text":"abc-12"}',
  'time.getFullYear() > 2000 && duration("1h") < duration("2h")\n{}',
  'args.a.map(x, x * 2).filter(y, y > 2) == [4, 6] && {"k": 1}["k"] == 1\n{"a":[1,2,3]}',
  'request.model.contains("gpt") && int(request.inputTokens) / 2 > 10u\n{"model":"gpt","inputTokens":"12"}',
  'string(args.a) + "x" != r"\\d" || args.b[0].c in [1, 2.5, null, b"x"]\n{"a":1.5,"b":[{"c":1}]}',
]
const WORDS =
  `principal principal.team args request tool time claims .all( .exists( .exists_one( .map( .filter( .matches( .split( .join( .size() size( has( in && || ! == != < <= + - * / %
  ? : ( ) [ ] { } "x" 'y' r"\\d" b"z" 1 0 -1 9223372036854775807 9223372036854775808 1.5 1e308 0x7f 10u true false null int( double( string( bool( type( dyn( timestamp(
  duration( "2026-01-01T00:00:00Z" "(a+)+$" "[a-z]{1,1000}" "(a{1,50}){1,50}" x y . , __proto__ constructor`.split(/\s+/)
const CONTEXT = {
  principal: {
    issuer: 'https://i.test',
    subject: 's',
    kind: 'user',
    team: 'research',
    groups: ['a', 'b'],
    roles: ['admin'],
    scopes: [],
  },
  tool: { name: 't', annotations: { readOnlyHint: true } },
  time: new Date(1_800_000_000_000),
}
const KINDS = ['true', 'false', 'unknown', 'error']

/** Expressions of operators over arguments of callers: an expression, a line break, and the arguments. */
export function condition(): Target {
  return {
    name: 'condition',
    dictionary: WORDS,
    seeds: () => SEEDS.map((seed) => Buffer.from(seed)),
    price: { parse: (input) => void answer(read(input)), honest },
    run(input) {
      const { source, args } = read(input)
      pattern(source)
      expression(source)
      return answer({ source, args })
    },
  }
}

interface Question {
  readonly source: string
  readonly args: unknown
}

function read(input: Buffer): Question {
  const text = input.toString('utf8')
  const end = text.lastIndexOf('\n')
  return { source: end < 0 ? text : text.slice(0, end), args: parsed(text.slice(end + 1)) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // as while listing: no arguments
  }
}

function answer({ source, args }: Question): string {
  const isModel = source.includes('request')
  try {
    const compiled = compileCondition(source, isModel ? MODEL_VARIABLES : undefined)
    known(source)
    const outcome = compiled.evaluate({ ...CONTEXT, ...(isModel ? { request: args } : { args }) })
    invariant(KINDS.includes(outcome.kind), 'an outcome is one of four')
    invariant(args === undefined || outcome.kind !== 'unknown', 'with arguments nothing is unknown')
    const absent = compiled.evaluate(CONTEXT)
    invariant(KINDS.includes(absent.kind), 'an outcome is one of four')
    return `${outcome.kind} ${absent.kind} ${outcome.kind === 'error' ? plain(outcome.message) : ''}`
  } catch (error) {
    return `refused ${plain(refusal(error))}`
  }
}

/** The error of the language: an Error as such, not one that the engine or a slip threw. */
function refusal(error: unknown): string {
  if (!(error instanceof Error) || error.constructor !== Error || error.message.startsWith('invariant')) throw error
  return error.message
}

function known(source: string): void {
  try {
    checkKnownFields(source)
  } catch (error) {
    refusal(error)
  }
}

function pattern(source: string): void {
  try {
    compilePattern(source)(source)
  } catch (error) {
    refusal(error)
  }
}

function expression(source: string): void {
  let evaluate: ReturnType<typeof compileExpression>
  try {
    evaluate = compileExpression(source.replaceAll('args', 'claims'), ['claims'])
  } catch (error) {
    refusal(error)
    return
  }
  try {
    JSON.stringify(evaluate({ claims: CONTEXT.principal }))
  } catch (error) {
    invariant(!(error instanceof RangeError), 'an expression does not exhaust the stack')
  }
}

const plain = (message: string) => message.replaceAll(/'.*'|".*"|\d+/gs, '#').slice(0, 40)

function honest(bytes: number): Buffer {
  const terms = Array.from({ length: Math.ceil(Math.min(bytes, 4_000) / 34) }, (_, at) => `principal.team == "team ${at}"`)
  return Buffer.from(`${terms.join(' || ')}\n{"a":"${'x'.repeat(Math.max(0, bytes - 4_000))}"}`)
}
