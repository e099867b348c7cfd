import type { Usage } from '../../src/core/usage.ts'
import type { ModelEvent } from '../../src/llm/middle.ts'
import { invariant } from './target.ts'

interface Seen {
  hasStart: boolean
  /** Usage came before the start: what a refusal used, if an error is what follows. */
  isEarly: boolean
  hasFinish: boolean
  hasEnd: boolean
  /** Parts that began and did not end, with the kind of each. */
  readonly open: Map<number, string>
  parts: number
  usage: Usage | undefined
}

/** Holds a decoder to what it guarantees of the order of its events; answers the last usage told. */
export function checkOrder(events: readonly ModelEvent[]): Usage | undefined {
  const seen: Seen = {
    hasStart: false,
    isEarly: false,
    hasFinish: false,
    hasEnd: false,
    open: new Map(),
    parts: 0,
    usage: undefined,
  }
  for (const event of events) see(event, seen)
  invariant(!seen.isEarly, 'order: usage comes after the start, or before an error')
  return seen.usage
}

function see(event: ModelEvent, seen: Seen): void {
  if (event.type === 'ping') return
  if (event.type === 'error') return void (seen.isEarly = false)
  invariant(!seen.isEarly, 'order: usage comes after the start, or before an error')
  invariant(!seen.hasEnd, 'order: nothing comes after the end')
  if (event.type === 'start') {
    invariant(!seen.hasStart, 'order: there is one start')
    seen.hasStart = true
    seen.usage = event.usage ?? seen.usage
    return
  }
  if (event.type === 'usage') {
    seen.usage = event.usage
    seen.isEarly = !seen.hasStart
    return
  }
  invariant(seen.hasStart, `order: ${event.type} comes after the start`)
  if (event.type === 'end') {
    invariant(seen.hasFinish, 'order: the end comes after the finish')
    seen.hasEnd = true
    return
  }
  invariant(!seen.hasFinish, `order: ${event.type} comes before the finish`)
  if (event.type === 'finish') {
    invariant(seen.open.size === 0, 'order: every part ended before the finish')
    seen.hasFinish = true
  } else seePart(event, seen)
}

type PartEvent = Extract<ModelEvent, { readonly index: number }>

function seePart({ type, index }: PartEvent, { open, ...seen }: Seen): void {
  const [kind = '', step] = type.split('-')
  if (step === 'start') {
    invariant(!open.has(index), 'order: a part begins once')
    open.set(index, kind)
    return
  }
  invariant(open.get(index) === kind, `order: ${type} belongs to an open part of ${seen.parts}`)
  if (step === 'end') open.delete(index)
}
