import type { Dialect } from '../wire.ts'
import { createResponsesEncoder, KEEP_ALIVE } from './responses-encoder.ts'
import { encodeResponsesAnswer } from './responses-encoder-items.ts'
import { decodeResponsesRequest } from './responses-request.ts'
import { createResponsesTap } from './responses-tap.ts'

/** The dialect of OpenAI Responses. */
export const responsesDialect: Dialect = {
  name: 'responses',
  decodeRequest: decodeResponsesRequest,
  encodeAnswer: encodeResponsesAnswer,
  createEncoder: createResponsesEncoder,
  createTap: createResponsesTap,
  errorBody: ({ message, type, param, code }) => ({ error: { message, type, param: param ?? null, code: code ?? null } }),
  keepAlive: () => KEEP_ALIVE,
  requestWords: ['instructions', 'input', 'prompt'],
  answerWords: ['output'],
}

export { needsSameWire } from './responses-request.ts'
