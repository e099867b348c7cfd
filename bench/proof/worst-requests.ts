/** A request as bytes. */
export interface Attack {
  readonly name: string
  readonly bytes: Buffer
}

const SMALL = 10_240
const LARGE = 4_194_304
/** Room for the line and the headers of a request. */
const HEAD = 2_048

const MODERN = '2026-07-28'
const META = '"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'

/** Requests of at most 10 KiB that might cost more than they look. */
export function smallAttacks(token: string): readonly Attack[] {
  const room = SMALL - HEAD
  const mcp = (name: string, text: string): Attack => post(name, token, { path: '/mcp', body: text })
  const chat = (name: string, text: string): Attack => post(name, token, { path: '/v1/chat/completions', body: text })
  const call = (input: string): string =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${input},${META}}}`
  const messages = (inner: string): string => `{"model":"chat","messages":[${inner}]}`
  return [
    mcp('brackets', '['.repeat(room)),
    mcp('braces', '{"a":'.repeat(room / 5)),
    mcp('many keys', call(`{${pieces(room / 2, (index) => `"k${index}":0`)}}`)),
    mcp('empty objects', call(`{"a":[${pieces(room / 2, () => '{}')}]}`)),
    mcp('escapes', call(`{"text":"${'\\u0041'.repeat(room / 8)}"}`)),
    mcp('a long number', call(`{"n":1${'0'.repeat(room / 2)}}`)),
    mcp('an exponent', call('{"n":1e999999999}')),
    mcp('an unknown tool of 4 KB', call('{}').replace('"echo"', `"${'x'.repeat(room / 2)}"`)),
    mcp('a batch', `[${pieces(room, () => '{"jsonrpc":"2.0","id":1,"method":"ping"}')}]`),
    mcp('a list', `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{${META}}}`),
    chat('many messages', messages(pieces(room, () => '{"role":"user","content":"x"}'))),
    chat('many parts', messages(`{"role":"user","content":[${pieces(room, () => '{"type":"text","text":"x"}')}]}`)),
    chat(
      'many tools',
      `${messages('{"role":"user","content":"x"}').slice(0, -1)},"tools":[${pieces(room / 2, (index) => `{"type":"function","function":{"name":"t${index}"}}`)}]}`,
    ),
    chat('a model of 4 KB', `{"model":"${'x'.repeat(room / 2)}","messages":[]}`),
    plain('a token of 7 KB', `GET /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${'a.'.repeat(3_500)}\r\n\r\n`),
    plain(
      'a URL of 7 KB',
      `GET /mcp/${'%41'.repeat(2_300)} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\n\r\n`,
    ),
    plain(
      'many headers',
      `GET /mcp HTTP/1.1\r\nhost: 127.0.0.1\r\n${Array.from({ length: 500 }, (_, index) => `x${index}: 1\r\n`).join('')}\r\n`,
    ),
  ]
}

/** Bodies at the limit of the MCP door. */
export function worstBodies(token: string): readonly Attack[] {
  const room = LARGE - 1_024
  const call = (input: string): string =>
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":${input},${META}}}`
  const mcp = (name: string, body: string): Attack => post(name, token, { path: '/mcp', body })
  return [
    mcp('4 MiB of [', '['.repeat(room)),
    mcp('4 MiB of {}', call(`{"a":[${pieces(room, () => '{}')}]}`)),
    mcp('4 MiB of escapes', call(`{"text":"${'\\u0041'.repeat(room / 6 - 100)}"}`)),
    mcp('4 MiB of text', call(`{"text":"${'x'.repeat(room - 300)}"}`)),
    mcp('4 MiB of keys', call(`{${pieces(room - 300, (index) => `"k${index}":0`)}}`)),
    post('4 MiB of messages', token, {
      path: '/v1/chat/completions',
      body: `{"model":"chat","messages":[${pieces(room, () => '{"role":"user","content":"x"}')}]}`,
    }),
  ]
}

/** Pieces with commas between them, in about so many bytes. */
function pieces(bytes: number, piece: (index: number) => string): string {
  const made: string[] = []
  for (let length = 0, index = 0; length < bytes - 64; index += 1) {
    const one = piece(index)
    made.push(one)
    length += one.length + 1
  }
  return made.join(',')
}

function post(name: string, token: string, { path, body }: { readonly path: string; readonly body: string }): Attack {
  const method = /"method":"([^"]+)"/.exec(body)?.[1] ?? 'ping'
  const tool = /"name":"([^"]+)"/.exec(body)?.[1]
  const mirrors =
    path === '/mcp'
      ? `mcp-protocol-version: ${MODERN}\r\nmcp-method: ${method}\r\n${tool === undefined ? '' : `mcp-name: ${tool}\r\n`}`
      : ''
  const head = `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\naccept: application/json, text/event-stream\r\n${mirrors}content-length: ${Buffer.byteLength(body)}\r\n\r\n`
  return plain(name, head + body)
}

function plain(name: string, text: string): Attack {
  return { name, bytes: Buffer.from(text) }
}
