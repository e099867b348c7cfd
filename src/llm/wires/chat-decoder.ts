// Reads a Chat Completions stream: (1) each chunk is parsed and asked for an error, usage and its first choice; (2) words open a part when they
// begin and close the one before; tool calls stay open side by side, found by their index; (3) `[DONE]` closes what is open, says why the answer
// ended, and ends it. The reason waits until then, because some providers send words or usage after it.
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { objectOf, objectsOf, parseObject, wordsOf } from '../loose-json.ts'
import type { Failure, ModelEvent } from '../middle.ts'
import type { DecodeContext, StreamDecoder, WireEvent } from '../wire.ts'
import { callSignature, contentPieces, logprobsOf, reasoningProofs, reasoningText } from './chat-answer.ts'
import { failureOf, isFailureBody } from './chat-failure.ts'
import { stopOf } from './chat-stop.ts'
import { usageOfChat } from './chat-usage.ts'
import { callersName } from './tool-names.ts'

/** Makes a reader of one stream. */
export function createChatDecoder(context: DecodeContext): StreamDecoder {
  return new ChatDecoder(context)
}

interface OpenCall {
  readonly index: number
  readonly id: string
  signature?: string
}

/** A call whose name has not come yet; its arguments wait. */
interface WaitingCall {
  readonly id: string | undefined
  pending: string
}

type Words = 'text' | 'refusal' | 'reasoning'

const MAX_PENDING = 65_536

class ChatDecoder implements StreamDecoder {
  readonly #context: DecodeContext
  #events: ModelEvent[] = []
  #state: 'new' | 'open' | 'over' = 'new'
  #nextIndex = 0
  #words: { readonly kind: Words; readonly index: number } | undefined
  #signature: string | undefined
  #annotations: JsonObject[] = []
  /** Calls by the provider's index, or by id where it counts none. */
  readonly #calls = new Map<number | string, OpenCall>()
  readonly #waiting = new Map<number | string, WaitingCall>()
  readonly #finished: OpenCall[] = []
  #lastKey: number | string = 0
  #reason: Json | undefined
  /** A stream of nothing but usage has begun, and is no answer. */
  #hasDelta = false
  #hasRefused = false
  #serviceTier: string | undefined

  constructor(context: DecodeContext) {
    this.#context = context
  }

  push({ event, data }: WireEvent): readonly ModelEvent[] {
    if (this.#state === 'over' || data === '') return []
    this.#events = []
    if (data.trim() === '[DONE]') this.#end()
    else this.#chunk(parseObject(data), event)
    return this.#events
  }

  close(): readonly ModelEvent[] {
    return []
  }

  #chunk(chunk: JsonObject | undefined, event: string): void {
    if (chunk === undefined) return this.#fail({ kind: 'invalid', message: 'a chunk of the stream is not a JSON object' })
    if (event === 'error' || isFailureBody(chunk)) return this.#fail(failureOf(chunk))
    const choice = objectsOf(chunk['choices']).find((one) => (one['index'] ?? 0) === 0)
    if (choice !== undefined) this.#choice(choice, chunk)
    const usage = usageOfChat(chunk)
    if (usage === undefined) return
    if (this.#state === 'new') this.#start(chunk)
    this.#events.push({ type: 'usage', usage })
  }

  #choice(choice: JsonObject, chunk: JsonObject): void {
    const { delta } = choice
    if (this.#state === 'new' && isJsonObject(delta)) this.#start(chunk)
    this.#serviceTier = wordsOf(chunk['service_tier']) ?? this.#serviceTier
    if (isJsonObject(delta)) {
      this.#hasDelta = true
      this.#delta(delta, choice)
    }
    this.#reason = choice['finish_reason'] ?? this.#reason
  }

  #start(chunk: JsonObject): void {
    this.#state = 'open'
    const model = wordsOf(chunk['model'])
    const id = wordsOf(chunk['id']) ?? this.#context.newId('chatcmpl')
    this.#events.push(model === undefined ? { type: 'start', id } : { type: 'start', id, model })
  }

  #delta(delta: JsonObject, choice: JsonObject): void {
    const pieces = contentPieces(delta['content'])
    const thoughts = reasoningText(delta, this.#context.quirks)
    if (thoughts !== '') this.#reasoning(thoughts)
    this.#proofs(delta)
    for (const { type, text } of pieces) {
      if (type === 'thinking') this.#reasoning(text)
      else this.#text(text, choice)
    }
    const refusal = wordsOf(delta['refusal'])
    if (refusal !== undefined) this.#events.push({ type: 'refusal-delta', index: this.#open('refusal'), text: refusal })
    for (const annotation of objectsOf(delta['annotations'])) this.#annotations.push(annotation)
    for (const call of objectsOf(delta['tool_calls'])) this.#call(call)
    if (isJsonObject(delta['function_call'])) this.#call({ index: 0, function: delta['function_call'] })
  }

