import { isCelError, run } from '@bufbuild/cel'
import { describe, expect, test } from 'vitest'
import { checkKnownFields, compileCondition, compileExpression, MODEL_VARIABLES } from '../../../src/lib/condition.ts'

const principal = {
  issuer: 'https://id',
  subject: 's1',
  kind: 'agent',
  team: 'research',
  groups: ['g1'],
  roles: ['analyst', 'ops'],
  scopes: [],
}
const args = {
  n: 4,
  d: 4.5,
  negative: -3,
  text: 'abc',
  path: '/research/a.md',
  list: [1, 2, 3],
  people: [
    { name: 'Ada', age: 36 },
    { name: 'Bo', age: 7 },
  ],
  deep: { a: { b: true } },
  nothing: null,
  yes: true,
}
const tool = { name: 'note', server: 'notes' }
const time = new Date('2026-11-02T09:30:00Z')
const judge = (source: string, context: object = { args }) =>
  compileCondition(source).evaluate({ principal, tool, time, ...context }).kind

describe('a condition', () => {
  test.each<[source: string, kind: string]>([
    ['principal.roles.exists(r, r == "analyst")', 'true'],
    ['args.path.startsWith("/research/")', 'true'],
    ['args.n > 3', 'true'],
    ['args.d > 3', 'true'],
    ['args.d > 4 && args.d < 5', 'true'],
    ['args.n == 4.0', 'true'],
    ['args.n % 2 == 0', 'true'],
    ['has(args.n) && !has(args.missing)', 'true'],
    ['has(args.toString) || has(args.constructor) || has(args.__proto__)', 'false'],
    ['args.missing == 1', 'error'],
    ['args.missing == 1 || args.yes', 'true'],
    ['args.text', 'error'],
    ['tool.server == "notes"', 'true'],
    ['time.getHours() == 9', 'true'],
    ['time < timestamp("2027-01-01T00:00:00Z")', 'true'],
    ['principal.project == ""', 'true'],
    ['principal.project == "x" || principal.team == "research"', 'true'],
    ['args.people.all(p, p.age > 3)', 'true'],
    ['args.nothing == null', 'true'],
    ['args.text.matches("^[a-c]+$")', 'true'],
    ['matches(args.text, "^b")', 'false'],
    ['size(args.list) == 3', 'true'],
  ])('%s is %s', (source, kind) => {
    expect(judge(source)).toBe(kind)
  })
})

describe('a condition without arguments', () => {
  test.each<[source: string, kind: string]>([
    ['args.n > 3', 'unknown'],
    ['!(args.n > 3)', 'unknown'],
    ['has(args.n)', 'unknown'],
    ['principal.team == "research" && args.n > 3', 'unknown'],
    ['principal.team == "other" && args.n > 3', 'false'],
    ['args.n > 3 && principal.team == "other"', 'false'],
    ['principal.team == "research" || args.n > 3', 'true'],
    ['args.n > 3 || principal.team == "research"', 'true'],
    ['principal.team == "other" || args.n > 3', 'unknown'],
    ['args.n > 3 ? true : true', 'unknown'],
    ['principal.team == "other" ? args.n > 3 : false', 'false'],
    ['args.n > 3 || principal.missing == "x"', 'unknown'],
    ['principal.missing == "x"', 'error'],
    ['[1, 2].exists(x, args.n == x)', 'unknown'],
    ['[1, 2].all(x, x > 5 && args.n == x)', 'false'],
    ['cel.bind(x, args.n, x > 2)', 'unknown'],
    ['principal.team == "research"', 'true'],
  ])('%s is %s', (source, kind) => {
    expect(judge(source, { args: undefined })).toBe(kind)
  })
})

