import { describe, expect, it } from 'vitest'
import { startModelGateway } from '../support/model-gateway.ts'

const said = { messages: [{ role: 'user', content: 'hi' }] }
const targets = (...models: readonly string[]) => models.map((model) => ({ provider: 'openai', model }))
const names = (requests: readonly { readonly model?: string }[]) => requests.map(({ model }) => model)

describe('the way from one target to the next', () => {
  it('goes on after the failed target in plan order, also when an earlier one is spent', async () => {
    await using models = await startModelGateway({
      routes: { three: { targets: targets('a?status=401', 'b?status=500', 'c?text=well') } },
    })

    const answer = await models.post('/v1/chat/completions', { ...said, model: 'three' })

    expect(answer.status).toBe(200)
    expect(names(models.fakes.requests())).toEqual(['a', 'b', 'c'])
  })

  it('comes round to the first again when the last failed', async () => {
    await using models = await startModelGateway({ routes: { two: { targets: targets('a', 'b?status=500') } } })
    models.fakes.script({ model: 'a', times: 1, behaviour: { status: 503 } })

    const answer = await models.post('/v1/chat/completions', { ...said, model: 'two' })

    expect(answer.status).toBe(200)
    expect(names(models.fakes.requests())).toEqual(['a', 'b', 'a'])
  })
})

describe('words a guard holds back', () => {
  it('of a provider that broke off are not sent as those of the next', async () => {
    await using models = await startModelGateway({
      file: { guards: { house: { evaluators: [{ type: 'pattern', name: 'names', patterns: ['(?i)project falcon'] }] } } },
      catalog: { guards: ['house'] },
      routes: { two: { targets: targets('a?text=Project%20Fal&chunks=1&cutChunk=1', 'b?text=well') } },
    })

    const answer = await models.post('/v1/chat/completions', { ...said, model: 'two', stream: true })
    const text = await answer.text()

    expect(names(models.fakes.requests())).toEqual(['a', 'b'])
    expect(text).toContain('[DONE]')
    expect([...text.matchAll(/"content":"([^"]*)"/g)].map(([, words]) => words).join('')).toBe('well')
  })
})

describe('names of parameters that cannot be said', () => {
  const hostile = ['line\r\nx-evil: 1', '日本', 'tab\tbell\u0007', 'x'.repeat(300)]
  it.each([{ stream: false }, { stream: true }])(
    'are made fit for a header (stream: $stream)',
    async ({ stream }) => {
      await using models = await startModelGateway()

      for (const name of hostile) {
        const answer = await models.post('/v1/chat/completions', { ...said, model: 'anthropic', stream, [name]: 1 })
        await answer.text()

        expect(answer.status).toBe(200)
        expect(answer.headers.get('x-evil')).toBeNull()
        expect(answer.headers.get('x-tollgate-dropped')?.length).toBeLessThan(1_100)
      }
      const many = Object.fromEntries(Array.from({ length: 5_000 }, (_, index) => [`member_${index}`, 1]))
      const answer = await models.post('/v1/chat/completions', { ...said, model: 'anthropic', stream, ...many })
      await answer.text()
      expect(answer.status).toBe(200)
      expect(answer.headers.get('x-tollgate-dropped')?.length).toBeLessThan(1_100)
    },
    10_000,
  )
})

describe('counting tokens', () => {
  it.each(['anthropic', 'gemini', 'bedrock', 'vertex'])('costs nothing at %s', async (model) => {
    await using models = await startModelGateway()

    const answer = await models.post('/v1/messages/count_tokens', { ...said, model })

    expect(answer.status).toBe(200)
    expect(await answer.json()).toEqual({ input_tokens: expect.any(Number) })
    expect(await models.entries()).toMatchObject([{ status: 'ok', nanoUsd: 0, inputTokens: null, flags: null }])
  })

  it.each(['openai', 'azure', 'compatible'])('is done here for %s, which offers no count', async (model) => {
    await using models = await startModelGateway()

    const answer = await models.post('/v1/messages/count_tokens', { ...said, model })

    expect([answer.status, answer.headers.get('x-tollgate-estimated')]).toEqual([200, 'true'])
    expect(await answer.json()).toEqual({ input_tokens: expect.any(Number) })
    expect(models.fakes.requests()).toEqual([])
    expect(await models.entries()).toMatchObject([{ status: 'ok', nanoUsd: 0, target: model, provider: null }])
  })
})

describe('when the gateway itself ends an answer', () => {
  it('says so in the stream, ends it, and records it as cut', async () => {
    await using models = await startModelGateway({ routes: { long: { targets: targets('a?chunks=100&delay=50&size=500') } } })
    const answer = await models.post('/v1/chat/completions', { ...said, model: 'long', stream: true })
    const reader = answer.body?.getReader()
    await reader?.read()

    models.gateway.write('revocations.json', { subjects: [{ subject: 'developer@research' }] })
    let rest = ''
    for (let piece = await reader?.read(); piece?.done === false; piece = await reader?.read())
      rest += Buffer.from(piece.value).toString()

    expect(rest).toContain('"error"')
    expect(rest).not.toContain('[DONE]')
    expect(await models.entries()).toMatchObject([{ status: 'cut', error: 'unauthenticated' }])
  })
})
