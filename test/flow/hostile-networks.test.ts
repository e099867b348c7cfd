// Group E of the catalogue, what lies between: connections that are refused, frozen, cut and slow, certificates that are not the server's, and
// the older transports. Through the real gateway, with the probe tenant beside and the invariants after.
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { CreateMessageRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { askAdmin } from '../kit/admin-side.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { startArena, type Arena } from '../kit/arena.ts'
import { startFaultProxy, type FaultProxy, type Faults } from '../kit/fault-proxy.ts'
import { honest, hostileTool, said, startHostileMcp, type HostileMcp, type Script } from '../kit/hostile-mcp.ts'
import { answer, modern, startFakeUpstream } from '../support/fake-upstream.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const timeouts = { connectMs: 300, firstByteMs: 300, idleMs: 300, totalMs: 800, listMs: 1_500 }
const WORDS = 'whole and right'
const offering = (name: string) => (): readonly JsonObject[] => [hostileTool(name)]

/** Where a server listens. */
function portOf({ file }: HostileMcp): number {
  const url = file['url']
  return typeof url === 'string' ? Number(new URL(url).port) : 0
}

let server: HostileMcp
let proxy: FaultProxy
let asks: HostileMcp
let old: Readonly<Record<'sse' | 'stdio', HostileMcp>>
let arena: Arena
const stack = new AsyncDisposableStack()

beforeAll(async () => {
  server = stack.use(await startHostileMcp('http', honest({ tools: offering('act') }, { 'tools/call': right })))
  proxy = stack.use(await startFaultProxy(portOf(server)))
  asks = stack.use(await startHostileMcp('http', honest({ tools: offering('ask') }, { 'tools/call': asking })))
  old = {
    sse: stack.use(await startHostileMcp('sse', legacyCalling('sse', right))),
    stdio: stack.use(await startHostileMcp('stdio', legacyCalling('stdio', right))),
  }
  const url = `${proxy.url}/mcp`
  const patient = { timeouts, breaker: { failures: 1_000 } }
  const bounds = { resultBytes: 262_144, eventBytes: 262_144, lineBytes: 262_144 }
  const secured = await startSecured()
  arena = stack.use(
    await startArena({
      servers: {
        far: { type: 'http', url, ...patient },
        fused: { type: 'http', url, timeouts, breaker: { failures: 3, minOpenMs: 300, maxOpenMs: 300 } },
        asks: { ...asks.file, timeouts },
        sse: { ...old.sse.file, era: 'legacy', bounds, ...patient },
        stdio: { ...old.stdio.file, era: 'legacy', bounds, ...patient },
        ...secured,
      },
    }),
  )
  for (const name of ['far_act', 'fused_act', 'ask', 'sse', 'stdio', 'secured']) await arena.offers(name)
}, 40_000)
afterAll(() => stack.disposeAsync())

const right: Script = (step) => step.result(said(WORDS))
const legacyCalling = (name: string, call: Script): Script =>
  honest({ tools: offering(name), era: 'legacy' }, { 'tools/call': call })
const asking: Script = (step) => {
  const request = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 1_000_000_000 } }
  step.result({ resultType: 'input_required', inputRequests: { again: request }, requestState: 'state' })
}

/** Why a call failed, as its caller is told; `ok` when its answer is the right one, `wrong` when it is another. */
async function outcome(name: string): Promise<unknown> {
  const { message } = await arena.call(name)
  if (message?.error !== undefined) return message.error.data?.['reason']
  return JSON.stringify(message?.result?.['content']) === JSON.stringify([{ type: 'text', text: WORDS }]) ? 'ok' : 'wrong'
}

