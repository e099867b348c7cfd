import { describe, expect, it, test } from 'vitest'
import { Guard as GuardConfig } from '../../../src/config/guard.ts'
import { createGuards } from '../../../src/guard/guards.ts'

// Put together here, because a scanner of repositories would find it written out.
const KEY = `ghp_${'aB3dE5fG7hJ9'.repeat(3)}`

async function call(name: string, args: string): Promise<string> {
  const config = GuardConfig.parse({
    evaluators: [
      { type: 'secrets' },
      { type: 'pattern', patterns: ['\\b[0-9]{16}\\b', 'codename'], action: 'redact', replacement: '"#\\' },
      { type: 'tool_calls', deny: ['rm_*'] },
    ],
  })
  const guard = createGuards({ g: config }, { monotonic: () => performance.now() }).of(['g'])
  const judged = await guard?.openStream(new AbortController().signal).call(name, args)
  if (judged === undefined || judged.kind === 'block') return 'blocked'
  return judged.text
}

describe('a proposed call', () => {
  test.each<[name: string, args: string, out: string]>([
    [
      'clean arguments, as they were written',
      '{"a": 5.0, "b": 12345678901234567890123}',
      '{"a": 5.0, "b": 12345678901234567890123}',
    ],
    ['no arguments', '', ''],
    ['a text', `{"a":"is ${KEY}!","b":1}`, '{"a":"is [redacted]!","b":1}'],
    ['a text that is escaped', `{"a":"\\u0067hp_${KEY.slice(4)}"}`, '{"a":"[redacted]"}'],
    ['a text deep inside', `{"a":[{"b":["${KEY}"]}]}`, '{"a":[{"b":["[redacted]"]}]}'],
    ['a member called like a prototype', `{"__proto__":"${KEY}"}`, '{"__proto__":"[redacted]"}'],
    ['words that JSON must escape', '{"a":"codename"}', '{"a":"\\"#\\\\"}'],
    ['a number', '{"card":4111111111111111,"big":12345678901234567890123}', '{"card":"\\"#\\\\","big":12345678901234567890123}'],
    ['the name of a member', `{"${KEY}":1}`, 'blocked'],
    ['a text named twice', `{"a":"${KEY}","a":"fine"}`, 'blocked'],
    ['what is not JSON', `{"a":"${KEY}`, 'blocked'],
    ['clean text that is not JSON', '{"a":"fi', '{"a":"fi'],
  ])('with %s', async (_name, args, out) => {
    expect(await call('send', args)).toBe(out)
  })

  it('is blocked by its name', async () => {
    expect(await call('rm_all', '{}')).toBe('blocked')
  })

  it('whose name would have to be redacted is blocked', async () => {
    expect(await call('codename', '{}')).toBe('blocked')
  })
})
