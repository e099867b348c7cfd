import { readFileSync } from 'node:fs'
import type { ChatRequest, ModelEvent, Part, Turn } from '../../../src/llm/middle.ts'
import type { DecodeContext, TargetProfile, WireEvent } from '../../../src/llm/wire.ts'
import { converseWire } from '../../../src/llm/wires/converse.ts'

/** Where the recorded bodies and streams lie. */
export const FOLDER = new URL('../../fixtures/llm/converse/', import.meta.url)

export const CLAUDE = 'eu.anthropic.claude-sonnet-4-5-20250929-v1:0'
export const NOVA = 'amazon.nova-pro-v1:0'
export const LLAMA = 'meta.llama3-3-70b-instruct-v1:0'

/** A target by its model. */
export function target(model: string): TargetProfile {
  return { model, family: model.includes('anthropic.') ? 'anthropic' : 'bedrock' }
}

export const text = (words: string): Part => ({ type: 'text', text: words })
export const user = (...parts: Part[]): Turn => ({ role: 'user', parts })
export const assistant = (...parts: Part[]): Turn => ({ role: 'assistant', parts })
export const call = (id: string, name = 'f'): Part => ({ type: 'tool-call', id, name, arguments: '{}' })
export const result = (callId: string, words = 'ok'): Part => ({ type: 'tool-result', callId, parts: [text(words)] })

/** A request that says hi. */
export function request(changes: Partial<ChatRequest> = {}): ChatRequest {
  return {
    dialect: 'chat',
    model: 'fast',
    system: [],
    turns: [user(text('hi'))],
    tools: [],
    stream: false,
    includeUsage: false,
    extras: {},
    ...changes,
  }
}

/** A context whose ids count up. */
export function context(changes: Partial<DecodeContext> = {}): DecodeContext {
  let count = 0
  return { family: 'anthropic', newId: (prefix) => `${prefix}_${(count += 1)}`, ...changes }
}

/** Decodes a stream from its first event to the end of its body. */
export function decode(events: readonly WireEvent[], changes: Partial<DecodeContext> = {}): ModelEvent[] {
  const decoder = converseWire.createDecoder(context(changes))
  return [...events.flatMap((event) => decoder.push(event)), ...decoder.close()]
}

/** The text of a fixture. */
export function read(name: string): string {
  return readFileSync(new URL(name, FOLDER), 'utf8')
}
