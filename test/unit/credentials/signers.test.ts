import { describe, expect, test } from 'vitest'
import { Provider } from '../../../src/config/provider.ts'
import { createSigner } from '../../../src/credentials/signers.ts'
import type { SignableRequest, SignerDeps } from '../../../src/credentials/signer.ts'

const BASE = 'https://api.example.com/v1'
const REQUEST: SignableRequest = { method: 'POST', url: `${BASE}/x`, headers: {}, body: Buffer.from('{}') }
const BEDROCK = { ...REQUEST, url: 'https://bedrock-runtime.eu-central-1.amazonaws.com/model/m/converse' }

function start(provider: unknown, secret = 'k1') {
  const secrets = new Map([['env:K', secret]])
  const clock = { now: Date.UTC(2026, 0, 2) }
  const deps: SignerDeps = {
    secrets: {
      read(reference) {
        const value = secrets.get(reference)
        if (value === undefined) throw new Error(`${reference} is not set`)
        return value
      },
    },
    fetch: () => Promise.reject(new Error('nothing is fetched')),
    now: () => clock.now,
    baseUrl: BASE,
  }
  return { signer: createSigner(Provider.parse(provider), deps), secrets, clock }
}

const KEY = 'env:K'
const WITH_KEYS: readonly (readonly [string, object, Record<string, string>])[] = [
  ['openai', { type: 'openai', key: KEY }, { authorization: 'Bearer k1' }],
  ['openai_compatible', { type: 'openai_compatible', baseUrl: BASE, key: KEY }, { authorization: 'Bearer k1' }],
  ['anthropic', { type: 'anthropic', key: KEY }, { 'x-api-key': 'k1' }],
  ['gemini', { type: 'gemini', key: KEY }, { 'x-goog-api-key': 'k1' }],
  ['azure', { type: 'azure', baseUrl: BASE, credentials: { type: 'key', key: KEY } }, { 'api-key': 'k1' }],
]

describe('the signer of a provider', () => {
  test.each(WITH_KEYS)('%s: the key is one header, made once', (_name, provider, headers) => {
    const { signer } = start(provider)

    expect(signer.sign(REQUEST)).toEqual(headers)
    expect(signer.sign(REQUEST)).toBe(signer.sign(REQUEST))
  })

  test.each([
    ['demo', { type: 'demo' }],
    ['a local server without a key', { type: 'openai_compatible', baseUrl: BASE }],
  ])('%s: nothing is added', (_name, provider) => {
    expect(start(provider).signer.sign(REQUEST)).toEqual({})
  })

  test('bedrock signs for the region of the host', async () => {
    const credentials = { type: 'static', accessKeyId: KEY, secretAccessKey: KEY }
    const headers = await start({ type: 'bedrock', region: 'us-east-1', credentials }).signer.sign(BEDROCK)

    expect(headers['authorization']).toContain('Credential=k1/20260102/eu-central-1/bedrock/aws4_request')
  })

  test('vertex signs with a token', async () => {
    const { signer } = start({ type: 'vertex', project: 'p', baseUrl: BASE, credentials: { type: 'token', token: KEY } })

    expect(await signer.sign(REQUEST)).toEqual({ authorization: 'Bearer k1' })
  })

  test.each(WITH_KEYS)('%s: a rotated key is used after a while, and at once after a refusal', (_name, provider, headers) => {
    const { signer, secrets, clock } = start(provider)
    const after = (key: string) =>
      Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, value.replace('k1', key)]))
    expect(signer.sign(REQUEST)).toEqual(headers)
    secrets.set(KEY, 'k2')
    expect(signer.sign(REQUEST)).toEqual(headers)

    clock.now += 5_000
    expect(signer.sign(REQUEST)).toEqual(after('k2'))

    secrets.set(KEY, 'k3')
    signer.rejected()
    expect(signer.sign(REQUEST)).toEqual(after('k3'))
  })

  test.each(WITH_KEYS)('%s: nothing is signed for another origin', (_name, provider) => {
    const { signer } = start(provider)

    for (const url of [
      'https://example.com/',
      'http://api.example.com/v1',
      'https://api.example.com:8443/',
      `${BASE.replace('.com', '.com.evil.org')}/x`,
    ])
      expect(() => signer.sign({ ...REQUEST, url })).toThrow('the credential is for another host')
  })

  test.each([
    ['a missing key', 'k', 'env:OTHER'],
    ['a key with a line break', 'a\nb', KEY],
    ['a key no header can carry', 'ключ', KEY],
  ])('%s is upstream_auth, and is not told', (_name, secret, key) => {
    const { signer } = start({ type: 'openai', key }, secret)

    expect(() => signer.sign(REQUEST)).toThrow(expect.objectContaining({ code: 'upstream_auth' }))
    expect(() => signer.sign(REQUEST)).toThrow(/^(?!.*(?:ключ|a\nb)).*$/s)
  })
})
