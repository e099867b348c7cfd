import type { Dialect } from '../wire.ts'
import { toChatError } from '../wires/chat-failure.ts'
import { encodeChatAnswer } from './chat-answer.ts'
import { createChatEncoder } from './chat-encoder.ts'
import { decodeChatRequest } from './chat-request.ts'
import { createChatTap } from './chat-tap.ts'

/** The dialect of OpenAI Chat Completions; embeddings share its errors. */
export const chatDialect: Dialect = {
  name: 'chat',
  decodeRequest: decodeChatRequest,
  encodeAnswer: encodeChatAnswer,
  createEncoder: createChatEncoder,
  createTap: createChatTap,
  errorBody: toChatError,
  keepAlive: () => ': keep-alive\n\n',
  requestWords: ['messages', 'tools', 'functions', 'response_format', 'prediction', 'input'],
  answerWords: ['choices'],
}
