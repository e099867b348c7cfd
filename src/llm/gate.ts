import type { StreamGuard } from '../pipeline/facet.ts'
import type { ModelEvent } from './middle.ts'

/** What became of an event: events that may go out now, or the end of the answer. */
export type Judged = { readonly events: readonly ModelEvent[] } | { readonly blocked: string }

/** Judges the events of one streamed answer. */
export interface Gate {
  /** Called with one event at a time; the next one only when this is settled. */
  pass(event: ModelEvent): Promise<Judged>
}

/** Puts a guard between a decoder and an encoder: words are held back by its tail, tool calls until they are whole. */
export function createGate(guard: StreamGuard): Gate {
  return new GuardGate(guard)
}

interface HeldCall {
  readonly start: Extract<ModelEvent, { type: 'tool-start' }>
  json: string
}

type Delta = Extract<ModelEvent, { type: 'text-delta' | 'refusal-delta' | 'reasoning-delta' }>
type PartEnd = Extract<ModelEvent, { type: 'text-end' | 'refusal-end' | 'reasoning-end' }>

const MAX_CALL = 1_048_576
const DELTA_OF = { 'text-end': 'text-delta', 'refusal-end': 'refusal-delta', 'reasoning-end': 'reasoning-delta' } as const

class GuardGate implements Gate {
  readonly #guard: StreamGuard
  readonly #calls = new Map<number, HeldCall>()

  constructor(guard: StreamGuard) {
    this.#guard = guard
  }

  async pass(event: ModelEvent): Promise<Judged> {
    switch (event.type) {
      case 'text-delta':
      case 'refusal-delta':
      case 'reasoning-delta':
        return await this.#words(event)
      case 'text-end':
      case 'refusal-end':
      case 'reasoning-end':
        return await this.#rest(event)
      case 'tool-start':
        this.#calls.set(event.index, { start: event, json: '' })
        return NOTHING
      case 'tool-delta':
        return this.#hold(event)
      case 'tool-end':
        return await this.#call(event)
      default:
        return { events: [event] }
    }
  }

  async #words(event: Delta): Promise<Judged> {
    const judgement = await this.#guard.push(event.index, event.text)
    if (judgement.kind === 'block') return { blocked: judgement.reason }
    if (judgement.text === event.text) return { events: [event] }
    // Words that were held or changed no longer match the log-probabilities of their tokens.
    return judgement.text === '' ? NOTHING : { events: [{ type: event.type, index: event.index, text: judgement.text }] }
  }

  async #rest(event: PartEnd): Promise<Judged> {
    const judgement = await this.#guard.end(event.index)
    if (judgement.kind === 'block') return { blocked: judgement.reason }
    if (judgement.text === '') return { events: [event] }
    return { events: [{ type: DELTA_OF[event.type], index: event.index, text: judgement.text }, event] }
  }

  #hold({ index, json }: Extract<ModelEvent, { type: 'tool-delta' }>): Judged {
    const held = this.#calls.get(index)
    if (held === undefined) return NOTHING
    held.json += json
    return held.json.length > MAX_CALL ? { blocked: 'a tool call is too long to be judged' } : NOTHING
  }

  async #call(event: Extract<ModelEvent, { type: 'tool-end' }>): Promise<Judged> {
    const held = this.#calls.get(event.index)
    if (held === undefined) return { events: [event] }
    this.#calls.delete(event.index)
    const judgement = await this.#guard.call(held.start.name, held.json)
    if (judgement.kind === 'block') return { blocked: judgement.reason }
    return { events: [held.start, { type: 'tool-delta', index: event.index, json: judgement.text }, event] }
  }
}

const NOTHING: Judged = { events: [] }
