import { isJsonObject, type Json, type JsonObject } from '../../core/json.ts'
import { objectOf } from '../loose-json.ts'
import { parseJson } from '../../lib/json-numbers.ts'
import { writeBody, type BodyEdits, type WrittenBody } from '../body.ts'
import type { ProviderCall, RequestBody } from '../provider.ts'
import type { Quirks } from '../wire.ts'
import { chatCallId } from './call-id.ts'
import { chatWire } from './chat.ts'

/** Writes the body of a Chat Completions or embeddings request for an OpenAI-shaped provider. */
export function chatEnvelope(call: ProviderCall, quirks: Quirks = {}): WrittenBody {
  const model = { model: JSON.stringify(call.target.model) }
  if (call.operation !== 'chat') return writeBody(call, chatWire, model)
  if (call.body.kind !== 'same') return writeBody(call, chatWire, {})
  const body = createOriginal(call.body)
  const refused = refusals(body, quirks)
  const edits = {
    ...refused.edits,
    ...model,
    ...usageEdit(call, body, quirks),
    ...messageEdit(body, quirks),
    ...choiceEdit(body, quirks),
  }
  return { ...writeBody(call, chatWire, edits), dropped: refused.dropped }
}

/** The caller's body, whose members are read only where a quirk asks for it. */
interface Original {
  /** JSON text of a top-level member. */
  text(name: string): string | undefined
}

function createOriginal({ bytes, members }: Extract<RequestBody, { kind: 'same' }>): Original {
  return {
    text(name) {
      const span = members.get(name)
      return span === undefined ? undefined : bytes.toString('utf8', span.valueStart, span.end)
    },
  }
}

/** What these members say when they say nothing: they may be left out unnoticed. */
const SAYS_NOTHING: Readonly<Record<string, string>> = {
  n: '1',
  logprobs: 'false',
  store: 'false',
  parallel_tool_calls: 'true',
  presence_penalty: '0',
  frequency_penalty: '0',
  tools: '[]',
}

function refusals(body: Original, quirks: Quirks): { readonly edits: BodyEdits; readonly dropped: readonly string[] } {
  const edits: Record<string, string | undefined> = {}
  const dropped: string[] = []
  for (const name of quirks.rejects ?? []) {
    const text = body.text(name)
    if (text === undefined) continue
    edits[name] = undefined
    if (name !== 'stream_options' && text !== 'null' && text !== SAYS_NOTHING[name]) dropped.push(name)
  }
  for (const [from, to] of Object.entries(quirks.renames ?? {})) {
    const text = body.text(from)
    if (text === undefined || from === to) continue
    edits[from] = undefined
    edits[to] = body.text(to) ?? text
  }
  return { edits, dropped }
}

/** Usage is forced on streams; what else the caller said of the stream is kept. */
function usageEdit(call: ProviderCall, body: Original, quirks: Quirks): BodyEdits {
  if (!call.stream || (quirks.usage ?? 'ask') !== 'ask') return {}
  const text = body.text('stream_options')
  const said: unknown = text === undefined ? undefined : parseJson(text)
  const options = objectOf(said)
  return options['include_usage'] === true ? {} : { stream_options: JSON.stringify({ ...options, include_usage: true }) }
}

function choiceEdit(body: Original, { toolChoiceRequired }: Quirks): BodyEdits {
  if (toolChoiceRequired === undefined || body.text('tool_choice') !== '"required"') return {}
  return { tool_choice: JSON.stringify(toolChoiceRequired) }
}

/** Messages are touched only where the provider would refuse them: a role it does not know, call ids of another provider. */
function messageEdit(body: Original, quirks: Quirks): BodyEdits {
  const knowsDeveloper = quirks.systemRole !== 'system'
  const takesAnyId = quirks.toolIds !== 'nine_alphanumeric'
  if (knowsDeveloper && takesAnyId) return {}
  const text = body.text('messages')
  const hasRole = !knowsDeveloper && text?.includes('"developer"')
  const hasIds = !takesAnyId && text?.includes('"tool_call')
  if (text === undefined || !(hasRole || hasIds)) return {}
  const messages: unknown = parseJson(text)
  if (!Array.isArray(messages)) return {}
  return {
    messages: JSON.stringify(messages.map((message: unknown) => (isJsonObject(message) ? repaired(message, quirks) : message))),
  }
}

function repaired(message: JsonObject, quirks: Quirks): JsonObject {
  const { role, tool_call_id: result, tool_calls: calls } = message
  return {
    ...message,
    ...(role === 'developer' && quirks.systemRole === 'system' ? { role: 'system' } : {}),
    ...(typeof result === 'string' ? { tool_call_id: chatCallId(result, quirks) } : {}),
    ...(Array.isArray(calls)
      ? {
          tool_calls: calls.map((call: Json) =>
            isJsonObject(call) && typeof call['id'] === 'string' ? { ...call, id: chatCallId(call['id'], quirks) } : call,
          ),
        }
      : {}),
  }
}
