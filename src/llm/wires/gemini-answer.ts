import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { listOf, textOf, wordsOf } from '../loose-json.ts'
import type { Part, Signature, StopReason } from '../middle.ts'
import type { DecodeContext } from '../wire.ts'
import { callersName } from './tool-names.ts'

/** One part of a candidate, read: what both a whole answer and a stream are made of. */
export type Piece =
  | { readonly kind: 'text' | 'thought'; readonly text: string; readonly signature?: string }
  | { readonly kind: 'call'; readonly call: JsonObject; readonly signature?: string }
  | { readonly kind: 'media'; readonly part: Part }

/** What one answer, or one chunk of it, says besides its parts. */
export interface Reading {
  readonly pieces: readonly Piece[]
  /** Absent in a chunk that is not the last. */
  readonly stop?: StopReason
  readonly id?: string
  readonly model?: string
  readonly logprobs?: readonly JsonObject[]
}

/** Reads a body; undefined when it is nothing this wire says. Only the first candidate counts, as only one is asked for. */
export function readBody(body: JsonObject): Reading | undefined {
  const candidate = firstCandidate(body['candidates'])
  const blocked = blockReason(body)
  const isKnown =
    candidate !== undefined || blocked !== undefined || isJsonObject(body['usageMetadata']) || Array.isArray(body['candidates'])
  if (!isKnown) return undefined
  const stop = stopOf(candidate?.['finishReason']) ?? (candidate === undefined ? blocked : undefined)
  const logprobs = readLogprobs(candidate?.['logprobsResult'])
  return {
    pieces: readPieces(candidate?.['content']),
    ...(stop === undefined ? {} : { stop }),
    ...(typeof body['responseId'] === 'string' && body['responseId'] !== '' ? { id: body['responseId'] } : {}),
    ...(typeof body['modelVersion'] === 'string' && body['modelVersion'] !== '' ? { model: body['modelVersion'] } : {}),
    ...(logprobs === undefined ? {} : { logprobs }),
  }
}

function firstCandidate(candidates: Json | undefined): JsonObject | undefined {
  return listOf(candidates).find((one): one is JsonObject => isJsonObject(one) && (one['index'] ?? 0) === 0)
}

function blockReason(body: JsonObject): 'filtered' | undefined {
  const feedback = body['promptFeedback']
  const reason = isJsonObject(feedback) ? feedback['blockReason'] : undefined
  return typeof reason === 'string' && !reason.endsWith('UNSPECIFIED') ? 'filtered' : undefined
}

const STOPS: Readonly<Record<string, StopReason>> = {
  STOP: 'end',
  MAX_TOKENS: 'length',
  SAFETY: 'filtered',
  RECITATION: 'filtered',
  LANGUAGE: 'filtered',
  BLOCKLIST: 'filtered',
  PROHIBITED_CONTENT: 'filtered',
  SPII: 'filtered',
  MODEL_ARMOR: 'filtered',
  IMAGE_SAFETY: 'filtered',
  IMAGE_PROHIBITED_CONTENT: 'filtered',
  IMAGE_RECITATION: 'filtered',
  IMAGE_OTHER: 'filtered',
  MALFORMED_FUNCTION_CALL: 'malformed',
  MALFORMED_RESPONSE: 'malformed',
  MISSING_THOUGHT_SIGNATURE: 'malformed',
  UNEXPECTED_TOOL_CALL: 'malformed',
  TOO_MANY_TOOL_CALLS: 'malformed',
  CONTINUATION: 'paused',
}

/** Reasons nobody has heard of are an end: the answer is whole. */
function stopOf(reason: Json | undefined): StopReason | undefined {
  if (typeof reason !== 'string' || reason === '' || reason === 'FINISH_REASON_UNSPECIFIED') return undefined
  return Object.hasOwn(STOPS, reason) ? STOPS[reason] : 'end'
}

function readPieces(content: Json | undefined): Piece[] {
  return listOf(isJsonObject(content) ? content['parts'] : undefined).flatMap((part) =>
    isJsonObject(part) ? readPart(part) : [],
  )
}

function readPart(part: JsonObject): Piece[] {
  const signature = typeof part['thoughtSignature'] === 'string' ? { signature: part['thoughtSignature'] } : {}
  if (isJsonObject(part['functionCall'])) return [{ kind: 'call', call: part['functionCall'], ...signature }]
  const media = isJsonObject(part['inlineData']) ? readMedia(part['inlineData']) : undefined
  if (media !== undefined) return [{ kind: 'media', part: media }]
  const text = typeof part['text'] === 'string' ? part['text'] : ''
  // A signature may come on a part that has nothing else.
  if (text === '' && !('signature' in signature)) return []
  return [{ kind: part['thought'] === true ? 'thought' : 'text', text, ...signature }]
}

function readMedia(blob: JsonObject): Part | undefined {
  const { mimeType, data } = blob
  if (typeof mimeType !== 'string' || typeof data !== 'string') return undefined
  if (mimeType.startsWith('audio/')) return { type: 'audio', data, format: mimeType.slice('audio/'.length) }
  const source = { kind: 'base64', data, mediaType: mimeType } as const
  return mimeType.startsWith('image/') ? { type: 'image', source } : { type: 'file', source }
}

/** JSON text of the arguments of a call. */
export function argumentsText(call: JsonObject): string {
  return isJsonObject(call['args']) ? JSON.stringify(call['args']) : '{}'
}

/** The id and the caller's name of a call; the wire may leave the id out. */
export function callNames(
  call: JsonObject,
  context: Pick<DecodeContext, 'newId' | 'toolNames'>,
): { readonly id: string; readonly name: string } {
  return { id: wordsOf(call['id']) ?? context.newId('call'), name: callersName(textOf(call['name']), context) }
}

/** A signature as the middle form carries it. */
export function toSignature(value: string | undefined, family: string): { readonly signature?: Signature } {
  return value === undefined ? {} : { signature: { family, value } }
}

function readLogprobs(result: Json | undefined): JsonObject[] | undefined {
  if (!isJsonObject(result) || result['chosenCandidates'] === undefined) return undefined
  const tops = listOf(result['topCandidates'])
  return listOf(result['chosenCandidates']).flatMap((one, index) => {
    const read = readToken(one)
    if (read === undefined) return []
    const top = tops[index]
    const others = listOf(isJsonObject(top) ? top['candidates'] : undefined)
    const alternatives = others.map(readToken).filter((token) => token !== undefined)
    return [{ ...read, top_logprobs: alternatives }]
  })
}

function readToken(value: Json): JsonObject | undefined {
  if (!isJsonObject(value) || typeof value['token'] !== 'string' || typeof value['logProbability'] !== 'number') return undefined
  return { token: value['token'], logprob: value['logProbability'], bytes: [...Buffer.from(value['token'])] }
}
