// A stream of Converse, read in order: messageStart, blocks that begin (only calls say so), grow and stop, messageStop, metadata. Usage comes
// after the reason to stop, so the reason is held until the metadata is there: then `finish` and `end` follow each other. A stream without
// metadata was cut.
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { parseObject } from '../loose-json.ts'
import type { ModelEvent } from '../middle.ts'
import type { DecodeContext, StreamDecoder, WireEvent } from '../wire.ts'
import { callOf, converseUsage, serviceTierOf, stopOf, stopSequenceOf } from './converse-answer.ts'
import { bedrockFailure } from './converse-failure.ts'

type Block =
  | { readonly kind: 'text'; readonly index: number; readonly annotations: JsonObject[] }
  | { readonly kind: 'reasoning'; readonly index: number; signature: string; redacted: string }
  | { readonly kind: 'tool'; readonly index: number; isEmpty: boolean }
  /** What the provider does for itself; the caller does not see it. */
  | { readonly kind: 'hidden' }

const EXCEPTION = 'exception:'
const EVENTS = new Set(['messageStart', 'contentBlockStart', 'contentBlockDelta', 'contentBlockStop', 'messageStop', 'metadata'])
const MAX_OPEN_BLOCKS = 1_024
const MAX_ANNOTATIONS = 1_024
const MAX_PROOF = 4_194_304

/** Reads one stream. */
export function createConverseDecoder(context: DecodeContext): StreamDecoder {
  return new ConverseDecoder(context)
}

class ConverseDecoder implements StreamDecoder {
  readonly #context: DecodeContext
  readonly #open = new Map<number, Block>()
  #events: ModelEvent[] = []
  #next = 0
  #hasStarted = false
  #hasCalls = false
  #isOver = false
  #stop: { readonly reason: Json | undefined; readonly stopSequence?: string } | undefined
  #metadata: { readonly serviceTier?: string } | undefined

  constructor(context: DecodeContext) {
    this.#context = context
  }

  push(event: WireEvent): readonly ModelEvent[] {
    if (this.#isOver) return []
    this.#events = []
    this.#read(event)
    return this.#events
  }

  close(): readonly ModelEvent[] {
    return []
  }

  #read({ event, data }: WireEvent): void {
    if (event.startsWith(EXCEPTION)) {
      this.#isOver = true
      this.#events.push({ type: 'error', failure: bedrockFailure(event.slice(EXCEPTION.length), parseObject(data) ?? {}) })
      return
    }
    if (!EVENTS.has(event)) return
    const body = parseObject(data)
    if (body === undefined) return this.#giveUp()
    this.#start()
    this.#take(event, body)
  }

