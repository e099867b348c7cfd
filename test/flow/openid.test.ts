// From 401 to a tool call: the official client's own OAuth flow against a real OpenID provider and the real gateway.
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'
import { expect, test } from 'vitest'
import { startEverythingFixture } from '../support/everything.ts'
import { gatewayFile, startTestGateway } from '../support/gateway.ts'
import { createSignIn, startOpenidProvider } from '../support/openid-provider.ts'
import { modernRequest } from '../support/raw-mcp.ts'

async function bench() {
  const upstream = await startEverythingFixture()
  const idp = await startOpenidProvider({
    resources: () => true,
    claims: { team: 'research' },
    scopes: ['mcp:tools', 'mcp:admin'],
  })
  const gateway = await startTestGateway({
    'tollgate.json': gatewayFile({
      mode: 'production',
      identity: {
        issuers: [
          { issuer: idp.issuer, algorithms: ['ES256'], jwks: { discovery: true }, type: 'at+jwt', requiredScopes: ['mcp:tools'] },
        ],
      },
    }),
    'servers/every.json': { type: 'http', url: upstream.url },
    'catalogs/research.json': {
      title: 'Research',
      for: { teams: ['research'] },
      tools: [{ server: 'every', allow: ['test_simple_text'] }],
    },
    'catalogs/other.json': {
      title: 'Other',
      for: { teams: ['research'] },
      tools: [{ server: 'every', allow: ['test_error_handling'] }],
    },
  })
  await gateway.until((snapshot) => snapshot.servers.get('every')?.status.state === 'ready')
  return {
    idp,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]()
      await idp[Symbol.asyncDispose]()
      await upstream[Symbol.asyncDispose]()
    },
  }
}

async function signIn(url: string) {
  const flow = createSignIn()
  const connect = () => {
    const client = new Client({ name: 'test', version: '1' })
    const transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: flow.provider })
    return { client, transport, connected: client.connect(transport) }
  }
  const first = connect()
  await expect(first.connected).rejects.toThrow(UnauthorizedError)
  await first.transport.finishAuth(flow.callback() ?? new URLSearchParams())
  const second = connect()
  await second.connected
  return { client: second.client, token: (await flow.provider.tokens())?.access_token ?? '' }
}

test.each(['/mcp', '/mcp/research'])('the official client signs in at %s and calls a tool', async (path) => {
  await using on = await bench()

  const { client, token } = await signIn(`${on.gateway.url}${path}`)
  const result = await client.callTool({ name: 'test_simple_text', arguments: {} })
  await client.close()

  expect(on.idp.errors).toEqual([])
  expect(result.content).toMatchObject([{ type: 'text', text: 'This is a simple text response for testing.' }])
  expect(JSON.stringify(on.gateway.logs())).not.toContain(token)
})

test('A08 a token for one endpoint opens no sibling', async () => {
  await using on = await bench()
  const { client, token } = await signIn(`${on.gateway.url}/mcp/research`)
  await client.close()

  const sibling = await modernRequest(
    `${on.gateway.url}/mcp/other`,
    'tools/list',
    {},
    { headers: { authorization: `Bearer ${token}` } },
  )

  expect(sibling.status).toBe(401)
  expect(sibling.headers.get('www-authenticate')).toContain('error="invalid_token"')
  expect(sibling.headers.get('www-authenticate')).toContain(
    `resource_metadata="${on.gateway.url}/.well-known/oauth-protected-resource/mcp/other"`,
  )
})

test('a token without a scope every call needs gets 403 with the scope to ask for', async () => {
  await using on = await bench()
  const { client, token } = await signIn(`${on.gateway.url}/mcp`)
  await client.close()
  on.gateway.write(
    'tollgate.json',
    gatewayFile({
      mode: 'production',
      identity: {
        issuers: [
          {
            issuer: on.idp.issuer,
            algorithms: ['ES256'],
            jwks: { discovery: true },
            requiredScopes: ['mcp:tools', 'mcp:everything'],
          },
        ],
      },
    }),
  )

  const request = () =>
    modernRequest(`${on.gateway.url}/mcp`, 'tools/list', {}, { headers: { authorization: `Bearer ${token}` } })
  await expect.poll(async () => (await request()).status, { timeout: 3_000 }).toBe(403)
  const refused = await request()

  expect(refused.headers.get('www-authenticate')).toMatch(
    /error="insufficient_scope".*scope="mcp:tools mcp:everything"|scope="mcp:tools mcp:everything".*error="insufficient_scope"/,
  )
})

test('the metadata of every endpoint names the endpoint, the issuer and the scopes', async () => {
  await using on = await bench()

  for (const path of ['/mcp', '/mcp/research']) {
    const response = await fetch(`${on.gateway.url}/.well-known/oauth-protected-resource${path}`, {
      headers: { origin: 'https://inspector.example' },
    })

    expect(response.headers.get('access-control-allow-origin')).toBe('*')
    expect(await response.json()).toMatchObject({
      resource: `${on.gateway.url}${path}`,
      authorization_servers: [on.idp.issuer],
      scopes_supported: ['mcp:tools'],
      bearer_methods_supported: ['header'],
    })
  }
})
