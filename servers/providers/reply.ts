// What a fake model says, before any wire writes it: decided once from the request, the behaviour and a seed, so that the same request
// always gets the same bytes.
import type { Behaviour, Counts, JsonRecord } from './behaviour.ts'
import { countsOf } from './counts.ts'

/** One proposed call, its arguments in the pieces they are streamed in. */
export interface Call {
  readonly id: string
  readonly name: string
  readonly pieces: readonly string[]
}

/** A whole answer, in the pieces it is streamed in. */
export interface Reply {
  /** Letters and digits, unique per request. */
  readonly id: string
  readonly created: number
  /** The model the answer names. */
  readonly model: string
  /** The model that was asked for. */
  readonly askedModel: string
  readonly reasoning: readonly string[]
  readonly signature: string
  readonly redacted: string | undefined
  readonly text: readonly string[]
  readonly refusal: readonly string[]
  readonly calls: readonly Call[]
  readonly finish: string
  readonly counts: Counts
  /** `garbled`: counts of wrong types. */
  readonly usage: 'told' | 'none' | 'garbled'
  readonly behaviour: Behaviour
  /** The body of the request. */
  readonly asked: JsonRecord
}

/** Facts of a request a reply is made from. */
export interface ReplyFacts {
  readonly number: number
  readonly seed: number
  readonly model: string
  readonly asked: JsonRecord
  readonly askedBytes: number
  readonly behaviour: Behaviour
}

const EPOCH_SECONDS = 1_790_000_000
const WORDS = ['amber', 'birch', 'cedar', 'delta', 'ember', 'fjord', 'grove', 'heron', 'inlet', 'junco', 'knoll', 'larch']

/** Decides what is said. */
export function createReply({ number, seed, model, asked, askedBytes, behaviour }: ReplyFacts): Reply {
  const random = createRandom(seed + number)
  const isMute = behaviour.text === undefined && (behaviour.tools !== undefined || behaviour.refusal !== undefined)
  const text = isMute ? [] : textOf(behaviour, random)
  const calls = (behaviour.tools ?? []).map((call, index) => ({
    id: call.id ?? `call${number}x${index}`,
    name: call.name,
    pieces: split(call.arguments, behaviour.pieces ?? 2),
  }))
  const reasoning = behaviour.reasoning === undefined ? [] : split(behaviour.reasoning, 2)
  const refusal = behaviour.refusal === undefined ? [] : split(behaviour.refusal, 2)
  const said = [...text, ...refusal, ...calls.flatMap(({ name, pieces }) => [name, ...pieces])]
  return {
    id: `fake${number}`,
    created: EPOCH_SECONDS + number,
    model: behaviour.served ?? model,
    askedModel: model,
    reasoning,
    signature: behaviour.signature ?? 'ZmFrZS1zaWduYXR1cmU=',
    redacted: behaviour.redacted,
    text,
    refusal,
    calls,
    finish: behaviour.finish ?? (calls.length > 0 ? 'tool' : 'stop'),
    counts: countsOf(behaviour, askedBytes, said, reasoning),
    usage: behaviour.usage === 'none' || behaviour.usage === 'garbled' ? behaviour.usage : 'told',
    behaviour,
    asked,
  }
}

function textOf(behaviour: Behaviour, random: () => number): string[] {
  const { text, size, chunks = 3 } = behaviour
  if (text !== undefined) return split(text, chunks)
  if (size !== undefined) return split('x'.repeat(size), chunks)
  return Array.from({ length: chunks }, () => `${WORDS[Math.floor(random() * WORDS.length)] ?? 'word'} `)
}

/** Cuts a text into so many pieces of about one length, between characters; fewer when it is shorter. */
function split(text: string, count: number): string[] {
  if (text === '') return []
  const isPlain = text.length > 100_000 || /^[ -~]*$/.test(text)
  const letters = isPlain ? text : Array.from(text)
  const step = Math.max(1, Math.ceil(letters.length / count))
  const pieces: string[] = []
  for (let at = 0; at < letters.length; at += step) {
    const piece = letters.slice(at, at + step)
    pieces.push(typeof piece === 'string' ? piece : piece.join(''))
  }
  return pieces
}

/** Numbers in [0, 1) from a seed: the same seed gives the same numbers (mulberry32). */
export function createRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** One step of streaming the proposed calls. */
export interface CallStep {
  readonly type: 'start' | 'piece' | 'end'
  readonly index: number
  readonly call: Call
  readonly piece: string
}

/** The steps of streaming calls: one call after the other, or a piece of each in turn. */
export function callSteps({ calls, behaviour }: Reply): CallStep[] {
  const step = (type: CallStep['type'], index: number, call: Call, piece = ''): CallStep => ({ type, index, call, piece })
  if (behaviour.interleave !== true)
    return calls.flatMap((call, index) => [
      step('start', index, call),
      ...call.pieces.map((piece) => step('piece', index, call, piece)),
      step('end', index, call),
    ])
  const rounds = Math.max(0, ...calls.map(({ pieces }) => pieces.length))
  return [
    ...calls.map((call, index) => step('start', index, call)),
    ...Array.from({ length: rounds }, (_, round) =>
      calls.flatMap((call, index) => (round < call.pieces.length ? [step('piece', index, call, call.pieces[round])] : [])),
    ).flat(),
    ...calls.map((call, index) => step('end', index, call)),
  ]
}

/** Arguments of a call as the object most wires want; text that is no JSON object is put into one. */
export function argumentsOf({ pieces }: Call): unknown {
  try {
    return JSON.parse(pieces.join('')) as unknown
  } catch {
    return { text: pieces.join('') }
  }
}
