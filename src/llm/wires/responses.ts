import { GatewayError } from '../../core/errors.ts'
import type { JsonObject } from '../../core/json.ts'
import { objectsOf, textOf } from '../loose-json.ts'
import type { ChatAnswer } from '../middle.ts'
import type { DecodeContext, Wire } from '../wire.ts'
import { createResponsesDecoder } from './responses-decoder.ts'
import { complaintAbout, logprobsOf, partsOfItem, stopOf } from './responses-output.ts'
import { encodeResponsesRequest } from './responses-request.ts'
import { usageOfResponse } from './responses-usage.ts'
import { holdingsOf } from './stop-reason.ts'

/** The wire of OpenAI Responses. */
export const responsesWire: Wire = {
  name: 'responses',
  encodeRequest: encodeResponsesRequest,
  decodeAnswer,
  createDecoder: createResponsesDecoder,
  usageOf: usageOfResponse,
}

function decodeAnswer(body: JsonObject, context: DecodeContext): ChatAnswer {
  const status = body['status'] ?? 'completed'
  if (!Array.isArray(body['output']) || (status !== 'completed' && status !== 'incomplete'))
    throw new GatewayError('upstream_invalid', 'the provider answered with something that is not a finished response')
  const output = objectsOf(body['output'])
  const complaint = output.map(complaintAbout).find((words) => words !== undefined)
  if (complaint !== undefined) throw new GatewayError('upstream_invalid', complaint)
  const parts = output.flatMap((item) => partsOfItem(item, context))
  const usage = usageOfResponse(body)
  const logprobs = logprobsOf(output)
  const [model, tier] = [textOf(body['model']), textOf(body['service_tier'])]
  return {
    id: textOf(body['id']) || context.newId('resp'),
    parts,
    stop: stopOf(body, holdingsOf(parts)),
    ...(model === '' ? {} : { model }),
    ...(usage === undefined ? {} : { usage }),
    ...(tier === '' ? {} : { serviceTier: tier }),
    ...(logprobs.length === 0 ? {} : { logprobs }),
  }
}
