/** Every client "tollgate connect" knows. */
export const CLIENTS = ['claude-desktop', 'claude-code', 'cursor', 'vscode', 'codex', 'gemini', 'chatgpt'] as const

/** One of the clients "tollgate connect" knows. */
export type ClientId = (typeof CLIENTS)[number]

/** Where a client connects. */
export interface ClientTarget {
  /** Name of the entry in the client's file. */
  readonly name: string
  /** The whole MCP URL, for instance `http://127.0.0.1:8080/mcp/research`. */
  readonly url: string
  /** A token to show. It is written into a file only where the client cannot read an environment variable. */
  readonly token?: string
  /** How the stdio bridge is started on this machine; default `tollgate`. */
  readonly command?: readonly string[]
}

/** What a person does to connect one client: `text` goes into `file`; or run `command`, or open `link`. */
export interface ClientSnippet {
  readonly title: string
  /** Where `text` belongs; absent for clients that are set up in their own window. */
  readonly file?: string
  readonly text: string
  readonly command?: string
  readonly link?: string
  readonly notes: readonly string[]
}

const TOKEN_VARIABLE = 'TOLLGATE_TOKEN'

const SNIPPETS: Readonly<Record<ClientId, (target: ClientTarget) => ClientSnippet>> = {
  'claude-desktop': claudeDesktop,
  'claude-code': claudeCode,
  cursor,
  vscode,
  codex,
  gemini,
  chatgpt,
}

/** The exact configuration of one client for one MCP URL. Pure; the wire forms are those each client documents. */
export function clientSnippet(client: ClientId, target: ClientTarget): ClientSnippet {
  return SNIPPETS[client]({ ...target, url: new URL(target.url).href })
}

/** The text a terminal shows for a snippet. */
export function renderSnippet(snippet: ClientSnippet): string {
  const parts = [snippet.title]
  if (snippet.file !== undefined) parts.push(`In ${snippet.file}:`)
  parts.push(snippet.text)
  if (snippet.command !== undefined) parts.push('Or run:', snippet.command)
  if (snippet.link !== undefined) parts.push('Or open this link (it holds no secret):', snippet.link)
  if (snippet.notes.length > 0) parts.push(snippet.notes.map((note) => `- ${note}`).join('\n'))
  return `${parts.join('\n\n')}\n`
}

/** Name of the entry for a catalog: `tollgate`, or `tollgate-<catalog>`. */
export function entryName(catalog: string | undefined): string {
  return catalog === undefined ? 'tollgate' : `tollgate-${catalog}`
}

/** The MCP URL of an endpoint below a public URL. */
export function mcpUrl(publicUrl: string, catalog: string | undefined): string {
  const base = publicUrl.replace(/\/+$/, '')
  return catalog === undefined ? `${base}/mcp` : `${base}/mcp/${catalog}`
}

function claudeDesktop({ name, url, token, command = ['tollgate'] }: ClientTarget): ClientSnippet {
  const [program = 'tollgate', ...args] = command
  const insecure = isPlainRemote(url) ? ['--allow-http'] : []
  const entry = { command: program, args: [...args, 'stdio', url, ...insecure], env: { [TOKEN_VARIABLE]: token ?? 'TOKEN' } }
  return {
    title: 'Claude Desktop',
    file: 'claude_desktop_config.json (Settings > Developer > Edit Config)',
    text: JSON.stringify({ mcpServers: { [name]: entry } }),
    notes: [
      'One click instead: "tollgate connect claude-desktop --mcpb" writes a bundle to open in Settings > Extensions; it asks for the token and keeps it in the system keychain.',
      'Restart Claude Desktop after a change of the file.',
      'Settings > Connectors takes the URL alone, but its requests come from the servers of Anthropic: it needs a public https URL and an OAuth issuer, and sends no header of your own.',
    ],
  }
}

function claudeCode({ name, url, token }: ClientTarget): ClientSnippet {
  const { origin } = new URL(url)
  const entry = {
    type: 'http',
    url: `\${TOLLGATE_URL:-${origin}}${url.slice(origin.length)}`,
    headers: { Authorization: `Bearer \${${TOKEN_VARIABLE}}` },
  }
  return {
    title: 'Claude Code',
    file: '.mcp.json (project; safe to commit)',
    text: JSON.stringify({ mcpServers: { [name]: entry } }),
    command: `claude mcp add --transport http --scope project --header "Authorization: Bearer \${${TOKEN_VARIABLE}}" ${name} ${shellWord(url)}`,
    notes: [
      setVariable(token),
      `With an OAuth issuer leave "headers" out: Claude Code signs in by itself (run /mcp).`,
      '"headersHelper": "tollgate token --headers" gives it a fresh token at every start.',
    ],
  }
}

