import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { checkNode } from '../../../src/cli/doctor.ts'
import { checkClock, checkIssuer } from '../../../src/cli/doctor-checks.ts'
import { Identity } from '../../../src/config/identity.ts'
import { sendJson, startGateway } from './bridge-harness.ts'
import { runCli } from './cli-harness.ts'

const NOW = { now: () => new Date() }

/** A gateway on one port that answers every door doctor looks at, or differently where the test says. */
async function startWholeGateway(
  different: Readonly<Record<string, (response: Parameters<Parameters<typeof startGateway>[0]>[1], url: string) => void>> = {},
) {
  const gateway = await startGateway((_seen, response) => {
    const url = `http://127.0.0.1:${gateway.port}`
    const path = String(response.req.url)
    const other = different[path]
    if (other !== undefined) return other(response, url)
    if (path === '/livez' || path === '/readyz') return sendJson(response, 200, { status: 'ok' })
    if (path === '/mcp') {
      const challenge = `Bearer resource_metadata="${url}/.well-known/oauth-protected-resource/mcp"`
      return sendJson(response, 401, {}, { 'www-authenticate': challenge })
    }
    if (path.startsWith('/.well-known/'))
      return sendJson(response, 200, { resource: `${url}/mcp`, authorization_servers: ['https://login.example'] })
    if (path === '/admin/v1/status') return sendJson(response, 200, { servers: [{ id: 'notes', state: 'ready' }] })
    sendJson(response, 404, {})
  })
  return gateway
}

async function doctorOf(gateway: { port: number }, config: object = {}) {
  const listener = { port: gateway.port }
  await using folder = await temporaryFolder({
    'tollgate.json': JSON.stringify({ data: listener, admin: listener, health: listener, ...config }),
  })
  const { code, out } = await runCli(['doctor', '--json'], { io: { cwd: folder.path, ...NOW } })
  const findings: { check: string; outcome: string; message: string; fix?: string }[] = JSON.parse(out)
  return { code, findings, of: (check: string) => findings.find((finding) => finding.check === check) }
}

const KEYS = { identity: { issuers: [{ issuer: 'https://login.example', jwks: { keys: [{ kty: 'EC' }] } }] } }

describe('tollgate doctor', () => {
  test('finds nothing wrong with a gateway that is right', async () => {
    await using gateway = await startWholeGateway()

    const { code, findings } = await doctorOf(gateway, KEYS)

    expect(findings.map(({ check, outcome }) => `${check} ${outcome}`)).toEqual([
      'node ok',
      'config ok',
      'alive ok',
      'issuer ok',
      'ready ok',
      'challenge ok',
      'metadata ok',
      'clock ok',
      'server ok',
    ])
    expect(code).toBe(0)
  })

  test.each([
    ['a gateway that is not ready', '/readyz', 'ready', 'HTTP 503'],
    ['a door that serves anybody', '/mcp', 'challenge', 'HTTP 503'],
    ['metadata that is not there', '/.well-known/oauth-protected-resource/mcp', 'metadata', 'HTTP 503'],
  ])('names %s and the fix', async (_name, path, check, words) => {
    await using gateway = await startWholeGateway({ [path]: (response) => sendJson(response, 503, { reason: 'x' }) })

    const { code, of } = await doctorOf(gateway, KEYS)

    expect(of(check)).toMatchObject({ outcome: 'fail', message: expect.stringContaining(words), fix: expect.any(String) })
    expect(code).toBe(1)
  })

  test('names a publicUrl that is not the one callers use', async () => {
    await using gateway = await startWholeGateway({
      '/mcp': (response) =>
        sendJson(
          response,
          401,
          {},
          { 'www-authenticate': 'Bearer resource_metadata="https://old.example/.well-known/oauth-protected-resource/mcp"' },
        ),
      '/.well-known/oauth-protected-resource/mcp': (response) => sendJson(response, 200, { resource: 'https://old.example/mcp' }),
    })

    const { of } = await doctorOf(gateway, KEYS)

    for (const check of ['challenge', 'metadata']) {
      expect(of(check)).toMatchObject({
        outcome: 'fail',
        message: expect.stringContaining('https://old.example'),
        fix: expect.stringContaining('publicUrl'),
      })
    }
  })

  test('names every server that is down, with its reason', async () => {
    const servers = [
      { id: 'a', state: 'ready' },
      { id: 'b', state: 'down', reason: 'connection refused' },
      { id: 'c', state: 'quarantined', reason: 'bad file' },
    ]
    await using gateway = await startWholeGateway({ '/admin/v1/status': (response) => sendJson(response, 200, { servers }) })

    const { findings } = await doctorOf(gateway, KEYS)

    const found = findings.filter(({ check }) => check === 'server')
    expect(found.map(({ outcome, message }) => `${outcome} ${message}`)).toEqual([
      'ok a is ready',
      'fail b is down: connection refused',
      'fail c is quarantined: bad file',
    ])
  })

  test('stops at a gateway that does not run, and says how to start it', async () => {
    const gone = await startGateway(() => undefined)
    await gone[Symbol.asyncDispose]()

    const { code, findings } = await doctorOf(gone, KEYS)

    expect(findings.at(2)).toMatchObject({ check: 'alive', outcome: 'fail', fix: expect.stringContaining('npm start') })
    expect(findings.map(({ check }) => check)).toEqual(['node', 'config', 'alive', 'issuer'])
    expect(code).toBe(1)
  })

  test('names the first problem of the files', async () => {
    await using folder = await temporaryFolder({ 'tollgate.json': '{\n  "dta": {}\n}' })

    const { code, out } = await runCli(['doctor'], { io: { cwd: folder.path } })

    expect(code).toBe(1)
    expect(out).toContain('fail  config')
    expect(out).toContain('tollgate.json:2:3')
    expect(out).toContain('fix: run "tollgate validate"')
  })

  test('checks from outside what a client sees, with --url', async () => {
    await using gateway = await startWholeGateway()

    const { code, out } = await runCli(['doctor', '--url', `http://127.0.0.1:${gateway.port}`], { io: NOW })

    expect(code).toBe(0)
    expect(out.split('\n').map((line) => line.split(/ +/).slice(0, 2).join(' '))).toEqual([
      'ok node',
      'ok challenge',
      'ok metadata',
      'ok clock',
      '',
    ])
  })
})

