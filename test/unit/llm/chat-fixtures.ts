import { readdirSync, readFileSync } from 'node:fs'
import { isJsonObject, type JsonObject } from '../../../src/core/json.ts'
import { createSseParser } from '../../../src/lib/sse.ts'
import type { ModelEvent } from '../../../src/llm/middle.ts'
import type { DecodeContext } from '../../../src/llm/wire.ts'
import { chatWire } from '../../../src/llm/wires/chat.ts'

const folder = new URL('../../fixtures/llm/chat/', import.meta.url)

/** Every recorded-shape stream, by name. */
export const STREAMS: readonly string[] = readdirSync(new URL('streams/', folder))
  .filter((file) => file.endsWith('.sse'))
  .map((file) => file.replace(/\.sse$/, ''))

/** The bytes of a recorded-shape stream. */
export function streamBytes(name: string): Buffer {
  return readFileSync(new URL(`streams/${name}.sse`, folder))
}

/** A request body. */
export function requestBody(name: string): JsonObject {
  return parseObject(readFileSync(new URL(`requests/${name}.json`, folder), 'utf8'))
}

/** Parses what must be a JSON object. */
export function parseObject(text: string): JsonObject {
  const json: unknown = JSON.parse(text)
  if (!isJsonObject(json)) throw new Error('not an object')
  return json
}

/** Where a golden file lies, for `toMatchFileSnapshot`. */
export function golden(name: string): string {
  return new URL(`golden/${name}`, folder).pathname
}

/** A context whose ids count up. */
export function decodeContext(more: Partial<DecodeContext> = {}): DecodeContext {
  let ids = 0
  return { family: 'openai', newId: (prefix) => `${prefix}_${(ids += 1)}`, ...more }
}

/** Reads a stream that arrives in these chunks. */
export function eventsOf(chunks: readonly Buffer[], context = decodeContext()): ModelEvent[] {
  const decoder = chatWire.createDecoder(context)
  const events: ModelEvent[] = []
  const parser = createSseParser({ onEvent: (event) => events.push(...decoder.push(event)) }, 1_000_000)
  for (const chunk of chunks) parser.push(chunk)
  return [...events, ...decoder.close()]
}

/** The frames of a stream, each with its blank line. */
export function framesOf(bytes: Buffer): Buffer[] {
  return bytes
    .toString('utf8')
    .split(/(?<=\n\n|\r\n\r\n)/)
    .map((frame) => Buffer.from(frame))
}
