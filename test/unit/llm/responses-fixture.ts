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
export function countingIds(): (prefix: string) => string {
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

/** Puts the events of a stream together; throws where they break the contract of ModelEvent. */
export function collect(events: readonly ModelEvent[]): ChatAnswer & { readonly isEnded: boolean } {
  const parts: Part[] = []
  const open = new Set<number>()
  let answer: ChatAnswer & { readonly isEnded: boolean } = { id: '', parts, stop: 'end', isEnded: false }
  const check = (isRight: boolean, event: ModelEvent): void => {
    if (!isRight) throw new Error(`out of order: ${JSON.stringify(event)}`)
  }
  for (const [at, event] of events.entries()) {
    if (event.type !== 'error' && event.type !== 'ping') check((event.type === 'start') === (at === 0), event)
    if (!('index' in event)) {
      if (event.type === 'start')
        answer = { ...answer, id: event.id, ...(event.model === undefined ? {} : { model: event.model }) }
      if (event.type === 'usage') answer = { ...answer, usage: event.usage }
      if (event.type === 'finish') {
        check(open.size === 0, event)
        answer = { ...answer, stop: event.stop, ...(event.serviceTier === undefined ? {} : { serviceTier: event.serviceTier }) }
      }
      if (event.type === 'end') answer = { ...answer, isEnded: true }
      continue
    }
    const part = parts[event.index]
    if (event.type.endsWith('-start')) {
      check(event.index === parts.length, event)
      open.add(event.index)
      if (event.type === 'tool-start') parts.push({ type: 'tool-call', id: event.id, name: event.name, arguments: '' })
      else if (event.type === 'reasoning-start')
        parts.push({ type: 'reasoning', text: '', ...(event.id === undefined ? {} : { id: event.id }) })
      else parts.push({ type: event.type === 'refusal-start' ? 'refusal' : 'text', text: '' })
      continue
    }
    check(open.has(event.index), event)
    if (part === undefined) continue
    if (event.type === 'tool-delta' && part.type === 'tool-call')
      parts[event.index] = { ...part, arguments: part.arguments + event.json }
    else if ('text' in event && 'text' in part) parts[event.index] = { ...part, text: part.text + event.text }
    else {
      open.delete(event.index)
      const { type: _type, index: _index, ...rest } = event
      parts[event.index] = { ...part, ...rest } as Part
    }
  }
  return answer
}