describe('E a server behind a bad network', () => {
  /** One call under these faults, on a connection of its own. */
  async function under(faults: Faults): Promise<{ outcome: unknown; ms: number }> {
    proxy.become(faults)
    proxy.resetAll()
    await expect.poll(proxy.open).toBe(0)
    const began = performance.now()
    const told = await outcome('far_act')
    return { outcome: told, ms: performance.now() - began }
  }

  it('E02: refused, frozen and swallowing connections end in time, and nothing is asked twice', async () => {
    const told: Record<string, unknown> = {}
    let slowestMs = 0
    const before = server.count('tools/call')

    const broken = await arena.attack(async () => {
      for (const [name, faults] of Object.entries({
        refused: { refuse: true },
        frozen: { freeze: true },
        swallowed: { swallow: true },
        'reset before the answer': { cutAtByte: 0 },
        'closed before the answer': { cutAtByte: 0, cut: 'close' },
      } as const)) {
        const result = await under(faults)
        told[name] = result.outcome
        slowestMs = Math.max(slowestMs, result.ms)
      }
      told['afterwards'] = (await under({})).outcome
    })

    expect(told).toEqual({
      refused: 'upstream_unavailable',
      frozen: 'upstream_timeout',
      swallowed: 'upstream_timeout',
      'reset before the answer': 'upstream_unavailable',
      'closed before the answer': 'upstream_unavailable',
      afterwards: 'ok',
    })
    expect(slowestMs).toBeLessThan(2_000)
    // Once for each that reached it: the two cut ones and the last.
    expect(server.count('tools/call') - before).toBe(3)
    expect(broken).toEqual([])
  }, 30_000)

  it('E02: after failures in a row the breaker answers at once, and lets go when the server is back', async () => {
    const told: unknown[] = []
    let fastMs = 0

    const broken = await arena.attack(async () => {
      proxy.become({ refuse: true })
      proxy.resetAll()
      for (let count = 0; count < 3; count += 1) told.push(await outcome('fused_act'))
      const asked = proxy.accepted()
      const began = performance.now()
      told.push(await outcome('fused_act'))
      fastMs = performance.now() - began
      told.push(proxy.accepted() - asked)
      proxy.become({})
      await expect.poll(() => outcome('fused_act'), { timeout: 5_000, interval: 50 }).toBe('ok')
    })

    expect(told).toEqual([...Array(4).fill('upstream_unavailable'), 0])
    expect(fastMs).toBeLessThan(250)
    expect(broken).toEqual([])
  }, 30_000)

  it('E30: cut at every byte of the answer, late, narrow and in single bytes: whole and right, or told in time', async () => {
    const outcomes = new Map<string, number>()
    const note = (key: string): void => void outcomes.set(key, (outcomes.get(key) ?? 0) + 1)
    const slow: Record<string, unknown> = {}
    let length = 0

    const broken = await arena.attack(async () => {
      for (let at = 1; ; at += 1) {
        const { outcome: told } = await under({ cutAtByte: at, cut: at % 2 === 0 ? 'reset' : 'close' })
        note(String(told))
        length = at
        if (told === 'ok' || at > 2_000) break
      }
      for (const [name, faults] of Object.entries({
        'late by 100 ms': { latencyMs: 100 },
        'late by 5 s': { latencyMs: 5_000 },
        '8 kB/s': { bytesPerSecond: 8_192 },
        'single bytes': { sliceBytes: 1 },
        'closed slowly': { slowCloseMs: 2_000 },
      }))
        slow[name] = (await under(faults)).outcome
      slow['afterwards'] = (await under({})).outcome
    })

    expect(length).toBeGreaterThan(100)
    expect([...outcomes.keys()].filter((told) => !['ok', 'upstream_unavailable', 'upstream_invalid'].includes(told))).toEqual([])
    expect(outcomes.get('ok')).toBe(1)
    expect(slow).toEqual({
      'late by 100 ms': 'ok',
      'late by 5 s': 'upstream_timeout',
      '8 kB/s': 'ok',
      'single bytes': 'ok',
      'closed slowly': 'ok',
      afterwards: 'ok',
    })
    expect(broken).toEqual([])
  }, 60_000)
})

