// Signatures are opaque proofs that only the model family that made them can read. Two things happen to them here:
// (1) in dialects with one opaque text for them they are packed, so that they name their family: `tg1.<family>.<base64url of the value>`;
// (2) Chat clients keep the id of a tool call and lose what a model said beside it, so what an answer said before each of its calls is kept
// under the caller and the id of the call, and put back when a later request brings the call. That is a bounded cache of one process, whose workers tell each other: what
// was pushed out, or said to another process, is not restored, and the provider then works without it.
import { LRUCache } from 'lru-cache'
import { type Gossip, NO_GOSSIP } from '../lib/gossip.ts'
import type { ChatRequest, DialectName, ModelEvent, Part, ReasoningPart, Signature, ToolCallPart, Turn } from './middle.ts'

const MARK = 'tg1.'
const PACKED = /^tg1\.([^.]+)\.([A-Za-z0-9_-]*)$/

/** Writes a signature as one text that says whose it is. */
export function packSignature({ family, value }: Signature): string {
  const name = encodeURIComponent(family).replaceAll('.', '%2E')
  return `${MARK}${name}.${Buffer.from(value).toString('base64url')}`
}

/** Reads a signature a caller sent back: a packed one names its family, anything else was made by `nativeFamily`. */
export function unpackSignature(text: string, nativeFamily: string): Signature {
  const native = { family: nativeFamily, value: text }
  if (!text.startsWith(MARK)) return native
  const [, name = '', value = ''] = PACKED.exec(text) ?? []
  const family = decodeName(name)
  return family === undefined ? native : { family, value: Buffer.from(value, 'base64url').toString() }
}

function decodeName(name: string): string | undefined {
  try {
    return name === '' ? undefined : decodeURIComponent(name)
  } catch {
    // Not something packSignature wrote.
    return undefined
  }
}

/**
 * Tells whether a body may hold a packed signature. Its bytes must not go to a provider as they are: they need the middle form, where
 * signatures find their family. A hit inside a text costs only the translation.
 */
export function hasPackedSignature(body: Buffer): boolean {
  // After a dot: a dialect put a mark of its own before it.
  return body.includes(`"${MARK}`) || body.includes(`.${MARK}`)
}

/** Whether a dialect has a place for every signature. Chat has one for none, Messages for none on a tool call. */
export function keepsSignatures(dialect: DialectName): boolean {
  return dialect === 'responses'
}

/** Remembers the reasoning and the signatures of proposed tool calls. `key` names the principal: nobody is given what another one was told. */
export interface SignatureMemory {
  /** Keeps what the parts of an answer hold. `family`: who made them, for reasoning that is not signed. */
  remember(key: string, parts: readonly Part[], family?: string): void
  /** Puts back what the caller lost. With `family`, only what that family can read. */
  restore(key: string, request: ChatRequest, family?: string): ChatRequest
}

interface Memory {
  readonly tool: string
  /** What was thought since the call before it, or since the answer began. */
  readonly reasoning: readonly ReasoningPart[]
  readonly signature?: Signature
  readonly family?: string
}

/** Makes a memory of at most so many calls and bytes. */
export function createSignatureMemory(
  bounds: { readonly maxEntries: number; readonly maxBytes: number },
  gossip: Gossip = NO_GOSSIP,
): SignatureMemory {
  const memories = new LRUCache<string, Memory>({ max: bounds.maxEntries, maxSize: bounds.maxBytes, sizeCalculation: bytesOf })
  // Only this room tells on this topic.
  gossip.hear(TOPIC, (name, memory) => memories.set(name, memory as Memory))
  const find = (name: string): Memory | undefined => {
    if (!memories.has(name)) gossip.catchUp()
    return memories.get(name)
  }
  return {
    remember(key, parts, family) {
      for (const [id, memory] of memoriesOf(parts, family)) {
        memories.set(nameOf(key, id), memory)
        gossip.tell(TOPIC, nameOf(key, id), memory)
      }
    },
    restore(key, request, family) {
      const recall = (part: ToolCallPart) => readable(find(nameOf(key, part.id)), part, family)
      const turns = request.turns.map((turn) => restoreTurn(turn, recall))
      return turns.some((turn, index) => turn !== request.turns[index]) ? { ...request, turns } : request
    },
  }
}

const TOPIC = 'signature'

const nameOf = (key: string, id: string) => JSON.stringify([key, id])