function cursor({ name, url, token }: ClientTarget): ClientSnippet {
  const transport = { url, headers: { Authorization: `Bearer \${env:${TOKEN_VARIABLE}}` } }
  const config = encodeURIComponent(Buffer.from(JSON.stringify(transport)).toString('base64'))
  return {
    title: 'Cursor',
    file: '~/.cursor/mcp.json (user) or .cursor/mcp.json (project)',
    text: JSON.stringify({ mcpServers: { [name]: transport } }),
    link: `cursor://anysphere.cursor-deeplink/mcp/install?name=${encodeURIComponent(name)}&config=${config}`,
    notes: [setVariable(token), 'Start Cursor from a shell that has the variable, or set it for your whole session.'],
  }
}

function vscode({ name, url, token }: ClientTarget): ClientSnippet {
  const id = 'tollgate-token'
  const inputs = [{ type: 'promptString', id, description: 'Tollgate token', password: true }]
  const transport = { type: 'http', url, headers: { Authorization: `Bearer \${input:${id}}` } }
  const server = camelCase(name)
  return {
    title: 'VS Code',
    file: '.vscode/mcp.json (or the user mcp.json: "MCP: Open User Configuration")',
    text: `{"inputs":${JSON.stringify(inputs)},\n "servers":${JSON.stringify({ [server]: transport })}}`,
    link: `vscode:mcp/install?${encodeURIComponent(JSON.stringify({ name: server, ...transport, inputs }))}`,
    notes: [
      `VS Code asks for the token once and keeps it in its secret storage${token === undefined ? '' : `; paste ${token}`}.`,
      'With an OAuth issuer leave "inputs" and "headers" out: VS Code signs in by itself.',
    ],
  }
}

function codex({ name, url, token }: ClientTarget): ClientSnippet {
  return {
    title: 'Codex',
    file: '~/.codex/config.toml (or .codex/config.toml of a trusted project)',
    text: `[mcp_servers.${name}]\nurl = ${JSON.stringify(url)}\nbearer_token_env_var = "${TOKEN_VARIABLE}"`,
    command: `codex mcp add ${name} --url ${shellWord(url)} && codex mcp login ${name}`,
    notes: [
      setVariable(token),
      'The command signs in with OAuth and needs an OAuth issuer; with a token use the file.',
      'Codex ignores a "headers" key; "bearer_token_env_var" names the variable, it does not hold the token.',
    ],
  }
}

function gemini({ name, url, token }: ClientTarget): ClientSnippet {
  const entry = { httpUrl: url, headers: { Authorization: `Bearer ${token ?? 'TOKEN'}` } }
  return {
    title: 'Gemini CLI',
    file: '~/.gemini/settings.json (user) or .gemini/settings.json (project)',
    text: JSON.stringify({ mcpServers: { [name]: entry } }),
    command: `gemini mcp add -s user --transport http --header "Authorization: Bearer $${TOKEN_VARIABLE}" ${name} ${shellWord(url)}`,
    notes: [
      'The token stands in this file: keep it out of version control.',
      '"httpUrl" means Streamable HTTP; "url" would mean the older SSE transport.',
    ],
  }
}

function chatgpt({ name, url }: ClientTarget): ClientSnippet {
  return {
    title: 'ChatGPT and claude.ai connectors',
    text: [
      `1. ChatGPT: Settings > Apps > Advanced > Developer mode > Create app. claude.ai: Settings > Connectors > Add custom connector.`,
      `2. Name: ${name}`,
      `3. URL: ${url}`,
      '4. Authentication: OAuth, then sign in at your issuer.',
    ].join('\n'),
    notes: [
      'Both call from their own servers and send no header or API key of yours: the gateway needs a public https "publicUrl" and an OAuth issuer in "identity.issuers" of tollgate.json.',
      ...(isPublic(url) ? [] : [`${url} cannot be reached from there, so this does not work yet.`]),
      'The issuer must allow the callbacks https://claude.ai/api/mcp/auth_callback and https://claude.com/api/mcp/auth_callback for claude.ai.',
    ],
  }
}

function setVariable(token: string | undefined): string {
  return `Set the token first: export ${TOKEN_VARIABLE}=${token ?? '...'}`
}

/** Plain http to another machine: the bridge wants to be told that this is meant. */
function isPlainRemote(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && !isLoopback(hostname)
}

function isPublic(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'https:' && !isLoopback(hostname)
}

function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' || hostname === '[::1]' || /^127(\.\d{1,3}){3}$/.test(hostname) || hostname.endsWith('.localhost')
  )
}

function camelCase(name: string): string {
  return name.replaceAll(/[-_.]+([A-Za-z0-9])/g, (_match, letter: string) => letter.toUpperCase())
}

/** A word a POSIX shell takes as it stands. */
function shellWord(word: string): string {
  return /^[\w:/.@%+=,~[\]-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}
