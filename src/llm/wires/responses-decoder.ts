// How a stream is read: (1) parts are found by output_index and content_index and get their own gapless index when they begin; (2) the full value in
// a `.done` event fills in what no delta said; (3) what is still open when the response ends is closed. A provider that sends only whole items, or
// only the last event, gives the same events as one that sends every delta.
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { objectOf, objectsOf, parseObject, textOf } from '../loose-json.ts'
import type { Failure, ModelEvent, Part } from '../middle.ts'
import type { DecodeContext, StreamDecoder, WireEvent } from '../wire.ts'
import { failureOfEvent } from './responses-failure.ts'
import { callOf, complaintAbout, isCallProof, partsOfItem, proofOf, reasoningText, stopOf } from './responses-output.ts'
import { usageOfResponse } from './responses-usage.ts'

const MAX_PARTS = 10_000
const MAX_OPEN_PARTS = 1_000

type PartKind = 'text' | 'refusal' | 'reasoning' | 'tool'

interface OpenPart {
  readonly index: number
  readonly kind: PartKind
  readonly item: string
  /** Characters handed out so far. */
  written: number
  /** Thoughts: which list they are read from, and where in it. */
  source: string
  piece: number
}

/** Reads one stream of the Responses wire. */
export function createResponsesDecoder(context: DecodeContext): StreamDecoder {
  return new ResponsesDecoder(context)
}

class ResponsesDecoder implements StreamDecoder {
  readonly #context: DecodeContext
  readonly #open = new Map<string, OpenPart>()
  /** Items that gave a part. */
  readonly #items = new Set<string>()
  #out: ModelEvent[] = []
  #count = 0
  #hasStarted = false
  #isOver = false
  readonly #holds = { call: false, refusal: false }

  constructor(context: DecodeContext) {
    this.#context = context
  }

  push(event: WireEvent): readonly ModelEvent[] {
    this.#out = []
    if (!this.#isOver && event.data !== '[DONE]') this.#read(event)
    return this.#out
  }

  /** The end of the body says nothing: only the last event of the response ends it. */
  close(): readonly ModelEvent[] {
    return []
  }

  #read(event: WireEvent): void {
    const data = parseObject(event.data)
    if (data === undefined) this.#fail({ kind: 'invalid', message: 'an event of the stream is not JSON' })
    else this.#see(textOf(data['type']) || event.event, data)
  }

