import { explainMembers, pathOf } from './import-report.ts'
import { asObject, type ImportWork, secretReference, textsIn, toVariable } from './import-work.ts'
import { convertMcpJson, type Draft, freeId } from './mcp-json.ts'

const REASONS: Readonly<Record<string, string>> = {
  extra_headers: 'headers of callers are not passed on: give the server a credential of its own',
  mcp_info: 'shown in the LiteLLM console only',
  spec_version: 'the era is detected; pin it with "era"',
  spec_path: 'OpenAPI descriptions are not turned into tools: register an MCP server',
  mcp_server_cost_info: 'write "price" at the tools of the catalog',
  allowed_params: 'write "arguments" at the tools of the catalog',
  tool_name_to_display_name: 'write "title" at the tools of the catalog',
  tool_name_to_description: 'write "description" at the tools of the catalog',
  delegate_auth_to_upstream: "a caller's own token never leaves the gateway",
  oauth_passthrough: "a caller's own token never leaves the gateway",
  authorization_url: 'servers are signed in to by the gateway, with client credentials',
  registration_url: 'servers are signed in to by the gateway, with client credentials',
  available_on_public_internet: 'which addresses may call is the business of the listener',
  timeout: 'write "timeouts" of the server',
}
const READ = new Set([
  'url',
  'transport',
  'command',
  'args',
  'env',
  'auth_type',
  'auth_value',
  'authentication_token',
  'static_headers',
  'headers',
  'allowed_tools',
  'disallowed_tools',
  'description',
  'access_groups',
  'mcp_access_groups',
  'allow_all_keys',
  'alias',
  'client_id',
  'client_secret',
  'token_url',
  'scopes',
  'server_name',
])

/** MCP servers as registrations, and a catalog per audience that shows their tools. */
export function addServers(work: ImportWork, value: unknown, aliases: Draft): void {
  const audiences = new Map<string, Draft[]>()
  if (Array.isArray(value)) work.report.skipped('mcp_servers', 'expected an object')
  for (const [name, item] of Object.entries(asObject(value))) {
    const path = pathOf('mcp_servers', name)
    const entry = asObject(item)
    const id = freeId(name, new Set(work.servers.map((server) => server.id)))
    const result = convertMcpJson({ mcpServers: { [id]: toEntry(entry) } })
    const [server] = result.servers
    const notes = result.notes.map((note) => note.replace(`${id}: `, ''))
    if (server === undefined) {
      work.report.skipped(path, notes.join('; ') || 'neither an address nor a command')
      continue
    }
    for (const note of notes) work.report.approximated(path, note)
    for (const [variable, origin] of result.variables)
      work.variables.set(variable, { origin: `${path}: ${origin}`, sample: 'https://set.invalid' })
    work.servers.push({ ...server, file: withDetails(work, server.file, { entry, path, id }) })
    for (const member of Object.keys(entry))
      if (READ.has(member) && member !== 'alias')
        work.report.imported(pathOf(path, member), `servers/${server.id}.json and its catalog`)
    explainMembers(work.report, { path, members: Object.keys(entry).filter((member) => !READ.has(member)) }, REASONS)
    const alias = entry['alias'] ?? Object.entries(aliases).find(([, target]) => target === name)?.[0]
    const rule = {
      server: server.id,
      allow: server.allow,
      ...(server.deny.length === 0 ? {} : { deny: server.deny }),
      prefix: prefixOf(alias) ?? true,
    }
    for (const audience of audienceOf(work, path, entry)) audiences.set(audience, [...(audiences.get(audience) ?? []), rule])
  }
  for (const alias of Object.keys(aliases))
    work.report.approximated(pathOf('litellm_settings.mcp_aliases', alias), '"prefix" of the tools in the catalog')
  for (const [audience, tools] of audiences) addCatalog(work, audience, tools)
}

function addCatalog(work: ImportWork, audience: string, tools: readonly Draft[]): void {
  const everything = tools.map((rule) => ({ server: rule['server'], allow: ['*'] }))
  work.catalogs.set(freeId(audience === '' ? 'mcp' : `mcp-${audience}`, new Set(work.catalogs.keys())), {
    title: audience === '' ? 'MCP servers for everybody' : `MCP servers of ${audience}`.slice(0, 128),
    for: audience === '' ? {} : { groups: [audience] },
    tools,
    prompts: everything,
    resources: everything,
  })
}

