import { describe, expect, test } from 'vitest'
import { createSigV4, toCanonicalForm, type AwsKeys } from '../../../src/credentials/aws-sigv4.ts'
import type { SignableRequest } from '../../../src/credentials/signer.ts'

const KEYS: AwsKeys = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY' }
const NOW = Date.UTC(2026, 0, 2, 3, 4, 5)
const URL_OF_MODEL =
  'https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse'

const request = (headers: Record<string, string> = {}, url = URL_OF_MODEL): SignableRequest => ({
  method: 'POST',
  url,
  headers,
  body: Buffer.from('{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}'),
})

describe('signature version 4', () => {
  test('the canonical form encodes the path once more than it is sent', () => {
    expect(toCanonicalForm(request(), { 'x-amz-date': '20260102T030405Z' })).toEqual({
      form: [
        'POST',
        '/model/us.anthropic.claude-sonnet-4-5-20250929-v1%253A0/converse',
        '',
        'host:bedrock-runtime.us-east-1.amazonaws.com',
        'x-amz-date:20260102T030405Z',
        '',
        'host;x-amz-date',
        '45e583fed2564dc00e823303d7609f8587af7f685b993cb0f998afc0d480b01d',
      ].join('\n'),
      signedHeaders: 'host;x-amz-date',
    })
  })

  test.each([
    ['without a content type', {}, 'host;x-amz-date', '25c46f49ed8d271111dc2c401be1d010c1f4347466797a850b85cff2f4c031cd'],
    [
      'with one, other headers left out',
      { 'Content-Type': 'application/json', accept: 'application/json' },
      'content-type;host;x-amz-date',
      '65844f67b96ec065771499b63133c081f5aa3e77ae7b477abc8e5c1f1f8bd3ff',
    ],
  ])('two independent implementations give the same signature: %s', (_name, headers, signed, signature) => {
    expect(createSigV4('bedrock').sign(request(headers), KEYS, 'us-east-1', NOW)).toEqual({
      'x-amz-date': '20260102T030405Z',
      authorization: `AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/bedrock/aws4_request, SignedHeaders=${signed}, Signature=${signature}`,
    })
  })

  test('a temporary key signs its session token', () => {
    const headers = createSigV4('bedrock').sign(request(), { ...KEYS, sessionToken: 'token/1' }, 'us-east-1', NOW)

    expect(headers['x-amz-security-token']).toBe('token/1')
    expect(headers['authorization']).toContain('SignedHeaders=host;x-amz-date;x-amz-security-token')
  })

  test('another day, region or secret gives another signature, and coming back the first one', () => {
    const signer = createSigV4('bedrock')
    const first = signer.sign(request(), KEYS, 'us-east-1', NOW)['authorization']
    const others = [
      signer.sign(request(), KEYS, 'us-east-1', NOW + 86_400_000),
      signer.sign(request(), KEYS, 'eu-west-1', NOW),
      signer.sign(request(), { ...KEYS, secretAccessKey: 'other' }, 'us-east-1', NOW),
    ].map((headers) => headers['authorization'])

    expect(new Set([first, ...others]).size).toBe(4)
    expect(signer.sign(request(), KEYS, 'us-east-1', NOW)['authorization']).toBe(first)
  })

  test('queries are sorted and encoded, blanks in headers are joined, special characters in a path are encoded', () => {
    const { form } = toCanonicalForm(
      request({ 'x-amz-meta': '  a   b ' }, "https://a.amazonaws.com/m%2Fx'(1)*/y?b=2&a=%20x&a=!"),
      {},
    )

    expect(form.split('\n').slice(1, 5)).toEqual([
      '/m%252Fx%27%281%29%2A/y',
      'a=%20x&a=%21&b=2',
      'host:a.amazonaws.com',
      'x-amz-meta:a b',
    ])
  })
})
