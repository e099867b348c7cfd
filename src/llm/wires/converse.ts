import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { ChatAnswer } from '../middle.ts'
import type { DecodeContext, Wire } from '../wire.ts'
import { converseUsage, serviceTierOf, stopOf, stopSequenceOf, toParts } from './converse-answer.ts'
import { createConverseDecoder } from './converse-decoder.ts'
import { toConverseRequest } from './converse-request.ts'
import { holdingsOf } from './stop-reason.ts'

/** `Converse` of Amazon Bedrock. */
export const converseWire: Wire = {
  name: 'converse',
  encodeRequest: toConverseRequest,
  decodeAnswer,
  createDecoder: createConverseDecoder,
  usageOf: converseUsage,
}

function decodeAnswer(body: JsonObject, context: DecodeContext): ChatAnswer {
  const output = body['output']
  const message = isJsonObject(output) ? output['message'] : undefined
  if (!isJsonObject(message)) throw new GatewayError('upstream_invalid', 'the provider sent something that is no answer')
  const parts = toParts(message['content'], context)
  const usage = converseUsage(body)
  return {
    id: context.newId('msg'),
    parts,
    stop: stopOf(body['stopReason'], holdingsOf(parts)),
    ...stopSequenceOf(body),
    ...(usage === undefined ? {} : { usage }),
    ...serviceTierOf(body),
  }
}
