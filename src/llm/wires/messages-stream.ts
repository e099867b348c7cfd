// A Messages stream as events of the middle form: (1) each content block becomes a part, numbered in the order it began; blocks of tools that
// ran at the provider are passed over; (2) usage is collected field by field; (3) the first stop reason closes what is open and finishes the
// answer, `message_stop` ends it. What the wire leaves out (a start, a stop) is filled in, so that the order of events always holds.
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { objectOf, parseObject, textOf } from '../loose-json.ts'
import type { ModelEvent } from '../middle.ts'
import type { DecodeContext, StreamDecoder, WireEvent } from '../wire.ts'
import { stopOf } from './messages-answer.ts'
import { messagesFailure } from './messages-failure.ts'
import { createUsageMeter } from './messages-usage.ts'
import { callersName } from './tool-names.ts'

/** Makes a decoder for one stream. */
export function createMessagesDecoder(context: DecodeContext): StreamDecoder {
  return new MessagesDecoder(context)
}

interface Block {
  readonly kind: 'text' | 'reasoning' | 'tool'
  readonly index: number
  signature: string
  redacted: string | undefined
  /** Arguments that came whole with the start of a call, in case no delta follows. */
  input: string
  hasInput: boolean
  readonly citations: JsonObject[]
}

const MAX_CITATIONS = 1_000

class MessagesDecoder implements StreamDecoder {
  readonly #context: DecodeContext
  readonly #meter = createUsageMeter()
  /** Open blocks by the index of the wire. */
  readonly #open = new Map<number, Block>()
  #events: ModelEvent[] = []
  #parts = 0
  #isStarted = false
  #isFinished = false
  #isOver = false
  #hasCalls = false

  constructor(context: DecodeContext) {
    this.#context = context
  }

  push({ event, data }: WireEvent): readonly ModelEvent[] {
    if (this.#isOver) return []
    const body = parseObject(data)
    if (body === undefined)
      this.#fail({ type: 'error', failure: { kind: 'invalid', message: 'an event of the stream is not JSON' } })
    else this.#read(typeof body['type'] === 'string' ? body['type'] : event, body)
    const events = this.#events
    this.#events = []
    return events
  }

  close(): readonly ModelEvent[] {
    return []
  }

  #read(type: string, body: JsonObject): void {
    switch (type) {
      case 'message_start':
        return this.#start(objectOf(body['message']))
      case 'content_block_start':
        return this.#openBlock(indexOf(body), objectOf(body['content_block']))
      case 'content_block_delta':
        return this.#delta(this.#open.get(indexOf(body)), objectOf(body['delta']))
      case 'content_block_stop':
        return this.#closeBlock(indexOf(body))
      case 'message_delta':
        return this.#messageDelta(body)
      case 'message_stop':
        return this.#stop()
      case 'ping':
        return void this.#events.push({ type: 'ping' })
      case 'error':
        return this.#fail({ type: 'error', failure: messagesFailure(body) })
      default:
        // The wire may grow events; those unknown here carry nothing a caller of another dialect could be told.
        return undefined
    }
  }

