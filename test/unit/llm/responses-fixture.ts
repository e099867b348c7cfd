import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { createSseParser } from '../../../src/lib/sse.ts'
import { isJsonObject, type JsonObject } from '../../../src/core/json.ts'
import type { ChatAnswer, ModelEvent, Part } from '../../../src/llm/middle.ts'
import type { DecodeContext, EncodeContext, StreamDecoder, WireEvent } from '../../../src/llm/wire.ts'

const FOLDER = fileURLToPath(new URL('../../fixtures/llm/responses/', import.meta.url))

export const STREAMS = [
  'text',
  'tools',
  'refusal',
  'length',
  'whole-items',
  'last-event-only',
  'failed',
  'error-event',
  'custom-tool',
] as const

export function bytesOf(name: string): Buffer {
  return readFileSync(`${FOLDER}${name}`)
}

export function jsonOf(name: string): JsonObject {
  const value: unknown = JSON.parse(bytesOf(name).toString())
  if (!isJsonObject(value)) throw new Error(`${name} is no object`)
  return value
}

export function goldenPath(name: string): string {
  return `${FOLDER}${name}`
}

/** Ids that count up, so that goldens stay the same. */
function countingIds(): (prefix: string) => string {
  let count = 0
  return (prefix) => `${prefix}_new${(count += 1)}`
}

export function decodeContext(family = 'openai'): DecodeContext {
  return { family, newId: countingIds() }
}

export function encodeContext(): EncodeContext {
  return { model: 'fast', created: 1_790_000_000, includeUsage: true, estimatedInput: 7, newId: countingIds() }
}

/** Frames of a stream, each with its blank line. */
export function framesOf(stream: Buffer | string): string[] {
  return stream
    .toString()
    .split('\n\n')
    .filter((frame) => frame !== '')
    .map((frame) => `${frame}\n\n`)
}

/** Events of a stream that arrives in the given chunks. */
export function eventsOf(chunks: readonly Buffer[]): WireEvent[] {
  const events: WireEvent[] = []
  const parser = createSseParser({ onEvent: ({ event, data }) => events.push({ event, data }) }, 1_048_576)
  for (const chunk of chunks) parser.push(chunk)
  return events
}

export function decodeAll(decoder: StreamDecoder, chunks: readonly Buffer[]): ModelEvent[] {
  return [...eventsOf(chunks).flatMap((event) => decoder.push(event)), ...decoder.close()]
}

type Collected = { -readonly [Name in keyof ChatAnswer]: ChatAnswer[Name] } & { isEnded: boolean }

/** Puts the events of a stream together; throws where they break the contract of ModelEvent. */
export function collect(events: readonly ModelEvent[]): Readonly<Collected> {
  const parts: Part[] = []
  const open = new Set<number>()
  const answer: Collected = { id: '', parts, stop: 'end', isEnded: false }
  for (const [at, event] of events.entries()) {
    if (event.type !== 'error' && event.type !== 'ping') assertOrder((event.type === 'start') === (at === 0), event)
    if ('index' in event) collectPart(parts, open, event)
    else if (event.type === 'start')
      Object.assign(answer, { id: event.id }, event.model === undefined ? {} : { model: event.model })
    else if (event.type === 'usage') answer.usage = event.usage
    else if (event.type === 'end') answer.isEnded = true
    else if (event.type === 'finish') {
      assertOrder(open.size === 0, event)
      const { type: _type, ...ending } = event
      Object.assign(answer, ending)
    }
  }
  return answer
}

function collectPart(parts: Part[], open: Set<number>, event: Extract<ModelEvent, { readonly index: number }>): void {
  if (event.type.endsWith('-start')) {
    assertOrder(event.index === parts.length, event)
    open.add(event.index)
    parts.push(startedPart(event))
    return
  }
  assertOrder(open.has(event.index), event)
  const part = parts[event.index]
  if (part === undefined) return
  if (event.type === 'tool-delta' && part.type === 'tool-call')
    parts[event.index] = { ...part, arguments: part.arguments + event.json }
  else if ('text' in event && 'text' in part) parts[event.index] = { ...part, text: part.text + event.text }
  else {
    open.delete(event.index)
    const { type: _type, index: _index, ...rest } = event
    parts[event.index] = { ...part, ...rest }
  }
}

function startedPart(event: ModelEvent): Part {
  if (event.type === 'tool-start') return { type: 'tool-call', id: event.id, name: event.name, arguments: '' }
  if (event.type === 'reasoning-start')
    return { type: 'reasoning', text: '', ...(event.id === undefined ? {} : { id: event.id }) }
  return { type: event.type === 'refusal-start' ? 'refusal' : 'text', text: '' }
}

function assertOrder(isRight: boolean, event: ModelEvent): void {
  if (!isRight) throw new Error(`out of order: ${JSON.stringify(event)}`)
}
