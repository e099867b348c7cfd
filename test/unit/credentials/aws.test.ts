import { describe, expect, test } from 'vitest'
import type { AwsCredentials } from '../../../src/config/provider.ts'
import { textOf } from '../../../src/credentials/aws-keys.ts'
import { createSigV4 } from '../../../src/credentials/aws-sigv4.ts'
import { awsSigner } from '../../../src/credentials/aws.ts'
import type { SignableRequest } from '../../../src/credentials/signer.ts'
import { startCredentialServer, type CredentialServer } from './credential-server.ts'

const HOUR_MS = 3_600_000
const ROLE = 'arn:aws:iam::123456789012:role/gateway'
const SOURCE = { type: 'static', accessKeyId: 'env:ID', secretAccessKey: 'env:SECRET' } as const
const KEYS = { accessKeyId: 'AKID', secretAccessKey: 'secret' }
const TEMPORARY = { accessKeyId: 'ASIA1', secretAccessKey: 'sec/1+=', sessionToken: 'tok&1' }

const request = (region = 'eu-west-1'): SignableRequest => ({
  method: 'POST',
  url: `https://bedrock-runtime.${region}.amazonaws.com/model/m/converse`,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from('{}'),
})

const expiration = (server: CredentialServer) => new Date(server.now + HOUR_MS).toISOString()
const stsAnswer = (server: CredentialServer, action: string) => `<?xml version="1.0"?>
<${action}Response xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <${action}Result>
    <AssumedRoleUser><AssumedRoleId>AROA:tollgate</AssumedRoleId><Arn>${ROLE}</Arn></AssumedRoleUser>
    <Credentials>
      <AccessKeyId>ASIA1</AccessKeyId><SecretAccessKey>sec/1+=</SecretAccessKey>
      <SessionToken>tok&amp;1</SessionToken><Expiration>${expiration(server)}</Expiration>
    </Credentials>
  </${action}Result>
</${action}Response>`
const jsonAnswer = (server: CredentialServer) =>
  JSON.stringify({
    Code: 'Success',
    AccessKeyId: 'ASIA1',
    SecretAccessKey: 'sec/1+=',
    Token: 'tok&1',
    Expiration: expiration(server),
  })

async function start(answer: (server: CredentialServer, path: string, count: number) => readonly [number, string]) {
  const server: CredentialServer = await startCredentialServer((incoming, count) => answer(server, incoming.path, count))
  for (const [name, value] of Object.entries({ 'env:ID': 'AKID', 'env:SECRET': 'secret', 'env:TOKEN': 'oidc', 'env:KEY': 'abc' }))
    server.secrets.set(name, value)
  return server
}

const signerFor = (server: CredentialServer, credentials: AwsCredentials) =>
  awsSigner(credentials, server.deps, { region: 'eu-west-1' })
const nothing = () => [500, ''] as const

