// Reads what MCP clients keep about their servers (Claude Desktop, Claude Code, Cursor, VS Code, Gemini) and turns each entry into a
// registration of ours. A secret never comes along: it becomes the name of an environment variable, and the list of those is returned.
import { basename } from 'node:path'
import { isOpaque, isSecretHeader, isSecretParameter, isSecretValue, isSecretVariable } from '../config/secret-shapes.ts'

/** A JSON object on its way into a file. */
export type Draft = Record<string, unknown>

/** One entry turned into `servers/<id>.json`, with the globs a client narrowed it to. */
export interface ImportedServer {
  readonly id: string
  /** The name the client gives it. */
  readonly name: string
  readonly file: Draft
  readonly allow: readonly string[]
  readonly deny: readonly string[]
}

/** What an import leads to. `notes` are for the admin; `variables` must be set before the servers work, with where each comes from. */
export interface McpImport {
  readonly servers: readonly ImportedServer[]
  readonly notes: readonly string[]
  readonly variables: ReadonlyMap<string, string>
}

type Work = { readonly name: string; readonly id: string; readonly notes: string[]; readonly variables: Map<string, string> }

const IGNORED =
  /^(type|transport|command|args|env|cwd|url|httpUrl|serverUrl|headers|disabled|enabled|includeTools|excludeTools|description|name)$/

/** Turns the servers of a client's configuration into registrations; entries it cannot read are left out with a note. */
export function convertMcpJson(config: unknown): McpImport {
  const entries = entriesOf(config)
  const notes: string[] = entries.length === 0 ? ['there is no "mcpServers" or "servers" object with entries in this file'] : []
  const variables = new Map<string, string>()
  const servers: ImportedServer[] = []
  for (const [name, entry] of entries) {
    const id = freeId(name, new Set(servers.map((server) => server.id)))
    if (id !== name) notes.push(`${name}: becomes servers/${id}.json`)
    const work = { name, id, notes, variables }
    const file = convertEntry(work, entry)
    if (file === undefined) continue
    const ignored = Object.keys(entry).filter((key) => !IGNORED.test(key))
    if (ignored.length > 0) notes.push(`${name}: not taken over: ${ignored.join(', ')}`)
    servers.push({ id, name, file, allow: textsOf(entry['includeTools']) ?? ['*'], deny: textsOf(entry['excludeTools']) ?? [] })
  }
  return { servers, notes, variables }
}

function entriesOf(config: unknown): [string, Draft][] {
  const root = asObject(config)
  const map = asObject(root['mcpServers'] ?? root['servers'] ?? asObject(root['mcp'])['servers'])
  return Object.entries(map).map(([name, entry]) => [name, asObject(entry)])
}

function convertEntry(work: Work, entry: Draft): Draft | undefined {
  const off = entry['disabled'] === true || entry['enabled'] === false ? { enabled: false } : {}
  const title = work.name === work.id ? {} : { title: work.name.slice(0, 128) }
  const url = [entry['httpUrl'], entry['serverUrl'], entry['url']].find((value) => typeof value === 'string')
  const type = entry['type'] ?? entry['transport']
  if (url !== undefined) {
    const kind =
      entry['httpUrl'] === undefined && (type === 'sse' || (type === undefined && /\/sse\/?$/.test(url))) ? 'sse' : 'http'
    const remote = convertRemote(work, kind, url, asObject(entry['headers']))
    return remote && { ...remote, ...title, ...off }
  }
  if (typeof entry['command'] !== 'string') {
    work.notes.push(`${work.name}: left out: it has neither "url" nor "command"`)
    return undefined
  }
  const child = unwrapCommand(entry['command'], textsOf(entry['args']) ?? [])
  const bridged = remoteBehind(child.args)
  const file =
    bridged === undefined ? convertChild(work, entry, child) : convertRemote(work, bridged.kind, bridged.url, bridged.headers)
  return file && { ...file, ...title, ...off }
}

type Command = { readonly command: string; readonly args: readonly string[] }

/** `cmd /c npx ...` is how some clients start npx on Windows; the shell is not needed here. */
function unwrapCommand(command: string, args: readonly string[]): Command {
  const [flag, inner, ...rest] = args
  if (/^cmd(\.exe)?$/i.test(basename(command)) && /^\/c$/i.test(flag ?? '') && inner !== undefined)
    return { command: inner, args: rest }
  return { command, args }
}

