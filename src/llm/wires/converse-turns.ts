// Turns become messages whose roles alternate, the first of them the user's. (1) Every part is written where it stands and neighbours of one
// role are joined; (2) the message after tool calls begins with one result for each of them: one that is missing is made up as an error, one
// without its call becomes words; (3) whatever that changed is reported.
import type { JsonObject } from '../../core/json.ts'
import type { Part, ToolCallPart, ToolResultPart, Turn } from '../middle.ts'
import type { ConverseContext } from './converse-context.ts'
import { isMedia, toMediaBlock, toReasoningBlocks, toTextBlocks, toToolResult, toToolUse } from './converse-parts.ts'

/** One message of the wire, under construction. */
export interface Message {
  readonly role: 'user' | 'assistant'
  readonly content: JsonObject[]
}

interface Group {
  readonly role: 'user' | 'assistant'
  readonly parts: { readonly part: Part; readonly place: string; readonly isSystem: boolean }[]
}

/** Writes the turns of a request. Throws `invalid_params` that names the part for bytes the wire cannot carry. */
export function toMessages(turns: readonly Turn[], context: ConverseContext): readonly Message[] {
  const messages: Message[] = []
  let pending: readonly ToolCallPart[] = []
  for (const group of grouped(turns)) {
    if (group.role === 'user') {
      add(messages, { role: 'user', content: toUserContent(group, pending, context) })
      pending = []
    } else {
      const calls = group.parts.flatMap(({ part }) => (part.type === 'tool-call' ? [part] : []))
      add(messages, { role: 'assistant', content: toAssistantContent(group, context) })
      pending = calls
    }
  }
  if (pending.length > 0) add(messages, { role: 'user', content: toResults(pending, new Map(), context) })
  finish(messages, context)
  return messages
}

/** Joins neighbours of one role: the results of one round of calls often come as one message each. */
function grouped(turns: readonly Turn[]): Group[] {
  const groups: Group[] = []
  for (const [index, turn] of turns.entries()) {
    const role = turn.role === 'assistant' ? 'assistant' : 'user'
    const isSystem = turn.role === 'system'
    const parts = turn.parts.map((part, at) => ({ part, place: `messages[${index}].content[${at}]`, isSystem }))
    const last = groups.at(-1)
    if (last?.role === role) last.parts.push(...parts)
    else groups.push({ role, parts })
  }
  return groups
}

function add(messages: Message[], message: Message): void {
  // A message of nothing but cache points has no words to cache.
  if (message.content.every((block) => block['cachePoint'] !== undefined)) return
  const last = messages.at(-1)
  if (last?.role === message.role) last.content.push(...message.content)
  else messages.push(message)
}

function finish(messages: Message[], context: ConverseContext): void {
  if (messages[0]?.role === 'assistant') {
    messages.unshift({ role: 'user', content: [{ text: '(the conversation begins with your words)' }] })
    context.dropped.add('messages[].role')
  }
  const last = messages.at(-1)
  const words = last?.content.at(-1)?.['text']
  // Words to continue from may not end in a blank.
  if (last?.role === 'assistant' && typeof words === 'string') last.content.splice(-1, 1, { text: words.trimEnd() })
}

function toAssistantContent(group: Group, context: ConverseContext): JsonObject[] {
  return group.parts.flatMap(({ part }) => [...toAssistantBlocks(part, context), ...context.cachePoints(part.cache)])
}

function toAssistantBlocks(part: Part, context: ConverseContext): JsonObject[] {
  switch (part.type) {
    case 'text':
    case 'refusal':
      noteAnnotations(part, context)
      return toTextBlocks(part.text)
    case 'tool-call':
      return [toToolUse(part, context)]
    case 'reasoning':
      return toReasoningBlocks(part, context)
    case 'image':
    case 'audio':
    case 'file':
    case 'tool-result':
      context.dropped.add('messages[].content')
      return []
  }
}

function toUserContent(group: Group, pending: readonly ToolCallPart[], context: ConverseContext): JsonObject[] {
  const results = new Map<string, ToolResultPart>()
  const rest: JsonObject[] = []
  for (const { part, place, isSystem } of group.parts) {
    if (part.type === 'tool-result' && !results.has(part.callId) && pending.some(({ id }) => id === part.callId))
      results.set(part.callId, part)
    else rest.push(...toUserBlocks(part, { place, isSystem }, context), ...context.cachePoints(part.cache))
  }
  return [...toResults(pending, results, context), ...rest]
}

function toUserBlocks(
  part: Part,
  { place, isSystem }: { readonly place: string; readonly isSystem: boolean },
  context: ConverseContext,
): JsonObject[] {
  if (part.type === 'text' || part.type === 'refusal') {
    noteAnnotations(part, context)
    return toTextBlocks(isSystem ? tagged(part.text, context) : part.text)
  }
  if (isMedia(part)) return [toMediaBlock(part, place, context)]
  if (part.type === 'tool-result') return toOrphan(part, context)
  context.dropped.add(part.type === 'reasoning' ? 'reasoning' : 'messages[].tool_calls')
  return []
}

/** Instructions in the middle of a conversation have no role here: they go as words of the user that say what they are. */
function tagged(text: string, context: ConverseContext): string {
  context.dropped.add('messages[].role')
  return text.trim() === '' ? '' : `<system>\n${text}\n</system>`
}

/** A result nobody asked for: its words are kept, its role is not. */
function toOrphan(part: ToolResultPart, context: ConverseContext): JsonObject[] {
  context.dropped.add('messages[].tool_call_id')
  const title = `Result${part.name === undefined ? '' : ` of ${part.name}`}:`
  return part.parts.flatMap((inner) => {
    if (inner.type === 'text' || inner.type === 'refusal') return toTextBlocks(`${title}\n${inner.text}`)
    return isMedia(inner) ? [toMediaBlock(inner, `the result of call ${part.callId}`, context)] : []
  })
}

function toResults(
  calls: readonly ToolCallPart[],
  results: ReadonlyMap<string, ToolResultPart>,
  context: ConverseContext,
): JsonObject[] {
  return calls.flatMap((call) => {
    const result = results.get(call.id) ?? missing(call, context)
    const hint = result.cache ?? result.parts.findLast(({ cache }) => cache !== undefined)?.cache
    return [toToolResult(result, context), ...context.cachePoints(hint)]
  })
}

function missing(call: ToolCallPart, context: ConverseContext): ToolResultPart {
  context.dropped.add('messages[].tool_calls')
  const text = 'no result was given for this call'
  return { type: 'tool-result', callId: call.id, isError: true, parts: [{ type: 'text', text }] }
}

function noteAnnotations(part: Part, context: ConverseContext): void {
  if (part.type === 'text' && part.annotations !== undefined && part.annotations.length > 0) context.dropped.add('annotations')
}
