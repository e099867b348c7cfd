import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { type ModelGateway, startModelGateway } from '../support/model-gateway.ts'
import { readStream } from '../support/model-streams.ts'

const CHAT = '/v1/chat/completions'
const said = { messages: [{ role: 'user', content: 'hi' }] }
const target = (model: string, more: object = {}) => ({ provider: 'openai', model, ...more })

async function statuses(models: ModelGateway, model: string, count: number): Promise<number[]> {
  const seen: number[] = []
  for (let index = 0; index < count; index += 1) seen.push((await models.post(CHAT, { ...said, model })).status)
  return seen
}

async function targetState(models: ModelGateway, key: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  const token = await models.gateway.token('research', { roles: ['admin'], subject: 'admin' })
  const answer = await fetch(`${models.gateway.adminUrl}/admin/v1/targets`, { headers: { authorization: `Bearer ${token}` } })
  const { targets } = (await answer.json()) as { targets: Readonly<Record<string, unknown>>[] }
  return targets.find((one) => one['key'] === key)
}

describe('targets that fail', () => {
  it('G05 all down: 503 with a short Retry-After at once, the ledger says why, other models answer', async () => {
    await using models = await startModelGateway({
      routes: { gone: { targets: [target('a?status=503'), target('b?status=503')] } },
    })

    const began = performance.now()
    const answer = await models.post(CHAT, { ...said, model: 'gone' })

    expect(performance.now() - began).toBeLessThan(2_000)
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '2'])
    expect(await answer.json()).toMatchObject({ error: { type: 'server_error', code: 'upstream_unavailable' } })
    expect(await statuses(models, 'compatible', 1)).toEqual([200])
    const entries = await models.entries()
    expect(String(entries.findLast(({ target: name }) => name === 'gone')?.['routing'])).toContain('overloaded (503)')
  })

  it('G06 one of two dead: no caller suffers, and after five failures the dead one is left alone', async () => {
    await using models = await startModelGateway({ routes: { pair: { targets: [target('dead?status=500'), target('well')] } } })

    const seen = await statuses(models, 'pair', 25)

    expect(seen.every((status) => status === 200)).toBe(true)
    expect(models.fakes.requests().filter(({ model }) => model === 'dead').length).toBeLessThanOrEqual(6)
    expect(await targetState(models, 'openai/dead?status=500')).toMatchObject({ circuit: 'open' })
  })

  it('G07 everything fails: attempts stay within 1.2 of the requests', async () => {
    await using models = await startModelGateway({
      routes: { storm: { targets: [target('a?status=500'), target('b?status=500')], retries: 5 } },
    })

    const seen = await Promise.all(Array.from({ length: 300 }, () => statuses(models, 'storm', 1)))

    expect(seen.flat().every((status) => status === 502)).toBe(true)
    expect(models.fakes.requests().length).toBeLessThanOrEqual(300 * 1.2 + 3)
  })

  it('the last target is never ejected, and the true cause is told each time', async () => {
    await using models = await startModelGateway({ routes: { only: { targets: [target('x?status=500')], retries: 0 } } })

    expect(await statuses(models, 'only', 12)).toEqual(Array.from({ length: 12 }, () => 502))

    expect(models.fakes.requests()).toHaveLength(12)
  })

  it('faults of callers open no breaker', async () => {
    await using models = await startModelGateway({ routes: { only: { targets: [target('x?status=400')], retries: 0 } } })

    expect(await statuses(models, 'only', 12)).toEqual(Array.from({ length: 12 }, () => 400))

    expect(await targetState(models, 'openai/x?status=400')).toMatchObject({ circuit: 'closed' })
  })

  it('G24 a revoked key: told without the key, the credential rests, another provider answers', async () => {
    await using models = await startModelGateway({
      routes: { pair: { targets: [target('x?status=401'), { provider: 'azure', model: 'well' }] } },
    })

    expect(await statuses(models, 'pair', 6)).toEqual(Array.from({ length: 6 }, () => 200))

    expect(models.fakes.requests().filter(({ status }) => status === 401)).toHaveLength(1)
    const state = await targetState(models, 'openai/x?status=401')
    expect(state).toMatchObject({ circuit: 'closed', reason: expect.stringContaining('credentials refused') })
    expect(JSON.stringify(models.gateway.logs())).not.toContain('sk-fake-0123456789')
  })

  it('region pins hold, whatever fails', async () => {
    await using models = await startModelGateway({
      routes: {
        pinned: {
          regions: ['eu'],
          targets: [target('a?status=500', { region: 'eu-west-1' }), target('us', { region: 'us-east-1' }), target('nowhere')],
        },
      },
    })

    expect(await statuses(models, 'pinned', 3)).toEqual([502, 502, 502])

    expect(new Set(models.fakes.requests().map(({ model }) => model))).toEqual(new Set(['a']))
  })
})

describe('switching off by a file', () => {
  const parts = [
    { part: 'target', edit: (file: Files) => (file.routes['two'].targets[0].enabled = false), status: 200, served: 'b' },
    { part: 'provider', edit: (file: Files) => (file.providers['openai'].enabled = false), status: 200, served: 'b' },
    { part: 'route', edit: (file: Files) => (file.routes['two'].enabled = false), status: 503, served: undefined },
  ]
  // oxlint-disable-next-line typescript/no-explicit-any -- an admin file, edited by hand
  type Files = Record<'routes' | 'providers', Record<string, any>>

  it.each(parts)(
    'a $part takes no new request within a second, and a stream under way finishes',
    async ({ edit, status, served }) => {
      await using models = await startModelGateway({
        routes: { two: { targets: [target('a?chunks=30&delay=60&size=300'), { provider: 'azure', model: 'b' }] } },
      })
      const under = await models.post(CHAT, { ...said, model: 'two', stream: true })
      const file = JSON.parse(await readFile(`${models.gateway.folder}/tollgate.json`, 'utf8')) as Files
      edit(file)
      const { revision } = models.gateway.running.files.current.get()

      models.gateway.write('tollgate.json', file)
      await models.gateway.until((snapshot) => snapshot.revision !== revision, 1_000)
      models.fakes.requests()
      const answer = await models.post(CHAT, { ...said, model: 'two' })

      expect(answer.status).toBe(status)
      if (served !== undefined) expect(models.fakes.requests().at(-1)?.model).toBe(served)
      else expect(answer.headers.get('retry-after')).toBe('60')
      expect(readStream('chat', under.status, await under.text()).kind).toBe('complete')
    },
  )

  it('a model of the catalog takes no new request within a second', async () => {
    await using models = await startModelGateway()
    const catalog = { title: 'Research', for: { teams: ['research'] }, models: [{ route: 'openai', enabled: false }] }

    models.gateway.write('catalogs/research.json', catalog)
    await models.gateway.until((snapshot) => snapshot.view(['research']).items.model.length === 1, 1_000)

    expect(await statuses(models, 'openai', 1)).toEqual([503])
    expect(await statuses(models, 'anthropic', 1)).toEqual([404])
  })
})
