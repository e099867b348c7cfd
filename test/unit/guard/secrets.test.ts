import { describe, expect, it, test } from 'vitest'
import { secrets } from '../../../src/guard/evaluators/secrets.ts'
import { scanSecrets } from '../../../src/guard/evaluators/secrets-scan.ts'

const ALPHA = 'q7Rk2Zp9Lm4Xw8Tn3Vb6Hs5Jd1Gf0Yc'
/** Letters that look drawn by lot. Keys are made here: one that is written out would be found in this file. */
const letters = (count: number, alphabet = ALPHA) =>
  Array.from({ length: count }, (_, index) => alphabet[(index * 7 + (index >> 3)) % alphabet.length]).join('')
const hex = (count: number) => letters(count, '3fa9c01b7e6d8524')
const base32 = (count: number) => letters(count, 'QJ7XK2MZ4BVN5TRHP3WLD6')
const pem = (kind: string, body = letters(400)) => `-----BEGIN ${kind}PRIVATE KEY-----\n${body}\n-----END ${kind}PRIVATE KEY-----`
const jwt = `eyJ${letters(30)}.eyJ${letters(60)}.${letters(43)}`

describe('credentials that are found', () => {
  test.each<[label: string, secret: string]>([
    ['tollgate key', `tgk_1a2b3c4d_${letters(49)}`],
    ['openai key', `sk-proj-${letters(120)}`],
    ['anthropic key', `sk-ant-api03-${letters(90)}-AA`],
    ['openrouter key', `sk-or-v1-${hex(64)}`],
    ['api key', `sk-${letters(48)}`],
    ['google key', `AIza${letters(35)}`],
    ['google access token', `ya29.${letters(120)}`],
    ['groq key', `gsk_${letters(52)}`],
    ['hugging face token', `hf_${letters(34)}`],
    ['aws access key', `AKIA${base32(16)}`],
    ['github token', `ghp_${letters(36)}`],
    ['github token', `github_pat_${letters(22)}_${letters(59)}`],
    ['gitlab token', `glpat-${letters(20)}`],
    ['slack token', `xoxb-123456-7890123-${letters(24)}`],
    ['stripe key', `sk_live_${letters(24)}`],
    ['npm token', `npm_${letters(36)}`],
    ['sendgrid key', `SG.${letters(22)}.${letters(43)}`],
    ['shopify token', `shpat_${hex(32)}`],
    ['vault token', `hvs.${letters(90)}`],
    ['private key', pem('RSA ')],
    ['private key', pem('')],
    ['private key', pem('OPENSSH ')],
    ['jwt', jwt],
  ])('%s', (label, secret) => {
    for (const [before, after] of [
      ['', ''],
      ['the key is ', ', delete it'],
      ['KEY="', '"'],
      ['key=', '\n'],
      ['("', '")'],
    ] as const) {
      const found = scanSecrets(before + secret + after, 0)

      expect(found.map((one) => one.label)).toEqual([label])
      expect(found[0]).toMatchObject({ start: before.length, end: before.length + secret.length })
    }
  })

  it('a private key that a token runs into', () => {
    const token = `eyJ${letters(30)}.eyJ${letters(30)}.${letters(43)}`
    const block = `-----BEGIN PRIVATE KEY-----\n${letters(200)}\n-----END PRIVATE KEY-----`

    expect(scanSecrets(token + block, 0).map(({ start, end, label }) => ({ start, end, label }))).toEqual([
      { start: 0, end: token.length, label: 'jwt' },
      { start: token.length, end: token.length + block.length, label: 'private key' },
    ])
  })

  it('an AWS secret by its name', () => {
    const secret = letters(40)

    const [found] = scanSecrets(`aws_secret_access_key = ${secret}\n`, 0)

    expect(found).toMatchObject({ start: 0, end: 64, label: 'aws secret key' })
  })

  it('a private key block whose end is missing', () => {
    const text = `x -----BEGIN PRIVATE KEY-----\n${letters(200)}`

    expect(scanSecrets(text, 0)).toMatchObject([{ start: 2, end: text.length }])
  })

  it('an encrypted token', () => {
    const text = `eyJ${letters(30)}.${letters(40)}.${letters(16)}.${letters(80)}.${letters(22)}`

    expect(scanSecrets(`${text} and`, 0)).toMatchObject([{ start: 0, end: text.length }])
  })

  it('several of them', () => {
    const text = `AKIA${base32(16)} and ghp_${letters(36)}`

    expect(scanSecrets(text, 0).map(({ label }) => label)).toEqual(['aws access key', 'github token'])
  })
})

describe('what only looks like one', () => {
  test.each([
    ['prose', 'Please ask Skip about the sk-learn task; tokens_used was 12.'],
    ['an identifier', 'ask_for_permission_from_the_user_before_doing_anything_at_all'],
    ['an example', 'AKIAIOSFODNN7EXAMPLE'],
    ['a placeholder', `sk-proj-${'x'.repeat(48)}`],
    ['words of a manual', 'ghp_YOUR1TOKEN2HERE3YOUR4TOKEN5HERE6abcd'],
    ['too short', `ghp_${letters(20)}`],
    ['too long', `AKIA${base32(20)}`],
    ['inside a word', `prefixAKIA${base32(16)}`],
    ['a digest', hex(64)],
    ['an integrity hash', `sha512-${letters(86)}==`],
    ['a UUID', '5c184f9b-7fbc-d5c1-c409-3eb6177a106e'],
    ['base64 of JSON', `eyJ${letters(80)}`],
    ['a public key', `-----BEGIN PUBLIC KEY-----\n${letters(200)}\n-----END PUBLIC KEY-----`],
    ['a CSS class', 'sk-loading-spinner-container-with-a-very-long-name-indeed'],
    ['a name in a program', 'hf_servingcellpriorityparametersdescri'],
    ['a package', 'npm_config_registry_is_not_a_token_at_all_no'],
  ])('%s', (_name, text) => {
    expect(scanSecrets(text, 0)).toEqual([])
  })
})

it('names what was found and where, never the words', () => {
  const evaluator = secrets({ type: 'secrets', action: 'redact', mode: 'enforce', onFailure: 'closed', deadlineMs: 100 })

  const opinion = evaluator.inspect(
    { hook: 'request', parts: [{ path: 'q', text: `a AKIA${base32(16)}` }], from: 0, isEnd: true, earlier: 0 },
    () => AbortSignal.timeout(1),
  )

  expect(opinion).toMatchObject({ action: 'redact', findings: [{ part: 0, start: 2, end: 22, label: 'aws access key' }] })
})

describe('takes linear time on', () => {
  test.each([
    ['prefixes', 'sk-'],
    ['prefixes with room', 'ghp_ '],
    ['dots', 'eyJaaaaaaaaaa.'],
    ['begins of blocks', '-----BEGIN RSA PRIVATE KEY'],
    ['whole begins of blocks', '-----BEGIN RSA PRIVATE KEY-----'],
    ['dashes', '-'],
    ['one run', 'AKIA'],
    ['near misses', `sk-proj-${letters(30)} `],
    ['names of secrets', 'aws_secret_access_key: '],
    ['ends of blocks', '-----END '],
  ])('%s', (_name, piece) => {
    const text = piece.repeat(Math.ceil(1_000_000 / piece.length))
    scanSecrets(text.slice(0, 20_000), 0)
    const started = performance.now()

    scanSecrets(text, 0)

    expect(performance.now() - started).toBeLessThan(400) // seen: under 60 ms; a shared machine may be slow
  })
})