type Bridged = { readonly kind: 'http' | 'sse'; readonly url: string; readonly headers: Draft }

/** The server behind a stdio bridge such as mcp-remote: we speak to it ourselves. */
function remoteBehind(args: readonly string[]): Bridged | undefined {
  const bridge = args.findIndex((argument) => /^(mcp-remote|@[\w-]+\/mcp-remote)(@.+)?$/.test(argument))
  const url = args.slice(bridge + 1).find((argument) => /^https?:\/\//.test(argument))
  if (bridge < 0 || url === undefined) return undefined
  const headers = args.flatMap((argument, index) => {
    const header = args[index - 1] === '--header' ? /^([^:\s]+):\s*(.*)$/.exec(argument) : null
    return header === null ? [] : [[header[1] ?? '', header[2] ?? ''] as const]
  })
  const kind = args.includes('sse-only') || (!args.includes('http-only') && /\/sse\/?$/.test(url)) ? 'sse' : 'http'
  return { kind, url, headers: Object.fromEntries(headers) }
}

function convertChild(work: Work, entry: Draft, { command, args }: Command): Draft {
  const env = Object.entries(asObject(entry['env'])).map(
    ([name, value]) => [name, convertVariable(work, name, String(value))] as const,
  )
  const written = args.map((argument, index) => convertArgument(work, argument, args[index - 1]))
  return {
    type: 'stdio',
    command: withVariables(work, command),
    ...(written.length === 0 ? {} : { args: written }),
    ...(env.length === 0 ? {} : { env: Object.fromEntries(env) }),
    ...(typeof entry['cwd'] === 'string' ? { cwd: withVariables(work, entry['cwd']) } : {}),
  }
}

function convertVariable(work: Work, name: string, value: string): string {
  const reference = wholeReference(value)
  if (reference !== undefined) return secret(work, reference, `${work.name}: was ${value}`)
  if (value !== '' && (isSecretVariable(name) || isSecretValue(value) || isOpaque(value)))
    return secret(work, ownName(work, name), `${work.name}: env ${name}`)
  return withVariables(work, value)
}

/** A secret in an argument is taken out of the file; the child still gets it in its arguments, where other users can see it. */
function convertArgument(work: Work, argument: string, before: string | undefined): string {
  const found = partsOf(argument, before).find(
    ({ name, value }) =>
      !value.includes('${') && value !== '' && (isSecretValue(value) || (isSecretHeader(name) && !value.startsWith('-'))),
  )
  if (found === undefined) return withVariables(work, argument)
  const variable = ownName(work, toVariable(found.name === '' ? 'token' : found.name))
  work.variables.set(variable, `${work.name}: argument ${found.name}`)
  work.notes.push(
    `${work.name}: a secret stands in its arguments, where other users of the machine can see it; use "env" if the server can`,
  )
  return `${found.start}\${${variable}}`
}

type ArgumentPart = { readonly start: string; readonly name: string; readonly value: string }

/** The ways to read an argument as a name and a value: `--token=x`, `TOKEN=x` and `--env=TOKEN=x` (containers), `Header: x`, and x after `--token`. */
function partsOf(argument: string, before: string | undefined): ArgumentPart[] {
  const part = (match: RegExpExecArray | null): ArgumentPart[] =>
    match === null ? [] : [{ start: match[1] ?? '', name: match[2] ?? '', value: match[3] ?? '' }]
  return [
    ...part(/^(--?([\w-]+)=)(.*)$/s.exec(argument)),
    ...part(/^((?:--?[\w-]+=)?([A-Za-z_]\w*)=)(.*)$/s.exec(argument)),
    ...part(/^(([\w-]+):\s*(?:(?:Bearer|Basic|Token)\s+)?)(\S+)$/i.exec(argument)),
    { start: '', name: /^--?([\w-]+)$/.exec(before ?? '')?.[1] ?? '', value: argument },
  ]
}

function convertRemote(work: Work, type: 'http' | 'sse', text: string, headers: Draft): Draft | undefined {
  const plain: Record<string, string> = {}
  let credential: Draft | undefined
  const url = /^https?:\/\/[^$]*$/.test(text) && URL.canParse(text) ? new URL(text) : undefined
  if (url !== undefined && [...url.searchParams.keys()].some((name) => isSecretParameter(name))) {
    work.notes.push(`${work.name}: left out: it sends a secret in its URL; ask for a header, and write it as "credential"`)
    return undefined
  }
  if (url !== undefined && (url.username !== '' || url.password !== '')) {
    credential = {
      type: 'basic',
      username: decodeURIComponent(url.username),
      password: secret(work, ownName(work, 'PASSWORD'), `${work.name}: password in the URL`),
    }
    url.username = url.password = ''
  }
  for (const [name, raw] of Object.entries(headers)) {
    const value = String(raw)
    const isSecret = isSecretHeader(name) || isSecretValue(value) || isOpaque(value) || wholeReference(value) !== undefined
    if (!isSecret) plain[name] = withVariables(work, value)
    else if (credential === undefined) credential = toCredential(work, name, value)
    else work.notes.push(`${work.name}: header ${name} not taken over: a server has one credential`)
  }
  return {
    type,
    url: url === undefined ? withVariables(work, text) : url.href,
    ...(Object.keys(plain).length === 0 ? {} : { headers: plain }),
    ...(credential === undefined ? {} : { credential }),
  }
}

function toCredential(work: Work, name: string, value: string): Draft {
  const [, scheme = '', rest = ''] = /^(Bearer\s+|Basic\s+|Token\s+)?(.*)$/is.exec(value) ?? []
  const isAuthorization = /^authorization$/i.test(name)
  const own = ownName(work, isAuthorization ? 'TOKEN' : toVariable(name))
  const reference = wholeReference(rest)
  const token = secret(work, reference ?? own, `${work.name}: header ${name}${reference === undefined ? '' : `, was ${rest}`}`)
  if (isAuthorization && /^bearer/i.test(scheme)) return { type: 'bearer', token }
  return { type: 'header', name, value: token, ...(scheme === '' ? {} : { prefix: `${scheme.trim()} ` }) }
}

const REFERENCE = /\$\{(?:(env|input):)?([A-Za-z_][\w.-]*)(:-[^}]*)?\}/g