describe('a bad expression is refused when it is compiled', () => {
  test.each<[source: string, message: string]>([
    ['args.n >', 'at character'],
    ['arg.n > 3', 'Unknown variable: arg; known: principal, args, tool, time, at character 1'],
    ['args.n > 3 && who == 1', 'at character 15'],
    ['args.text.nope()', 'no matching overload'],
    ['"text"', 'answers string, not true or false'],
    ['1 + 2', 'answers int'],
    ['args.text.matches("(a")', 'missing ")" at character 3 of the pattern'],
    ['args.text.matches("(a)\\\\1")', 'unknown escape "\\1"'],
    ['args.text.matches(args.path)', 'needs its pattern as a text literal'],
  ])('%s: %s', (source, message) => {
    expect(() => compileCondition(source)).toThrow(message)
  })

  test('an audience may be kept from looking at arguments', () => {
    expect(() => compileCondition('args.n > 3', ['principal', 'time'])).toThrow('known: principal, time')
  })
})

describe('hostile arguments', () => {
  test('a pattern that backtracks elsewhere answers in linear time', () => {
    const started = performance.now()

    expect(judge('args.text.matches("^(a+)+$")', { args: { text: `${'a'.repeat(5_000)}!` } })).toBe('false')
    expect(performance.now() - started).toBeLessThan(1_000)
  })

  test('a text too long for matches is an error, not a wait', () => {
    expect(judge('args.text.matches("a")', { args: { text: 'a'.repeat(20_000) } })).toBe('error')
  })

  test('nested loops over a large list are refused', () => {
    const large = { list: Array.from({ length: 5_000 }, (_, index) => index) }

    expect(judge('args.list.all(x, args.list.all(y, x + y >= 0))', { args: large })).toBe('error')
    expect(judge('args.list.all(x, x >= 0)', { args: large })).toBe('true')
  })

  test('a member named __proto__ or constructor is a member like any other', () => {
    const hostile = JSON.parse('{"__proto__":{"admin":true},"constructor":"x"}') as object

    expect(judge('has(args.admin)', { args: hostile })).toBe('false')
    expect(judge('args.constructor == "x"', { args: hostile })).toBe('true')
  })

  test('whole numbers beyond a double are compared exactly', () => {
    const exact = { id: JSON.rawJSON('9007199254740993') }

    expect(judge('args.id == 9007199254740993', { args: exact })).toBe('true')
    expect(judge('args.id == 9007199254740992', { args: exact })).toBe('false')
  })
})

describe('an expression', () => {
  test('answers plain JSON', () => {
    const expression = compileExpression('claims.groups.filter(g, g.startsWith("t-")).map(g, g.substring(2))', ['claims'])

    expect(expression({ claims: { groups: ['t-research', 'x'] } })).toEqual(['research'])
    expect(compileExpression('{"n": 1 + 1, "d": 0.5}', ['claims'])({ claims: {} })).toEqual({ n: 2, d: 0.5 })
  })

  test('throws when it cannot be evaluated', () => {
    expect(() => compileExpression('claims.team', ['claims'])({ claims: {} })).toThrow('No such key: team')
  })
})

