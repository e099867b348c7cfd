import { describe, expect, test } from 'vitest'
import { CLIENTS, clientSnippet, entryName, mcpUrl, renderSnippet } from '../../../src/cli/connect.ts'

const TARGET = { name: 'tollgate', url: 'https://gate.example.com/mcp' }

describe('clientSnippet', () => {
  test.each([
    [
      'claude-desktop',
      '{"mcpServers":{"tollgate":{"command":"tollgate","args":["stdio","https://gate.example.com/mcp"],"env":{"TOLLGATE_TOKEN":"TOKEN"}}}}',
    ],
    [
      'claude-code',
      '{"mcpServers":{"tollgate":{"type":"http","url":"${TOLLGATE_URL:-https://gate.example.com}/mcp","headers":{"Authorization":"Bearer ${TOLLGATE_TOKEN}"}}}}',
    ],
    [
      'cursor',
      '{"mcpServers":{"tollgate":{"url":"https://gate.example.com/mcp","headers":{"Authorization":"Bearer ${env:TOLLGATE_TOKEN}"}}}}',
    ],
    [
      'vscode',
      '{"inputs":[{"type":"promptString","id":"tollgate-token","description":"Tollgate token","password":true}],\n "servers":{"tollgate":{"type":"http","url":"https://gate.example.com/mcp","headers":{"Authorization":"Bearer ${input:tollgate-token}"}}}}',
    ],
    ['codex', '[mcp_servers.tollgate]\nurl = "https://gate.example.com/mcp"\nbearer_token_env_var = "TOLLGATE_TOKEN"'],
    [
      'gemini',
      '{"mcpServers":{"tollgate":{"httpUrl":"https://gate.example.com/mcp","headers":{"Authorization":"Bearer TOKEN"}}}}',
    ],
    [
      'chatgpt',
      '1. ChatGPT: Settings > Apps > Advanced > Developer mode > Create app. claude.ai: Settings > Connectors > Add custom connector.\n2. Name: tollgate\n3. URL: https://gate.example.com/mcp\n4. Authentication: OAuth, then sign in at your issuer.',
    ],
  ] as const)('gives %s the bytes it documents', (client, text) => {
    expect(clientSnippet(client, TARGET).text).toBe(text)
  })

  test.each([
    [
      'claude-code',
      'claude mcp add --transport http --scope project --header "Authorization: Bearer ${TOLLGATE_TOKEN}" tollgate https://gate.example.com/mcp',
    ],
    ['codex', 'codex mcp add tollgate --url https://gate.example.com/mcp && codex mcp login tollgate'],
    [
      'gemini',
      'gemini mcp add -s user --transport http --header "Authorization: Bearer $TOLLGATE_TOKEN" tollgate https://gate.example.com/mcp',
    ],
  ] as const)('gives %s its own command', (client, command) => {
    expect(clientSnippet(client, TARGET).command).toBe(command)
  })

  test('makes deep links that decode to the configuration and hold no secret', () => {
    const target = { ...TARGET, token: 'a-secret-token' }

    const cursor = new URL(clientSnippet('cursor', target).link!)
    const vscode = clientSnippet('vscode', target).link!

    expect(cursor.searchParams.get('name')).toBe('tollgate')
    expect(JSON.parse(Buffer.from(cursor.searchParams.get('config')!, 'base64').toString())).toEqual({
      url: TARGET.url,
      headers: { Authorization: 'Bearer ${env:TOLLGATE_TOKEN}' },
    })
    expect(vscode.startsWith('vscode:mcp/install?')).toBe(true)
    expect(JSON.parse(decodeURIComponent(vscode.slice('vscode:mcp/install?'.length)))).toMatchObject({
      name: 'tollgate',
      type: 'http',
      url: TARGET.url,
    })
    expect(`${cursor.href}${vscode}`).not.toContain('a-secret-token')
  })

  test('writes a token into a file only where the client has no other way', () => {
    const holding = CLIENTS.filter((client) =>
      clientSnippet(client, { ...TARGET, token: 'a-secret-token' }).text.includes('a-secret-token'),
    )

    expect(holding).toEqual(['claude-desktop', 'gemini'])
  })

  test('tells the bridge that plain http to another machine is meant', () => {
    const argsOf = (url: string) => JSON.parse(clientSnippet('claude-desktop', { name: 'x', url }).text).mcpServers.x.args

    expect(argsOf('http://10.0.0.9:8080/mcp')).toEqual(['stdio', 'http://10.0.0.9:8080/mcp', '--allow-http'])
    expect(argsOf('http://127.0.0.1:8080/mcp')).toEqual(['stdio', 'http://127.0.0.1:8080/mcp'])
  })

  test('says when a connector cannot reach the URL', () => {
    const notes = clientSnippet('chatgpt', { name: 'x', url: 'http://127.0.0.1:8080/mcp' }).notes.join('\n')

    expect(notes).toContain('http://127.0.0.1:8080/mcp cannot be reached from there')
    expect(clientSnippet('chatgpt', TARGET).notes.join('\n')).not.toContain('cannot be reached')
  })

  test('keeps a shell from reading a URL', () => {
    expect(clientSnippet('codex', { name: 'x', url: 'https://h/mcp?a=$(id)&b' }).command).toBe(
      "codex mcp add x --url 'https://h/mcp?a=$(id)&b' && codex mcp login x",
    )
  })
})

test('a catalog has its own URL and its own entry, in camel case for VS Code', () => {
  const target = { name: entryName('data-science'), url: mcpUrl('https://gate.example.com/', 'data-science') }

  expect(target).toEqual({ name: 'tollgate-data-science', url: 'https://gate.example.com/mcp/data-science' })
  expect(clientSnippet('vscode', target).text).toContain('"servers":{"tollgateDataScience":')
})

test('a rendered snippet names file, text, command and notes in that order', () => {
  const rendered = renderSnippet(clientSnippet('codex', TARGET))

  expect(rendered.split('\n\n').map((part) => part.split('\n')[0])).toEqual([
    'Codex',
    'In ~/.codex/config.toml (or .codex/config.toml of a trusted project):',
    '[mcp_servers.tollgate]',
    'Or run:',
    'codex mcp add tollgate --url https://gate.example.com/mcp && codex mcp login tollgate',
    '- Set the token first: export TOLLGATE_TOKEN=...',
  ])
})