describe.each(['sse', 'stdio'] as const)('E a hostile server over %s', (transport) => {
  it('E01 E03 E05 E16 E21: what it sends wrongly hurts its own call, and the next one works', async () => {
    const frame = (text: string): string => (transport === 'sse' ? `data: ${text}\n\n` : `${text}\n`)
    const told: Record<string, unknown> = {}
    const scripts: Readonly<Record<string, Script>> = {
      never: () => undefined,
      'wrong id': (step) => void step.send({ jsonrpc: '2.0', id: 4_242, result: said('stolen') }),
      'id as text': (step) => void step.send({ jsonrpc: '2.0', id: String(step.id), result: said('stolen') }),
      both: (step) => void step.send({ jsonrpc: '2.0', id: step.id ?? 0, result: {}, error: { code: 1, message: 'x' } }),
      garbage: (step) => void step.raw(frame('{"jsonrpc":"2.0",')),
      'half a frame': async (step) => {
        await step.raw('data: {"jso')
        step.hangUp()
      },
      huge: (step) => step.result(said('x'.repeat(500_000))),
      endless: async (step) => {
        for (let sent = 0; sent < 20_000_000 && !step.gone.aborted; sent += 65_536) await step.raw('x'.repeat(65_536))
      },
      'a flood of notices': async (step) => {
        const notice = { jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'nobody', progress: 1 } }
        for (let count = 0; count < 5_000 && !step.gone.aborted; count += 1) await step.send(notice)
        step.result(said(WORDS))
      },
      'a flood of questions': async (step) => {
        for (let count = 0; count < 500 && !step.gone.aborted; count += 1)
          await step.send({ jsonrpc: '2.0', id: `q${count}`, method: 'sampling/createMessage', params: {} })
        step.result(said(WORDS))
      },
      'two answers': (step) => {
        step.result(said(WORDS))
        step.result(said('another'))
      },
    }

    const broken = await arena.attack(async () => {
      for (const [name, call] of Object.entries(scripts)) {
        old[transport].become(legacyCalling(transport, call))
        told[name] = await outcome(transport)
        old[transport].become(legacyCalling(transport, right))
        await expect.poll(() => outcome(transport), { timeout: 8_000, interval: 100 }).toBe('ok')
      }
    })

    const failure = expect.stringMatching(/^upstream_(?:invalid|timeout|unavailable|too_large)$/)
    expect(told).toEqual({
      ...Object.fromEntries(Object.keys(scripts).map((name) => [name, failure])),
      never: 'upstream_timeout',
      'a flood of notices': expect.stringMatching(/^(?:ok|upstream_.*)$/),
      'a flood of questions': expect.stringMatching(/^(?:ok|upstream_.*)$/),
      'two answers': 'ok',
    })
    expect(broken).toEqual([])
  }, 60_000)
})

it('E13: a server whose every answer asks for another sampling is ended after ten rounds', async () => {
  let asked = 0
  let told: unknown

  const broken = await arena.attack(async () => {
    const client = new Client({ name: 'test', version: '1' }, { capabilities: { sampling: {} } })
    client.setRequestHandler(CreateMessageRequestSchema, () => {
      asked += 1
      return { role: 'assistant', model: 'none', content: { type: 'text', text: 'again?' } }
    })
    const headers = { authorization: `Bearer ${arena.token}` }
    const transport = new StreamableHTTPClientTransport(new URL(`${arena.gateway.url}/mcp`), { requestInit: { headers } })
    await client.connect(transport)
    told = await client.callTool({ name: 'ask', arguments: {} }).catch(String)
    await transport.terminateSession()
    await client.close()
  })

  expect(asked).toBe(10)
  expect(String(told)).toContain('keeps asking back')
  expect(broken).toEqual([])
}, 30_000)

