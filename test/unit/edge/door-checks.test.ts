import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../../src/core/errors.ts'
import { assertSingleHeaders } from '../../../src/edge/headers.ts'
import { allowedOrigin, assertHost, originRules, preflightHeaders } from '../../../src/edge/origin.ts'
import { parseTarget } from '../../../src/edge/target.ts'

function codeOf(act: () => unknown): string {
  try {
    act()
    return 'passed'
  } catch (error) {
    return error instanceof GatewayError ? error.code : String(error)
  }
}

describe('parseTarget', () => {
  const rows: [string, string][] = [
    ['/mcp', '/mcp'],
    ['/mcp/', '/mcp'],
    ['/mcp/team-a?x=1', '/mcp/team-a'],
    ['/', '/'],
    ['/v1/models/openai%2Fgpt-5', '/v1/models/openai%2Fgpt-5'],
    ['/v0.1/servers/com.example%2Fnotes/versions', '/v0.1/servers/com.example%2Fnotes/versions'],
  ]
  it.each(rows)('reads %s as %s', (url, path) => {
    expect(parseTarget(url, 8192).path).toBe(path)
  })

  const refused = [
    '//mcp',
    '/mcp/../admin',
    '/mcp/./x',
    '/%2e%2e/x',
    '/mcp%2fx',
    '/mcp;x=1',
    'http://other/mcp',
    '*',
    '',
    '/a\\b',
    '/a b',
    '/\u0000',
    '/mcp/\u017f',
  ]
  it('B08 refuses a target over the bound', () => {
    expect(codeOf(() => parseTarget(`/${'a'.repeat(9000)}`, 8192))).toBe('invalid_request')
  })

  it.each(refused)('B18 refuses %j', (url) => {
    expect(codeOf(() => parseTarget(url, 8192))).toBe('invalid_request')
  })
})

describe('assertSingleHeaders', () => {
  const rows: [string, string[], string][] = [
    ['one of each passes', ['Host', 'a', 'Accept', 'x', 'Accept', 'y'], 'passed'],
    ['B14 two Authorization headers are refused', ['Authorization', 'a', 'authorization', 'b'], 'invalid_request'],
    ['B14 two Mcp-Param headers of one name are refused', ['Mcp-Param-Region', 'a', 'mcp-param-region', 'b'], 'invalid_request'],
    ['two Mcp-Param headers of different names pass', ['Mcp-Param-A', 'a', 'Mcp-Param-B', 'b'], 'passed'],
    ['B16 an underscore spelling is refused', ['Mcp_Session_Id', 'a'], 'invalid_request'],
    ['B22 odd names are ignored', ['__proto__', 'a', 'constructor', 'b'], 'passed'],
  ]
  it.each(rows)('%s', (_name, raw, outcome) => {
    expect(codeOf(() => assertSingleHeaders(raw))).toBe(outcome)
  })
})

describe('Host and Origin', () => {
  const local = originRules({ publicUrl: 'http://127.0.0.1:8080', hosts: [], origins: [], loopback: true })
  const wide = originRules({
    publicUrl: 'https://gate.example',
    hosts: ['gate.internal:8443'],
    origins: ['https://ide.example'],
    loopback: false,
  })

  const hosts: [string, typeof local, string | undefined, string][] = [
    ['the public host passes', wide, 'gate.example', 'passed'],
    ['a configured host passes', wide, 'GATE.internal:8443', 'passed'],
    ['B10 a foreign host is misdirected', wide, 'evil.example', 'misdirected'],
    ['localhost passes on loopback', local, 'localhost:9999', 'passed'],
    ['IPv6 loopback passes on loopback', local, '[::1]:8080', 'passed'],
    ['B10 a rebinding name on loopback is misdirected', local, 'localhost.evil.example', 'misdirected'],
    ['localhost does not pass elsewhere', wide, 'localhost', 'misdirected'],
    ['no host is misdirected', local, undefined, 'misdirected'],
  ]
  it.each(hosts)('%s', (_name, rules, host, outcome) => {
    expect(codeOf(() => assertHost(rules, host))).toBe(outcome)
  })

  const origins: [string, typeof local, string, string][] = [
    ['a configured origin passes', wide, 'https://ide.example', 'passed'],
    ['B11 another port is another origin', wide, 'https://ide.example:444', 'origin_forbidden'],
    ['B11 another scheme is another origin', wide, 'http://ide.example', 'origin_forbidden'],
    ['a loopback page may call a loopback gateway', local, 'http://localhost:6274', 'passed'],
    ['B11 a foreign page may not', local, 'http://evil.example', 'origin_forbidden'],
    ['B11 null is no origin of ours', local, 'null', 'origin_forbidden'],
  ]
  it.each(origins)('%s', (_name, rules, origin, outcome) => {
    expect(codeOf(() => allowedOrigin(rules, { origin }))).toBe(outcome)
  })

  it('a preflight of a model client in a browser gets the headers it sends', () => {
    const asked = 'authorization,content-type,api-key,anthropic-version,anthropic-dangerous-direct-browser-access,x-stainless-os'
    const headers = preflightHeaders('http://localhost:6274', asked)
    const allowed = headers['access-control-allow-headers']?.toLowerCase().split(', ')

    expect(asked.split(',').filter((name) => allowed?.includes(name) !== true)).toEqual([])
    expect(headers['access-control-expose-headers']).toContain('X-Tollgate-Request-Id')
    expect(headers['access-control-expose-headers']).toContain('X-RateLimit-Remaining-Tokens')
  })

  it('a preflight echoes Mcp-Param headers and nothing else that was asked for', () => {
    const allowed = preflightHeaders('http://localhost:6274', 'mcp-param-region, x-evil, Mcp-Param-\u0000')[
      'access-control-allow-headers'
    ]

    expect(allowed).toContain('mcp-param-region')
    expect(allowed).not.toContain('x-evil')
  })
})
