import type { Wire } from '../wire.ts'
import { decodeMessage } from './messages-answer.ts'
import { encodeMessagesRequest } from './messages-request.ts'
import { createMessagesDecoder } from './messages-stream.ts'
import { usageOfMessage } from './messages-usage.ts'

/** The Messages protocol of Anthropic, as its own API, Bedrock and Vertex speak it. */
export const messagesWire: Wire = {
  name: 'messages',
  encodeRequest: encodeMessagesRequest,
  decodeAnswer: decodeMessage,
  createDecoder: createMessagesDecoder,
  usageOf: usageOfMessage,
}
