import { describe, expect, test } from 'vitest'
import type { AzureCredentials } from '../../../src/config/provider.ts'
import { azureSigner } from '../../../src/credentials/azure.ts'
import type { SignableRequest } from '../../../src/credentials/signer.ts'
import { startCredentialServer, type CredentialServer } from './credential-server.ts'

const SCOPE = 'https://cognitiveservices.azure.com/.default'
const TENANT = { tenantId: 't/1', clientId: 'c1' }

const requestTo = (url: string): SignableRequest => ({ method: 'POST', url, headers: {}, body: Buffer.from('{}') })

async function start(answer: (count: number) => readonly [number, string] = token) {
  const server = await startCredentialServer((_incoming, count) => answer(count))
  server.secrets.set('env:SECRET', 'se cret').set('env:ASSERTION', 'jwt')
  return server
}

const token = (count: number) =>
  [200, JSON.stringify({ access_token: `token-${count}`, token_type: 'Bearer', expires_in: '3600' })] as const

function sign(server: CredentialServer, credentials: AzureCredentials) {
  const signer = azureSigner(credentials, server.deps)
  return { signer, sign: () => signer.sign(requestTo(`${server.url}/openai/v1/chat/completions`)) }
}

describe('Azure credentials', () => {
  test('a key goes into api-key', async () => {
    await using server = await start()

    expect(sign(server, { type: 'key', key: 'env:SECRET' }).sign()).toEqual({ 'api-key': 'se cret' })
    expect(server.requests).toEqual([])
  })

  test.each<readonly [string, (server: CredentialServer) => AzureCredentials, Record<string, string>]>([
    [
      'a client secret',
      ({ url }) => ({ type: 'entra', ...TENANT, clientSecret: 'env:SECRET', tokenUrl: `${url}/token` }),
      { grant_type: 'client_credentials', client_id: 'c1', scope: SCOPE, client_secret: 'se cret' },
    ],
    [
      'a federated token',
      ({ url }) => ({ type: 'workload_identity', ...TENANT, assertion: 'env:ASSERTION', tokenUrl: `${url}/token` }),
      {
        grant_type: 'client_credentials',
        client_id: 'c1',
        scope: SCOPE,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion: 'jwt',
      },
    ],
  ])('Entra ID gives a token for %s, once', async (_name, credentials, form) => {
    await using server = await start()
    const { sign: once } = sign(server, credentials(server))

    expect(await once()).toEqual({ authorization: 'Bearer token-1' })
    expect(once()).toEqual({ authorization: 'Bearer token-1' })

    expect(server.requests).toHaveLength(1)
    expect(server.requests).toMatchObject([{ method: 'POST', path: '/token' }])
    expect(Object.fromEntries(new URLSearchParams(server.requests[0]?.body))).toEqual(form)
  })

  test('without a token URL the tenant names it, as one segment', async () => {
    await using server = await start()
    const asked: string[] = []
    const signer = azureSigner(
      { type: 'entra', ...TENANT, clientSecret: 'env:SECRET' },
      {
        ...server.deps,
        async fetch(url) {
          asked.push(url)
          return { status: 500, headers: {}, body: Buffer.alloc(0) }
        },
      },
    )

    await expect(signer.sign(requestTo(server.url))).rejects.toMatchObject({ code: 'upstream_auth' })
    expect(asked).toEqual(['https://login.microsoftonline.com/t%2F1/oauth2/v2.0/token'])
  })

  test('the machine gives a token for its identity', async () => {
    await using server = await start()

    await sign(server, { type: 'managed_identity', clientId: 'c 1', url: `${server.url}/` }).sign()

    expect(server.requests).toMatchObject([
      {
        method: 'GET',
        path: '/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=c+1',
        headers: { metadata: 'true' },
      },
    ])
  })

  test('a refused token is fetched anew', async () => {
    await using server = await start()
    const { signer, sign: once } = sign(server, { type: 'managed_identity', url: server.url })
    await once()

    signer.rejected()

    expect(await once()).toEqual({ authorization: 'Bearer token-2' })
  })

  test.each([
    ['a refusal', 400, '{"error":"invalid_client"}'],
    ['no JSON', 200, '<html>'],
    ['no token', 200, '{"access_token":1}'],
    ['a token with a line break', 200, String.raw`{"access_token":"a\nb"}`],
  ])('%s is upstream_auth', async (_name, status, body) => {
    await using server = await start(() => [status, body])

    await expect(sign(server, { type: 'managed_identity', url: server.url }).sign()).rejects.toMatchObject({
      code: 'upstream_auth',
      message: 'the gateway could not get an Azure token for this provider',
    })
  })

  test.each<AzureCredentials>([
    { type: 'key', key: 'env:SECRET' },
    { type: 'managed_identity', url: 'http://127.0.0.1:1' },
  ])('nothing is signed for another host: $type', async (credentials) => {
    await using server = await start()

    expect(() => azureSigner(credentials, server.deps).sign(requestTo('https://example.com/'))).toThrow(
      'the credential is for another host',
    )
  })
})