  #see(type: string, data: JsonObject): void {
    switch (type) {
      case 'response.created':
      case 'response.queued':
      case 'response.in_progress':
        return this.#start(data['response'])
      case 'response.output_item.added':
        return this.#itemAdded(data)
      case 'response.content_part.added':
        return this.#contentAdded(data)
      case 'response.output_text.delta':
        return this.#words('text', contentKey(data), data)
      case 'response.refusal.delta':
        return this.#words('refusal', contentKey(data), data)
      case 'response.function_call_arguments.delta':
        return this.#words('tool', itemKey(data), data)
      case 'response.reasoning_summary_text.delta':
      case 'response.reasoning_text.delta':
        return this.#think(type, data)
      case 'response.output_text.done':
        return this.#rest('text', contentKey(data), textOf(data['text']))
      case 'response.refusal.done':
        return this.#rest('refusal', contentKey(data), textOf(data['refusal']))
      case 'response.function_call_arguments.done':
        return this.#rest('tool', itemKey(data), textOf(data['arguments']))
      case 'response.content_part.done':
        return this.#contentDone(data)
      case 'response.output_item.done':
        return this.#itemDone(data)
      case 'response.completed':
      case 'response.incomplete':
        return this.#finish(data)
      default:
        return this.#other(type, data)
    }
  }

  #other(type: string, data: JsonObject): void {
    const isError = type === 'response.failed' || type === 'response.cancelled' || type === 'error'
    if (isError || (!type.startsWith('response.') && isJsonObject(data['error']))) {
      this.#usage(data)
      this.#fail(failureOfEvent(data))
    } else if (type === 'keepalive' || type === 'ping') this.#out.push({ type: 'ping' })
  }

  #start(response: Json | undefined): void {
    if (this.#hasStarted) return
    this.#hasStarted = true
    const facts = objectOf(response)
    const model = textOf(facts['model'])
    this.#out.push({
      type: 'start',
      id: textOf(facts['id']) || this.#context.newId('resp'),
      ...(model === '' ? {} : { model }),
    })
  }

  #itemAdded(data: JsonObject): void {
    const item = objectOf(data['item'])
    const complaint = complaintAbout(item)
    if (complaint !== undefined) return this.#fail({ kind: 'invalid', message: complaint })
    if (isCallProof(item)) this.#items.add(itemKey(data))
    else if (item['type'] === 'function_call') this.#begin('tool', itemKey(data), itemKey(data), item)
    else if (item['type'] === 'reasoning') this.#begin('reasoning', itemKey(data), itemKey(data), item)
  }

  #contentAdded(data: JsonObject): void {
    const part = objectOf(data['part'])
    const kind = part['type'] === 'output_text' ? 'text' : part['type'] === 'refusal' ? 'refusal' : undefined
    if (kind === undefined) return
    this.#begin(kind, contentKey(data), itemKey(data))
    this.#rest(kind, contentKey(data), textOf(part[kind]))
  }

  /** The open part of a key, begun if need be; undefined when something of another kind is open there. */
  #begin(kind: PartKind, key: string, item: string, head: JsonObject = {}): OpenPart | undefined {
    const known = this.#open.get(key)
    if (known !== undefined) return known.kind === kind ? known : undefined
    if (this.#count >= MAX_PARTS || this.#open.size >= MAX_OPEN_PARTS) {
      this.#fail({ kind: 'invalid', message: 'the answer has too many parts' })
      return undefined
    }
    this.#start(undefined)
    const part: OpenPart = { index: this.#count, kind, item, written: 0, source: '', piece: 0 }
    this.#count += 1
    this.#open.set(key, part)
    this.#items.add(item)
    if (kind === 'tool') this.#holds.call = true
    if (kind === 'refusal') this.#holds.refusal = true
    this.#out.push(startOf(part, head, this.#context))
    return part
  }

  #words(kind: PartKind, key: string, data: JsonObject): void {
    const text = textOf(data['delta'])
    const part = text === '' ? undefined : this.#begin(kind, key, itemKey(data))
    if (part !== undefined) this.#write(part, text, objectsOf(data['logprobs']))
  }

  #write(part: OpenPart, text: string, logprobs: readonly JsonObject[] = []): void {
    part.written += text.length
    const { index, kind } = part
    if (kind === 'tool') this.#out.push({ type: 'tool-delta', index, json: text })
    else if (kind === 'text' && logprobs.length > 0) this.#out.push({ type: 'text-delta', index, text, logprobs })
    else this.#out.push({ type: `${kind}-delta`, index, text })
  }

  /** Thoughts come as a summary or as text; the first kind seen is taken, the other says the same again. */
  #think(type: string, data: JsonObject): void {
    const text = textOf(data['delta'])
    const part = text === '' ? undefined : this.#begin('reasoning', itemKey(data), itemKey(data))
    if (part === undefined || (part.source !== '' && part.source !== type)) return
    const place = data['summary_index'] ?? data['content_index']
    const piece = typeof place === 'number' ? place : 0
    if (part.written > 0 && piece !== part.piece) this.#write(part, '\n\n')
    part.source = type
    part.piece = piece
    this.#write(part, text)
  }

  /** Hands out what the deltas did not say. */
  #rest(kind: PartKind, key: string, whole: string): void {
    const part = this.#open.get(key)
    if (part?.kind === kind && whole.length > part.written) this.#write(part, whole.slice(part.written))
  }

  #contentDone(data: JsonObject): void {
    const key = contentKey(data)
    const part = objectOf(data['part'])
    if (!this.#open.has(key)) return
    this.#rest('text', key, textOf(part['text']))
    this.#rest('refusal', key, textOf(part['refusal']))
    this.#close(key, part)
  }

  #itemDone(data: JsonObject): void {
    const item = objectOf(data['item'])
    const key = itemKey(data)
    const complaint = complaintAbout(item)
    if (complaint !== undefined) return this.#fail({ kind: 'invalid', message: complaint })
    if (!this.#items.has(key)) {
      for (const part of partsOfItem(item, this.#context)) this.#whole(key, part)
      return
    }
    const content: readonly unknown[] = Array.isArray(item['content']) ? item['content'] : []
    for (const [name, part] of this.#open) {
      if (part.item !== key) continue
      const own = content[Number(name.slice(key.length + 1))]
      const said = part.kind === 'tool' || part.kind === 'reasoning' || !isJsonObject(own) ? item : own
      this.#rest('tool', name, textOf(item['arguments']))
      if (part.kind === 'reasoning' && part.written === 0) this.#rest('reasoning', name, reasoningText(item))
      if (said !== item) this.#rest(part.kind, name, textOf(said[part.kind]))
      this.#close(name, said)
    }
  }

  /** A part that arrived in one piece. */
  #whole(item: string, part: Part): void {
    const key = `${item}/${this.#count}`
    const kind = part.type === 'tool-call' ? 'tool' : part.type
    if (kind !== 'text' && kind !== 'refusal' && kind !== 'reasoning' && kind !== 'tool') return
    const head: JsonObject =
      part.type === 'tool-call' ? { call_id: part.id, name: part.name } : part.type === 'reasoning' ? { id: part.id } : {}
    const open = this.#begin(kind, key, item, head)
    if (open === undefined) return
    const text = part.type === 'tool-call' ? part.arguments : 'text' in part ? part.text : ''
    if (text !== '') this.#write(open, text)
    this.#open.delete(key)
    if (part.type === 'reasoning') {
      const { signature, redacted } = part
      this.#out.push({
        type: 'reasoning-end',
        index: open.index,
        ...(signature === undefined ? {} : { signature }),
        ...(redacted === undefined ? {} : { redacted }),
      })
    } else if (part.type === 'text' && part.annotations !== undefined)
      this.#out.push({ type: 'text-end', index: open.index, annotations: part.annotations })
    else this.#out.push({ type: `${kind}-end`, index: open.index })
  }

  #close(key: string, said: JsonObject): void {
    const part = this.#open.get(key)
    if (part === undefined) return
    this.#open.delete(key)
    const { index, kind } = part
    if (kind === 'tool' && part.written === 0) this.#write(part, '{}')
    if (kind === 'reasoning') {
      this.#out.push({ type: 'reasoning-end', index, ...proofOf(said, this.#context.family) })
      return
    }
    const annotations = kind === 'text' ? objectsOf(said['annotations']) : []
    if (annotations.length > 0) this.#out.push({ type: 'text-end', index, annotations })
    else this.#out.push({ type: `${kind}-end`, index })
  }

  #usage(data: JsonObject): void {
    const usage = usageOfResponse(data)
    if (usage !== undefined) this.#out.push({ type: 'usage', usage })
  }

  #finish(data: JsonObject): void {
    const response = objectOf(data['response'])
    this.#start(response)
    const output = objectsOf(response['output'])
    for (const [key, part] of this.#open) this.#close(key, output[Number(part.item)] ?? {})
    if (this.#count === 0) output.forEach((item, index) => this.#itemDone({ item, output_index: index }))
    if (this.#isOver) return
    this.#isOver = true
    this.#usage(data)
    const status = data['type'] === 'response.incomplete' ? 'incomplete' : response['status']
    const tier = textOf(response['service_tier'])
    const stop = stopOf({ ...response, status }, this.#holds)
    this.#out.push({ type: 'finish', stop, ...(tier === '' ? {} : { serviceTier: tier }) }, { type: 'end' })
  }

  #fail(failure: Failure): void {
    this.#isOver = true
    this.#out.push({ type: 'error', failure })
  }
}

function startOf({ index, kind }: OpenPart, head: JsonObject, context: DecodeContext): ModelEvent {
  if (kind === 'tool') return { type: 'tool-start', index, ...callOf(head, context) }
  const id = textOf(head['id'])
  if (kind === 'reasoning' && id !== '') return { type: 'reasoning-start', index, id }
  return { type: `${kind}-start`, index }
}

function itemKey(data: JsonObject): string {
  const place = data['output_index'] ?? data['item_id']
  return typeof place === 'number' || typeof place === 'string' ? String(place) : '0'
}

function contentKey(data: JsonObject): string {
  const place = data['content_index']
  return `${itemKey(data)}.${typeof place === 'number' ? place : 0}`
}
