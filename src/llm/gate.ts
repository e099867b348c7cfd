// A guard on the stream of the middle form.
// 1. Deltas of text, refusals and thoughts go through the guard's channel of their part; what it holds back comes out with later deltas or at
// the end of the part. 2. A tool call is held until it is whole. 3. Parts are numbered anew in the order they go out, because a part that
// is held may be overtaken by later ones.
// It does not judge what a provider says of a failure.
import type { StreamGuard, StreamJudgement } from '../pipeline/facet.ts'
import type { ModelEvent } from './middle.ts'

/** Judges the events of one streamed answer. Each is passed once, in order, and waited for. */
export interface Gate {
  /** The events that may go out now, or why nothing more may. */
  pass(event: ModelEvent): Promise<Passed>
}

/** What became of an event. */
export type Passed = { readonly events: readonly ModelEvent[] } | { readonly blocked: string }

/** Makes the gate of one answer. */
export function createGate(guard: StreamGuard): Gate {
  return new EventGate(guard)
}

/** Characters of arguments held at a time: of one call, and of all calls that are open. */
const MAX_CALL = 1_048_576
const MAX_HELD = 4 * MAX_CALL

type Kind = 'text' | 'refusal' | 'reasoning'
type Event<Type extends ModelEvent['type']> = Extract<ModelEvent, { type: Type }>

/** A part of words under way. */
interface Words {
  readonly kind: Kind
  /** Its number towards the caller. */
  readonly index: number
  /** What came in and has not come out; bounded by what the guard holds. */
  pending: string
  isChanged: boolean
}

interface HeldCall {
  readonly start: Event<'tool-start'>
  pieces: string[]
  length: number
}

class EventGate implements Gate {
  readonly #guard: StreamGuard
  readonly #words = new Map<number, Words>()
  readonly #calls = new Map<number, HeldCall>()
  #held = 0
  #next = 0
  #blocked: string | undefined

  constructor(guard: StreamGuard) {
    this.#guard = guard
  }

  async pass(event: ModelEvent): Promise<Passed> {
    if (this.#blocked !== undefined) return { blocked: this.#blocked }
    const passed = await this.#take(event)
    if (!('blocked' in passed)) return passed
    this.#blocked = passed.blocked
    this.#words.clear()
    this.#calls.clear()
    return passed
  }

  #take(event: ModelEvent): Passed | Promise<Passed> {
    switch (event.type) {
      case 'text-start':
        return this.#open('text', event)
      case 'refusal-start':
        return this.#open('refusal', event)
      case 'reasoning-start':
        return this.#open('reasoning', event)
      case 'text-delta':
      case 'refusal-delta':
      case 'reasoning-delta':
        return this.#delta(event)
      case 'text-end':
      case 'refusal-end':
      case 'reasoning-end':
        return this.#close(event)
      case 'tool-start':
        this.#calls.set(event.index, { start: event, pieces: [], length: 0 })
        return { events: [] }
      case 'tool-delta':
        return this.#hold(event)
      case 'tool-end':
        return this.#call(event)
      case 'start':
      case 'usage':
      case 'finish':
      case 'end':
      case 'error':
      case 'ping':
        return { events: [event] }
    }
  }

  #open(kind: Kind, event: Event<`${Kind}-start`>): Passed {
    const index = this.#next++
    this.#words.set(event.index, { kind, index, pending: '', isChanged: false })
    return { events: [{ ...event, index }] }
  }

  async #delta(event: Event<`${Kind}-delta`>): Promise<Passed> {
    const words = this.#words.get(event.index)
    if (words === undefined) return { events: [] }
    const isAligned = words.pending === ''
    const judged = await this.#guard.push(event.index, event.text)
    if (judged.kind === 'block') return { blocked: judged.reason }
    settle(words, event.text, judged.text)
    if (judged.text === event.text && isAligned) return { events: [{ ...event, index: words.index }] }
    // Log-probabilities name tokens that are still held, or were redacted: they stay behind.
    return { events: deltas(words, judged.text) }
  }

  async #close(event: Event<`${Kind}-end`>): Promise<Passed> {
    const words = this.#words.get(event.index)
    if (words === undefined) return { events: [] }
    this.#words.delete(event.index)
    const judged = await this.#guard.end(event.index)
    if (judged.kind === 'block') return { blocked: judged.reason }
    settle(words, '', judged.text)
    const end = await this.#ending(event, words)
    return 'blocked' in end ? end : { events: [...deltas(words, judged.text), ...end.events] }
  }

  async #ending(event: Event<`${Kind}-end`>, { index, isChanged, pending }: Words): Promise<Passed> {
    if (event.type === 'reasoning-end' && (isChanged || pending !== '')) {
      // A signature proves the words the model wrote; over others it would be refused.
      const { signature: _signature, ...unsigned } = event
      return { events: [{ ...unsigned, index }] }
    }
    if (event.type !== 'text-end' || event.annotations === undefined) return { events: [{ ...event, index }] }
    const text = JSON.stringify(event.annotations)
    const judged = await this.#judgeWhole(event.index, text)
    if (judged.kind === 'block') return { blocked: judged.reason }
    const { annotations: _annotations, ...bare } = event
    return { events: [judged.text === text ? { ...event, index } : { ...bare, index }] }
  }

  /** Judges words that belong to a part and come at once. The channel of the part is over, so its number is free. */
  async #judgeWhole(channel: number, text: string): Promise<StreamJudgement> {
    const first = await this.#guard.push(channel, text)
    if (first.kind === 'block') return first
    const last = await this.#guard.end(channel)
    return last.kind === 'block' ? last : { kind: 'pass', text: first.text + last.text }
  }

  #hold({ index, json }: Event<'tool-delta'>): Passed {
    const call = this.#calls.get(index)
    if (call === undefined) return { events: [] }
    call.pieces.push(json)
    call.length += json.length
    this.#held += json.length
    if (call.length > MAX_CALL || this.#held > MAX_HELD) return { blocked: 'a tool call is too large to be judged' }
    // Many tiny pieces cost more than their characters.
    if (call.pieces.length > 1_024) call.pieces = [call.pieces.join('')]
    return { events: [] }
  }

  async #call(event: Event<'tool-end'>): Promise<Passed> {
    const call = this.#calls.get(event.index)
    if (call === undefined) return { events: [] }
    this.#calls.delete(event.index)
    this.#held -= call.length
    const judged = await this.#guard.call(call.start.name, call.pieces.join(''))
    if (judged.kind === 'block') return { blocked: judged.reason }
    const index = this.#next++
    const events: ModelEvent[] = [{ ...call.start, index }]
    if (judged.text !== '') events.push({ type: 'tool-delta', index, json: judged.text })
    events.push({ ...event, index })
    return { events }
  }
}

function deltas({ kind, index }: Words, text: string): ModelEvent[] {
  return text === '' ? [] : [{ type: `${kind}-delta`, index, text }]
}

/** Follows what of a part came out as it came in. */
function settle(words: Words, taken: string, passed: string): void {
  if (words.isChanged) return
  const pending = words.pending + taken
  words.isChanged = !pending.startsWith(passed)
  words.pending = words.isChanged ? '' : pending.slice(passed.length)
}
