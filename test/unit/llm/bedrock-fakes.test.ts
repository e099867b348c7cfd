import { describe, expect, test } from 'vitest'
import type { AwsCredentials } from '../../../src/config/provider.ts'
import { isJsonObject, type JsonObject } from '../../../src/core/json.ts'
import { awsSigner } from '../../../src/credentials/aws.ts'
import type { SignerDeps } from '../../../src/credentials/signer.ts'
import { createEgress, type BoundedAnswer } from '../../../src/lib/egress.ts'
import { createEventStreamParser, readEvent } from '../../../src/lib/event-stream.ts'
import type { ModelEvent } from '../../../src/llm/middle.ts'
import type { ProviderCall } from '../../../src/llm/provider.ts'
import { bedrock } from '../../../src/llm/providers/bedrock.ts'
import { startFakeProviders } from '../../support/fake-providers.ts'
import { context, request } from './converse-fixture.ts'

const SECRET = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY'
const STATIC = { type: 'static', accessKeyId: 'env:ID', secretAccessKey: 'env:SECRET' } as const
const ROLE = 'arn:aws:iam::123456789012:role/gateway'
const MODEL = `fake?${new URLSearchParams({ text: 'Hello there.', usage: '{"input":11,"cacheRead":7,"cacheWrite5m":5,"cacheWrite1h":3,"output":13}' }).toString()}`
const USAGE = { input: 11, cacheRead: 7, cacheWrite5m: 5, cacheWrite1h: 3 }

/** The gateway's own pieces against a server that was written without them. */
async function start(credentialsFor: (url: string) => AwsCredentials, secret = SECRET) {
  const fakes = await startFakeProviders({ awsSecret: SECRET })
  const egress = createEgress({ allow: [] })
  const { url } = fakes
  const credentials = credentialsFor(url)
  const provider = bedrock({
    type: 'bedrock',
    enabled: true,
    connections: 1,
    headers: {},
    region: 'eu-central-1',
    baseUrl: url,
    credentials,
  })
  const secrets: Readonly<Record<string, string>> = { 'env:ID': 'AKIDEXAMPLE', 'env:SECRET': secret, 'env:OIDC': 'jwt' }
  const deps: SignerDeps = {
    secrets: { read: (name) => secrets[name] ?? '' },
    fetch: egress.fetch,
    now: () => Date.now(),
    baseUrl: url,
  }
  const signer = awsSigner(credentials, deps, { region: 'eu-central-1', baseUrl: url })
  return {
    provider,
    async send(attempt: ProviderCall): Promise<BoundedAnswer> {
      const { url: to, headers, body } = provider.toProvider(attempt)
      const signed = await signer.sign({ method: 'POST', url: to, headers, body })
      const all = { ...headers, ...signed }
      return await egress.fetch(to, {
        method: 'POST',
        headers: all,
        body: body.toString('utf8'),
        timeoutMs: 5_000,
        maxBytes: 1_000_000,
      })
    },
    async [Symbol.asyncDispose]() {
      await egress.close()
      await fakes[Symbol.asyncDispose]()
    },
  }
}

function call(changes: Partial<ProviderCall> = {}): ProviderCall {
  const target = { model: MODEL, family: 'anthropic' }
  return {
    operation: 'chat',
    wire: 'converse',
    target,
    stream: false,
    body: { kind: 'middle', request: request() },
    passed: {},
    ...changes,
  }
}

function bodyOf(answer: BoundedAnswer): JsonObject {
  const json: unknown = JSON.parse(answer.body.toString('utf8'))
  return isJsonObject(json) ? json : {}
}

describe('Bedrock as a server of another hand sees it', () => {
  test.each<readonly [string, (url: string) => AwsCredentials]>([
    ['an access key', () => STATIC],
    ['an assumed role', (url) => ({ type: 'assume_role', roleArn: ROLE, sessionName: 's', source: STATIC, stsUrl: `${url}/` })],
    [
      'a web identity',
      (url) => ({ type: 'web_identity', roleArn: ROLE, sessionName: 's', token: 'env:OIDC', stsUrl: `${url}/` }),
    ],
    ['a container', (url) => ({ type: 'container', url: `${url}/v2/credentials` })],
    ['a machine', (url) => ({ type: 'metadata', url })],
    ['a Bedrock API key', () => ({ type: 'api_key', key: 'env:ID' })],
  ])('%s signs what is accepted', async (_name, credentialsFor) => {
    await using side = await start(credentialsFor)

    const answer = await side.send(call())

    expect(answer.status, answer.body.toString('utf8')).toBe(200)
    expect(side.provider.fromProvider(call()).wire.decodeAnswer(bodyOf(answer), context())).toMatchObject({
      parts: [{ type: 'text', text: 'Hello there.' }],
      stop: 'end',
      usage: USAGE,
    })
  })

  test('a wrong secret is an auth failure', async () => {
    await using side = await start(() => STATIC, 'wrong')

    const answer = await side.send(call())

    expect(side.provider.errorOf(answer)).toMatchObject({ kind: 'auth', status: 403 })
  })

  test.each(['converse', 'messages'] as const)('a stream of %s is read to its end', async (wire) => {
    await using side = await start(() => STATIC)
    const streamed = call({ wire, stream: true, body: { kind: 'middle', request: request({ stream: true, maxTokens: 10 }) } })

    const answer = await side.send(streamed)

    const { wire: reader, unwrap } = side.provider.fromProvider(streamed)
    const decoder = reader.createDecoder(context())
    const events: ModelEvent[] = []
    const parser = createEventStreamParser((message) => {
      const event = readEvent(message)
      events.push(...decoder.push(unwrap?.(event) ?? event))
    }, 65_536)
    parser.push(answer.body)
    const words = events.map((event) => (event.type === 'text-delta' ? event.text : '')).join('')
    expect(words).toBe('Hello there.')
    expect(events.findLast((event) => event.type === 'usage')).toMatchObject({ usage: USAGE })
    expect(events.find(({ type }) => type === 'finish')).toMatchObject({ stop: 'end' })
    expect(events.at(-1)).toEqual({ type: 'end' })
  })

  test('tokens are counted', async () => {
    await using side = await start(() => STATIC)

    for (const wire of ['converse', 'messages'] as const) {
      const count = call({ wire, operation: 'count_tokens' })
      const answer = await side.send(count)
      expect(side.provider.toAnswer?.(count, bodyOf(answer))).toEqual({ input_tokens: expect.any(Number) })
    }
  })

  test.each(['amazon.titan-embed-text-v2:0', 'cohere.embed-v4:0'])(
    'embeddings of %s come in the shape of OpenAI',
    async (model) => {
      await using side = await start(() => STATIC)
      const asked = call({
        operation: 'embeddings',
        target: { model, family: 'bedrock' },
        body: { kind: 'json', json: { input: 'a' } },
      })

      const answer = await side.send(asked)

      expect(answer.status, answer.body.toString('utf8')).toBe(200)
      expect(side.provider.toAnswer?.(asked, bodyOf(answer))).toMatchObject({
        object: 'list',
        data: [{ object: 'embedding', index: 0 }],
      })
    },
  )
})
