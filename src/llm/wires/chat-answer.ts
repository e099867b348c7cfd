import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { objectOf, objectsOf, textOf, wordsOf } from '../loose-json.ts'
import type { ChatAnswer, Part, ReasoningPart } from '../middle.ts'
import type { DecodeContext, Quirks } from '../wire.ts'
import { stopOf } from './chat-stop.ts'
import { usageOfChat } from './chat-usage.ts'
import { holdingsOf } from './stop-reason.ts'
import { callersName } from './tool-names.ts'

/** Reads a whole Chat Completions answer. Throws `upstream_invalid` for what is none. */
export function decodeChatAnswer(body: JsonObject, context: DecodeContext): ChatAnswer {
  const choices = body['choices']
  const choice: unknown = Array.isArray(choices) ? choices[0] : undefined
  const message = isJsonObject(choice) ? choice['message'] : undefined
  if (!isJsonObject(choice) || !isJsonObject(message)) throw new GatewayError('upstream_invalid', 'the provider sent no answer')
  const parts = partsOf(message, context)
  const usage = usageOfChat(body)
  const logprobs = logprobsOf(choice)
  const [model, serviceTier] = [wordsOf(body['model']), wordsOf(body['service_tier'])]
  return {
    id: wordsOf(body['id']) ?? context.newId('chatcmpl'),
    ...(model === undefined ? {} : { model }),
    parts,
    stop: stopOf(choice['finish_reason'], context.quirks, holdingsOf(parts)),
    ...(usage === undefined ? {} : { usage }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(logprobs === undefined ? {} : { logprobs }),
  }
}

function partsOf(message: JsonObject, context: DecodeContext): Part[] {
  const words = contentPieces(message['content'])
  const annotations = objectsOf(message['annotations'])
  const refusal = wordsOf(message['refusal'])
  const text = words
    .filter(({ type }) => type === 'text')
    .map((piece) => piece.text)
    .join('')
  return [
    ...reasoningParts(message, words, context),
    ...(text === '' ? [] : [{ type: 'text' as const, text, ...(annotations.length === 0 ? {} : { annotations }) }]),
    ...(refusal === undefined ? [] : [{ type: 'refusal' as const, text: refusal }]),
    ...callsOf(message, context),
  ]
}

function callsOf(message: JsonObject, context: DecodeContext): Part[] {
  const legacy = message['function_call']
  const listed = objectsOf(message['tool_calls'])
  const calls = listed.length === 0 && isJsonObject(legacy) ? [{ function: legacy }] : listed
  return calls.map((call: JsonObject) => {
    const called = objectOf(call['function'])
    const name = wordsOf(called['name'])
    if (name === undefined) throw new GatewayError('upstream_invalid', 'the provider proposed a tool call without a name')
    const signature = callSignature(call)
    return {
      type: 'tool-call',
      id: wordsOf(call['id']) ?? context.newId('call'),
      name: callersName(name, context),
      arguments: argumentsOf(called['arguments']),
      ...(signature === undefined ? {} : { signature: { family: 'gemini', value: signature } }),
    }
  })
}

function argumentsOf(value: Json | undefined): string {
  if (typeof value === 'string') return value === '' ? '{}' : value
  return isJsonObject(value) ? JSON.stringify(value) : '{}'
}

/** Gemini's proof on a tool call, as its OpenAI-shaped door writes it. */
export function callSignature(call: JsonObject): string | undefined {
  const extra = call['extra_content']
  const google = isJsonObject(extra) ? extra['google'] : undefined
  return isJsonObject(google) ? wordsOf(google['thought_signature']) : undefined
}

/** A piece of `content`, which is a string or (Mistral) an array with text and thoughts. */
export interface ContentPiece {
  readonly type: 'text' | 'thinking'
  readonly text: string
}

/** Takes `content` of a message or a delta apart. */
export function contentPieces(content: Json | undefined): readonly ContentPiece[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }]
  return objectsOf(content).flatMap((piece): ContentPiece[] => {
    if (piece['type'] === 'thinking') return [{ type: 'thinking', text: joinedText(piece['thinking']) }]
    return typeof piece['text'] === 'string' ? [{ type: 'text', text: piece['text'] }] : []
  })
}

function joinedText(thinking: Json | undefined): string {
  if (typeof thinking === 'string') return thinking
  return objectsOf(thinking)
    .map((piece) => textOf(piece['text']))
    .join('')
}

/** The thoughts of a message or delta that are plain text, under whichever name they come. */
export function reasoningText(message: JsonObject, quirks: Quirks | undefined): string {
  const fields = [quirks?.reasoningField ?? 'reasoning_content', 'reasoning_content', 'reasoning']
  const found = fields.map((field) => wordsOf(message[field])).find((text) => text !== undefined)
  if (found !== undefined) return found
  return objectsOf(message['reasoning_details'])
    .map((detail) => wordsOf(detail['text']) ?? textOf(detail['summary']))
    .join('')
}

/** Proofs and encrypted thoughts among `reasoning_details` (OpenRouter). */
export function reasoningProofs(message: JsonObject): { readonly signature?: string; readonly redacted: readonly string[] } {
  const details = objectsOf(message['reasoning_details'])
  const signature = details.map((detail) => wordsOf(detail['signature'])).findLast((text) => text !== undefined)
  const redacted = details.flatMap((detail) => wordsOf(detail['data']) ?? [])
  return signature === undefined ? { redacted } : { signature, redacted }
}

function reasoningParts(message: JsonObject, words: readonly ContentPiece[], { family, quirks }: DecodeContext): ReasoningPart[] {
  const thinking = words
    .filter(({ type }) => type === 'thinking')
    .map((piece) => piece.text)
    .join('')
  const text = reasoningText(message, quirks) || thinking
  const { signature, redacted } = reasoningProofs(message)
  const signed = signature === undefined ? {} : { signature: { family, value: signature } }
  return [
    ...(text === '' && signature === undefined ? [] : [{ type: 'reasoning' as const, text, ...signed }]),
    ...redacted.map((value) => ({ type: 'reasoning' as const, text: '', redacted: { family, value } })),
  ]
}

/** Log-probabilities of a choice. */
export function logprobsOf(choice: JsonObject): readonly JsonObject[] | undefined {
  const logprobs = choice['logprobs']
  const content = isJsonObject(logprobs) ? objectsOf(logprobs['content']) : []
  return content.length === 0 ? undefined : content
}