describe('the checks', () => {
  const issuerOf = (issuer: string, jwks: object) => Identity.parse({ issuers: [{ issuer, jwks }] }).issuers[0]!
  const signal = new AbortController().signal

  test('an issuer is found by discovery, and its metadata must be about itself', async () => {
    await using login = await startGateway((_seen, response) => {
      const url = `http://127.0.0.1:${login.port}`
      if (response.req.url === '/realm/.well-known/openid-configuration')
        sendJson(response, 200, { issuer: `${url}/realm`, jwks_uri: `${url}/jwks` })
      else if (response.req.url === '/.well-known/oauth-authorization-server/other')
        sendJson(response, 200, { issuer: 'https://evil.example', jwks_uri: `${url}/jwks` })
      else if (response.req.url === '/jwks') sendJson(response, 200, { keys: [{ kty: 'EC' }] })
      else sendJson(response, 404, {})
    })
    const url = `http://127.0.0.1:${login.port}`

    expect(await checkIssuer(issuerOf(`${url}/realm`, { discovery: true }), { signal })).toMatchObject({ outcome: 'ok' })
    expect(await checkIssuer(issuerOf(`${url}/other`, { discovery: true }), { signal })).toMatchObject({
      outcome: 'fail',
      message: expect.stringContaining('https://evil.example'),
    })
    expect(await checkIssuer(issuerOf(url, { url: `${url}/none` }), { signal })).toMatchObject({ outcome: 'fail' })
  })

  test.each([
    ['v24.15.0 is enough', '24.15.0', 'ok'],
    ['v26 is enough', '26.0.0', 'ok'],
    ['v24.14 is not', '24.14.9', 'fail'],
    ['v20 is not', '20.20.2', 'fail'],
  ])('%s', (_name, version, outcome) => {
    expect(checkNode(version).outcome).toBe(outcome)
  })

  test.each([
    ['a clock that agrees', 'Mon, 23 Nov 2026 12:00:10 GMT', 'ok'],
    ['a clock that is off', 'Mon, 23 Nov 2026 12:01:00 GMT', 'fail'],
    ['no clock at all', undefined, 'warn'],
  ])('%s', (_name, date, outcome) => {
    expect(checkClock(date, new Date('2026-11-23T12:00:00Z')).outcome).toBe(outcome)
  })
})

describe('tollgate health', () => {
  test.each([
    [200, 0],
    [503, 1],
  ])('with HTTP %i exits with %i', async (status, expected) => {
    await using gateway = await startGateway((_seen, response) =>
      sendJson(response, response.req.url === '/livez' ? status : 404, {}),
    )

    const { code } = await runCli(['health', '--url', `http://127.0.0.1:${gateway.port}`])

    expect(code).toBe(expected)
  })

  test('exits with 1 when nobody listens', async () => {
    const gone = await startGateway(() => undefined)
    await gone[Symbol.asyncDispose]()

    expect(await runCli(['health', '--url', `http://127.0.0.1:${gone.port}`])).toMatchObject({ code: 1, out: '' })
  })
})

async function temporaryFolder(files: Readonly<Record<string, string>>) {
  const path = await mkdtemp(join(tmpdir(), 'tollgate-doctor-'))
  for (const [name, text] of Object.entries(files)) await writeFile(join(path, name), text)
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) }
}
