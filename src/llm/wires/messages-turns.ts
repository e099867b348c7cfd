// Turns as messages, in three steps: (1) every part becomes blocks and neighbours of one role become one message, so that roles alternate;
// (2) the message after one with tool calls begins with exactly one result for each of them; (3) what the wire asks of the first and the last
// message is seen to. Ids of calls are made plain and unique on the way: they only have to match inside the request.
import type { Json } from '../../core/json.ts'
import { textOf } from '../loose-json.ts'
import type { Part, Turn } from '../middle.ts'
import { toBlocks } from './messages-parts.ts'
import type { Block, Scope } from './messages-scope.ts'

/** One message of the wire. */
export interface Message {
  readonly role: 'user' | 'assistant' | 'system'
  readonly content: Block[]
}

/** Writes the conversation. */
export function toMessages(turns: readonly Turn[], scope: Scope): Message[] {
  const messages = withResults(merged(turns, scope), scope)
  if (messages[0]?.role !== 'user') {
    // A conversation begins with the user; instructions alone are not one.
    scope.dropped.add('messages[].role')
    messages.unshift({ role: 'user', content: [{ type: 'text', text: '(no message)' }] })
  }
  trimLast(messages)
  return messages
}

function merged(turns: readonly Turn[], scope: Scope): Message[] {
  const messages: Message[] = []
  for (const turn of turns) {
    for (const part of turn.parts) {
      const role = roleOf(turn, part, scope)
      if (role === undefined) {
        scope.dropped.add(part.type === 'reasoning' ? 'reasoning' : 'messages[].tool_calls')
        continue
      }
      const content = turn.role === 'system' && role === 'user' ? toInstruction(part, scope) : toBlocks(part, scope)
      if (content.length === 0) continue
      const last = messages.at(-1)
      if (last?.role === role) last.content.push(...content)
      else messages.push({ role, content })
    }
  }
  return messages
}

/** Results stand with the user and calls with the assistant, wherever the caller put them; calls of a user are nobody's. */
function roleOf({ role }: Turn, { type }: Part, { request }: Scope): Message['role'] | undefined {
  if (type === 'tool-result') return 'user'
  // A Messages caller that instructs on the way knows a model that takes it.
  if (role === 'system' && type === 'text' && request.dialect === 'messages') return 'system'
  if (role === 'assistant') return 'assistant'
  return type === 'tool-call' || type === 'reasoning' ? undefined : 'user'
}

/** Not every model takes instructions in the middle of a conversation: they become the user's words, marked as what they are. */
function toInstruction(part: Part, scope: Scope): Block[] {
  scope.dropped.add('messages[].role')
  return toBlocks(part.type === 'text' ? { ...part, text: `<system>\n${part.text}\n</system>` } : part, scope)
}

/** Ids of the calls of one message that wait for a result: the caller's id to those sent, in order. */
type Waiting = Map<string, string[]>

function withResults(messages: readonly Message[], scope: Scope): Message[] {
  const settled: Message[] = []
  const freshId = createIds()
  let waiting: Waiting = new Map()
  /** Nothing may stand between calls and their results: instructions there wait. */
  let instructions: Message[] = []
  const answer = (content: readonly Block[]) => {
    settled.push({ role: 'user', content: answered(content, waiting, scope) }, ...instructions)
    waiting = new Map()
    instructions = []
  }
  for (const message of messages) {
    if (message.role === 'assistant') {
      if (waiting.size > 0) answer([])
      waiting = renameCalls(message, freshId)
      settled.push(message)
    } else if (message.role === 'user') answer(message.content)
    else if (waiting.size > 0) instructions.push(message)
    else settled.push(message)
  }
  if (waiting.size > 0) answer([])
  return settled
}

function renameCalls({ content }: Message, freshId: (id: string) => string): Waiting {
  const waiting: Waiting = new Map()
  for (const block of content) {
    if (block['type'] !== 'tool_use') continue
    const id = textOf(block['id'])
    const sent = freshId(id)
    block['id'] = sent
    const queue = waiting.get(id)
    if (queue === undefined) waiting.set(id, [sent])
    else queue.push(sent)
  }
  return waiting
}

/** Gives out ids in the alphabet of the wire, each once. The counter never goes back, so that odd ids cannot make it search for long. */
function createIds(): (id: string) => string {
  const taken = new Set<string>()
  let number = 0
  return (id) => {
    const plain = id.replaceAll(/[^a-zA-Z0-9_-]/g, '_') || 'call'
    let sent = plain
    while (taken.has(sent)) {
      number += 1
      sent = `${plain}_${number}`
    }
    taken.add(sent)
    return sent
  }
}

/** Results first and one for each call; results nobody waits for become plain words. */
function answered(content: readonly Block[], waiting: Waiting, { dropped }: Scope): Block[] {
  const results: Block[] = []
  const rest: Block[] = []
  for (const block of content) {
    const sent = block['type'] === 'tool_result' ? waiting.get(textOf(block['tool_use_id']))?.shift() : undefined
    if (sent !== undefined) {
      block['tool_use_id'] = sent
      results.push(block)
    } else if (block['type'] === 'tool_result') {
      dropped.add('messages[].tool_call_id')
      rest.push(...wordsOf(block['content']))
    } else rest.push(block)
  }
  for (const sent of [...waiting.values()].flat()) {
    dropped.add('messages[].tool_calls')
    results.push({
      type: 'tool_result',
      tool_use_id: sent,
      content: [{ type: 'text', text: 'No result was given.' }],
      is_error: true,
    })
  }
  return [...results, ...rest]
}

function wordsOf(content: Json | undefined): Block[] {
  const blocks = Array.isArray(content) ? (content as Block[]) : [] // `as`: made by toBlocks, a list of blocks or absent
  return blocks.length === 0 ? [{ type: 'text', text: '(an empty tool result)' }] : blocks
}

/** An answer the model is to continue may not end in blanks. */
function trimLast(messages: Message[]): void {
  const last = messages.at(-1)
  const block = last?.role === 'assistant' ? last.content.at(-1) : undefined
  if (block?.['type'] === 'text') block['text'] = textOf(block['text']).trimEnd()
}
