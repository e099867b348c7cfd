const HOST = 'Host: @HOST@\r\nAuthorization: Bearer @TOKEN@\r\n'
const CHAT = '{"model":"demo","messages":[{"role":"user","content":"hi"}]}'
const INITIALIZE =
  '{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"f","version":"1"}}}'
const LIST =
  '{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}'
const ACCEPT = 'Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n'

function post(path: string, body: string, headers = ''): string {
  return `POST ${path} HTTP/1.1\r\n${HOST}${ACCEPT}${headers}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
}

const chunked = (path: string, body: string) =>
  `POST ${path} HTTP/1.1\r\n${HOST}${ACCEPT}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)};x=y\r\n${body}\r\n0\r\nTrailer: x\r\n\r\n`

/** Requests as clients send them; @HOST@ and @TOKEN@ stand for those of the gateway. */
export const HTTP_SEEDS: readonly string[] = [
  post('/mcp', INITIALIZE),
  post('/mcp', LIST, 'MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n'),
  post('/mcp/research', '[{"jsonrpc":"2.0","id":1,"method":"ping"}]', 'MCP-Protocol-Version: 2025-03-26\r\n'),
  post('/v1/chat/completions', CHAT),
  post('/v1/chat/completions', CHAT.replace('{', '{"stream":true,')),
  post(
    '/v1/messages',
    '{"model":"demo","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}',
    'anthropic-version: 2023-06-01\r\n',
  ),
  post('/v1/responses', '{"model":"demo","input":"hi","stream":true}'),
  chunked('/v1/chat/completions', CHAT),
  `${post('/v1/chat/completions', CHAT)}${post('/mcp', LIST)}GET /v1/models HTTP/1.1\r\n${HOST}\r\n`,
  `GET /v1/models HTTP/1.1\r\n${HOST}\r\n`,
  `GET /mcp HTTP/1.1\r\n${HOST}Accept: text/event-stream\r\n\r\n`,
  `DELETE /mcp HTTP/1.1\r\n${HOST}Mcp-Session-Id: x\r\n\r\n`,
  `HEAD /mcp HTTP/1.1\r\n${HOST}\r\n`,
  'OPTIONS /mcp HTTP/1.1\r\nHost: @HOST@\r\nOrigin: https://app.test\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: a, b\r\n\r\n',
  'GET /.well-known/oauth-protected-resource/mcp HTTP/1.1\r\nHost: @HOST@\r\n\r\n',
  'GET /v0.1/servers?limit=1&cursor=x HTTP/1.1\r\nHost: @HOST@\r\n\r\n',
  `POST /mcp HTTP/1.1\r\n${HOST}${ACCEPT}Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}`,
  `GET / HTTP/1.1\r\n${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
  'CONNECT a.test:443 HTTP/1.1\r\nHost: a.test:443\r\n\r\n',
  `GET http://@HOST@/mcp HTTP/1.1\r\n${HOST}\r\n`,
  'GET / HTTP/1.0\r\n\r\n',
]

/** Words of HTTP, and those the door looks at. */
export const HTTP_WORDS: readonly string[] = [
  '\r\n', '\n', '\r', '\r\n\r\n', ' ', '\t', ':', '\0', '\x7f', '\xff', ' HTTP/1.1\r\n', 'HTTP/2.0', 'HTTP/0.9', 'GET ', 'POST ', 'HEAD ', 'PUT ', 'TRACE ', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
  'Content-Length: 5\r\n', 'Content-Length: -1\r\n', 'Content-Length: 5, 5\r\n', 'Content-Length: 0x5\r\n', 'Content-Length: 99999999999999999999\r\n',
  'Transfer-Encoding: chunked\r\n', 'Transfer-Encoding: identity\r\n', 'Transfer-Encoding : chunked\r\n', 'Transfer-Encoding: gzip, chunked\r\n', 'transfer-encoding: chunked, chunked\r\n',
  'Host: @HOST@\r\n', 'Host: evil.test\r\n', 'Host:\r\n', 'Authorization: Bearer @TOKEN@\r\n', 'Authorization: Basic x\r\n', 'X-Api-Key: x\r\n', 'Origin: null\r\n', 'Origin: https://evil.test\r\n',
  'Content-Encoding: gzip\r\n', 'Content-Type: text/plain\r\n', 'Connection: close\r\n', 'Connection: keep-alive, Authorization\r\n', 'Expect: 100-continue\r\n', 'Expect: x\r\n', 'Upgrade: h2c\r\n',
  'Mcp-Session-Id: a\r\n', 'Last-Event-ID: 1\r\n', 'MCP-Protocol-Version: 2026-07-28\r\n', 'Accept: */*\r\n', 'Cookie: a=b\r\n', 'X-Forwarded-Host: x\r\n', 'traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n',
  '/mcp', '/mcp/research', '/v1/chat/completions', '/v1/messages', '/v1/models', '//', '/../', '/%2e%2e/', '%00', '%', '?', '#', ';', '\\', '*', 'http://a@b/', '@WAIT@', '0\r\n\r\n', '5\r\nhello\r\n', 'ffffffffffffffff\r\n', '@TOKEN@',
] // prettier-ignore