it('E28: a server whose certificate is for another host, expired or of nobody is refused', async () => {
  const broken = await arena.attack(async () => expect(await outcome('secured')).toBe('ok'))

  // The admin API says the state of each.
  const status = JSON.parse(await askAdmin(arena.admin, '/admin/v1/status')) as { servers: { id: string; state: string }[] }
  const states = new Map(status.servers.map(({ id, state }) => [id, state]))
  expect(['good', 'foreign', 'expired', 'own'].map((id) => states.get(id))).toEqual(['ready', 'down', 'down', 'down'])
  expect(broken).toEqual([])
}, 30_000)

/** Server files of four listeners with certificates; the gateway that is started next trusts the authority of the first three. */
async function startSecured(): Promise<Record<string, unknown>> {
  const folder = stack.use(await temporaryFolder())
  const authority = makeAuthority(folder.path)
  const tools = offering('secured')
  const plain = stack.use(await startFakeUpstream(modern(tools, (request, response) => answer(response, request, said(WORDS)))))
  process.env['NODE_EXTRA_CA_CERTS'] = authority.file
  stack.defer(() => void delete process.env['NODE_EXTRA_CA_CERTS'])
  const certificates = {
    good: authority.issue('good', 'IP:127.0.0.1', 2),
    foreign: authority.issue('foreign', 'DNS:other.test', 2),
    expired: authority.issue('expired', 'IP:127.0.0.1', -1),
    own: authority.own,
  }
  const files: Record<string, unknown> = {}
  for (const [id, certificate] of Object.entries(certificates))
    files[id] = { type: 'http', url: `https://127.0.0.1:${await startTls(certificate, plain.url)}/mcp`, timeouts }
  return files
}

interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A certificate authority of this test, made by the system's openssl; `own` is a certificate nobody else signed. */
function makeAuthority(folder: string): {
  readonly file: string
  readonly own: Certificate
  issue(name: string, subject: string, days: number): Certificate
} {
  const path = (name: string): string => join(folder, name)
  const run = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'ignore' })
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']
  const sign = (name: string, subject: string): void =>
    run(
      'req',
      '-x509',
      ...newKey,
      '-days',
      '2',
      '-subj',
      `/CN=${name}`,
      '-addext',
      subject,
      '-keyout',
      path(`${name}.key`),
      '-out',
      path(`${name}.pem`),
    )
  const read = (name: string): Certificate => ({
    cert: readFileSync(path(`${name}.pem`), 'utf8'),
    key: readFileSync(path(`${name}.key`), 'utf8'),
  })
  sign('authority', 'keyUsage=keyCertSign')
  sign('own', 'subjectAltName=IP:127.0.0.1')
  return {
    file: path('authority.pem'),
    own: read('own'),
    issue(name, subject, days) {
      run('req', ...newKey, '-subj', `/CN=${name}`, '-keyout', path(`${name}.key`), '-out', path(`${name}.csr`))
      writeFileSync(path('extensions'), `subjectAltName=${subject}`)
      const signer = ['-CA', path('authority.pem'), '-CAkey', path('authority.key'), '-extfile', path('extensions')]
      run('x509', '-req', '-in', path(`${name}.csr`), ...signer, '-days', String(days), '-out', path(`${name}.pem`))
      return read(name)
    },
  }
}

/** A listener with this certificate in front of a plain server; answers its port. */
async function startTls(certificate: Certificate, plain: string): Promise<number> {
  const listener: Server = createServer(certificate, (request, response) => {
    void (async () => {
      const chunks: Buffer[] = []
      for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk)
      const passed = await fetch(plain, { method: 'POST', body: Buffer.concat(chunks) })
      response.writeHead(passed.status, { 'content-type': 'application/json' }).end(await passed.text())
    })()
  })
  listener.on('tlsClientError', () => undefined)
  listener.listen(0, '127.0.0.1')
  await once(listener, 'listening')
  stack.defer(() => {
    listener.closeAllConnections()
    listener.close()
  })
  return (listener.address() as AddressInfo).port // node:net: what a TCP server has
}
