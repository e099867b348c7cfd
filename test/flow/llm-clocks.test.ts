import { describe, expect, it } from 'vitest'
import { startModelGateway } from '../support/model-gateway.ts'

const said = { messages: [{ role: 'user', content: 'hi' }] }
const targets = (...models: readonly string[]) => models.map((model) => ({ provider: 'openai', model }))

describe('each of the four clocks alone', () => {
  const rows = [
    { name: 'first token, of a stream', clocks: { firstTokenMs: 60 }, model: 'a?firstByte=5000', stream: true, status: 504 },
    { name: 'first token, of a whole answer', clocks: { firstTokenMs: 60 }, model: 'a?latency=5000', stream: false, status: 504 },
    { name: 'idle, between two pieces', clocks: { idleMs: 60 }, model: 'a?stallChunk=1', stream: true, status: 200 },
    {
      name: 'total, while pieces keep coming',
      clocks: { totalMs: 800 },
      model: 'a?chunks=1000&delay=20&size=2000',
      stream: true,
      status: 200,
    },
  ]
  it.each(rows)('$name', async ({ clocks, model, stream, status }) => {
    await using models = await startModelGateway({ routes: { slow: { targets: targets(model), clocks, retries: 0 } } })
    const began = performance.now()

    const answer = await models.post('/v1/chat/completions', { ...said, model: 'slow', stream })
    const text = await answer.text()

    expect(performance.now() - began).toBeLessThan(3_500)
    expect(answer.status).toBe(status)
    expect(text).not.toContain('[DONE]')
    expect(text).toMatch(/"type":"server_error"/)
    const [entry] = await models.entries()
    expect(entry).toMatchObject(status === 200 ? { status: 'cut' } : { status: 'error', error: 'upstream_timeout' })
  })
})
