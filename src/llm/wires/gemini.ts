import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { ChatAnswer, Part, ToolCallPart } from '../middle.ts'
import type { DecodeContext, Wire } from '../wire.ts'
import { argumentsText, callNames, readBody, toSignature, type Piece } from './gemini-answer.ts'
import type { GeminiFlavour } from './gemini-parts.ts'
import { toGeminiRequest } from './gemini-request.ts'
import { createGeminiDecoder } from './gemini-stream.ts'
import { geminiServiceTier, geminiUsage } from './gemini-usage.ts'
import { holdingsOf, toStop } from './stop-reason.ts'

/** `generateContent` of the Gemini API. */
export const geminiWire: Wire = createGeminiWire({ isVertex: false })

/** `generateContent` of Vertex AI, which fetches URLs and refuses ids on function calls. */
export const vertexGeminiWire: Wire = createGeminiWire({ isVertex: true })

function createGeminiWire(flavour: GeminiFlavour): Wire {
  return {
    name: 'gemini',
    encodeRequest: (request, target) => toGeminiRequest(request, target, flavour),
    decodeAnswer,
    createDecoder: createGeminiDecoder,
    usageOf: geminiUsage,
  }
}

function decodeAnswer(body: JsonObject, context: DecodeContext): ChatAnswer {
  const reading = readBody(body)
  const isAnswer = reading !== undefined && (reading.stop !== undefined || reading.pieces.length > 0)
  if (!isAnswer || isJsonObject(body['error']))
    throw new GatewayError('upstream_invalid', 'the provider sent something that is no answer')
  const usage = geminiUsage(body)
  const serviceTier = geminiServiceTier(body)
  const parts = toParts(reading.pieces, context)
  return {
    id: reading.id ?? context.newId('gen'),
    ...(reading.model === undefined ? {} : { model: reading.model }),
    parts,
    stop: toStop(reading.stop, holdingsOf(parts)),
    ...(usage === undefined ? {} : { usage }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
    ...(reading.logprobs === undefined ? {} : { logprobs: reading.logprobs }),
  }
}

/** Text and thoughts run on as long as their kind stays the same, as they do in a stream. */
function toParts(pieces: readonly Piece[], context: DecodeContext): Part[] {
  const parts: Part[] = []
  for (const piece of pieces) {
    if (piece.kind === 'media') parts.push(piece.part)
    else if (piece.kind === 'call') parts.push(toToolCall(piece, context))
    else addWords(piece, parts, context)
  }
  return parts
}

function toToolCall({ call, signature }: Extract<Piece, { kind: 'call' }>, context: DecodeContext): ToolCallPart {
  return {
    type: 'tool-call',
    ...callNames(call, context),
    arguments: argumentsText(call),
    ...toSignature(signature, context.family),
  }
}

function addWords(piece: Extract<Piece, { kind: 'text' | 'thought' }>, parts: Part[], { family }: DecodeContext): void {
  const signature = toSignature(piece.signature, family)
  const last = parts.at(-1)
  if (piece.kind === 'text') {
    if (piece.text !== '' && last?.type === 'text') parts.splice(-1, 1, { ...last, text: last.text + piece.text })
    else if (piece.text !== '') parts.push({ type: 'text', text: piece.text })
    // The middle form signs thoughts and calls only, so a signature on text goes into a thought without words.
    if (piece.signature !== undefined) parts.push({ type: 'reasoning', text: '', ...signature })
    return
  }
  if (last?.type === 'reasoning' && last.signature === undefined)
    parts.splice(-1, 1, { ...last, text: last.text + piece.text, ...signature })
  else parts.push({ type: 'reasoning', text: piece.text, ...signature })
}
