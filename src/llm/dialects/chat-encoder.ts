import type { JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import type { ModelEvent } from '../middle.ts'
import type { DialectError, EncodeContext, StreamEncoder } from '../wire.ts'
import { chatErrorFrame } from '../wires/chat-failure.ts'
import { finishMembers } from '../wires/chat-stop.ts'
import { toChatUsage } from '../wires/chat-usage.ts'

/** Makes a writer of one stream. */
export function createChatEncoder(context: EncodeContext): StreamEncoder {
  return new ChatEncoder(context)
}

interface SentCall {
  /** Place among the calls of the answer, which is not the place among its parts. */
  readonly place: number
  hasArguments: boolean
}

class ChatEncoder implements StreamEncoder {
  readonly #context: EncodeContext
  /** Members every chunk begins with, as text. */
  #head = ''
  /** How a chunk with a choice ends: with `include_usage` every one says that usage is not known yet. */
  readonly #tail: string
  readonly #calls = new Map<number, SentCall>()
  #usage: Usage | undefined
  #hasRefused = false

  constructor(context: EncodeContext) {
    this.#context = context
    this.#tail = context.includeUsage ? ',"usage":null}\n\n' : '}\n\n'
  }

  encode(event: ModelEvent): string {
    switch (event.type) {
      case 'start':
        return this.#start(event.id, event.usage)
      case 'text-delta':
        return this.#delta({ content: event.text }, event.logprobs)
      case 'refusal-delta':
        this.#hasRefused = true
        return this.#delta({ refusal: event.text })
      case 'reasoning-delta':
        return this.#delta({ reasoning_content: event.text })
      case 'text-end':
        return event.annotations === undefined ? '' : this.#delta({ annotations: event.annotations })
      case 'tool-start':
        return this.#beginCall(event.index, event.id, event.name)
      case 'tool-delta':
        return this.#arguments(event.index, event.json)
      case 'tool-end':
        return this.#endCall(event)
      case 'usage':
        this.#usage = event.usage
        return ''
      case 'finish':
        return this.#finish(event)
      case 'end':
        return `${this.#usageChunk()}data: [DONE]\n\n`
      case 'ping':
        return KEEP_ALIVE
      default:
        return '' // parts begin and end without a word here; an error is written by `fail`
    }
  }

  fail(error: DialectError, requestId: string): string {
    return chatErrorFrame(error, requestId)
  }

  #start(id: string, usage: Usage | undefined): string {
    const { created, model } = this.#context
    this.#usage = usage
    const members = JSON.stringify({ id, object: 'chat.completion.chunk', created, model })
    this.#head = `data: ${members.slice(0, -1)},"choices":[`
    return this.#delta({ role: 'assistant', content: '', refusal: null })
  }

  #delta(delta: JsonObject, logprobs?: readonly JsonObject[]): string {
    const said = logprobs === undefined ? 'null' : JSON.stringify({ content: logprobs, refusal: null })
    return `${this.#head}{"index":0,"delta":${JSON.stringify(delta)},"logprobs":${said},"finish_reason":null}]${this.#tail}`
  }

  #beginCall(index: number, id: string, name: string): string {
    const call = { place: this.#calls.size, hasArguments: false }
    this.#calls.set(index, call)
    return this.#delta({ tool_calls: [{ index: call.place, id, type: 'function', function: { name, arguments: '' } }] })
  }

  #arguments(index: number, json: string): string {
    const call = this.#calls.get(index)
    if (call === undefined || json === '') return ''
    call.hasArguments = true
    return this.#delta({ tool_calls: [{ index: call.place, function: { arguments: json } }] })
  }

  /** A call without arguments still has JSON for them; a proof of Gemini goes where its own OpenAI door puts it. */
  #endCall({ index, signature }: Extract<ModelEvent, { type: 'tool-end' }>): string {
    const call = this.#calls.get(index)
    if (call === undefined) return ''
    const empty = call.hasArguments ? '' : this.#arguments(index, '{}')
    if (signature?.family !== 'gemini') return empty
    const extra = { extra_content: { google: { thought_signature: signature.value } } }
    // Readers look into `function` of every piece without asking whether it is there.
    return empty + this.#delta({ tool_calls: [{ index: call.place, function: { arguments: '' }, ...extra }] })
  }

  #finish({ stop, serviceTier }: Extract<ModelEvent, { type: 'finish' }>): string {
    const choice = JSON.stringify({ index: 0, delta: {}, logprobs: null, ...finishMembers(stop, this.#hasRefused) })
    const tier = serviceTier === undefined ? '' : `,"service_tier":${JSON.stringify(serviceTier)}`
    return `${this.#head}${choice}]${tier}${this.#tail}`
  }

  #usageChunk(): string {
    if (!this.#context.includeUsage || this.#usage === undefined) return ''
    return `${this.#head}],"usage":${JSON.stringify(toChatUsage(this.#usage))}}\n\n`
  }
}

/** A comment, which every reader of event streams skips. */
const KEEP_ALIVE = ': keep-alive\n\n'
