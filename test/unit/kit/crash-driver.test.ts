import { appendFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { driveCrashes, type CrashPlan } from '../../kit/crash-driver.ts'
import { startProbeSide } from '../../kit/probe.ts'
import { gatewayFile } from '../../support/gateway.ts'
import { writeFiles } from '../../support/gateway-process.ts'
import { modernRequest } from '../../support/raw-mcp.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

/** Tool calls and model calls of the probe's team, in turn. */
async function prepare(over: Partial<CrashPlan> = {}): Promise<AsyncDisposable & { readonly plan: CrashPlan }> {
  await using stack = new AsyncDisposableStack()
  const { files, secrets, providers, routes } = stack.use(await startProbeSide())
  const folder = stack.use(await temporaryFolder())
  writeFiles(folder.path, {
    ...files,
    'tollgate.json': gatewayFile({ providers, routes, telemetry: { exchanges: false } }),
  })
  for (const [path, text] of Object.entries(secrets)) writeFileSync(join(folder.path, path), text)
  let turn = 0
  const resources = stack.move()
  return {
    plan: {
      folder: folder.path,
      team: 'probe',
      kills: 2,
      seed: 7,
      callers: 4,
      lifeMs: [300, 900],
      async call({ url }, headers) {
        turn += 1
        if (turn % 2 === 0) return await callModel(url, headers)
        const params = { name: 'repeat', arguments: { turn } }
        const answer = await modernRequest(`${url}/mcp`, 'tools/call', params, { headers })
        return answer.message?.result === undefined ? undefined : (answer.headers.get('x-tollgate-exchange') ?? undefined)
      },
      ...over,
    },
    [Symbol.asyncDispose]: () => resources.disposeAsync(),
  }
}

async function callModel(url: string, headers: Readonly<Record<string, string>>): Promise<string | undefined> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'probe', messages: [{ role: 'user', content: 'hi' }] }),
  })
  await response.text()
  return response.status === 200 ? (response.headers.get('x-tollgate-exchange') ?? undefined) : undefined
}

it('finds every answered tool and model call in the ledger once, whatever moment the gateway is killed at', async () => {
  await using bench = await prepare()

  const report = await driveCrashes(bench.plan)

  expect(report).toMatchObject({ missing: [], twice: [], broken: [] })
  expect(report.acknowledged).toBeGreaterThan(4)
  expect(report.recorded).toBeGreaterThanOrEqual(report.acknowledged)
  expect(report.readyMs).toHaveLength(3)
}, 60_000)

it('notices a ledger that lost entries, and a line that is none', async () => {
  await using bench = await prepare({ kills: 1 })
  const ledger = join(bench.plan.folder, '.tollgate/ledger')
  const { call } = bench.plan
  let spoiled = false

  const report = await driveCrashes({
    ...bench.plan,
    async call(gateway, headers) {
      const id = await call(gateway, headers)
      const journal = readdirSync(ledger).find((name) => name.startsWith('journal-')) ?? ''
      if (!spoiled) appendFileSync(join(ledger, journal), 'no entry\n')
      spoiled = true
      return `never ${id}`
    },
  })

  expect(report.missing).toHaveLength(report.acknowledged)
  expect(report.broken).toEqual([
    expect.stringMatching(/journal-1\.(?:bad keeps lines that are no entries|log has a corrupt line)$/),
  ])
}, 60_000)
