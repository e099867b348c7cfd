import { renameSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { startEverythingFixture } from '../support/everything.ts'
import { gatewayFile, startTestGateway } from '../support/gateway.ts'
import { makeKey, signToken, type TestKey } from '../support/issuer.ts'
import { modernRequest, openListen } from '../support/raw-mcp.ts'

const catalog = (allow: string[], over: object = {}) => ({
  title: 'Research',
  for: { teams: ['research'] },
  tools: [{ server: 'every', allow }],
  ...over,
})

async function bench() {
  const upstream = await startEverythingFixture()
  const gateway = await startTestGateway({
    'servers/every.json': { type: 'http', url: upstream.url },
    'catalogs/research.json': catalog(['test_simple_text']),
  })
  await gateway.until((snapshot) => snapshot.catalogs.get('research')?.items.tool.length === 1)
  const headers = { authorization: `Bearer ${await gateway.token('research')}` }
  return {
    gateway,
    upstream,
    headers,
    names: async () => {
      const { message } = await modernRequest(`${gateway.url}/mcp`, 'tools/list', {}, { headers })
      const tools = (message?.result?.['tools'] ?? []) as { name: string }[] // tools/list
      return tools.map(({ name }) => name)
    },
    [Symbol.asyncDispose]: async () => {
      await gateway[Symbol.asyncDispose]()
      await upstream[Symbol.asyncDispose]()
    },
  }
}

it('a changed catalog is served within one second and listeners are told', async () => {
  await using on = await bench()
  const listening = await openListen(`${on.gateway.url}/mcp`, on.headers)
  const reader = listening.body?.pipeThrough(new TextDecoderStream()).getReader()
  let heard = ''
  while (!heard.includes('acknowledged')) heard += (await reader?.read())?.value ?? ''

  const before = performance.now()
  on.gateway.write('catalogs/research.json', catalog(['test_simple_text', 'test_error_handling']))
  await on.gateway.until((snapshot) => snapshot.catalogs.get('research')?.items.tool.length === 2, 2_000)
  const took = performance.now() - before

  expect(took).toBeLessThan(1_000)
  expect(await on.names()).toEqual(['test_error_handling', 'test_simple_text'])
  while (!heard.includes('tools/list_changed')) heard += (await reader?.read())?.value ?? ''
  await reader?.cancel()
})

it('a bad catalog changes nothing, and readiness and metrics tell', async () => {
  await using on = await bench()

  on.gateway.write('catalogs/research.json', '{ "title": "Research", "for": {}, "tolls": [] }')
  await on.gateway.until((snapshot) => snapshot.problems.length > 0)

  expect(await on.names()).toEqual(['test_simple_text'])
  const ready = await fetch(`${on.gateway.healthUrl}/readyz?verbose`)
  expect(ready.status).toBe(200)
  expect(await ready.json()).toMatchObject({
    status: 'degraded',
    checks: expect.arrayContaining([
      expect.objectContaining({ name: 'configuration', ok: false, message: expect.stringContaining('tolls') }),
    ]),
  })
  const metrics = await fetch(`${on.gateway.adminUrl}/metrics`, {
    headers: { authorization: `Bearer ${await on.gateway.token('ops', { roles: ['viewer'] })}` },
  })
  expect(await metrics.text()).toMatch(/tollgate_config_reload_failures_total [1-9]/)
})

it('a folder that is gone changes nothing, and readiness tells', async () => {
  await using on = await bench()

  renameSync(join(on.gateway.folder, 'catalogs'), join(on.gateway.folder, 'elsewhere'))
  await on.gateway.until((snapshot) => snapshot.problems.some(({ message }) => message.includes('the folder is gone')))
  const during = await on.names()
  renameSync(join(on.gateway.folder, 'elsewhere'), join(on.gateway.folder, 'catalogs'))
  await on.gateway.until((snapshot) => snapshot.problems.length === 0)

  expect([during, await on.names()]).toEqual([['test_simple_text'], ['test_simple_text']])
})

it('a bad server file quarantines that server only', async () => {
  await using on = await bench()
  on.gateway.write('servers/other.json', { type: 'http', url: on.upstream.url })
  on.gateway.write(
    'catalogs/research.json',
    catalog(['test_simple_text'], {
      tools: [
        { server: 'every', allow: ['test_simple_text'] },
        { server: 'other', allow: ['test_error_handling'] },
      ],
    }),
  )
  await on.gateway.until((snapshot) => snapshot.catalogs.get('research')?.items.tool.length === 2)

  on.gateway.write('servers/other.json', '{ "type": "http" ')
  await on.gateway.until((snapshot) => snapshot.servers.get('other')?.status.state === 'quarantined')

  expect(await on.names()).toEqual(['test_simple_text'])
})

it('I07 reloads under load lose no call, and each call sees one configuration', async () => {
  await using on = await bench()
  const stop = AbortSignal.timeout(4_000)
  const statuses: number[] = []
  const caller = async (): Promise<void> => {
    while (!stop.aborted)
      statuses.push(
        (
          await modernRequest(
            `${on.gateway.url}/mcp`,
            'tools/call',
            { name: 'test_simple_text', arguments: {} },
            { headers: on.headers },
          )
        ).status,
      )
  }

  const callers = Promise.all([caller(), caller(), caller(), caller()])
  for (let round = 0; !stop.aborted; round += 1) {
    on.gateway.write('catalogs/research.json', catalog(['test_simple_text', ...(round % 2 === 0 ? ['test_error_handling'] : [])]))
    await on.gateway.until((snapshot) => snapshot.catalogs.get('research')?.items.tool.length === (round % 2 === 0 ? 2 : 1))
  }
  await callers

  expect(statuses.length).toBeGreaterThan(50)
  expect(statuses.filter((status) => status !== 200)).toEqual([])
})

it('a deny list entry ends calls and open streams within five seconds', async () => {
  await using on = await bench()
  const listening = await openListen(`${on.gateway.url}/mcp`, on.headers)
  const ended = listening.text()

  const before = performance.now()
  on.gateway.write('revocations.json', { subjects: [{ subject: 'developer@research' }] })
  await ended
  const took = performance.now() - before

  expect(took).toBeLessThan(5_000)
  expect((await modernRequest(`${on.gateway.url}/mcp`, 'tools/list', {}, { headers: on.headers })).status).toBe(401)
})

it('two starts give byte-identical lists', async () => {
  const lists: string[] = []
  for (let start = 0; start < 2; start += 1) {
    await using on = await bench()
    on.gateway.write('catalogs/research.json', catalog(['*']))
    await on.gateway.until((snapshot) => (snapshot.catalogs.get('research')?.items.tool.length ?? 0) > 20)
    lists.push((await modernRequest(`${on.gateway.url}/mcp`, 'tools/list', {}, { headers: on.headers })).text)
  }

  expect(lists[1]).toBe(lists[0])
})

it.each([
  ['bounds', { bounds: { bodyBytes: 2_048 } }],
  ['data', { data: { port: 0, origins: ['https://app.example'] } }],
  ['state', { state: 'elsewhere' }],
  ['telemetry', { telemetry: { level: 'error' } }],
])('a changed "%s" asks for a restart, and the rest of the files is followed', async (setting, over) => {
  await using on = await bench()

  on.gateway.write('tollgate.json', gatewayFile(over))
  on.gateway.write('catalogs/research.json', catalog(['test_simple_text', 'test_error_handling']))
  await on.gateway.until(({ catalogs, problems }) => problems.length > 0 && catalogs.get('research')?.items.tool.length === 2)

  const [problem] = on.gateway.running.files.current.get().problems
  expect(problem).toMatchObject({ file: 'tollgate.json', path: `$.${setting}` })
  expect(problem?.message).toContain('needs a restart')
  const ready = await (await fetch(`${on.gateway.healthUrl}/readyz`)).text()
  expect(ready).toContain('needs a restart')
  const said = on.gateway.logs().findLast(({ message }) => String(message).startsWith('settings changed'))
  expect(said).toMatchObject({ level: 'warn', 'tollgate.settings': `$.${setting}` })
  expect(on.gateway.logs().map(({ message }) => message)).not.toContain('configuration rejected; the one in use stays')

  on.gateway.write('tollgate.json', gatewayFile())
  await on.gateway.until(({ problems }) => problems.length === 0)
})

it('a key file of an issuer is followed, and so is a catalog folder named later', async () => {
  const [before, after] = [await makeKey('ES256', 'before'), await makeKey('ES256', 'after')]
  const issuers = [{ issuer: 'https://idp.test', audience: ['gate'], jwks: { file: 'idp.json' } }]
  await using upstream = await startEverythingFixture()
  await using gateway = await startTestGateway({
    'tollgate.json': gatewayFile({ identity: { issuers } }),
    'idp.json': { keys: [before.publicJwk] },
    'servers/every.json': { type: 'http', url: upstream.url },
    'catalogs/research.json': catalog(['test_simple_text']),
  })
  const now = Math.floor(Date.now() / 1_000)
  const status = async (key: TestKey): Promise<number> => {
    const authorization = `Bearer ${await signToken(key, { claims: { aud: 'gate', iat: now, exp: now + 600 } })}`
    return (await modernRequest(`${gateway.url}/mcp`, 'tools/list', {}, { headers: { authorization } })).status
  }
  expect([await status(before), await status(after)]).toEqual([200, 401])

  gateway.write('idp.json', { keys: [after.publicJwk] })
  await expect.poll(() => status(after), { timeout: 2_000 }).toBe(200)
  expect(await status(before)).toBe(401)

  gateway.write('idp.json', '{ "keys": [')
  await gateway.until(({ problems }) => problems[0]?.message.includes('the key set idp.json of issuer https://idp.test') === true)
  expect(await status(after)).toBe(200)
  gateway.write('idp.json', { keys: [after.publicJwk] })
  await gateway.until(({ problems }) => problems.length === 0)

  gateway.write('other/extra.json', catalog([]))
  gateway.write('tollgate.json', gatewayFile({ identity: { issuers }, catalogs: 'other' }))
  await gateway.until(({ catalogs }) => catalogs.has('extra') && !catalogs.has('research'))
  gateway.write('other/more.json', catalog([]))
  await gateway.until(({ catalogs }) => catalogs.has('more'))
})
