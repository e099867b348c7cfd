import type { IncomingHttpHeaders } from 'node:http'
import { GatewayError } from '../../../src/core/errors.ts'
import { isJsonObject } from '../../../src/core/json.ts'
import { classify } from '../../../src/mcp/classify.ts'
import { MAX_BATCH, readBody, type Message, type Refused } from '../../../src/mcp/message.ts'
import { honestJson } from '../honest.ts'
import { invariant, type Target } from '../target.ts'

const BOUNDS = { depth: 64, nodes: 100_000 }
const WORDS =
  `jsonrpc 2.0 id method params result error _meta arguments name uri cursor tools/call tools/list prompts/get resources/read initialize
  notifications/initialized notifications/cancelled ping server/discover subscriptions/listen io.modelcontextprotocol/protocolVersion
  io.modelcontextprotocol/clientCapabilities io.modelcontextprotocol/clientInfo io.modelcontextprotocol/logLevel progressToken 2026-07-28 2025-11-25
  2025-03-26 Method NAME Arguments param\u017f \uff4eame requestState protocolVersion capabilities clientInfo code message =?base64?ZWNobw==?=`.split(
    /\s+/,
  )

const META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
const SEEDS = [
  `2026-07-28|tools/call|echo\n{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hi"},${META}}}`,
  `2026-07-28|server/discover|\n{"jsonrpc":"2.0","id":"a","method":"server/discover","params":{${META}}}`,
  '2025-11-25||\n{"jsonrpc":"2.0","id":-0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}',
  '2025-03-26||\n[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","method":"notifications/initialized"}]',
  '||\n{"jsonrpc":"2.0","id":7,"result":{}}',
  '||\n{"jsonrpc":"2.0","id":7,"error":{"code":-1,"message":"no"}}',
]

/** Message bodies with the headers that go with them: version, method and name in the first line. */
export function jsonRpc(): Target {
  return {
    name: 'json-rpc',
    json: 'headed',
    dictionary: WORDS,
    seeds: () => SEEDS.map((seed) => Buffer.from(seed)),
    price: { parse: (input) => void readBody(bodyOf(input), BOUNDS), honest: (bytes) => honestCall(bytes) },
    run(input) {
      const bytes = bodyOf(input)
      const body = readBody(bytes, BOUNDS)
      const headers = headersOf(input)
      if (body.kind !== 'batch') return take(body, bytes.toString('utf8'), headers)
      invariant(body.items.length <= MAX_BATCH + 1, 'a batch is cut')
      return `batch ${body.items
        .slice(0, 4)
        .map((item) => take(item, undefined, headers))
        .join(' ')}`
    },
  }
}

const bodyOf = (input: Buffer) => input.subarray(input.indexOf(10) + 1)

function honestCall(bytes: number): Buffer {
  const args = honestJson(Math.max(64, bytes - 90)).toString('utf8')
  return Buffer.from(`||\n{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${args}}}`)
}

/** Headers as node would give them: no line breaks, and none that are empty. */
function headersOf(input: Buffer): IncomingHttpHeaders {
  const [version, method, name] = input.toString('latin1', 0, Math.max(0, input.indexOf(10))).split('|')
  const entries = Object.entries({ 'mcp-protocol-version': version, 'mcp-method': method, 'mcp-name': name })
  return Object.fromEntries(entries.filter(([, value]) => value !== undefined && value !== ''))
}

function take(item: Message | Refused, text: string | undefined, headers: IncomingHttpHeaders): string {
  if (item.kind === 'refused') {
    if (item.idText !== undefined) JSON.parse(item.idText)
    return `refused ${words(item.error)}`
  }
  if (text !== undefined) checkAgainst(JSON.parse(text), item)
  if (item.kind === 'request') invariant(Object.is(JSON.parse(item.idText), item.id), 'the id goes back as it came')
  try {
    return `${item.kind} ${classify(item, headers).kind}`
  } catch (error) {
    if (!(error instanceof GatewayError)) throw error
    invariant(error.code !== 'internal', 'a refusal says what is wrong')
    return `${item.kind} ${words(error)}`
  }
}

const words = ({ code, message }: GatewayError) => {
  invariant(message.length < 600 && !/[\p{Cc}\p{Cf}]/u.test(message), 'a refusal is short and printable')
  return `${code} ${message.replaceAll(/".*?"|: .*|\d+/g, '#').slice(0, 60)}`
}

/** The message says what JSON.parse reads, so that whatever else reads the same bytes reads the same. */
function checkAgainst(json: unknown, item: Message): void {
  invariant(isJsonObject(json), 'a message is an object')
  invariant(json['jsonrpc'] === '2.0', 'a message names its version')
  if (item.kind === 'response') return invariant(json['method'] === undefined, 'a response has no method')
  invariant(json['method'] === item.method, 'the method is the one every reader sees')
  const known = ['jsonrpc', 'id', 'method', 'params']
  invariant(
    Object.keys(json).every((name) => known.includes(name)),
    'nothing unknown stands in the envelope',
  )
}
