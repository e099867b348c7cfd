import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../src/core/errors.ts'
import { classify } from '../../../src/mcp/classify.ts'
import { readBody, type Message } from '../../../src/mcp/message.ts'

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientCapabilities': {},
}
const CALL = { name: 'say', arguments: {} }
const HEADERS = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'say' }

interface Case {
  readonly name: string
  readonly method?: string
  readonly params?: object
  readonly notification?: boolean
  readonly headers?: Record<string, string | undefined>
  readonly expected: string
}

const meta = (changes: object = {}) => ({ ...CALL, _meta: { ...META, ...changes } })

const CASES: readonly Case[] = [
  { name: 'a complete stateless request', params: meta(), expected: 'modern-request' },
  { name: 'Mcp-Name with blanks around it', params: meta(), headers: { 'mcp-name': '  say  ' }, expected: 'modern-request' },
  {
    name: 'C13 Mcp-Name in the sentinel',
    params: meta(),
    headers: { 'mcp-name': '=?base64?c2F5?=' },
    expected: 'modern-request',
  },
  {
    name: 'C13 a sentinel with bad padding',
    params: meta(),
    headers: { 'mcp-name': '=?base64?c2F=?=' },
    expected: 'header_mismatch',
  },
  { name: 'C11 no version header', params: meta(), headers: { 'mcp-protocol-version': undefined }, expected: 'header_mismatch' },
  { name: 'C11 no Mcp-Method', params: meta(), headers: { 'mcp-method': undefined }, expected: 'header_mismatch' },
  { name: 'C11 Mcp-Method in upper case', params: meta(), headers: { 'mcp-method': 'TOOLS/CALL' }, expected: 'header_mismatch' },
  { name: 'C11 no Mcp-Name', params: meta(), headers: { 'mcp-name': undefined }, expected: 'header_mismatch' },
  { name: 'C11 another Mcp-Name', params: meta(), headers: { 'mcp-name': 'SAY' }, expected: 'header_mismatch' },
  {
    name: 'C12 an old version in the header',
    params: meta(),
    headers: { 'mcp-protocol-version': '2025-11-25' },
    expected: 'header_mismatch',
  },
  {
    name: 'C12 an old version in header and body',
    params: meta({ 'io.modelcontextprotocol/protocolVersion': '2025-11-25' }),
    headers: { 'mcp-protocol-version': '2025-11-25' },
    expected: 'unsupported_version',
  },
  {
    name: 'C12 a new header over an unknown body',
    params: meta({ 'io.modelcontextprotocol/protocolVersion': 'v999.0.0' }),
    expected: 'header_mismatch',
  },
  {
    name: 'C15 an unknown version in header and body',
    params: meta({ 'io.modelcontextprotocol/protocolVersion': 'v999.0.0' }),
    headers: { 'mcp-protocol-version': 'v999.0.0' },
    expected: 'unsupported_version',
  },
  {
    name: 'C15 an unknown version in the header alone',
    params: CALL,
    headers: { 'mcp-protocol-version': '1999' },
    expected: 'unsupported_version',
  },
  { name: 'C14 no _meta', params: CALL, expected: 'invalid_params' },
  { name: 'C14 no version', params: meta({ 'io.modelcontextprotocol/protocolVersion': undefined }), expected: 'invalid_params' },
  {
    name: 'C14 no capabilities',
    params: meta({ 'io.modelcontextprotocol/clientCapabilities': undefined }),
    expected: 'invalid_params',
  },
  {
    name: 'C14 capabilities as a list',
    params: meta({ 'io.modelcontextprotocol/clientCapabilities': [] }),
    expected: 'invalid_params',
  },
  {
    name: 'C14 a version that is a number',
    params: meta({ 'io.modelcontextprotocol/protocolVersion': 1 }),
    expected: 'invalid_params',
  },
  { name: 'an unknown log level', params: meta({ 'io.modelcontextprotocol/logLevel': 'loud' }), expected: 'invalid_params' },
  { name: 'a progress token that is an object', params: meta({ progressToken: {} }), expected: 'invalid_params' },
  { name: 'a name that is a number', params: { ...meta(), name: 5 }, expected: 'invalid_params' },
  {
    name: 'C16 an unknown method',
    method: 'tools/burn',
    params: meta(),
    headers: { 'mcp-method': 'tools/burn' },
    expected: 'method_not_found',
  },
  {
    name: 'C16 initialize with a stateless envelope',
    method: 'initialize',
    params: meta(),
    headers: { 'mcp-method': 'initialize' },
    expected: 'method_not_found',
  },
  { name: 'no claim and no header', params: CALL, headers: { 'mcp-protocol-version': undefined }, expected: 'legacy' },
  { name: 'no claim and an old header', params: CALL, headers: { 'mcp-protocol-version': '2025-06-18' }, expected: 'legacy' },
  {
    name: 'a notification under a new header',
    method: 'notifications/cancelled',
    notification: true,
    expected: 'modern-notification',
  },
]

function toMessage({ method = 'tools/call', params, notification }: Case): Message {
  const body = { jsonrpc: '2.0', ...(notification ? {} : { id: 1 }), method, ...(params ? { params } : {}) }
  return readBody(Buffer.from(JSON.stringify(body)), { depth: 64, nodes: 1_000 }) as Message
}

describe('the era of a message', () => {
  test.each(CASES)('$name: $expected', (row) => {
    let outcome: string
    try {
      outcome = classify(toMessage(row), { ...HEADERS, ...row.headers }).kind
    } catch (error) {
      outcome = (error as GatewayError).code
    }

    expect(outcome).toBe(row.expected)
  })

  test('a response under a new header is refused, under an old one it is legacy', () => {
    const response: Message = { kind: 'response', id: 1, answer: { result: {} } }

    expect(() => classify(response, HEADERS)).toThrow(GatewayError)
    expect(classify(response, {}).kind).toBe('legacy')
  })
})
