import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { describe, expect, it } from 'vitest'
import { fakeProviderFile, startModelGateway } from '../support/model-gateway.ts'
import { DIALECTS, readStream } from '../support/model-streams.ts'

const CHAT = '/v1/chat/completions'
const said = { messages: [{ role: 'user', content: 'hi' }] }
const target = (model: string, provider = 'openai') => ({ provider, model })
const two = (first: string) => ({ targets: [target(first), target('well')] })
const nameOf = (words: string) => words.replaceAll(' ', '-')
const KEY = 'sk-fake-0123456789'

describe('G01 what a provider answers decides whether another is asked', () => {
  const rows = [
    { status: 400, follows: false, tells: 400, kind: 'upstream_refused' },
    { status: 401, follows: true, tells: 502, kind: 'upstream_auth' },
    { status: 402, follows: true, tells: 503, kind: 'upstream_unavailable' },
    { status: 403, follows: false, tells: 502, kind: 'upstream_auth' },
    { status: 404, follows: true, tells: 502, kind: 'upstream_invalid' },
    { status: 408, follows: true, tells: 504, kind: 'upstream_timeout' },
    { status: 413, follows: false, tells: 413, kind: 'upstream_refused' },
    { status: 422, follows: false, tells: 422, kind: 'upstream_refused' },
    { status: 429, follows: true, tells: 429, kind: 'upstream_limited' },
    { status: 500, follows: true, tells: 502, kind: 'upstream_invalid' },
    { status: 502, follows: true, tells: 502, kind: 'upstream_invalid' },
    { status: 503, follows: true, tells: 503, kind: 'upstream_unavailable' },
    { status: 504, follows: true, tells: 504, kind: 'upstream_timeout' },
    { status: 529, follows: true, tells: 503, kind: 'upstream_unavailable' },
  ]
  it.each(rows)('$status: next target $follows, told as $tells', async ({ status, follows, tells, kind }) => {
    await using models = await startModelGateway({
      routes: {
        pair: two(`bad?status=${status}&message=secret%20${KEY}%20words`),
        alone: { targets: [target(`same?status=${status}&message=secret%20${KEY}%20words`)], retries: 0 },
      },
    })

    const alone = await models.post(CHAT, { ...said, model: 'alone' })
    const text = await alone.text()
    const pair = await models.post(CHAT, { ...said, model: 'pair' })

    expect([alone.status, pair.status]).toEqual([tells, follows ? 200 : tells])
    expect(text).not.toContain(KEY)
    if (kind !== 'upstream_refused') expect(text).not.toContain('secret')
    const entries = await models.entries()
    expect(entries.map((entry) => [entry['status'], entry['error']])).toEqual([
      ['error', kind],
      ...(follows
        ? [
            ['retried', kind],
            ['ok', null],
          ]
        : [['error', kind]]),
    ])
  })

  it.each(Object.keys(DIALECTS) as (keyof typeof DIALECTS)[])('is told in the words of %s', async (dialect) => {
    await using models = await startModelGateway({ routes: { bad: { targets: [target('x?status=500')], retries: 0 } } })
    const { path, body } = DIALECTS[dialect]

    for (const stream of [true, false]) {
      const answer = await models.post(path, { ...body, model: 'bad', stream })
      expect(readStream(dialect, answer.status, await answer.text()).kind).toBe('refused')
    }
  })
})

describe('G02 a provider that cannot be reached', () => {
  it('refused, unknown name, no TLS, black hole: another target answers within the connect clock', async () => {
    const hole = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1')
    await once(hole, 'listening')
    const { port } = hole.address() as { port: number } // node:net: what a TCP server has
    const nowhere = { type: 'openai_compatible', key: 'env:FAKE_KEY' }
    await using models = await startModelGateway()
    const providers = {
      ...fakeProviderFile(models.fakes.url),
      refused: { ...nowhere, baseUrl: 'http://127.0.0.1:9/v1' },
      unknown: { ...nowhere, baseUrl: 'http://no-such-host.invalid/v1' },
      plain: { ...nowhere, baseUrl: models.fakes.url.replace('http:', 'https:') },
      hole: { ...nowhere, baseUrl: `https://127.0.0.1:${port}/v1` },
    }
    const names = ['refused', 'unknown', 'plain', 'hole']
    const file = JSON.parse(await readFile(`${models.gateway.folder}/tollgate.json`, 'utf8')) as Record<string, unknown>
    const clocks = { connectMs: 400 }
    const routes = Object.fromEntries(names.map((name) => [name, { targets: [target('x', name), target('well')], clocks }]))
    models.gateway.write('tollgate.json', { ...file, providers, routes: { ...(file['routes'] as object), ...routes } })
    models.gateway.write('catalogs/research.json', {
      title: 'Research',
      for: { teams: ['research'] },
      models: names.map((route) => ({ route })),
    })
    await models.gateway.until((snapshot) => snapshot.routes.has('hole') && snapshot.catalogs.size > 0)

    for (const model of names) {
      const began = performance.now()
      const answer = await models.post(CHAT, { ...said, model })
      expect([model, answer.status]).toEqual([model, 200])
      expect(performance.now() - began).toBeLessThan(2_500)
    }
    hole.close()
    const entries = await models.entries()
    expect(entries.filter(({ status }) => status === 'retried').map(({ error }) => error)).toEqual(
      names.map(() => 'upstream_unavailable'),
    )
  })
})

