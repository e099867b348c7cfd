import { isJsonObject, type JsonObject } from '../../core/json.ts'
import { objectsOf, textOf } from '../loose-json.ts'
import type { Part, ReasoningPart, StopReason, TextPart, ToolCallPart } from '../middle.ts'
import type { DecodeContext } from '../wire.ts'
import { unseal } from './responses-signature.ts'
import { toStop, type Holdings } from './stop-reason.ts'
import { callersName } from './tool-names.ts'

/** Items that ask the caller to act and that no other dialect can say: leaving them out would lose the answer. */
const CALLER_ACTS: ReadonlySet<string> = new Set([
  'custom_tool_call',
  'computer_call',
  'local_shell_call',
  'shell_call',
  'apply_patch_call',
  'mcp_approval_request',
])

/** Says why an item cannot be left out of an answer, or undefined when it can. */
export function complaintAbout(item: JsonObject): string | undefined {
  const type = item['type']
  if (typeof type !== 'string' || !CALLER_ACTS.has(type)) return undefined
  return `the answer holds a ${type} item, which cannot be translated`
}

/** Parts of one output item; none for items of tools that ran at the provider. */
export function partsOfItem(item: JsonObject, context: DecodeContext): Part[] {
  switch (item['type']) {
    case 'message':
      return objectsOf(item['content']).flatMap(partOfContent)
    case 'function_call':
      return [toolCall(item, context)]
    case 'reasoning':
      return isCallProof(item) ? [] : [reasoningPart(item, context)]
    default:
      return []
  }
}

/** The head of a tool call: its id and the caller's name of the tool. */
export function callOf(item: JsonObject, context: DecodeContext): { readonly id: string; readonly name: string } {
  const id = textOf(item['call_id']) || textOf(item['id']) || context.newId('call')
  return { id, name: callersName(textOf(item['name']), context) }
}

function toolCall(item: JsonObject, context: DecodeContext): ToolCallPart {
  return { type: 'tool-call', ...callOf(item, context), arguments: textOf(item['arguments']) || '{}' }
}

function partOfContent(content: JsonObject): Part[] {
  if (content['type'] === 'refusal') return [{ type: 'refusal', text: textOf(content['refusal']) }]
  if (content['type'] !== 'output_text') return []
  const annotations = objectsOf(content['annotations'])
  const part: TextPart = { type: 'text', text: textOf(content['text']), ...(annotations.length === 0 ? {} : { annotations }) }
  return [part]
}

/** Thoughts of a reasoning item: their summary, or their text where there is no summary. */
export function reasoningText(item: JsonObject): string {
  const summary = objectsOf(item['summary'])
  const pieces = summary.length > 0 ? summary : objectsOf(item['content'])
  return pieces.map((piece) => textOf(piece['text'])).join('\n\n')
}

/** What proves the thoughts of a reasoning item. */
export function proofOf(item: JsonObject, family: string): Pick<ReasoningPart, 'signature' | 'redacted'> {
  const text = textOf(item['encrypted_content'])
  if (text === '') return {}
  const { kind, signature } = unseal(text, family)
  if (kind === 'call') return {}
  return kind === 'redacted' ? { redacted: signature } : { signature }
}

/** Whether a reasoning item is only the carrier of a call's signature, as another gateway of this kind writes it. */
export function isCallProof(item: JsonObject): boolean {
  const text = textOf(item['encrypted_content'])
  return item['type'] === 'reasoning' && text !== '' && unseal(text, '').kind === 'call'
}

function reasoningPart(item: JsonObject, context: DecodeContext): ReasoningPart {
  const id = textOf(item['id'])
  return { type: 'reasoning', text: reasoningText(item), ...proofOf(item, context.family), ...(id === '' ? {} : { id }) }
}

/** Log-probabilities of every word of an answer, in order. */
export function logprobsOf(output: readonly JsonObject[]): JsonObject[] {
  return output.flatMap((item) => objectsOf(item['content']).flatMap((content) => objectsOf(content['logprobs'])))
}

/** Why a response ended, from its own words and from what it holds. */
export function stopOf(response: JsonObject, holds: Holdings): StopReason {
  if (response['status'] === 'incomplete') {
    const details = response['incomplete_details']
    return isJsonObject(details) && details['reason'] === 'content_filter' ? 'filtered' : 'length'
  }
  return toStop(undefined, holds)
}
