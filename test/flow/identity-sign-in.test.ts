import { once } from 'node:events'
import { createServer, request as sendRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Client, StreamableHTTPClientTransport, UnauthorizedError } from '@modelcontextprotocol/client'
import { expect, test } from 'vitest'
import { GatewayError } from '../../src/core/errors.ts'
import { challenge, metadataUrl, resourceMetadata } from '../../src/identity/challenge.ts'
import type { Identity } from '../../src/core/principal.ts'
import { createAuthenticatorFixture } from '../support/authenticator.ts'
import { startEverythingFixture } from '../support/everything.ts'
import { createSignIn, startOpenidProvider } from '../support/openid-provider.ts'

/** A bare resource server: metadata, our authenticator, our challenge, and an MCP server behind. */
async function startResourceServer(issuer: string, upstream: string) {
  const callers: Identity[] = []
  const fixture = createAuthenticatorFixture({
    issuers: [{ issuer, algorithms: ['ES256'], jwks: { discovery: true }, type: 'at+jwt' }],
  })
  fixture.clock.now = Date.now()
  const server = createServer((request, response) => void answer(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const resource = `${origin}/mcp`

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url === new URL(metadataUrl(origin, '/mcp')).pathname) {
      response.setHeader('content-type', 'application/json')
      return void response.end(
        JSON.stringify(resourceMetadata({ resource, issuers: [issuer], scopes: ['mcp:tools'], name: 'Test' })),
      )
    }
    try {
      callers.push(await fixture.authenticator.authenticate({ authorization: request.headers.authorization }, resource))
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      const problem = request.headers.authorization === undefined ? {} : { error: 'invalid_token' as const }
      response.setHeader(
        'www-authenticate',
        challenge({ resourceMetadataUrl: metadataUrl(origin, '/mcp'), scope: 'mcp:tools', ...problem }),
      )
      return void response.writeHead(401).end()
    }
    const { authorization: _authorization, host: _host, ...headers } = request.headers
    const onward = sendRequest(upstream, { method: request.method ?? 'POST', headers }, (incoming) => {
      response.writeHead(incoming.statusCode ?? 502, incoming.headers)
      incoming.pipe(response)
    })
    response.on('close', () => onward.destroy())
    request.pipe(onward)
  }

  return {
    resource,
    callers,
    lastReason: fixture.lastReason,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((done) => server.close(() => done()))
      await fixture[Symbol.asyncDispose]()
    },
  }
}

test('the official client signs in through a real OpenID provider and calls a tool', async () => {
  await using upstream = await startEverythingFixture()
  await using idp = await startOpenidProvider({ resources: () => true, claims: { team: 'research' } })
  await using gate = await startResourceServer(idp.issuer, upstream.url)
  const signIn = createSignIn()
  const connect = () => {
    const client = new Client({ name: 'test', version: '1' })
    const transport = new StreamableHTTPClientTransport(new URL(gate.resource), { authProvider: signIn.provider })
    return { client, transport, connected: client.connect(transport) }
  }

  const first = connect()
  await expect(first.connected).rejects.toThrow(UnauthorizedError)
  expect(gate.lastReason()).toBe('missing')
  const callback = signIn.callback()
  expect(idp.errors).toEqual([])
  expect(callback?.get('iss')).toBe(idp.issuer)
  await first.transport.finishAuth(callback ?? new URLSearchParams())
  const second = connect()
  await second.connected
  const result = await second.client.callTool({ name: 'test_simple_text', arguments: {} })
  await second.client.close()

  expect(result.content).toMatchObject([{ type: 'text' }])
  expect(gate.callers[0]).toMatchObject({
    method: 'jwt',
    principal: { issuer: idp.issuer, subject: 'alice', kind: 'user', team: 'research', scopes: ['mcp:tools'] },
  })
})

test('a token for another resource of the same provider is refused', async () => {
  await using upstream = await startEverythingFixture()
  await using idp = await startOpenidProvider({ resources: () => true })
  await using other = await startResourceServer(idp.issuer, upstream.url)
  await using gate = await startResourceServer(idp.issuer, upstream.url)
  const signIn = createSignIn()
  const transport = new StreamableHTTPClientTransport(new URL(other.resource), { authProvider: signIn.provider })
  await expect(new Client({ name: 'test', version: '1' }).connect(transport)).rejects.toThrow(UnauthorizedError)
  await transport.finishAuth(signIn.callback() ?? new URLSearchParams())
  const tokens = await signIn.provider.tokens()

  const response = await fetch(gate.resource, {
    method: 'POST',
    headers: { authorization: `Bearer ${tokens?.access_token}` },
    body: '{}',
  })

  expect(response.status).toBe(401)
  expect(response.headers.get('www-authenticate')).toContain('error="invalid_token"')
  expect(gate.lastReason()).toBe('wrong_audience')
})