describe('before the first content nothing was sent, so another target answers', () => {
  const rows = [
    { id: 'G03', name: 'no first token', model: 'slow?firstByte=5000' },
    { id: 'G09', name: 'an error event with status 200', model: 'bad?errorAt=0&status=529&code=overloaded_error' },
    { id: 'G09', name: 'an error body with status 200', model: 'bad?error200=true&status=503' },
    { id: 'G11', name: 'a body that ends before any content', model: 'bad?cutChunk=0' },
    { id: 'G15', name: 'a first chunk that is no JSON', model: 'bad?invalidJsonAt=0' },
    { id: 'G02', name: 'a connection that is dropped', model: 'bad?drop=true' },
  ]
  it.each(rows)('$id $name', async ({ model }) => {
    await using models = await startModelGateway({ routes: { pair: { ...two(model), clocks: { firstTokenMs: 150 } } } })

    const answer = await models.post(CHAT, { ...said, model: 'pair', stream: true })
    const reading = readStream('chat', answer.status, await answer.text())

    expect(reading.kind).toBe('complete')
    expect(models.fakes.requests().map((request) => request.model)).toEqual([model.split('?')[0], 'well'])
    expect((await models.entries()).map(({ status }) => status)).toEqual(['retried', 'ok'])
  })
})

describe('G04 G10 G11 G12 after the first content nobody else is asked', () => {
  const rows = [
    { id: 'G10', name: 'an error event', model: 'bad?errorAt=1&status=529&code=overloaded_error' },
    { id: 'G11', name: 'no end mark', model: 'bad?noEnd=true' },
    { id: 'G11', name: 'no finish and no end mark', model: 'bad?noFinish=true' },
    { id: 'G12', name: 'a cut', model: 'bad?cutChunk=1' },
    { id: 'G04', name: 'a stall', model: 'bad?stallChunk=1' },
  ]
  const ways = Object.keys(DIALECTS) as (keyof typeof DIALECTS)[]
  it.each(ways)('in %s', async (dialect) => {
    await using models = await startModelGateway({
      routes: Object.fromEntries(rows.map(({ name, model }) => [nameOf(name), { ...two(model), clocks: { idleMs: 150 } }])),
    })
    const { path, body } = DIALECTS[dialect]

    for (const { id, name } of rows) {
      models.fakes.reset()
      const answer = await models.post(path, { ...body, model: nameOf(name), stream: true })
      const { kind } = readStream(dialect, answer.status, await answer.text())

      expect([id, name, kind]).toEqual([id, name, 'broken'])
      expect(models.fakes.requests()).toHaveLength(1)
    }
    expect((await models.entries()).map(({ status }) => status)).toEqual(rows.map(() => 'cut'))
  })
})

describe('when a provider says how long to wait', () => {
  const rows = [
    { name: 'seconds', header: 'retryAfter=7', told: '7' },
    { name: 'milliseconds', header: 'retryAfterMs=2500', told: '3' },
    { name: 'far too long', header: 'retryAfter=86400', told: '60' },
    {
      name: 'G25 a date of its own clock',
      header: `retryAfter=${encodeURIComponent(new Date(Date.now() + 9e6).toUTCString())}`,
      told: '60',
    },
    { name: 'nonsense', header: 'retryAfter=soon', told: '1' },
  ]
  it.each(rows)('$name: the caller hears $told s, and the same target is not asked again too soon', async ({ header, told }) => {
    await using models = await startModelGateway({
      routes: { limited: { targets: [target(`x?status=429&${header}`)], retries: told === '1' ? 0 : 3 } },
    })

    const answer = await models.post(CHAT, { ...said, model: 'limited' })

    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, told])
    expect(models.fakes.requests()).toHaveLength(1)
  })

  it('G08 x-should-retry: false is honoured', async () => {
    await using models = await startModelGateway({
      routes: { no: { targets: [target('x?status=500&headers={"x-should-retry":"false"}')], retries: 5 } },
    })

    const answer = await models.post(CHAT, { ...said, model: 'no' })

    expect(answer.status).toBe(502)
    expect(models.fakes.requests()).toHaveLength(1)
  })
})
