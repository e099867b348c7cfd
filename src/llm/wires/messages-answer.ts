import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { objectsOf, textOf } from '../loose-json.ts'
import type { ChatAnswer, Part, StopReason } from '../middle.ts'
import type { DecodeContext } from '../wire.ts'
import { tierOf, usageOfMessage } from './messages-usage.ts'
import { holdingsOf, toStop, type Holdings } from './stop-reason.ts'
import { callersName } from './tool-names.ts'

/** Reads a whole Messages answer. Throws a GatewayError `upstream_invalid` for a body that is none. */
export function decodeMessage(body: JsonObject, context: DecodeContext): ChatAnswer {
  const content = body['content']
  if (body['type'] === 'error' || !Array.isArray(content))
    throw new GatewayError('upstream_invalid', 'the provider answered with something that is no message')
  const parts = content.flatMap((block: unknown) => (isJsonObject(block) ? toParts(block, context) : []))
  const { id, model, usage } = body
  const stopSequence = body['stop_sequence']
  const counted = usageOfMessage(body)
  const serviceTier = isJsonObject(usage) ? tierOf(usage) : undefined
  return {
    id: typeof id === 'string' && id !== '' ? id : context.newId('msg'),
    ...(typeof model === 'string' ? { model } : {}),
    parts,
    stop: stopOf(body['stop_reason'], holdingsOf(parts)),
    ...(typeof stopSequence === 'string' ? { stopSequence } : {}),
    ...(counted === undefined ? {} : { usage: counted }),
    ...(serviceTier === undefined ? {} : { serviceTier }),
  }
}

const STOPS: Readonly<Record<string, StopReason>> = {
  end_turn: 'end',
  stop_sequence: 'end',
  max_tokens: 'length',
  model_context_window_exceeded: 'length',
  tool_use: 'tool',
  refusal: 'filtered',
  pause_turn: 'paused',
}

/** Why an answer ended, from its own word and from what it holds. */
export function stopOf(reason: Json | undefined, holds: Holdings): StopReason {
  return toStop(typeof reason === 'string' && Object.hasOwn(STOPS, reason) ? STOPS[reason] : undefined, holds)
}

/** Blocks of tools that ran at the provider have no words in the middle form and are left out; their usage is not. */
function toParts(block: JsonObject, context: DecodeContext): Part[] {
  switch (block['type']) {
    case 'text': {
      const annotations = objectsOf(block['citations'])
      return [{ type: 'text', text: textOf(block['text']), ...(annotations.length === 0 ? {} : { annotations }) }]
    }
    case 'thinking': {
      const value = textOf(block['signature'])
      const signature = value === '' ? {} : { signature: { family: context.family, value } }
      return [{ type: 'reasoning', text: textOf(block['thinking']), ...signature }]
    }
    case 'redacted_thinking':
      return [{ type: 'reasoning', text: '', redacted: { family: context.family, value: textOf(block['data']) } }]
    case 'tool_use':
      return [
        {
          type: 'tool-call',
          id: textOf(block['id']) || context.newId('toolu'),
          name: callersName(textOf(block['name']), context),
          arguments: JSON.stringify(block['input'] ?? {}),
        },
      ]
    default:
      return []
  }
}
