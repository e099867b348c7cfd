// Where matches begin, which an automaton does not know: a stretch of text is read step by step, and every step that is possible carries the
// earliest place its match may have begun. Steps stand in the order of those places, so that the earliest comes first to a step.
// The time is the length of the stretch times the steps that are possible at once.
import { holds, isWord, type Step } from './linear-pattern.ts'

/** A piece of a text: from `start` up to and without `end`. */
export interface PatternSpan {
  readonly start: number
  readonly end: number
}

/** The edge of a text, where a code point would stand. */
export const EDGE = -1

/** A stretch of a text: from `from` to `to`, and the code point that follows. */
export interface Stretch {
  readonly from: number
  readonly to: number
  readonly after: number
}

/** Steps that read, reached from a step without reading; `isMatch` when the end of a pattern is reached too. */
export interface Reach {
  readonly reads: readonly number[]
  readonly isMatch: boolean
}

/** Follows steps that read nothing, between two code points. */
export type Follow = (steps: readonly number[], before: number, after: number) => Reach

const NEW_LINE = 10
const ASCII = 128
const KINDS = 4

/** Which of four kinds a code point is; assertions can tell no more of them apart. */
export function kindOf(point: number): number {
  if (point === EDGE) return 0
  if (point === NEW_LINE) return 1
  return isWord(point) ? 2 : 3
}

/** Finds the code point before a place. */
export function codePointBefore(text: string, at: number): number {
  if (at === 0) return EDGE
  const unit = text.charCodeAt(at - 1)
  return unit >= 0xdc00 && unit <= 0xdfff && at > 1 ? (text.codePointAt(at - 2) ?? unit) : unit
}

/** Makes a function that follows steps of a program. */
export function createFollow(program: readonly Step[]): Follow {
  const seen = new Int32Array(program.length)
  let round = 0
  return (steps, before, after) => {
    round += 1
    const stack = steps.toReversed()
    const reads: number[] = []
    let isMatch = false
    for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
      if (seen[index] === round) continue
      seen[index] = round
      const step = program[index]
      if (step === undefined) continue
      if (step.op === 'match') isMatch = true
      else if (step.op === 'read') reads.push(index)
      else if (step.op === 'split') stack.push(step.second, step.first)
      else if (holds(step.assertion, { before, after })) stack.push(index + 1)
    }
    return { reads, isMatch }
  }
}

/** Makes a test of whether a step reads a code point, which remembers what it said of ASCII. */
export function createAccepts(program: readonly Step[]): (index: number, point: number) => boolean {
  const ask = (index: number, point: number): boolean => {
    const step = program[index]
    return step?.op === 'read' && step.accepts(point)
  }
  const known = new Uint8Array(program.length * ASCII)
  return (index, point) => {
    if (point >= ASCII) return ask(index, point)
    const place = index * ASCII + point
    if (known[place] === 0) known[place] = ask(index, point) ? 2 : 1
    return known[place] === 2
  }
}

/** Threads of one place: step by step where their match began. */
class Threads {
  readonly steps: Int32Array
  readonly starts: Int32Array
  length = 0

  constructor(size: number) {
    this.steps = new Int32Array(size)
    this.starts = new Int32Array(size)
  }

  add(step: number, start: number): void {
    this.steps[this.length] = step
    this.starts[this.length] = start
    this.length += 1
  }
}

/** Finds where matches of a program begin and end. */
export class Locator {
  readonly #follow: Follow
  readonly #accepts: (index: number, point: number) => boolean
  readonly #first: readonly number[]
  /** What is reached from a step, by the step and the kinds of code points around. */
  readonly #reached: (Reach | undefined)[] = []
  /** What is reached from the begin of every pattern. */
  readonly #reachedFirst: (Reach | undefined)[] = []
  /** Of those, the ones that read an ASCII code point, as the steps behind them. */
  readonly #begun: (readonly number[] | undefined)[] = []
  readonly #seen: Int32Array
  #current: Threads
  #next: Threads

  constructor(
    program: readonly Step[],
    first: readonly number[],
    tools: { follow: Follow; accepts: (index: number, point: number) => boolean },
  ) {
    this.#follow = tools.follow
    this.#accepts = tools.accepts
    this.#first = first
    this.#seen = new Int32Array(program.length + 1)
    this.#current = new Threads(program.length + 1)
    this.#next = new Threads(program.length + 1)
  }

  /** Spans of a stretch in order; those that overlap are one. */
  locate(text: string, { from, to, after }: Stretch): PatternSpan[] {
    const spans: { start: number; end: number }[] = []
    let before = codePointBefore(text, from)
    this.#current.length = 0
    this.#seen.fill(-1)
    for (let at = from; at <= to;) {
      const point = at < to ? (text.codePointAt(at) ?? EDGE) : after
      const start = this.#advance(at, before, point)
      if (start < at) cover(spans, start, at)
      if (at === to) break
      this.#begin(at, before, point)
      const done = this.#current
      this.#current = this.#next
      this.#next = done
      done.length = 0
      before = point
      at += point > 0xffff ? 2 : 1
    }
    this.#next.length = 0
    return spans
  }

  /** Moves every thread over a code point; where the earliest match that ends before it began, or `at`. */
  #advance(at: number, before: number, point: number): number {
    const { steps, starts, length } = this.#current
    const around = kindOf(before) * KINDS + kindOf(point)
    let earliest = at
    for (let thread = 0; thread < length; thread++) {
      const step = steps[thread] ?? 0
      const start = starts[thread] ?? at
      const key = step * KINDS * KINDS + around
      const reach = (this.#reached[key] ??= this.#follow([step], before, point))
      if (reach.isMatch && start < earliest) earliest = start
      if (point === EDGE) continue
      for (const index of reach.reads) if (this.#accepts(index, point)) this.#add(index + 1, start, at)
    }
    return earliest
  }

  /** Begins the matches that may begin with a code point. */
  #begin(at: number, before: number, point: number): void {
    const around = kindOf(before) * KINDS + kindOf(point)
    const reach = (this.#reachedFirst[around] ??= this.#follow(this.#first, before, point))
    if (point >= ASCII) {
      for (const index of reach.reads) if (this.#accepts(index, point)) this.#add(index + 1, at, at)
      return
    }
    const key = point * KINDS + kindOf(before)
    const begun = (this.#begun[key] ??= reach.reads.filter((index) => this.#accepts(index, point)).map((index) => index + 1))
    for (const step of begun) this.#add(step, at, at)
  }

  #add(step: number, start: number, at: number): void {
    if (this.#seen[step] === at) return
    this.#seen[step] = at
    this.#next.add(step, start)
  }
}

/** Adds a match; ends only grow, so what it overlaps is at the end of the list. */
function cover(spans: { start: number; end: number }[], start: number, end: number): void {
  let from = start
  for (let last = spans.at(-1); last !== undefined && last.end > from; last = spans.at(-1)) {
    from = Math.min(from, last.start)
    spans.pop()
  }
  spans.push({ start: from, end })
}