  #start(message: JsonObject): void {
    if (this.#isStarted) return
    this.#isStarted = true
    this.#meter.take(message['usage'])
    const { id, model } = message
    const usage = this.#meter.usage()
    this.#events.push({
      type: 'start',
      id: textOf(id) || this.#context.newId('msg'),
      ...(typeof model === 'string' ? { model } : {}),
      ...(usage === undefined ? {} : { usage }),
    })
  }

  #openBlock(at: number, content: JsonObject): void {
    if (this.#isFinished) return
    this.#start({})
    this.#closeBlock(at)
    const kind = kindOf(content['type'])
    if (kind === undefined) return
    const block: Block = {
      kind,
      index: this.#parts,
      signature: textOf(content['signature']),
      redacted: content['type'] === 'redacted_thinking' ? textOf(content['data']) : undefined,
      input: JSON.stringify(content['input'] ?? {}),
      hasInput: false,
      citations: [],
    }
    this.#parts += 1
    this.#open.set(at, block)
    const { index } = block
    if (kind !== 'tool') {
      this.#events.push({ type: kind === 'text' ? 'text-start' : 'reasoning-start', index })
      this.#words(block, textOf(content[kind === 'text' ? 'text' : 'thinking']))
      return
    }
    this.#hasCalls = true
    const id = textOf(content['id']) || this.#context.newId('toolu')
    this.#events.push({ type: 'tool-start', index, id, name: callersName(textOf(content['name']), this.#context) })
  }

  #delta(block: Block | undefined, delta: JsonObject): void {
    if (block === undefined) return
    switch (delta['type']) {
      case 'text_delta':
        return block.kind === 'text' ? this.#words(block, textOf(delta['text'])) : undefined
      case 'thinking_delta':
        return block.kind === 'reasoning' ? this.#words(block, textOf(delta['thinking'])) : undefined
      case 'signature_delta':
        block.signature += textOf(delta['signature'])
        return undefined
      case 'input_json_delta':
        return block.kind === 'tool' ? this.#input(block, textOf(delta['partial_json'])) : undefined
      case 'citations_delta': {
        const citation = delta['citation']
        if (isJsonObject(citation) && block.citations.length < MAX_CITATIONS) block.citations.push(citation)
        return undefined
      }
      default:
        return undefined
    }
  }

  #words({ kind, index }: Block, text: string): void {
    if (text !== '') this.#events.push({ type: kind === 'text' ? 'text-delta' : 'reasoning-delta', index, text })
  }

  #input(block: Block, json: string): void {
    if (json === '') return
    block.hasInput = true
    this.#events.push({ type: 'tool-delta', index: block.index, json })
  }

  #closeBlock(at: number): void {
    const block = this.#open.get(at)
    if (block === undefined) return
    this.#open.delete(at)
    const { kind, index, redacted, citations } = block
    const { family } = this.#context
    if (kind === 'text') {
      this.#events.push({ type: 'text-end', index, ...(citations.length === 0 ? {} : { annotations: citations }) })
    } else if (kind === 'reasoning') {
      this.#events.push({
        type: 'reasoning-end',
        index,
        ...(block.signature === '' ? {} : { signature: { family, value: block.signature } }),
        ...(redacted === undefined ? {} : { redacted: { family, value: redacted } }),
      })
    } else {
      // A call without arguments comes as no delta at all.
      if (!block.hasInput) this.#input(block, block.input)
      this.#events.push({ type: 'tool-end', index })
    }
  }

  #messageDelta(body: JsonObject): void {
    this.#start({})
    this.#meter.take(body['usage'])
    const delta = objectOf(body['delta'])
    if (typeof delta['stop_reason'] === 'string') this.#finish(delta['stop_reason'], delta['stop_sequence'])
    const usage = this.#meter.usage()
    if (usage !== undefined) this.#events.push({ type: 'usage', usage })
  }

  #finish(reason: Json | undefined, sequence: Json | undefined): void {
    if (this.#isFinished) return
    for (const at of this.#open.keys()) this.#closeBlock(at)
    this.#isFinished = true
    const serviceTier = this.#meter.serviceTier()
    this.#events.push({
      type: 'finish',
      stop: stopOf(reason, { call: this.#hasCalls, refusal: false }),
      ...(typeof sequence === 'string' ? { stopSequence: sequence } : {}),
      ...(serviceTier === undefined ? {} : { serviceTier }),
    })
  }

  #stop(): void {
    this.#start({})
    this.#finish(undefined, undefined)
    this.#events.push({ type: 'end' })
    this.#isOver = true
  }

  #fail(event: ModelEvent): void {
    this.#events.push(event)
    this.#isOver = true
  }
}

function kindOf(type: Json | undefined): Block['kind'] | undefined {
  if (type === 'text') return 'text'
  if (type === 'thinking' || type === 'redacted_thinking') return 'reasoning'
  return type === 'tool_use' ? 'tool' : undefined
}

function indexOf(body: JsonObject): number {
  return typeof body['index'] === 'number' ? body['index'] : -1
}
