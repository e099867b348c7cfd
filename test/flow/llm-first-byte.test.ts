import { describe, expect, it } from 'vitest'
import { startModelGateway } from '../support/model-gateway.ts'

const asked = { messages: [{ role: 'user', content: 'hi' }], stream: true }
const targets = (...models: readonly string[]) => models.map((model) => ({ provider: 'openai', model }))
const BREAKS = 'a?chunks=3&cutChunk=0'

describe('a stream that breaks after its opening frames', () => {
  it('is told in the stream where no other target is left', async () => {
    await using models = await startModelGateway({ routes: { one: { targets: targets(BREAKS) } } })

    const answer = await models.post('/v1/chat/completions', { ...asked, model: 'one' })
    const text = await answer.text()

    expect(answer.status).toBe(200)
    expect(text).toContain('"role":"assistant"')
    expect(text).toContain('"error"')
    expect(text).not.toContain('[DONE]')
    expect(models.fakes.requests()).toHaveLength(1)
    expect(await models.entries()).toMatchObject([{ status: 'cut', error: 'upstream_cut:server', attempt: 1 }])
  })

  it('is answered by the next target where there is one', async () => {
    await using models = await startModelGateway({ routes: { two: { targets: targets(BREAKS, 'b?text=well') } } })

    const answer = await models.post('/v1/chat/completions', { ...asked, model: 'two' })
    const text = await answer.text()

    expect([...text.matchAll(/"content":"([^"]+)"/g)].map(([, words]) => words).join('')).toBe('well')
    expect(text.match(/"role":"assistant"/g)).toHaveLength(1)
    expect(text).toContain('[DONE]')
  })

  it('is an error in front of the stream where a guard reads it', async () => {
    await using models = await startModelGateway({
      file: { guards: { house: { evaluators: [{ type: 'pattern', name: 'names', patterns: ['falcon'] }] } } },
      catalog: { guards: ['house'] },
      routes: { one: { targets: targets(BREAKS), retries: 0 } },
    })

    const answer = await models.post('/v1/chat/completions', { ...asked, model: 'one' })

    expect(answer.status).toBeGreaterThanOrEqual(500)
    expect(await answer.text()).toContain('"error"')
  })
})
