import type { JsonObject } from '../../core/json.ts'
import type { ChatAnswer, Part, ToolCallPart } from '../middle.ts'
import type { EncodeContext } from '../wire.ts'
import { finishMembers } from '../wires/chat-stop.ts'
import { toChatUsage } from '../wires/chat-usage.ts'

/** Writes a whole answer as a Chat Completions object. */
export function encodeChatAnswer(answer: ChatAnswer, context: EncodeContext): JsonObject {
  const { id, parts, stop, usage, serviceTier, logprobs } = answer
  return {
    id,
    object: 'chat.completion',
    created: context.created,
    model: context.model,
    choices: [
      {
        index: 0,
        message: messageOf(parts),
        logprobs: logprobs === undefined ? null : { content: logprobs, refusal: null },
        ...finishMembers(
          stop,
          parts.some(({ type }) => type === 'refusal'),
        ),
      },
    ],
    ...(usage === undefined ? {} : { usage: toChatUsage(usage) }),
    ...(serviceTier === undefined ? {} : { service_tier: serviceTier }),
  }
}

function messageOf(parts: readonly Part[]): JsonObject {
  const words = (type: 'text' | 'refusal' | 'reasoning') =>
    parts.flatMap((part) => (part.type === type ? part.text : [])).join('')
  const [text, refusal, reasoning] = [words('text'), words('refusal'), words('reasoning')]
  const annotations = parts.flatMap((part) => (part.type === 'text' ? (part.annotations ?? []) : []))
  const calls = parts.filter((part) => part.type === 'tool-call')
  const images = parts.flatMap(imageMember)
  const isSilent = text === '' && (calls.length > 0 || refusal !== '' || images.length > 0)
  return {
    role: 'assistant',
    content: isSilent ? null : text,
    refusal: refusal === '' ? null : refusal,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(annotations.length === 0 ? {} : { annotations }),
    ...(calls.length === 0 ? {} : { tool_calls: calls.map(callMember) }),
    ...(images.length === 0 ? {} : { images }),
  }
}

function callMember(call: ToolCallPart): JsonObject {
  const { id, name, signature } = call
  const member = { id, type: 'function', function: { name, arguments: call.arguments } }
  if (signature?.family !== 'gemini') return member
  return { ...member, extra_content: { google: { thought_signature: signature.value } } }
}

/** Images a model made, in the form clients of OpenAI-shaped providers know. */
function imageMember(part: Part): JsonObject[] {
  if (part.type !== 'image' || part.source.kind === 'file') return []
  const { source } = part
  const url = source.kind === 'url' ? source.url : `data:${source.mediaType};base64,${source.data}`
  return [{ type: 'image_url', image_url: { url } }]
}
