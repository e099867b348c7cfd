import { expect, it } from 'vitest'
import { startModelGateway } from '../support/model-gateway.ts'

const table = (input: string) => ({
  name: 'own',
  prices: [{ provider: 'openai', model: 'fake*', usdPerMillion: { input, output: '0' } }],
})

it('a price file that changes is in force without a restart, and a bad one changes nothing', async () => {
  const routes = { counted: { targets: [{ provider: 'openai', model: 'fake?usage={"input":1000,"output":1}' }] } }
  await using models = await startModelGateway({ routes, prices: table('1') })
  const ask = async () => {
    const messages = [{ role: 'user', content: 'hi' }]
    expect((await models.post('/v1/chat/completions', { model: 'counted', messages })).status).toBe(200)
    return (await models.entries()).at(-1)?.['nanoUsd']
  }

  expect(await ask()).toBe(1_000_000)
  models.gateway.write('own.json', table('2'))
  await expect.poll(ask, { timeout: 5_000 }).toBe(2_000_000)
  models.gateway.write('own.json', table('two'))
  await models.gateway.until(({ problems }) => problems.some(({ file }) => file === 'own.json'))

  expect(await ask()).toBe(2_000_000)
})
