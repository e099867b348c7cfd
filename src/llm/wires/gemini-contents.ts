// Turns become contents whose roles alternate. (1) Every part is written where it stands, consecutive turns of one role in one content;
// (2) Gemini wants as many function responses as calls, right after them and in their order, so results are put in that order, one that
// is missing is made up as an error, and one without its call becomes words; (3) whatever that changed is reported.
import type { JsonObject } from '../../core/json.ts'
import type { ChatRequest, Part, ReasoningPart, ToolCallPart, ToolResultPart, Turn } from '../middle.ts'
import { isMedia, noteCache, signed, toFunctionCall, toMediaPart, type PartContext } from './gemini-parts.ts'
import type { ToolNames } from './tool-names.ts'

/** What writing turns shares over one request. */
export interface ContentContext extends PartContext {
  readonly names: ToolNames
  /** Images may stand inside a function response (Gemini 3); before that they follow it. */
  readonly nestedMedia: boolean
}

interface Content {
  readonly role: 'user' | 'model'
  readonly parts: JsonObject[]
}

interface Writing {
  readonly context: ContentContext
  readonly contents: Content[]
  /** Calls of the last model content that have no result yet, in order. */
  pending: ToolCallPart[]
}

/** Writes the turns of a request. Throws `invalid_params` that names the part for media the target cannot fetch. */
export function toContents(request: ChatRequest, context: ContentContext): JsonObject[] {
  const writing: Writing = { context, contents: [], pending: [] }
  for (const [index, turn] of grouped(request.turns).entries()) {
    if (turn.role === 'assistant') writeModelTurn(turn, index, writing)
    else writeUserTurn(turn, index, writing)
  }
  return writing.contents.filter(({ parts }) => parts.length > 0).map(({ role, parts }) => ({ role, parts }))
}

/** Joins consecutive turns of one side, because results of one round of calls often come as one message each. */
function grouped(turns: readonly Turn[]): { role: 'user' | 'assistant'; parts: { part: Part; isSystem: boolean }[] }[] {
  const groups: { role: 'user' | 'assistant'; parts: { part: Part; isSystem: boolean }[] }[] = []
  for (const turn of turns) {
    const role = turn.role === 'assistant' ? 'assistant' : 'user'
    const parts = turn.parts.map((part) => ({ part, isSystem: turn.role === 'system' }))
    const last = groups.at(-1)
    if (last?.role !== role) groups.push({ role, parts })
    else for (const part of parts) last.parts.push(part)
  }
  return groups
}

type Group = ReturnType<typeof grouped>[number]

function writeModelTurn(turn: Group, index: number, writing: Writing): void {
  const { context } = writing
  const content: Content = { role: 'model', parts: [] }
  const calls: ToolCallPart[] = []
  for (const [place, { part }] of turn.parts.entries()) {
    if (part.type === 'tool-call') {
      calls.push(part)
      content.parts.push(toFunctionCall(part, context.names.sent(part.name), context))
    } else if (part.type === 'reasoning') writeThought(part, content, context)
    else if (part.type === 'text' || part.type === 'refusal') writeText(part, content, context)
    else if (isMedia(part)) content.parts.push(toMediaPart(part, placeName(part, index, place), context))
    else writeOrphan(part, content, context)
  }
  writing.contents.push(content)
  writing.pending = calls
}

function writeUserTurn(turn: Group, index: number, writing: Writing): void {
  const { context } = writing
  const content: Content = { role: 'user', parts: [] }
  const asked = new Set(writing.pending.map(({ id }) => id))
  const results = new Map<string, ToolResultPart>()
  const rest: Content = { role: 'user', parts: [] }
  for (const [place, { part, isSystem }] of turn.parts.entries()) {
    if (part.type === 'tool-result') {
      if (asked.has(part.callId) && !results.has(part.callId)) results.set(part.callId, part)
      else writeOrphan(part, rest, context)
    } else if (isMedia(part)) rest.parts.push(toMediaPart(part, placeName(part, index, place), context))
    else if (part.type === 'text' || part.type === 'refusal') writeText(isSystem ? tagged(part, context) : part, rest, context)
    else context.dropped.add(part.type === 'reasoning' ? 'reasoning' : 'messages[].tool_calls')
  }
  const beside: JsonObject[] = []
  for (const call of writing.pending) {
    const result = results.get(call.id) ?? missing(call, context)
    content.parts.push(toFunctionResponse(result, call, beside, context))
  }
  writing.pending = []
  writing.contents.push({ ...content, parts: content.parts.concat(beside, rest.parts) })
}