function memoriesOf(parts: readonly Part[], family: string | undefined): [string, Memory][] {
  const found: [string, Memory][] = []
  let reasoning: ReasoningPart[] = []
  for (const part of parts) {
    if (part.type === 'reasoning') reasoning.push(part)
    if (part.type !== 'tool-call') continue
    const { id, name, signature } = part
    if (reasoning.length > 0 || signature !== undefined) {
      const memory = { tool: name, reasoning, ...(signature ? { signature } : {}), ...(family === undefined ? {} : { family }) }
      found.push([id, memory])
    }
    reasoning = []
  }
  return found
}

const ENTRY_BYTES = 200

function bytesOf({ reasoning, signature, tool }: Memory, name: string): number {
  const thoughts = reasoning.reduce(
    (sum, { text, signature: own, redacted }) => sum + text.length + sizeOf(own) + sizeOf(redacted),
    0,
  )
  return ENTRY_BYTES + 2 * (name.length + tool.length + thoughts + sizeOf(signature))
}

const sizeOf = (signature: Signature | undefined) =>
  signature === undefined ? 0 : signature.value.length + signature.family.length

/** A memory belongs to a call of the same id and tool; of it, what the family can read. */
function readable(memory: Memory | undefined, part: ToolCallPart, family: string | undefined): Memory | undefined {
  if (memory === undefined || memory.tool !== part.name) return undefined
  if (family === undefined) return memory
  const reasoning = memory.reasoning.filter((thought) => (familyOf(thought) ?? memory.family ?? family) === family)
  const { signature, ...rest } = memory
  return { ...rest, reasoning, ...(signature?.family === family ? { signature } : {}) }
}

const familyOf = ({ signature, redacted }: ReasoningPart) => signature?.family ?? redacted?.family

function restoreTurn(turn: Turn, recall: (part: ToolCallPart) => Memory | undefined): Turn {
  if (turn.role !== 'assistant' || !turn.parts.some((part) => part.type === 'tool-call')) return turn
  const hasSigned = turn.parts.some((part) => part.type === 'reasoning' && familyOf(part) !== undefined)
  const parts: Part[] = []
  let stretch: Part[] = []
  let isChanged = false
  for (const part of turn.parts) {
    if (part.type !== 'tool-call') {
      stretch.push(part)
      continue
    }
    const memory = recall(part)
    const thoughts = hasSigned ? [] : (memory?.reasoning ?? [])
    const isSigned = part.signature === undefined && memory?.signature !== undefined
    isChanged ||= thoughts.length > 0 || isSigned
    parts.push(...thoughts, ...(thoughts.length > 0 ? stretch.filter(({ type }) => type !== 'reasoning') : stretch))
    parts.push(isSigned && memory?.signature ? { ...part, signature: memory.signature } : part)
    stretch = []
  }
  return isChanged ? { ...turn, parts: [...parts, ...stretch] } : turn
}

/** Listens to a streamed answer and remembers what its tool calls will need. */
export interface SignatureRecorder {
  see(event: ModelEvent): void
}

/** What one answer may think and still be remembered, in characters. */
const MAX_THOUGHT = 1_048_576

/** Makes a recorder of one answer to the principal `key`. */
export function createSignatureRecorder(memory: SignatureMemory, key: string, family?: string): SignatureRecorder {
  const parts = new Map<number, Part>()
  let thoughtLength = 0
  return {
    see(event) {
      if (event.type === 'finish') memory.remember(key, [...parts.values()], family)
      if (event.type === 'reasoning-delta') thoughtLength += event.text.length
      if (!('index' in event) || thoughtLength > MAX_THOUGHT) return
      const part = grown(parts.get(event.index), event)
      if (part !== undefined) parts.set(event.index, part)
    },
  }
}

function grown(part: Part | undefined, event: ModelEvent): Part | undefined {
  if (event.type === 'reasoning-start')
    return { type: 'reasoning', text: '', ...(event.id === undefined ? {} : { id: event.id }) }
  if (event.type === 'tool-start') return { type: 'tool-call', id: event.id, name: event.name, arguments: '' }
  if (part?.type === 'reasoning' && event.type === 'reasoning-delta') return { ...part, text: part.text + event.text }
  if (part?.type === 'reasoning' && event.type === 'reasoning-end')
    return {
      ...part,
      ...(event.signature === undefined ? {} : { signature: event.signature }),
      ...(event.redacted === undefined ? {} : { redacted: event.redacted }),
    }
  if (part?.type === 'tool-call' && event.type === 'tool-end' && event.signature !== undefined)
    return { ...part, signature: event.signature }
  return undefined
}
