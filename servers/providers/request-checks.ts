import { isRecord, type JsonRecord } from './behaviour.ts'
import type { Vendor, WireName } from './routes.ts'

/** Says what the real provider would refuse a request for; undefined when it would take it. The rules gateways break most, not all there are. */
export function requestFault(wire: WireName, vendor: Vendor, asked: JsonRecord): string | undefined {
  return CHECKS[wire](asked, vendor)
}

type Check = (asked: JsonRecord, vendor: Vendor) => string | undefined

const CHECKS: Readonly<Record<WireName, Check>> = {
  chat: chatFault,
  responses: (asked) => (asked['input'] === undefined ? "missing required parameter: 'input'" : undefined),
  messages: messagesFault,
  gemini: geminiFault,
  converse: converseFault,
}

function list(value: unknown): readonly JsonRecord[] {
  return Array.isArray(value) ? value.filter(isRecord) : []
}

function isOneOf(value: unknown, words: readonly string[]): boolean {
  return typeof value === 'string' && words.includes(value)
}

/** The first fault of a list; undefined when there is none. */
function first<T>(rows: readonly T[], judge: (row: T, index: number) => string | undefined): string | undefined {
  for (const [index, row] of rows.entries()) {
    const fault = judge(row, index)
    if (fault !== undefined) return fault
  }
  return undefined
}

function chatFault(asked: JsonRecord): string | undefined {
  const turns = list(asked['messages'])
  if (turns.length === 0) return "missing required parameter: 'messages'"
  const open = new Set<unknown>()
  return first(turns, (turn, index) => {
    const role = turn['role']
    if (role === 'tool')
      return open.delete(turn['tool_call_id'])
        ? undefined
        : `messages[${index}]: no preceding tool call has the id of this tool message`
    if (open.size > 0) return `messages[${index}]: tool_call_ids without a response: ${[...open].join(', ')}`
    for (const call of list(turn['tool_calls'])) {
      const made = call['function']
      if (isRecord(made) && typeof made['arguments'] !== 'string') return `messages[${index}]: arguments must be a string`
      open.add(call['id'])
    }
    return isOneOf(role, ['system', 'developer', 'user', 'assistant', 'function'])
      ? undefined
      : `messages[${index}].role: invalid value ${JSON.stringify(role)}`
  })
}

const ANTHROPIC_VERSIONS: Partial<Readonly<Record<Vendor, string>>> = {
  vertex: 'vertex-2023-10-16',
  bedrock: 'bedrock-2023-05-31',
}

function messagesFault(asked: JsonRecord, vendor: Vendor): string | undefined {
  const version = ANTHROPIC_VERSIONS[vendor]
  if (version !== undefined && asked['anthropic_version'] !== version) return `anthropic_version: must be ${version}`
  if (version !== undefined && asked['model'] !== undefined) return 'model: extra inputs are not permitted'
  if (vendor === 'bedrock' && asked['stream'] !== undefined) return 'stream: extra inputs are not permitted'
  if (typeof asked['max_tokens'] !== 'number' || asked['max_tokens'] < 1) return 'max_tokens: field required'
  const turns = list(asked['messages'])
  if (turns.length === 0) return 'messages: at least one message is required'
  return first(turns, (turn, index) => {
    if (!isOneOf(turn['role'], ['user', 'assistant', 'system'])) return `messages.${index}.role: unexpected value`
    const expected = blockIds(turns[index - 1], 'tool_use', 'id')
    const given = list(turn['content'])
    const results = given.filter(({ type }) => type === 'tool_result')
    const stray = results.find(({ tool_use_id: id }) => !expected.includes(id))
    if (stray !== undefined)
      return `messages.${index}: unexpected tool_use_id ${JSON.stringify(stray['tool_use_id'])} in tool_result blocks`
    if (results.length < expected.length)
      return `messages.${index}: tool_use ids were found without tool_result blocks immediately after`
    if (given.slice(0, results.length).some(({ type }) => type !== 'tool_result'))
      return `messages.${index}: tool_result blocks must come first`
    return given.some(({ type, text }) => type === 'text' && text === '')
      ? `messages.${index}: text content blocks must be non-empty`
      : undefined
  })
}

function blockIds(turn: JsonRecord | undefined, type: string, id: string): readonly unknown[] {
  return list(turn?.['content']).flatMap((block) => (block['type'] === type ? [block[id]] : []))
}

function geminiFault(asked: JsonRecord): string | undefined {
  const turns = list(asked['contents'])
  if (turns.length === 0) return 'contents is not specified'
  return first(turns, ({ role, parts }, index) => {
    if (role !== undefined && !isOneOf(role, ['user', 'model', 'function']))
      return `contents[${index}].role: please use a valid role: user, model`
    return first(list(parts), (part) => {
      const { functionCall, functionResponse } = part
      if (isRecord(functionResponse) && !isRecord(functionResponse['response']))
        return `contents[${index}]: function_response.response must be an object`
      if (isRecord(functionCall) && functionCall['args'] !== undefined && !isRecord(functionCall['args']))
        return `contents[${index}]: function_call.args must be an object`
      return undefined
    })
  })
}

function converseFault(asked: JsonRecord): string | undefined {
  const turns = list(asked['messages'])
  const order = first(turns, ({ role }, index) =>
    role === (index % 2 === 0 ? 'user' : 'assistant')
      ? undefined
      : 'A conversation must start with a user message and alternate between user and assistant roles',
  )
  if (order !== undefined) return order
  const blocks = turns.flatMap(({ content }) => list(content))
  if (blocks.some(({ text }) => typeof text === 'string' && text.trim() === ''))
    return 'The text field in the ContentBlock object is blank'
  const usesTools = blocks.some(({ toolUse, toolResult }) => toolUse !== undefined || toolResult !== undefined)
  if (usesTools && asked['toolConfig'] === undefined)
    return 'The toolConfig field must be defined when using toolUse and toolResult content blocks'
  return first(turns, ({ content }, index) => {
    const before = list(turns[index - 1]?.['content']).flatMap(({ toolUse }) => (isRecord(toolUse) ? [toolUse['toolUseId']] : []))
    const results = list(content).flatMap(({ toolResult }) => (isRecord(toolResult) ? [toolResult['toolUseId']] : []))
    const matches = results.length === before.length && results.every((id) => before.includes(id))
    return matches || index === 0
      ? undefined
      : `Expected toolResult blocks at messages.${index}.content for the ids ${before.join(', ')}`
  })
}
