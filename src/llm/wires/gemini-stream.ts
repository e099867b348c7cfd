// Chunks become events. (1) Text and thoughts run on over chunks as long as their kind stays the same; a call is whole in one chunk, or in
// pieces when it says so; (2) usage is a running total and replaces what was known; (3) the wire has no end mark: the end of the body is the
// end, and it is a good one only when a reason to finish was seen. `finish` waits for it, since parts may still follow that reason.
import { isJsonObject, type Json } from '../../core/json.ts'
import { parseValue } from '../loose-json.ts'
import type { ModelEvent, StopReason } from '../middle.ts'
import type { DecodeContext, StreamDecoder, WireEvent } from '../wire.ts'
import { argumentsText, callNames, readBody, toSignature, type Piece } from './gemini-answer.ts'
import { geminiFailure } from './gemini-error.ts'
import { createPartialArguments, type PartialArguments } from './gemini-partial-args.ts'
import { geminiServiceTier, geminiUsage } from './gemini-usage.ts'
import { toStop } from './stop-reason.ts'

type Open =
  | { readonly kind: 'text' | 'thought'; readonly index: number; signature?: string }
  | { readonly kind: 'call'; readonly index: number; readonly args: PartialArguments; signature?: string }

/** Reads one stream of `streamGenerateContent`. */
export function createGeminiDecoder(context: DecodeContext): StreamDecoder {
  const decoder = new GeminiDecoder(context)
  return { push: (event) => decoder.push(event), close: () => decoder.close() }
}

class GeminiDecoder {
  readonly #context: DecodeContext
  #events: ModelEvent[] = []
  #started = false
  #failed = false
  #open: Open | undefined
  #next = 0
  #called = false
  #stop: StopReason | undefined
  #serviceTier: string | undefined

  constructor(context: DecodeContext) {
    this.#context = context
  }

  push({ data }: WireEvent): readonly ModelEvent[] {
    if (this.#failed || data.trim() === '' || data === '[DONE]') return []
    this.#events = []
    this.#read(parseValue(data))
    return this.#events
  }

  close(): readonly ModelEvent[] {
    this.#events = []
    if (this.#failed || this.#stop === undefined) return []
    this.#end()
    const stop = toStop(this.#stop, { call: this.#called, refusal: false })
    const tier = this.#serviceTier === undefined ? {} : { serviceTier: this.#serviceTier }
    this.#events.push({ type: 'finish', stop, ...tier }, { type: 'end' })
    return this.#events
  }

  #read(given: unknown): void {
    // Some doors wrap an error in a list.
    const body: unknown = Array.isArray(given) ? given[0] : given
    if (!isJsonObject(body)) return this.#fail({ kind: 'invalid', message: 'the provider sent a chunk that is not JSON' })
    const { error } = body
    if (isJsonObject(error)) return this.#fail(geminiFailure(error, undefined))
    const reading = readBody(body)
    // A chunk of a kind nobody has heard of is no reason to stop.
    if (reading === undefined) return
    const usage = geminiUsage(body)
    this.#start(reading.id, reading.model)
    for (const piece of reading.pieces) this.#piece(piece, reading.logprobs)
    if (usage !== undefined) this.#events.push({ type: 'usage', usage })
    this.#stop = reading.stop ?? this.#stop
    this.#serviceTier = geminiServiceTier(body) ?? this.#serviceTier
  }

  #start(id: string | undefined, model: string | undefined): void {
    if (this.#started) return
    this.#started = true
    this.#events.push({ type: 'start', id: id ?? this.#context.newId('gen'), ...(model === undefined ? {} : { model }) })
  }

  #fail(failure: Extract<ModelEvent, { type: 'error' }>['failure']): void {
    this.#failed = true
    this.#events.push({ type: 'error', failure })
  }

  #piece(piece: Piece, logprobs: readonly Record<string, Json | undefined>[] | undefined): void {
    // An answer that streams has no word for pictures.
    if (piece.kind === 'media') return
    if (piece.kind === 'call') return this.#call(piece)
    if (piece.text !== '') this.#words(piece.kind, piece.text, piece.kind === 'text' ? logprobs : undefined)
    if (piece.signature === undefined) return
    if (piece.kind === 'thought' && this.#open?.kind === 'thought') {
      this.#open.signature = piece.signature
      this.#end()
    } else this.#loneSignature(piece.signature)
  }

  #words(kind: 'text' | 'thought', text: string, logprobs: readonly Record<string, Json | undefined>[] | undefined): void {
    if (this.#open?.kind !== kind) {
      this.#end()
      this.#open = { kind, index: this.#next }
      this.#next += 1
      this.#events.push({ type: kind === 'text' ? 'text-start' : 'reasoning-start', index: this.#open.index })
    }
    const { index } = this.#open
    if (kind === 'thought') this.#events.push({ type: 'reasoning-delta', index, text })
    else this.#events.push({ type: 'text-delta', index, text, ...(logprobs === undefined ? {} : { logprobs }) })
  }

  /** A signature on text, or on nothing: a thought without words carries it, after the text it belongs to. */
  #loneSignature(value: string): void {
    this.#end()
    const index = this.#next
    this.#next += 1
    this.#events.push(
      { type: 'reasoning-start', index },
      { type: 'reasoning-end', index, ...toSignature(value, this.#context.family) },
    )
  }

  #call({ call, signature }: Extract<Piece, { kind: 'call' }>): void {
    const continues = call['willContinue'] === true
    const named = typeof call['name'] === 'string' && call['name'] !== ''
    if (this.#open?.kind !== 'call' || named) {
      if (!named && !continues && call['args'] === undefined) return
      this.#end()
      this.#startCall(call)
    }
    if (this.#open?.kind !== 'call') return
    if (signature !== undefined) this.#open.signature = signature
    this.#open.args.add(call['partialArgs'])
    if (continues) return
    this.#end(isJsonObject(call['args']) ? argumentsText(call) : undefined)
  }

  #startCall(call: Extract<Piece, { kind: 'call' }>['call']): void {
    this.#called = true
    this.#open = { kind: 'call', index: this.#next, args: createPartialArguments() }
    this.#next += 1
    this.#events.push({ type: 'tool-start', index: this.#open.index, ...callNames(call, this.#context) })
  }

  /** Ends the part that is open. */
  #end(args?: string): void {
    const open = this.#open
    if (open === undefined) return
    this.#open = undefined
    const { index } = open
    const signature = toSignature(open.signature, this.#context.family)
    if (open.kind === 'call')
      this.#events.push({ type: 'tool-delta', index, json: args ?? open.args.text() }, { type: 'tool-end', index, ...signature })
    else if (open.kind === 'thought') this.#events.push({ type: 'reasoning-end', index, ...signature })
    else this.#events.push({ type: 'text-end', index })
  }
}
