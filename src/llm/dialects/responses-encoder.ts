// How a stream is written: parts of the middle form become output items. (1) Words and refusals that follow each other share one message item,
// every other part is an item of its own; items may be open side by side, each with its output_index. (2) Every `.done` event repeats the full
// value, and the last event the whole response, so what was written is kept until then. (3) Each frame takes the next sequence_number.
import type { JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import type { ModelEvent, Signature, StopReason } from '../middle.ts'
import type { DialectError, EncodeContext, StreamEncoder } from '../wire.ts'
import { responsesFrame, toResponseError } from '../wires/responses-frame.ts'
import {
  callItem,
  callProof,
  messageItem,
  reasoningId,
  reasoningItem,
  refusalContent,
  textContent,
  toEnding,
  toResponse,
  type ResponseFacts,
} from './responses-encoder-items.ts'

/** A comment that keeps the connection open. */
export const KEEP_ALIVE = ': keep-alive\n\n'

/** Makes an encoder of one stream. */
export function createResponsesEncoder(context: EncodeContext): StreamEncoder {
  return new ResponsesEncoder(context)
}

interface Message {
  readonly kind: 'message'
  readonly id: string
  readonly content: JsonObject[]
  /** Texts still being written. */
  open: number
  /** Another item has begun: the next words get a message of their own. */
  isSealed: boolean
}

interface Words {
  readonly kind: 'text' | 'refusal'
  readonly output: number
  readonly place: number
  readonly message: Message
  text: string
  readonly logprobs: JsonObject[]
}

interface Thought {
  readonly kind: 'reasoning'
  readonly output: number
  readonly id: string
  text: string
}

interface Call {
  readonly kind: 'tool'
  readonly output: number
  readonly id: string
  readonly callId: string
  readonly name: string
  text: string
}

type OpenPart = Words | Thought | Call

class ResponsesEncoder implements StreamEncoder {
  readonly #context: EncodeContext
  readonly #parts = new Map<number, OpenPart>()
  /** Every item so far, at its output_index; of an open one, what is known of it. */
  readonly #output: JsonObject[] = []
  #message: { readonly item: Message; readonly output: number } | undefined
  #out = ''
  #sequence = 0
  #id = ''
  #usage: Usage | undefined
  #ending: { readonly stop: StopReason; readonly serviceTier?: string } = { stop: 'end' }
  #hasRefusal = false

  constructor(context: EncodeContext) {
    this.#context = context
  }

  encode(event: ModelEvent): string {
    this.#out = ''
    this.#write(event)
    return this.#out
  }

  fail(error: DialectError): string {
    this.#out = ''
    this.#start('')
    for (const part of this.#parts.values()) this.#note(part)
    this.#emit('response.failed', { response: this.#response({ status: 'failed', error: toResponseError(error) }) })
    return this.#out
  }

  #write(event: ModelEvent): void {
    switch (event.type) {
      case 'start':
        this.#usage = event.usage ?? this.#usage
        return this.#start(event.id)
      case 'text-start':
        return this.#beginWords('text', event.index)
      case 'refusal-start':
        this.#hasRefusal = true
        return this.#beginWords('refusal', event.index)
      case 'reasoning-start':
        return this.#beginThought(event.index, event.id)
      case 'tool-start':
        return this.#beginCall(event.index, event.id, event.name)
      case 'text-delta':
        return this.#delta(event.index, event.text, event.logprobs)
      case 'refusal-delta':
      case 'reasoning-delta':
        return this.#delta(event.index, event.text)
      case 'tool-delta':
        return this.#delta(event.index, event.json)
      case 'text-end':
        return this.#endWords(event.index, event.annotations)
      case 'refusal-end':
        return this.#endWords(event.index)
      case 'reasoning-end':
        return this.#endThought(event.index, event)
      case 'tool-end':
        return this.#endCall(event.index, event.signature)
      case 'usage':
        this.#usage = event.usage
        break
      case 'finish':
        this.#ending = event
        break
      case 'end':
        return this.#end()
      case 'ping':
        this.#out += KEEP_ALIVE
        break
      case 'error':
        // how the stream fails is for `fail` to say
        break
    }
  }

  #emit(type: string, members: JsonObject): void {
    this.#out += responsesFrame(type, this.#sequence, members)
    this.#sequence += 1
  }

  #response(facts: Omit<ResponseFacts, 'id' | 'output' | 'usage' | 'serviceTier'>): JsonObject {
    const { serviceTier } = this.#ending
    return toResponse({ ...facts, id: this.#id, output: this.#output, usage: this.#usage, serviceTier }, this.#context)
  }

  #start(id: string): void {
    if (this.#id !== '') return
    this.#id = id.startsWith('resp_') ? id : this.#context.newId('resp')
    const usage = this.#usage
    this.#usage = undefined
    const response = this.#response({ status: 'in_progress' })
    this.#usage = usage
    this.#emit('response.created', { response })
    this.#emit('response.in_progress', { response })
  }

  /** Takes the next output_index for an item. */
  #add(item: JsonObject): number {
    const output = this.#output.push(item) - 1
    this.#emit('response.output_item.added', { output_index: output, item })
    return output
  }

  #done(output: number, item: JsonObject): void {
    this.#output[output] = item
    this.#emit('response.output_item.done', { output_index: output, item })
  }

  #beginWords(kind: Words['kind'], index: number): void {
    const { item: message, output } = this.#openMessage()
    message.open += 1
    const content = kind === 'text' ? textContent('') : refusalContent('')
    const place = message.content.push(content) - 1
    this.#parts.set(index, { kind, output, place, message, text: '', logprobs: [] })
    this.#emit('response.content_part.added', { item_id: message.id, output_index: output, content_index: place, part: content })
  }

  #openMessage(): { readonly item: Message; readonly output: number } {
    if (this.#message !== undefined) return this.#message
    const id = this.#context.newId('msg')
    const item: Message = { kind: 'message', id, content: [], open: 0, isSealed: false }
    this.#message = { item, output: this.#add(messageItem(id, 'in_progress', [])) }
    return this.#message
  }

  /** An item of another kind begins: the message under way takes no more texts, and ends when the last of them does. */
  #sealMessage(): void {
    const current = this.#message
    if (current === undefined) return
    this.#message = undefined
    current.item.isSealed = true
    this.#endMessage(current.item, current.output)
  }

  #endMessage(message: Message, output: number, status = 'completed'): void {
    if (message.isSealed && message.open === 0) this.#done(output, messageItem(message.id, status, message.content))
  }

  #beginThought(index: number, given: string | undefined): void {
    this.#sealMessage()
    const id = reasoningId(given, this.#context)
    this.#parts.set(index, { kind: 'reasoning', output: this.#add(reasoningItem(id, { text: '' })), id, text: '' })
  }

  #beginCall(index: number, callId: string, name: string): void {
    this.#sealMessage()
    const id = this.#context.newId('fc')
    const output = this.#add(callItem(id, 'in_progress', { id: callId, name, arguments: '' }))
    this.#parts.set(index, { kind: 'tool', output, id, callId, name, text: '' })
  }

  #delta(index: number, delta: string, logprobs: readonly JsonObject[] = []): void {
    const part = this.#parts.get(index)
    if (part === undefined || delta === '') return
    const isFirst = part.text === ''
    part.text += delta
    if (part.kind === 'reasoning') {
      const place = { item_id: part.id, output_index: part.output, summary_index: 0 }
      if (isFirst) this.#emit('response.reasoning_summary_part.added', { ...place, part: { type: 'summary_text', text: '' } })
      this.#emit('response.reasoning_summary_text.delta', { ...place, delta })
    } else if (part.kind === 'tool')
      this.#emit('response.function_call_arguments.delta', { item_id: part.id, output_index: part.output, delta })
    else if (part.kind === 'refusal') this.#emit('response.refusal.delta', { ...placeOf(part), delta })
    else {
      for (const entry of logprobs) part.logprobs.push(entry)
      this.#emit('response.output_text.delta', { ...placeOf(part), delta, logprobs })
    }
  }

  #endWords(index: number, annotations: readonly JsonObject[] = []): void {
    const part = this.#parts.get(index)
    if (part === undefined || (part.kind !== 'text' && part.kind !== 'refusal')) return
    this.#parts.delete(index)
    const { message, text, logprobs } = part
    const place = placeOf(part)
    const content = part.kind === 'text' ? textContent(text, annotations, logprobs) : refusalContent(text)
    message.content[part.place] = content
    message.open -= 1
    annotations.forEach((annotation, annotationIndex) =>
      this.#emit('response.output_text.annotation.added', { ...place, annotation_index: annotationIndex, annotation }),
    )
    if (part.kind === 'text') this.#emit('response.output_text.done', { ...place, text, logprobs })
    else this.#emit('response.refusal.done', { ...place, refusal: text })
    this.#emit('response.content_part.done', { ...place, part: content })
    this.#endMessage(message, part.output)
  }

  #endThought(index: number, proof: { readonly signature?: Signature; readonly redacted?: Signature }): void {
    const part = this.#parts.get(index)
    if (part?.kind !== 'reasoning') return
    this.#parts.delete(index)
    const { id, output, text } = part
    const place = { item_id: id, output_index: output, summary_index: 0 }
    if (text !== '') {
      this.#emit('response.reasoning_summary_text.done', { ...place, text })
      this.#emit('response.reasoning_summary_part.done', { ...place, part: { type: 'summary_text', text } })
    }
    this.#done(output, reasoningItem(id, { ...proof, text }))
  }

  #endCall(index: number, signature: Signature | undefined): void {
    const part = this.#parts.get(index)
    if (part?.kind !== 'tool') return
    this.#parts.delete(index)
    const { id, callId, name, output } = part
    const args = part.text === '' ? '{}' : part.text
    this.#emit('response.function_call_arguments.done', { item_id: id, output_index: output, name, arguments: args })
    this.#done(output, callItem(id, 'completed', { id: callId, name, arguments: args }))
    if (signature === undefined) return
    const proof = callProof(this.#context.newId('rs'), callId, signature)
    this.#done(this.#add(proof), proof)
  }

  #end(): void {
    const { stop } = this.#ending
    const ending = toEnding(stop, this.#hasRefusal)
    const current = this.#message
    if (current !== undefined) {
      current.item.isSealed = true
      this.#endMessage(current.item, current.output, ending.status === 'incomplete' ? 'incomplete' : 'completed')
    }
    this.#emit(`response.${ending.status}`, { response: this.#response(ending) })
  }

  /** Puts what is known of an open part into the response that failed. */
  #note(part: OpenPart): void {
    const { output, text } = part
    if (part.kind === 'reasoning') this.#output[output] = reasoningItem(part.id, { text })
    else if (part.kind === 'tool')
      this.#output[output] = callItem(part.id, 'incomplete', { id: part.callId, name: part.name, arguments: text })
    else {
      part.message.content[part.place] = part.kind === 'text' ? textContent(text, [], part.logprobs) : refusalContent(text)
      this.#output[output] = messageItem(part.message.id, 'incomplete', part.message.content)
    }
  }
}

function placeOf({ message, output, place }: Words): JsonObject {
  return { item_id: message.id, output_index: output, content_index: place }
}
