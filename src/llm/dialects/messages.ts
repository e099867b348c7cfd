import type { Dialect } from '../wire.ts'
import { encodeMessagesAnswer } from './messages-answer.ts'
import { createMessagesEncoder, PING } from './messages-encoder.ts'
import { decodeMessagesRequest } from './messages-request.ts'
import { messagesErrorBody } from '../wires/messages-failure.ts'
import { createMessagesTap } from './messages-tap.ts'

/** The dialect of Anthropic Messages. */
export const messagesDialect: Dialect = {
  name: 'messages',
  decodeRequest: decodeMessagesRequest,
  encodeAnswer: encodeMessagesAnswer,
  createEncoder: createMessagesEncoder,
  createTap: createMessagesTap,
  errorBody: messagesErrorBody,
  keepAlive: () => PING,
  requestWords: ['system', 'messages', 'tools'],
  answerWords: ['content'],
}

export { decodeMessagesCount } from './messages-request.ts'
