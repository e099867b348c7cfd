import { CLIENTS, clientSnippet, mcpUrl, renderSnippet } from '../cli/connect.ts'

/** Facts printed when the gateway is up. */
export interface BannerFacts {
  readonly publicUrl: string
  readonly adminUrl: string
  readonly healthUrl: string
  readonly isDevelopment: boolean
  /** Development tokens: one per team of the catalogs, and one for the admin listener. */
  readonly tokens: readonly { readonly team: string; readonly catalog: string; readonly token: string }[]
  readonly adminToken: string | undefined
  /** Model names the catalogs grant. */
  readonly models: readonly string[]
  readonly problems: readonly {
    readonly file: string
    readonly line?: number
    readonly column?: number
    readonly message: string
  }[]
  readonly command: readonly string[]
}

/** What `tollgate start` prints once it serves: where, as whom, and how to connect. */
export function renderBanner(facts: BannerFacts): string {
  return [...urls(facts), ...problems(facts), ...(facts.isDevelopment ? development(facts) : [])].join('\n') + '\n'
}

function urls({ publicUrl, adminUrl, healthUrl, isDevelopment }: BannerFacts): string[] {
  return [
    isDevelopment
      ? 'Tollgate runs in DEVELOPMENT MODE: it accepts tokens of its own local issuer. Do not expose it.'
      : 'Tollgate is up.',
    '',
    `  MCP      ${publicUrl}/mcp`,
    `  models   ${publicUrl}/v1   (OpenAI and Anthropic clients)`,
    `  admin    ${adminUrl}/admin/v1/status   metrics ${adminUrl}/metrics`,
    `  health   ${healthUrl}/readyz`,
  ]
}

function problems({ problems: list }: BannerFacts): string[] {
  if (list.length === 0) return []
  return [
    '',
    'Problems in files (the rest is served):',
    ...list.map(({ file, line = 1, column = 1, message }) => `  ${file}:${line}:${column}  ${message}`),
  ]
}

function development({ publicUrl, tokens, adminToken, models, command }: BannerFacts): string[] {
  const lines: string[] = []
  for (const { team, catalog, token } of tokens) {
    lines.push('', `Token for team "${team}" (catalog "${catalog}" at ${mcpUrl(publicUrl, catalog)}), 12 hours:`, `  ${token}`)
  }
  if (adminToken !== undefined)
    lines.push('', 'Token for the admin listener (TOLLGATE_ADMIN_TOKEN), 12 hours:', `  ${adminToken}`)
  const [first] = tokens
  if (first === undefined) return lines
  const [model] = models
  if (model !== undefined)
    lines.push(
      '',
      `Models: ${models.join(', ')}. Ask one:`,
      `  curl -s ${publicUrl}/v1/chat/completions -H "Authorization: Bearer $TOLLGATE_TOKEN" -H 'Content-Type: application/json' \\`,
      `    -d '{"model":"${model}","messages":[{"role":"user","content":"Hello"}]}'`,
      `  export OPENAI_BASE_URL=${publicUrl}/v1 OPENAI_API_KEY=$TOLLGATE_TOKEN`,
      `  export ANTHROPIC_BASE_URL=${publicUrl} ANTHROPIC_AUTH_TOKEN=$TOLLGATE_TOKEN`,
    )
  lines.push('', `Connect a client as team "${first.team}" (export TOLLGATE_TOKEN=<the token above>):`)
  for (const client of CLIENTS) {
    lines.push('', renderSnippet(clientSnippet(client, { name: 'tollgate', url: `${publicUrl}/mcp`, command })).trimEnd())
  }
  return lines
}
