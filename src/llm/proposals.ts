import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { TextLens } from '../core/text-lens.ts'
import type { DialectName } from './middle.ts'

/** The tool calls a whole answer proposes, each as a lens over its name and its arguments (as JSON text). */
export function proposalsOf(dialect: DialectName, answer: JsonObject): readonly { readonly lens: TextLens }[] {
  if (dialect === 'messages')
    return itemsOf(answer['content'])
      .filter(isType('tool_use'))
      .map((call) => objectCall(call))
  if (dialect === 'responses')
    return itemsOf(answer['output'])
      .filter(isType('function_call'))
      .map((call) => textCall(call))
  return itemsOf(answer['choices'])
    .map((choice) => choice['message'])
    .flatMap((message) => (isJsonObject(message) ? itemsOf(message['tool_calls']) : []))
    .flatMap((call) => (isJsonObject(call['function']) ? [textCall(call['function'])] : []))
}

type Holder = Record<string, Json | undefined>

function itemsOf(value: Json | undefined): readonly JsonObject[] {
  return Array.isArray(value) ? (value as readonly Json[]).filter(isJsonObject) : []
}

function isType(type: string): (item: JsonObject) => boolean {
  return (item) => item['type'] === type
}

/** OpenAI dialects write arguments as JSON text. */
function textCall(call: JsonObject): { readonly lens: TextLens } {
  return lensOf(
    call,
    (holder) => (typeof holder['arguments'] === 'string' ? holder['arguments'] : ''),
    (holder, text) => (holder['arguments'] = text),
  )
}

/** Messages write arguments as an object. */
function objectCall(call: JsonObject): { readonly lens: TextLens } {
  return lensOf(
    call,
    (holder) => JSON.stringify(holder['input'] ?? {}),
    (holder, text) => (holder['input'] = JSON.parse(text) as Json), // a guard leaves valid JSON
  )
}

function lensOf(
  call: JsonObject,
  read: (holder: Holder) => string,
  write: (holder: Holder, text: string) => void,
): { readonly lens: TextLens } {
  // Parsed JSON of this exchange alone: nobody else holds it, so it may be changed in place.
  const holder: Holder = call
  const name = typeof holder['name'] === 'string' ? holder['name'] : ''
  return {
    lens: {
      parts: [
        { path: 'name', text: name },
        { path: 'arguments', text: read(holder) },
      ],
      replace: (path, text) => {
        if (path === 'arguments') write(holder, text)
      },
    },
  }
}
