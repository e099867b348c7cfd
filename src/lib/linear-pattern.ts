// Regular expressions whose time grows with the text times the pattern, never faster, whatever either of them says.
// 1. The pattern is parsed (pattern-parser.ts) into a small tree. 2. The tree becomes a program of at most 2,000 steps. 3. The text is
// read once, code point by code point, carrying the set of steps that are possible; a step is never in the set twice.
// Syntax is that of RE2 as CEL uses it, without names of Unicode classes. No backreferences and no look-around: they have no linear form.
import { parsePattern } from './pattern-parser.ts'
import type { PatternNode } from './pattern-parser.ts'

type Assertion = 'text-start' | 'text-end' | 'line-start' | 'line-end' | 'boundary' | 'no-boundary'

/** One step of a compiled pattern. Steps follow each other, except after a split. */
export type Step =
  | { readonly op: 'match' }
  | { readonly op: 'read'; readonly accepts: (codePoint: number) => boolean }
  | { readonly op: 'split'; first: number; second: number }
  | { readonly op: 'assert'; readonly assertion: Assertion }

const MAX_STEPS = 2_000

/** Compiles a pattern into a test that asks whether it occurs anywhere in a text. Throws an Error that says what is wrong with it. */
export function compilePattern(pattern: string): (text: string) => boolean {
  const program = compileProgram(pattern)
  return (text) => run(program, text)
}

/** Compiles a pattern into its steps; the last one is its match. Throws an Error that says what is wrong with it. */
export function compileProgram(pattern: string): readonly Step[] {
  const program: Step[] = []
  emit(parsePattern(pattern), program)
  push(program, { op: 'match' })
  return program
}

function push(program: Step[], step: Step): number {
  if (program.length >= MAX_STEPS) throw new Error('the pattern is too large: write fewer or smaller repetitions')
  return program.push(step) - 1
}

function emit(node: PatternNode, program: Step[]): void {
  switch (node.kind) {
    case 'set':
      push(program, { op: 'read', accepts: node.accepts })
      return
    case 'assert':
      push(program, { op: 'assert', assertion: node.assertion })
      return
    case 'sequence':
      for (const part of node.parts) emit(part, program)
      return
    case 'choice':
      return emitChoice(node.parts, program)
    case 'repeat':
      return emitRepeat(node, program)
  }
}

function emitChoice(parts: readonly PatternNode[], program: Step[]): void {
  const exits: { first: number; second: number }[] = []
  parts.forEach((part, index) => {
    if (index === parts.length - 1) return emit(part, program)
    const split = { op: 'split' as const, first: program.length + 1, second: 0 }
    push(program, split)
    emit(part, program)
    const exit = { op: 'split' as const, first: 0, second: 0 }
    push(program, exit)
    exits.push(exit)
    split.second = program.length
  })
  for (const exit of exits) exit.first = exit.second = program.length
}

function emitRepeat(node: PatternNode & { readonly kind: 'repeat' }, program: Step[]): void {
  for (let count = 0; count < node.min; count++) {
    const before = program.length
    emit(node.part, program)
    if (program.length === before) return // nothing repeated is nothing, however often
  }
  if (node.max === Infinity) {
    const split = { op: 'split' as const, first: program.length + 1, second: 0 }
    const start = push(program, split)
    emit(node.part, program)
    push(program, { op: 'split', first: start, second: start })
    split.second = program.length
    return
  }
  const exits: { second: number }[] = []
  for (let count = node.min; count < node.max; count++) {
    const split = { op: 'split' as const, first: program.length + 1, second: 0 }
    push(program, split)
    emit(node.part, program)
    exits.push(split)
  }
  for (const exit of exits) exit.second = program.length
}

function run(program: readonly Step[], text: string): boolean {
  const seen = new Int32Array(program.length).fill(-1)
  const stack: number[] = []
  let current: number[] = []
  let next: number[] = []
  let at = 0
  let before = -1
  while (true) {
    const codePoint = at < text.length ? (text.codePointAt(at) ?? -1) : -1
    // A search starts at every position, hence step 0; what was carried over is followed through steps that read nothing.
    stack.push(0, ...next)
    current = []
    if (follow({ program, stack, seen, current, at, before, after: codePoint })) return true
    if (codePoint === -1) return false
    next = []
    for (const index of current) {
      const step = program[index]
      if (step?.op === 'read' && step.accepts(codePoint)) next.push(index + 1)
    }
    before = codePoint
    at += codePoint > 0xffff ? 2 : 1
  }
}

type Following = {
  readonly program: readonly Step[]
  readonly stack: number[]
  readonly seen: Int32Array
  readonly current: number[]
  readonly at: number
  readonly before: number
  readonly after: number
}

/** Follows every step that reads nothing; true when the end of the program is among them. */
function follow(following: Following): boolean {
  const { program, stack, seen, current, at } = following
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    if (seen[index] === at) continue
    seen[index] = at
    const step = program[index]
    if (step === undefined) continue
    if (step.op === 'match') return true
    if (step.op === 'read') current.push(index)
    else if (step.op === 'split') stack.push(step.second, step.first)
    else if (holds(step.assertion, following)) stack.push(index + 1)
  }
  return false
}

/** Whether an assertion holds between two code points; -1 stands for an edge of the text. */
export function holds(assertion: Assertion, { before, after }: { readonly before: number; readonly after: number }): boolean {
  switch (assertion) {
    case 'text-start':
      return before === -1
    case 'text-end':
      return after === -1
    case 'line-start':
      return before === -1 || before === 10
    case 'line-end':
      return after === -1 || after === 10
    case 'boundary':
      return isWord(before) !== isWord(after)
    case 'no-boundary':
      return isWord(before) === isWord(after)
  }
}

/** Whether a code point is one of `\w`. */
export function isWord(codePoint: number): boolean {
  return (
    (codePoint >= 48 && codePoint <= 57) ||
    (codePoint >= 65 && codePoint <= 90) ||
    codePoint === 95 ||
    (codePoint >= 97 && codePoint <= 122)
  )
}