// The oracle: an independent implementation of the specification answers the same table.
describe('agrees with another implementation', () => {
  const toOracle = (value: unknown): never => {
    if (typeof value === 'number') return (Number.isSafeInteger(value) ? BigInt(value) : value) as never
    if (Array.isArray(value)) return value.map(toOracle) as never
    if (typeof value === 'object' && value !== null)
      return new Map(Object.entries(value).map(([key, member]) => [key, toOracle(member)])) as never
    return value as never
  }
  const bindings = {
    principal: toOracle({ ...principal, org: '', project: '', agent: '', user: '' }),
    args: toOracle(args),
    tool: toOracle(tool),
    time: run(`timestamp("${time.toISOString()}")`) as never,
  }
  test.each([
    'args.n > 3',
    'args.n >= 4.0',
    'args.d < 5',
    'args.d == 4.5',
    'args.n == 4.0',
    'args.negative < 0',
    '-args.n < 0',
    'args.n + 1 == 5',
    'args.n / 3 == 1',
    'args.negative % 2 == -1',
    'args.n + args.d > 8.0',
    'args.missing == 1',
    'args.missing == 1 || true',
    'true || args.missing == 1',
    'args.missing == 1 && false',
    'args.yes ? args.n == 4 : args.missing',
    'args.text.contains("b")',
    'args.text.endsWith("c") && args.text.size() == 3',
    'args.text < "abd"',
    '"analyst" in principal.roles',
    '"nobody" in principal.roles',
    '"n" in args',
    'args.list.exists_one(x, x == 2)',
    'args.list.map(x, x * 2) == [2, 4, 6]',
    'args.list.filter(x, x > 1).size() == 2',
    'args.list.exists(x, args.missing == x)',
    'args.list.all(x, x > 0 || args.missing == x)',
    'args.people.exists(p, p.name == "Ada" && p.age > 30)',
    'args.people.filter(p, p.age < 18)[0].name == "Bo"',
    'args.deep.a.b',
    'has(args.deep.a)',
    'has(args.deep.x)',
    'args.nothing == null',
    'args.text == 4',
    'args.text > 4',
    'args.list[5] == 1',
    'args["text"] == "abc"',
    'principal.project == ""',
    'time.getFullYear() == 2026',
    'time.getDayOfWeek() == 1',
    'time.getDayOfMonth() == 1',
    'time - duration("1h") < time',
    'time > timestamp("2026-11-02T09:29:59Z")',
    'args.text.matches("^a.c$")',
    'args.text.matches("b")',
    'args.text.matches("^b")',
    'args.path.matches("^/research/[a-z0-9/_-]+\\\\.md$")',
    'string(args.n) == "4"',
    'int("12") == 12',
    'type(args.n) == int',
    '[1, 2] == [1, 2]',
    '{"a": 1} == {"a": 1}',
    '"ü".size() == 1',
  ])('%s', (source) => {
    const answer = (() => {
      try {
        return run(source, bindings)
      } catch (error) {
        return error
      }
    })()
    const expected =
      typeof answer === 'boolean' ? String(answer) : isCelError(answer) || answer instanceof Error ? 'error' : 'no boolean'

    const actual = (() => {
      try {
        return judge(source)
      } catch {
        return 'error' // refused already by the type check
      }
    })()

    expect(actual).toBe(expected)
  })
})

describe('a condition on a model', () => {
  const about = (source: string, request?: object) =>
    compileCondition(source, MODEL_VARIABLES).evaluate({ principal, time, ...(request === undefined ? {} : { request }) }).kind

  test.each<[source: string, request: object | undefined, kind: string]>([
    ['request.stream', { stream: true }, 'true'],
    ['request.inputTokens < 8000', { inputTokens: 8000 }, 'false'],
    ['request.tools.exists(t, t == "search")', { tools: ['search'] }, 'true'],
    ['request.stream', undefined, 'unknown'],
    ['request.stream && principal.team == "other"', undefined, 'false'],
    ['request.stream || principal.team == "research"', undefined, 'true'],
    ['request.maxTokens > 1', {}, 'error'],
    ['has(request.metadata) && request.metadata.run == "1"', {}, 'false'],
  ])('%s of %j is %s', (source, request, kind) => {
    expect(about(source, request)).toBe(kind)
  })

  test('names neither arguments nor tools', () => {
    expect(() => compileCondition('args.x', MODEL_VARIABLES)).toThrow('Unknown variable: args; known: principal, request, time')
  })

  test('a field that no request has is found when the file is read', () => {
    expect(() => checkKnownFields('request.tokens > 1', MODEL_VARIABLES)).toThrow('a request has no "tokens"')
    expect(() => checkKnownFields('request.inputTokens > 1', MODEL_VARIABLES)).not.toThrow()
  })

  test('loops over what a caller sends are bounded', () => {
    const tools = Array.from({ length: 2_000 }, (_, index) => `t${index}`)

    expect(about('request.tools.all(a, request.tools.all(b, a != b || a == b))', { tools })).toBe('error')
  })
})
