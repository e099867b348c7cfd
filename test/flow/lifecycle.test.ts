import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import { ElicitRequestSchema } from '@modelcontextprotocol/sdk/types.js'
import { expect, it } from 'vitest'
import { startEverythingFixture } from '../support/everything.ts'
import { gatewayFile } from '../support/gateway.ts'
import { developmentToken, startGatewayProcess, writeFiles } from '../support/gateway-process.ts'
import { modernRequest } from '../support/raw-mcp.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const KILLS = Number(process.env['KILLS'] ?? 50)

const files = (url: string, over: object = {}) => ({
  'tollgate.json': gatewayFile({ telemetry: { exchanges: false }, ...over }),
  'servers/every.json': { type: 'http', url },
  'catalogs/research.json': { title: 'Research', for: { teams: ['research'] }, tools: [{ server: 'every', allow: ['*'] }] },
})

it(`H12 after ${KILLS} kills under load no acknowledged call is missing, none is there twice, and it is ready within 2 s`, async () => {
  await using upstream = await startEverythingFixture('modern')
  await using folder = await temporaryFolder()
  writeFiles(folder.path, files(upstream.url))
  const acknowledged: string[] = []
  const starts: number[] = []
  let authorization = ''

  for (let kill = 0; kill < KILLS; kill += 1) {
    const gateway = await startGatewayProcess(folder.path)
    starts.push(gateway.readyMs)
    authorization ||= `Bearer ${await developmentToken(folder.path, { team: 'research' })}`
    const stop = new AbortController()
    const caller = async (): Promise<void> => {
      while (!stop.signal.aborted) {
        const answer = await modernRequest(
          `${gateway.url}/mcp`,
          'tools/call',
          { name: 'test_simple_text', arguments: {} },
          { headers: { authorization } },
        ).catch(() => undefined)
        if (answer?.status === 200 && answer.message !== undefined)
          acknowledged.push(answer.headers.get('x-tollgate-exchange') ?? '')
        else if (answer === undefined) return
      }
    }
    const callers = Promise.all(Array.from({ length: 8 }, caller))
    await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 250)) // the moment of the kill is the random input
    await gateway.kill('SIGKILL')
    stop.abort()
    await callers
  }

  const gateway = await startGatewayProcess(folder.path)
  const admin = { authorization: `Bearer ${await developmentToken(folder.path, { roles: ['viewer'] })}` }
  const usage = await fetch(`${gateway.adminUrl}/admin/v1/usage?by=target&from=1h`, { headers: admin })
  const recorded = new Map<string, number>()
  for (const id of await recordedIds(gateway.adminUrl, admin)) recorded.set(id, (recorded.get(id) ?? 0) + 1)
  await gateway.kill('SIGTERM')

  expect(usage.status).toBe(200)
  expect(acknowledged.length).toBeGreaterThan(KILLS)
  expect(acknowledged.filter((id) => !recorded.has(id))).toEqual([])
  expect([...recorded].filter(([, count]) => count > 1)).toEqual([])
  expect(starts.toSorted((a, b) => a - b)[Math.floor(KILLS / 2)]).toBeLessThan(2_000) // the median, since other work shares the machine
}, 400_000)

/** Every exchange id of the ledger, asked for in slices of time; a slice begins with the last moment of the one before. */
async function recordedIds(adminUrl: string, headers: Record<string, string>): Promise<string[]> {
  const ids: string[] = []
  let to = new Date(Date.now() + 60_000)
  for (let before = new Set<string>(); ;) {
    const response = await fetch(`${adminUrl}/admin/v1/entries?from=2020-01-01&to=${to.toISOString()}&limit=10000`, { headers })
    const { entries } = (await response.json()) as { entries: { id: string; at: number }[] }
    ids.push(...entries.map(({ id }) => id).filter((id) => !before.has(id)))
    const oldest = entries.at(-1)
    if (oldest === undefined || entries.length < 10_000) return ids
    before = new Set(entries.filter(({ at }) => at === oldest.at).map(({ id }) => id))
    to = new Date(oldest.at + 1)
  }
}

it('I10 SIGTERM: a call that waits for its caller is answered, new work is refused, the listen ends with a result, exit 0', async () => {
  await using upstream = await startEverythingFixture('legacy')
  await using folder = await temporaryFolder()
  writeFiles(folder.path, files(upstream.url))
  const gateway = await startGatewayProcess(folder.path)
  const headers = { authorization: `Bearer ${await developmentToken(folder.path, { team: 'research' })}` }
  const listen = modernRequest(
    `${gateway.url}/mcp`,
    'subscriptions/listen',
    { notifications: { toolsListChanged: true } },
    { headers, id: 'L' },
  )
  const client = new Client({ name: 'test', version: '1' }, { capabilities: { elicitation: {} } })
  const seen = { exit: Promise.resolve<number | null>(null), refused: 0, readiness: 0 }
  client.setRequestHandler(ElicitRequestSchema, async () => {
    seen.exit = gateway.kill('SIGTERM')
    await expect
      .poll(async () => (seen.refused = (await modernRequest(`${gateway.url}/mcp`, 'tools/list', {}, { headers })).status))
      .toBe(503)
    seen.readiness = (await fetch(`${gateway.healthUrl}/readyz`)).status
    return { action: 'accept', content: { response: 'after the signal' } }
  })
  await client.connect(new StreamableHTTPClientTransport(new URL(`${gateway.url}/mcp`), { requestInit: { headers } }))

  const result = await client.callTool({ name: 'test_elicitation', arguments: { message: 'Sure?' } })

  expect(JSON.stringify(result.content)).toContain('after the signal')
  expect(await seen.exit).toBe(0)
  expect([seen.refused, seen.readiness]).toEqual([503, 503])
  expect((await listen).message).toMatchObject({ id: 'L', result: { resultType: 'complete' } })
})

it('I09 a bad configuration at the start ends with words and place, exit 3', async () => {
  await using folder = await temporaryFolder()
  writeFiles(folder.path, { 'tollgate.json': { mode: 'development', datta: {} } })

  const failure = await startGatewayProcess(folder.path).catch((error: unknown) => String(error))

  expect(failure).toContain('ended with 3')
  expect(failure).toContain('tollgate.json:1:')
  expect(failure).toContain('did you mean "data"')
})

it('a second gateway on the same state is refused with words', async () => {
  await using folder = await temporaryFolder()
  writeFiles(folder.path, { 'tollgate.json': gatewayFile() })
  const first = await startGatewayProcess(folder.path)

  const failure = await startGatewayProcess(folder.path).catch((error: unknown) => String(error))

  expect(failure).toMatch(/ended with 1/)
  expect(failure).toMatch(/another|already|in use/)
  expect(await first.kill('SIGTERM')).toBe(0)
})

it('a port that is taken ends the start with words, and nothing stays behind', async () => {
  await using folder = await temporaryFolder()
  await using other = await temporaryFolder()
  writeFiles(folder.path, { 'tollgate.json': gatewayFile() })
  const first = await startGatewayProcess(folder.path)
  writeFiles(other.path, { 'tollgate.json': gatewayFile({ admin: { port: Number(new URL(first.adminUrl).port) } }) })

  const failure = await startGatewayProcess(other.path).catch((error: unknown) => String(error))

  expect(failure).toMatch(/ended with 1/)
  expect(failure).toContain('the admin listener cannot bind 127.0.0.1:')
  expect(await first.kill('SIGTERM')).toBe(0)
})