  #reasoning(text: string): void {
    if (text !== '') this.#events.push({ type: 'reasoning-delta', index: this.#open('reasoning'), text })
  }

  #text(text: string, choice: JsonObject): void {
    const logprobs = logprobsOf(choice)
    const delta = { type: 'text-delta', index: this.#open('text'), text } as const
    this.#events.push(logprobs === undefined ? delta : { ...delta, logprobs })
  }

  #proofs(delta: JsonObject): void {
    if (delta['reasoning_details'] === undefined) return
    const { family } = this.#context
    const { signature, redacted } = reasoningProofs(delta)
    if (signature !== undefined) {
      this.#open('reasoning')
      this.#signature = signature
    }
    for (const value of redacted) {
      this.#closeWords()
      const index = this.#next()
      this.#events.push({ type: 'reasoning-start', index }, { type: 'reasoning-end', index, redacted: { family, value } })
    }
  }

  /** The part words of this kind go to: the one that is open, or a new one. */
  #open(kind: Words): number {
    if (this.#words?.kind === kind) return this.#words.index
    this.#closeWords()
    const index = this.#next()
    this.#words = { kind, index }
    if (kind === 'refusal') this.#hasRefused = true
    this.#events.push({ type: `${kind}-start`, index })
    return index
  }

  #next(): number {
    this.#nextIndex += 1
    return this.#nextIndex - 1
  }

  #closeWords(): void {
    const words = this.#words
    if (words === undefined) return
    this.#words = undefined
    const { kind, index } = words
    if (kind === 'refusal') this.#events.push({ type: 'refusal-end', index })
    else if (kind === 'text') {
      const annotations = this.#annotations
      this.#annotations = []
      this.#events.push(annotations.length === 0 ? { type: 'text-end', index } : { type: 'text-end', index, annotations })
    } else {
      const signature =
        this.#signature === undefined ? {} : { signature: { family: this.#context.family, value: this.#signature } }
      this.#signature = undefined
      this.#events.push({ type: 'reasoning-end', index, ...signature })
    }
  }

  #call(call: JsonObject): void {
    const called = objectOf(call['function'])
    const [id, name] = [wordsOf(call['id']), wordsOf(called['name'])]
    const key = this.#keyOf(call['index'], id)
    this.#lastKey = key
    const known = this.#calls.get(key)
    // some providers give every call the index 0: another id with a name is another call
    const isOther = known !== undefined && id !== undefined && name !== undefined && id !== known.id
    if (isOther) this.#finished.push(known)
    const open = isOther || known === undefined ? this.#begin(key, id, name) : known
    const json = argumentsIn(called['arguments'])
    if (open === undefined) return this.#wait(key, id, json)
    if (json !== '') this.#events.push({ type: 'tool-delta', index: open.index, json })
    const signature = callSignature(call)
    if (signature !== undefined) open.signature = signature
  }

  #keyOf(index: Json | undefined, id: string | undefined): number | string {
    if (typeof index === 'number') return index
    return id === undefined ? this.#lastKey : `id ${id}`
  }

  #begin(key: number | string, id: string | undefined, name: string | undefined): OpenCall | undefined {
    if (name === undefined) return undefined
    this.#closeWords()
    const waiting = this.#waiting.get(key)
    this.#waiting.delete(key)
    const open: OpenCall = { index: this.#next(), id: id ?? waiting?.id ?? this.#context.newId('call') }
    this.#calls.set(key, open)
    this.#events.push({ type: 'tool-start', index: open.index, id: open.id, name: callersName(name, this.#context) })
    if (waiting !== undefined && waiting.pending !== '')
      this.#events.push({ type: 'tool-delta', index: open.index, json: waiting.pending })
    return open
  }

  #wait(key: number | string, id: string | undefined, json: string): void {
    const waiting = this.#waiting.get(key)
    const pending = (waiting?.pending ?? '') + json
    if (pending.length > MAX_PENDING) return this.#fail({ kind: 'invalid', message: 'a tool call of the stream has no name' })
    this.#waiting.set(key, { id: waiting?.id ?? id, pending })
  }

  #end(): void {
    if (!this.#hasDelta) return this.#fail({ kind: 'invalid', message: 'the stream ended without an answer' })
    if (this.#waiting.size > 0) return this.#fail({ kind: 'invalid', message: 'a tool call of the stream has no name' })
    this.#closeWords()
    const calls = [...this.#finished, ...this.#calls.values()]
    for (const { index, signature } of calls)
      this.#events.push(
        signature === undefined
          ? { type: 'tool-end', index }
          : { type: 'tool-end', index, signature: { family: 'gemini', value: signature } },
      )
    const stop = stopOf(this.#reason, this.#context.quirks, { call: calls.length > 0, refusal: this.#hasRefused })
    const serviceTier = this.#serviceTier
    this.#events.push(serviceTier === undefined ? { type: 'finish', stop } : { type: 'finish', stop, serviceTier }, {
      type: 'end',
    })
    this.#state = 'over'
  }

  #fail(failure: Failure): void {
    this.#state = 'over'
    this.#events.push({ type: 'error', failure })
  }
}

function argumentsIn(value: Json | undefined): string {
  if (typeof value === 'string') return value
  return isJsonObject(value) ? JSON.stringify(value) : ''
}
