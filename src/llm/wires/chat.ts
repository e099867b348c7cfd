import type { Wire } from '../wire.ts'
import { decodeChatAnswer } from './chat-answer.ts'
import { createChatDecoder } from './chat-decoder.ts'
import { encodeChatRequest } from './chat-request.ts'
import { usageOfChat } from './chat-usage.ts'

/** The wire of OpenAI Chat Completions and of the many providers shaped like it. */
export const chatWire: Wire = {
  name: 'chat',
  encodeRequest: encodeChatRequest,
  decodeAnswer: decodeChatAnswer,
  createDecoder: createChatDecoder,
  usageOf: usageOfChat,
}