function writeText(part: Extract<Part, { type: 'text' | 'refusal' }>, content: Content, context: PartContext): void {
  noteCache(part, context)
  if (part.type === 'text' && part.annotations !== undefined && part.annotations.length > 0) context.dropped.add('annotations')
  // An empty text part is refused.
  if (part.text !== '') content.parts.push({ text: part.text })
}

/** Instructions in the middle of a conversation have no role here: they go as words of the user that say what they are. */
function tagged<Words extends Extract<Part, { type: 'text' | 'refusal' }>>(part: Words, context: PartContext): Words {
  context.dropped.add('messages[].role')
  return part.text === '' ? part : { ...part, text: `<system>\n${part.text}\n</system>` }
}

/** Thoughts go back only with a signature of this family; a signature without words belongs to the text before it. */
function writeThought(part: ReasoningPart, content: Content, context: PartContext): void {
  noteCache(part, context)
  if (part.signature === undefined || part.redacted !== undefined) context.dropped.add('reasoning')
  const signature = signed(part.signature, context)
  if (signature['thoughtSignature'] === undefined) return
  const last = content.parts.at(-1)
  if (part.text !== '') content.parts.push({ text: part.text, thought: true, ...signature })
  else if (typeof last?.['text'] === 'string' && last['thoughtSignature'] === undefined && last['thought'] === undefined)
    content.parts.splice(-1, 1, { ...last, ...signature })
  else content.parts.push({ text: '', ...signature })
}

/** A result nobody asked for: its words are kept, its role is not. */
function writeOrphan(part: ToolResultPart, content: Content, context: ContentContext): void {
  context.dropped.add('messages[].tool_call_id')
  const text = wordsOf(part)
  const name = part.name === undefined ? '' : ` of ${part.name}`
  content.parts.push({ text: `Result${name}:\n${text}` })
  for (const media of part.parts.filter(isMedia))
    content.parts.push(toMediaPart(media, `the result of call ${part.callId}`, context))
}

function missing(call: ToolCallPart, context: PartContext): ToolResultPart {
  context.dropped.add('messages[].tool_calls')
  return {
    type: 'tool-result',
    callId: call.id,
    isError: true,
    parts: [{ type: 'text', text: 'no result was given for this call' }],
  }
}

function toFunctionResponse(
  result: ToolResultPart,
  call: ToolCallPart,
  beside: JsonObject[],
  context: ContentContext,
): JsonObject {
  noteCache(result, context)
  for (const part of result.parts) if (!isMedia(part)) noteCache(part, context)
  const media = result.parts.filter(isMedia).map((part) => toMediaPart(part, `the result of call ${call.id}`, context))
  if (!context.nestedMedia) beside.push(...media)
  return {
    functionResponse: {
      ...(context.flavour.isVertex ? {} : { id: call.id }),
      name: context.names.sent(call.name),
      response: { [result.isError === true ? 'error' : 'result']: wordsOf(result) },
      ...(context.nestedMedia && media.length > 0 ? { parts: media } : {}),
    },
  }
}

function wordsOf(result: ToolResultPart): string {
  return result.parts.flatMap((part) => (part.type === 'text' || part.type === 'refusal' ? [part.text] : [])).join('\n')
}

function placeName(part: Part, turn: number, place: number): string {
  return `${part.type} in part ${place + 1} of turn ${turn + 1}`
}