describe('AWS credentials', () => {
  test('an access key signs at once, for the region of the host', async () => {
    await using server = await start(nothing)
    const signer = signerFor(server, SOURCE)

    expect(signer.sign(request())).toEqual(createSigV4('bedrock').sign(request(), KEYS, 'eu-west-1', server.now))
    expect(signer.sign(request('us-east-1'))).toEqual(
      createSigV4('bedrock').sign(request('us-east-1'), KEYS, 'us-east-1', server.now),
    )
  })

  test('a rotated access key is used after it was refused', async () => {
    await using server = await start(nothing)
    const signer = signerFor(server, { ...SOURCE, sessionToken: 'env:TOKEN' })
    expect(await signer.sign(request())).toMatchObject({ 'x-amz-security-token': 'oidc' })
    server.secrets.set('env:TOKEN', 'next')

    signer.rejected()

    expect(await signer.sign(request())).toMatchObject({ 'x-amz-security-token': 'next' })
  })

  test('a Bedrock API key is a bearer token, the same headers for every call', async () => {
    await using server = await start(nothing)
    const signer = signerFor(server, { type: 'api_key', key: 'env:KEY' })

    expect(signer.sign(request())).toEqual({ authorization: 'Bearer abc' })
    expect(signer.sign(request())).toBe(signer.sign(request()))
  })

  test('a role is assumed by a signed call with its external id', async () => {
    await using server = await start((own) => [200, stsAnswer(own, 'AssumeRole')])
    const signer = signerFor(server, {
      type: 'assume_role',
      roleArn: ROLE,
      externalId: 'ex&1',
      sessionName: 'tollgate',
      source: SOURCE,
      stsUrl: `${server.url}/`,
    })

    expect(await signer.sign(request())).toEqual(createSigV4('bedrock').sign(request(), TEMPORARY, 'eu-west-1', server.now))

    const [asked] = server.requests
    expect(Object.fromEntries(new URLSearchParams(asked?.body))).toEqual({
      Action: 'AssumeRole',
      Version: '2011-06-15',
      RoleArn: ROLE,
      RoleSessionName: 'tollgate',
      ExternalId: 'ex&1',
    })
    const sent: SignableRequest = {
      method: 'POST',
      url: `${server.url}/`,
      headers: { 'content-type': asked?.headers['content-type'] ?? '' },
      body: Buffer.from(asked?.body ?? ''),
    }
    expect(asked?.headers).toMatchObject(createSigV4('sts').sign(sent, KEYS, 'eu-west-1', server.now))
    expect(signer.sign(request()), 'the second call waits for nothing').not.toBeInstanceOf(Promise)
  })

  test('a web identity is exchanged by a call without a signature, with the token of the moment', async () => {
    await using server = await start((own) => [200, stsAnswer(own, 'AssumeRoleWithWebIdentity')])
    const signer = signerFor(server, {
      type: 'web_identity',
      roleArn: ROLE,
      token: 'env:TOKEN',
      sessionName: 'tollgate',
      stsUrl: server.url,
    })
    await signer.sign(request())
    server.secrets.set('env:TOKEN', 'oidc-2')
    server.now += HOUR_MS

    expect(await signer.sign(request())).toMatchObject({ 'x-amz-security-token': 'tok&1' })

    const tokens = server.requests.map(({ body }) => new URLSearchParams(body).get('WebIdentityToken'))
    expect(tokens).toEqual(['oidc', 'oidc-2'])
    expect(server.requests[0]?.headers.authorization).toBeUndefined()
  })

  test('a container gives keys for its token', async () => {
    await using server = await start((own) => [200, jsonAnswer(own)])
    const signer = signerFor(server, { type: 'container', url: `${server.url}/v1/credentials`, token: 'env:TOKEN' })

    expect(await signer.sign(request())).toEqual(createSigV4('bedrock').sign(request(), TEMPORARY, 'eu-west-1', server.now))
    expect(server.requests).toMatchObject([{ method: 'GET', path: '/v1/credentials', headers: { authorization: 'oidc' } }])
  })

  test('a machine gives keys through a session of its metadata service', async () => {
    await using server = await start((own, path) => {
      if (path === '/latest/api/token') return [200, 'session']
      return [200, path.endsWith('/') ? 'gateway-role\n' : jsonAnswer(own)]
    })
    const signer = signerFor(server, { type: 'metadata', url: server.url })

    expect(await signer.sign(request())).toMatchObject({ 'x-amz-security-token': 'tok&1' })

    const session = { 'x-aws-ec2-metadata-token': 'session' }
    expect(server.requests).toMatchObject([
      { method: 'PUT', path: '/latest/api/token', headers: { 'x-aws-ec2-metadata-token-ttl-seconds': '60' } },
      { method: 'GET', path: '/latest/meta-data/iam/security-credentials/', headers: session },
      { method: 'GET', path: '/latest/meta-data/iam/security-credentials/gateway-role', headers: session },
    ])
  })

  test('keys are fetched ahead of their end, beside the calls that still use them', async () => {
    await using server = await start((own) => [200, jsonAnswer(own)])
    const signer = signerFor(server, { type: 'container', url: server.url })
    await signer.sign(request())
    server.now += HOUR_MS * 0.85

    expect(signer.sign(request())).not.toBeInstanceOf(Promise)

    await server.arrived(2)
  })

  test.each([
    [
      'STS refuses',
      403,
      '<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>',
      /answered 403 AccessDenied$/,
    ],
    ['an answer without keys', 200, '<AssumeRoleWithWebIdentityResponse/>', /no access key/],
    ['keys no header can carry', 200, '<AccessKeyId>a b</AccessKeyId><SecretAccessKey>x</SecretAccessKey>', /no access key/],
    ['an answer that is no text', 200, '\0\0', /no access key/],
  ])('a source that fails is upstream_auth, with the reason kept inside: %s', async (_name, status, body, cause) => {
    await using server = await start(() => [status, body])
    const signer = signerFor(server, {
      type: 'web_identity',
      roleArn: ROLE,
      token: 'env:TOKEN',
      sessionName: 'tollgate',
      stsUrl: server.url,
    })

    await expect(signer.sign(request())).rejects.toMatchObject({
      code: 'upstream_auth',
      message: 'the gateway could not get AWS credentials for this provider',
      cause: { message: expect.stringMatching(cause) },
    })
  })

  test.each([
    ['another host', 'https://example.com/model/m/converse'],
    ['a host that only begins like AWS', 'https://bedrock-runtime.eu-west-1.amazonaws.com.example.com/model/m/converse'],
    ['no encryption', 'http://bedrock-runtime.eu-west-1.amazonaws.com/model/m/converse'],
    ['a user before another host', 'https://bedrock-runtime.eu-west-1.amazonaws.com@example.com/'],
  ])('nothing is signed for %s', async (_name, url) => {
    await using server = await start(nothing)

    for (const credentials of [SOURCE, { type: 'api_key', key: 'env:KEY' } as const])
      expect(() => signerFor(server, credentials).sign({ ...request(), url })).toThrow('the credential is for another host')
  })

  test('a configured endpoint is the only host', async () => {
    await using server = await start(nothing)
    const signer = awsSigner(SOURCE, server.deps, { region: 'eu-west-1', baseUrl: server.url })
    const there = { ...request(), url: `${server.url}/model/m/converse` }

    expect(signer.sign(there)).toEqual(createSigV4('bedrock').sign(there, KEYS, 'eu-west-1', server.now))
    expect(() => signer.sign(request())).toThrow('the credential is for another host')
  })

  test.each([
    ['a prefix and attributes', '<a:Code x="1"> B </a:Code>', 'B'],
    ['entities', '<Code>a&lt;&amp;lt;&quot;</Code>', 'a<&lt;"'],
    ['nothing', '<CodeX>a</CodeX>', undefined],
    ['an element with children', '<Code><b/></Code>', undefined],
  ])('the reader of XML takes %s', (_name, xml, text) => {
    expect(textOf(xml, 'Code')).toBe(text)
  })
})
