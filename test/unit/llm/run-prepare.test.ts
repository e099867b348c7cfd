import { expect, test } from 'vitest'
import { Provider as ProviderConfig } from '../../../src/config/provider.ts'
import { isJsonObject, type JsonObject } from '../../../src/core/json.ts'
import type { ModelTarget } from '../../../src/core/snapshot.ts'
import type { LlmDeps } from '../../../src/llm/contract.ts'
import { createProvider } from '../../../src/llm/providers/registry.ts'
import { doorOf, readRequest } from '../../../src/llm/request.ts'
import { prepare } from '../../../src/llm/run/prepare.ts'
import type { ModelVisit } from '../../../src/llm/run/visit.ts'

const config = ProviderConfig.parse({ type: 'openai', key: 'env:KEY' })
const TARGET = { provider: 'one', model: 'gpt-5', wire: 'responses', params: {} } as ModelTarget // what preparing reads

/** The request a Messages caller's words become at a target of which the price file says `facts`. */
async function sent(facts: JsonObject | undefined, body: JsonObject) {
  const door = doorOf('/v1/messages')
  if (door === undefined) throw new Error('no door')
  const bytes = Buffer.from(
    JSON.stringify({ model: 'fast', max_tokens: 100, messages: [{ role: 'user', content: 'Hi' }], ...body }),
  )
  const headers = { 'content-type': 'application/json' }
  const request = readRequest(door, { headers, body: bytes } as unknown as Parameters<typeof readRequest>[1], {
    depth: 64,
    nodes: 1_000,
  }) // what it reads
  const live = { config, provider: createProvider(config), signer: { sign: () => ({}) } }
  const prepared = await prepare({
    deps: {
      providers: { get: () => live },
      prices: { facts: () => facts, maxOutputTokens: () => undefined },
    } as unknown as LlmDeps, // what preparing borrows
    visit: {
      request,
      strict: false,
      passed: {},
      exchange: { signal: new AbortController().signal },
      middle: (json: JsonObject) => door.dialect.decodeRequest(json),
    } as unknown as ModelVisit, // what preparing reads
    target: TARGET,
    guarded: false,
  })
  if (prepared.kind !== 'ready') throw new Error(prepared.reason)
  const json: unknown = JSON.parse(prepared.request.body.toString('utf8'))
  if (!isJsonObject(json)) throw new Error('no object')
  return { json, dropped: prepared.request.dropped, reasons: prepared.call.target.reasons }
}

test('a model the price file says thinks is not sampled, and its thoughts are asked for', async () => {
  const { json, dropped, reasons } = await sent({ capabilities: ['tools', 'reasoning'] }, { temperature: 0.2 })

  expect(reasons).toBe(true)
  expect(json).toMatchObject({ include: ['reasoning.encrypted_content'] })
  expect(json).not.toHaveProperty('temperature')
  expect(dropped).toEqual(['temperature'])
})

test.each([
  { name: 'does not say so of', facts: { capabilities: ['tools'] } },
  { name: 'does not know', facts: undefined },
  { name: 'says nothing readable of', facts: { capabilities: 'reasoning' } },
])('a model the price file $name is asked what the caller asked', async ({ facts }) => {
  const { json, dropped, reasons } = await sent(facts, { temperature: 0.2 })

  expect(reasons).toBeUndefined()
  expect(json).toMatchObject({ temperature: 0.2 })
  expect(dropped).toEqual([])
})
