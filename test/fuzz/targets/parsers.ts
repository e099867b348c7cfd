import type { Target } from '../target.ts'
import { address } from './address.ts'
import { answers } from './answers.ts'
import { argumentsOfCalls } from './arguments.ts'
import { condition } from './condition.ts'
import { config } from './config.ts'
import { eventStream } from './event-stream.ts'
import { jsonRpc } from './json-rpc.ts'
import { llmBody } from './llm-body.ts'
import { requests } from './requests.ts'
import { sse } from './sse.ts'
import { streams } from './streams.ts'
import { strictJson } from './strict-json.ts'
import { token } from './token.ts'

/** Every target that runs in this process, by name. */
export const PARSERS: Readonly<Record<string, () => Target>> = {
  'strict-json': strictJson,
  'llm-body': llmBody,
  'json-rpc': jsonRpc,
  arguments: argumentsOfCalls,
  sse,
  'event-stream': eventStream,
  address,
  condition,
  config,
  token,
  requests,
  answers,
  streams,
}