  #take(event: string, body: JsonObject): void {
    switch (event) {
      case 'contentBlockStart':
        return this.#beginBlock(placeOf(body), body['start'])
      case 'contentBlockDelta':
        return this.#grow(placeOf(body), body['delta'])
      case 'contentBlockStop':
        return this.#endBlock(placeOf(body))
      case 'messageStop':
        this.#endBlocks()
        this.#stop = { reason: body['stopReason'], ...stopSequenceOf(body) }
        return this.#finish()
      case 'metadata': {
        const usage = converseUsage(body)
        if (usage !== undefined) this.#events.push({ type: 'usage', usage })
        this.#metadata = serviceTierOf(body)
        return this.#finish()
      }
      default:
    }
  }

  #giveUp(): void {
    this.#isOver = true
    const message = 'the provider sent an event that cannot be read'
    this.#events.push({ type: 'error', failure: { kind: 'invalid', message } })
  }

  #start(): void {
    if (this.#hasStarted) return
    this.#hasStarted = true
    this.#events.push({ type: 'start', id: this.#context.newId('msg') })
  }

  #finish(): void {
    if (this.#stop === undefined || this.#metadata === undefined) return
    this.#isOver = true
    // a block that began after the reason to stop is still part of the answer
    this.#endBlocks()
    const { reason, ...sequence } = this.#stop
    const stop = stopOf(reason, { call: this.#hasCalls, refusal: false })
    this.#events.push({ type: 'finish', stop, ...sequence, ...this.#metadata }, { type: 'end' })
  }

  #endBlocks(): void {
    for (const place of this.#open.keys()) this.#endBlock(place)
  }

  #beginBlock(place: number, start: Json | undefined): void {
    if (!isJsonObject(start)) return
    this.#endBlock(place)
    const { toolUse } = start
    const call = isJsonObject(toolUse) ? callOf(toolUse, this.#context) : undefined
    // Results of the provider's own tools and pictures begin here too.
    if (call === undefined) return this.#put(place, { kind: 'hidden' })
    this.#hasCalls = true
    const index = this.#next++
    this.#put(place, { kind: 'tool', index, isEmpty: true })
    this.#events.push({ type: 'tool-start', index, ...call })
  }

  #grow(place: number, delta: Json | undefined): void {
    if (!isJsonObject(delta) || this.#open.get(place)?.kind === 'hidden') return
    const { text, toolUse, reasoningContent, citation } = delta
    if (typeof text === 'string' && text !== '') this.#events.push({ type: 'text-delta', index: this.#textAt(place).index, text })
    else if (isJsonObject(toolUse)) this.#growCall(place, toolUse['input'])
    else if (isJsonObject(reasoningContent)) this.#growThought(place, reasoningContent)
    else if (isJsonObject(citation)) {
      const { annotations } = this.#textAt(place)
      if (annotations.length < MAX_ANNOTATIONS) annotations.push(citation)
    }
  }

  #growCall(place: number, json: Json | undefined): void {
    const block = this.#open.get(place)
    if (block?.kind !== 'tool' || typeof json !== 'string' || json === '') return
    block.isEmpty = false
    this.#events.push({ type: 'tool-delta', index: block.index, json })
  }

  #growThought(place: number, { text, signature, redactedContent }: JsonObject): void {
    const block = this.#thoughtAt(place)
    if (typeof text === 'string' && text !== '') this.#events.push({ type: 'reasoning-delta', index: block.index, text })
    if (typeof signature === 'string') block.signature += signature
    if (typeof redactedContent === 'string') block.redacted += redactedContent
    if (block.signature.length + block.redacted.length > MAX_PROOF) this.#giveUp()
  }

  #textAt(place: number): Extract<Block, { kind: 'text' }> {
    const known = this.#open.get(place)
    if (known?.kind === 'text') return known
    this.#endBlock(place)
    const block = { kind: 'text', index: this.#next++, annotations: [] } as const satisfies Block
    this.#events.push({ type: 'text-start', index: block.index })
    this.#put(place, block)
    return block
  }

  #thoughtAt(place: number): Extract<Block, { kind: 'reasoning' }> {
    const known = this.#open.get(place)
    if (known?.kind === 'reasoning') return known
    this.#endBlock(place)
    const block: Extract<Block, { kind: 'reasoning' }> = { kind: 'reasoning', index: this.#next++, signature: '', redacted: '' }
    this.#events.push({ type: 'reasoning-start', index: block.index })
    this.#put(place, block)
    return block
  }

  /** A stream that never stops its blocks must not make us remember them all. */
  #put(place: number, block: Block): void {
    if (this.#open.size >= MAX_OPEN_BLOCKS) this.#endBlock(this.#open.keys().next().value ?? place)
    this.#open.set(place, block)
  }

  #endBlock(place: number): void {
    const block = this.#open.get(place)
    if (block === undefined) return
    this.#open.delete(place)
    const { family } = this.#context
    switch (block.kind) {
      case 'text': {
        const { index, annotations } = block
        this.#events.push({ type: 'text-end', index, ...(annotations.length === 0 ? {} : { annotations }) })
        return
      }
      case 'reasoning': {
        const { index, signature, redacted } = block
        this.#events.push({
          type: 'reasoning-end',
          index,
          ...(signature === '' ? {} : { signature: { family, value: signature } }),
          ...(redacted === '' ? {} : { redacted: { family, value: redacted } }),
        })
        return
      }
      case 'tool':
        if (block.isEmpty) this.#events.push({ type: 'tool-delta', index: block.index, json: '{}' })
        this.#events.push({ type: 'tool-end', index: block.index })
        break
      case 'hidden':
    }
  }
}

function placeOf(body: JsonObject): number {
  const place = body['contentBlockIndex']
  return typeof place === 'number' ? place : 0
}
