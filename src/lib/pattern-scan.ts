// Where patterns occur in a text, in time that grows with the text alone.
// 1. The patterns become one automaton whose states are made when a text first leads to them: a state is the set of steps that are possible,
// and what kind of character came before. Reading a character is then one look into a table. 2. Stretches of the text in which something
// matched are read again, step by step, for where it begins (pattern-locate.ts). 3. What overlaps is one span.
// A span covers every match in it, also where a pattern is written to take the shortest. Matches of nothing are not reported.
// A text that drives the automaton into very many states is read step by step from there on: linear still, but slower.
import { compileProgram, type Step } from './linear-pattern.ts'
import {
  codePointBefore,
  createAccepts,
  createFollow,
  EDGE,
  type Follow,
  kindOf,
  Locator,
  type PatternSpan,
  type Stretch,
} from './pattern-locate.ts'

/** Finds patterns in a text, or in a window of a longer one. */
export interface PatternScan {
  /**
   * Spans in order that begin at `from` or later. What stands before `from` is only looked back at. When more text may follow (`isEnd` false)
   * a match that ends with the window may turn out to be none, or longer.
   */
  find(text: string, from: number, isEnd: boolean): readonly PatternSpan[]
}

/** Steps of patterns that share an automaton; more of them would multiply its states. */
const GROUP_STEPS = 400
const MAX_STATES = 4_000
/** Moves one search may add before it goes on step by step. */
const MAX_NEW_MOVES = 8_000
const ASCII = 128
/** Stands for what a window cannot see yet. */
const UNSEEN = 32

/** Compiles patterns for searching. Throws an Error that says what is wrong with the first bad one. */
export function createPatternScan(patterns: readonly string[]): PatternScan {
  const groups = groupsOf(patterns).map((programs) => new Automaton(programs))
  return {
    find(text, from, isEnd) {
      const spans = groups.flatMap((group) => group.find(text, from, isEnd))
      return groups.length > 1 ? mergeSpans(spans) : spans
    },
  }
}

/** Spans in order, those that overlap made one; spans that only touch stay apart. */
function mergeSpans(spans: readonly PatternSpan[]): PatternSpan[] {
  const merged: { start: number; end: number }[] = []
  for (const { start, end } of spans.toSorted((a, b) => a.start - b.start)) {
    const last = merged.at(-1)
    if (last !== undefined && start < last.end) last.end = Math.max(last.end, end)
    else merged.push({ start, end })
  }
  return merged
}

function groupsOf(patterns: readonly string[]): (readonly Step[])[][] {
  const groups: (readonly Step[])[][] = []
  let size = Infinity
  for (const program of patterns.map(compileProgram)) {
    if (size + program.length > GROUP_STEPS) {
      groups.push([])
      size = 0
    }
    groups.at(-1)?.push(program)
    size += program.length
  }
  return groups
}

/** One state: the steps that wait for the next character, and what kind of code point came before. */
interface State {
  readonly steps: readonly number[]
  /** A code point of that kind. */
  readonly before: number
  /** What follows an ASCII character, and whether a match ends before it; filled as needed. */
  readonly next: (Move | undefined)[]
  readonly rare: Map<number, Move>
}

interface Move {
  readonly state: State
  readonly isMatch: boolean
}

class Automaton {
  /** First steps of the patterns. */
  readonly #starts: readonly number[]
  readonly #looksBack: boolean
  readonly #follow: Follow
  readonly #accepts: (index: number, point: number) => boolean
  readonly #locator: Locator
  #states = new Map<string, State>()
  /** Moves made so far. */
  #moves = 0

  constructor(programs: readonly (readonly Step[])[]) {
    const { program, starts } = joined(programs)
    this.#starts = starts
    this.#looksBack = program.some(({ op }) => op === 'assert')
    this.#follow = createFollow(program)
    this.#accepts = createAccepts(program)
    this.#locator = new Locator(program, starts, { follow: this.#follow, accepts: this.#accepts })
  }

  find(text: string, from: number, isEnd: boolean): PatternSpan[] {
    const spans: PatternSpan[] = []
    const after = isEnd ? EDGE : UNSEEN
    const mostMoves = this.#moves + MAX_NEW_MOVES
    let state = this.#stateOf([], codePointBefore(text, from))
    // Nothing that began before `quiet` is under way any more; `isFound` since then.
    let quiet = from
    let isFound = false
    for (let at = from; at < text.length;) {
      const code = text.charCodeAt(at)
      const point = code < ASCII ? code : (text.codePointAt(at) ?? EDGE)
      const move = (code < ASCII ? state.next[code] : undefined) ?? this.#move(state, point)
      if (this.#moves > mostMoves) {
        this.#locate(text, { from: quiet, to: text.length, after }, spans)
        return spans
      }
      isFound ||= move.isMatch
      state = move.state
      const next = at + (point > 0xffff ? 2 : 1)
      if (state.steps.length === 0) {
        if (isFound) this.#locate(text, { from: quiet, to: at, after: point }, spans)
        quiet = next
        isFound = false
      }
      at = next
    }
    if (isFound || this.#move(state, after).isMatch) this.#locate(text, { from: quiet, to: text.length, after }, spans)
    return spans
  }

  #locate(text: string, stretch: Stretch, spans: PatternSpan[]): void {
    for (const span of this.#locator.locate(text, stretch)) spans.push(span)
  }

  #move(state: State, point: number): Move {
    const isAscii = point >= 0 && point < ASCII
    const known = isAscii ? state.next[point] : state.rare.get(point)
    if (known !== undefined) return known
    const { reads, isMatch } = this.#follow([...state.steps, ...this.#starts], state.before, point)
    const carried = point === EDGE ? [] : reads.filter((index) => this.#accepts(index, point)).map((index) => index + 1)
    const move = { state: this.#stateOf(carried, point), isMatch }
    this.#moves += 1
    if (isAscii) state.next[point] = move
    else if (state.rare.size < 256) state.rare.set(point, move)
    return move
  }

  #stateOf(steps: readonly number[], before: number): State {
    const kind = this.#looksBack ? kindOf(before) : 0
    const sorted = [...new Set(steps)].toSorted((a, b) => a - b)
    const key = `${kind}:${sorted.join(',')}`
    const known = this.#states.get(key)
    if (known !== undefined) return known
    // States of texts long gone: what is still needed is made again.
    if (this.#states.size >= MAX_STATES) this.#states = new Map()
    const state: State = { steps: sorted, before: POINT_OF[kind] ?? EDGE, next: [], rare: new Map() }
    this.#states.set(key, state)
    return state
  }
}

/** A code point of each kind. */
const POINT_OF = [EDGE, 10, 97, UNSEEN]

/** One program of several, and where each begins in it. */
function joined(programs: readonly (readonly Step[])[]): {
  readonly program: readonly Step[]
  readonly starts: readonly number[]
} {
  const program: Step[] = []
  const starts: number[] = []
  for (const one of programs) {
    const base = program.length
    starts.push(base)
    for (const step of one)
      program.push(step.op === 'split' ? { op: 'split', first: step.first + base, second: step.second + base } : step)
  }
  return { program, starts }
}