const prefixOf = (alias: unknown) => (typeof alias === 'string' && /^[a-zA-Z0-9_-]{1,24}$/.test(alias) ? alias : undefined)

const NOBODY = 'mcp-tools'

/** Groups that see a server; '' is everybody. */
function audienceOf(work: ImportWork, path: string, entry: Draft): string[] {
  if (entry['allow_all_keys'] === true) return ['']
  const groups = [...textsIn(entry['access_groups']), ...textsIn(entry['mcp_access_groups'])].map((group) =>
    group.replaceAll('*', '-'),
  )
  if (groups.length > 0) return [...new Set(groups)]
  work.report.approximated(
    path,
    `keys of LiteLLM say who may use it, and they are not in the file: its catalog is for the group "${NOBODY}" until you change "for"`,
  )
  return [NOBODY]
}

/** An entry as a client would write it. */
function toEntry(entry: Draft): Draft {
  const token = entry['auth_value'] ?? entry['authentication_token']
  const headers = {
    ...asObject(entry['static_headers']),
    ...asObject(entry['headers']),
    ...(typeof token === 'string' ? authHeader(entry['auth_type'], token) : {}),
  }
  return asObject(
    withVariables({
      ...(entry['transport'] === 'stdio' || entry['url'] === undefined
        ? {}
        : { url: entry['url'], type: entry['transport'] === 'http' ? 'http' : (entry['transport'] ?? 'sse') }),
      ...(entry['url'] !== undefined && entry['transport'] !== 'stdio'
        ? {}
        : { command: entry['command'], args: entry['args'], env: entry['env'] }),
      ...(Object.keys(headers).length === 0 ? {} : { headers }),
      ...(entry['allowed_tools'] === undefined ? {} : { includeTools: entry['allowed_tools'] }),
      ...(entry['disallowed_tools'] === undefined ? {} : { excludeTools: entry['disallowed_tools'] }),
    }),
  )
}

function authHeader(type: unknown, token: string): Draft {
  if (type === 'api_key') return { 'X-API-Key': token }
  if (type === 'basic') return { Authorization: `Basic ${token}` }
  return { Authorization: type === 'authorization' ? token : `Bearer ${token}` }
}

/** `os.environ/NAME` anywhere in a text as `${NAME}`. */
function withVariables(value: unknown): unknown {
  if (typeof value === 'string')
    return value.replace(/os\.environ\/([A-Za-z_]\w*)/g, (_whole, name: string) => `\${${toVariable(name)}}`)
  if (Array.isArray(value)) return value.map(withVariables)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, withVariables(member)]))
}

type Details = { readonly entry: Draft; readonly path: string; readonly id: string }

function withDetails(work: ImportWork, file: Draft, { entry, path, id }: Details): Draft {
  const description =
    typeof entry['description'] === 'string' ? { description: entry['description'].replaceAll('${', '$${').slice(0, 1024) } : {}
  const isMachine =
    entry['auth_type'] === 'oauth2' &&
    typeof entry['token_url'] === 'string' &&
    typeof entry['client_id'] === 'string' &&
    entry['client_secret'] !== undefined
  if (entry['auth_type'] === 'oauth2' && !isMachine)
    work.report.skipped(
      pathOf(path, 'auth_type'),
      'signing in as the caller is not done for it: give client credentials or a token',
    )
  if (!isMachine || file['type'] === 'stdio') return { ...file, ...description }
  const scope = textsIn(entry['scopes']).join(' ')
  return {
    ...file,
    ...description,
    credential: {
      type: 'client_credentials',
      tokenUrl: withVariables(entry['token_url']),
      clientId: withVariables(entry['client_id']),
      clientSecret: secretReference(work, entry['client_secret'], {
        path: pathOf(path, 'client_secret'),
        variable: `${id}_CLIENT_SECRET`.toUpperCase(),
      }),
      ...(scope === '' ? {} : { scope }),
    },
  }
}