/** The variable a text is a reference to and nothing else: `${X}`, `${env:X}` or `${input:x}`. */
function wholeReference(text: string): string | undefined {
  const found = new RegExp(`^${REFERENCE.source}$`).exec(text.trim())
  return found?.[2] === undefined || found[3] !== undefined ? undefined : toVariable(found[2])
}

/** The clients' ways to name a variable inside a text, as ours; predefined ones such as workspaceFolder become variables to set. */
function withVariables(work: Work, text: string): string {
  return text.replace(REFERENCE, (whole: string, _kind: string | undefined, name: string, otherwise: string | undefined) => {
    const variable = name === 'userHome' ? 'HOME' : toVariable(name)
    if (otherwise === undefined && variable !== 'HOME') work.variables.set(variable, `${work.name}: was ${whole}`)
    return `\${${variable}${otherwise ?? ''}}`
  })
}

function secret(work: Work, variable: string, origin: string): string {
  work.variables.set(variable, origin)
  return `env:${variable}`
}

/** A variable name for a literal of this server; names that are already taken by another server get this one's id in front. */
function ownName(work: Work, name: string): string {
  const plain = isSecretVariable(name) && name !== 'TOKEN' && name !== 'PASSWORD' ? name : `${toVariable(work.id)}_${name}`
  return work.variables.has(plain) ? `${toVariable(work.id)}_${plain}` : plain
}

function toVariable(name: string): string {
  const snake = name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/\W/g, '_')
    .toUpperCase()
  return /^\d/.test(snake) ? `_${snake}` : snake
}

/** An id within the rules for file names, not taken yet. */
export function freeId(name: string, taken: ReadonlySet<string>): string {
  const clean =
    name
      .toLowerCase()
      .replace(/[^a-z0-9_-]+/g, '-')
      .replace(/^[-_]+|[-_]+$/g, '')
      .slice(0, 32) || 'server'
  for (let count = 1; ; count++) {
    const id = count === 1 ? clean : `${clean.slice(0, 32 - String(count).length - 1)}-${count}`
    if (!taken.has(id)) return id
  }
}

function asObject(value: unknown): Draft {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Draft) : {} // checked: an object of unknown members
}

function textsOf(value: unknown): string[] | undefined {
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : undefined
}
