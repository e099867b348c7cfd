import { expect, test } from 'vitest'
import type { JsonObject } from '../../../src/core/json.ts'
import type { LlmDeps } from '../../../src/llm/contract.ts'
import { estimateOf } from '../../../src/llm/estimate-of.ts'
import type { ModelRequest } from '../../../src/llm/request.ts'
import { query, route, target } from './routing-fixture.ts'

const { item } = query(route(['cheap', 'dear', target('off', { enabled: false })]))
/** A nano-dollar a token, the dear model two, in priority ten times as much. */
const prices: Pick<LlmDeps['prices'], 'ceiling' | 'maxOutputTokens'> = {
  maxOutputTokens: () => 100,
  ceiling: ({ model }, { input, output, isPriority }) =>
    (input + output) * (model === 'dear' ? 2 : model === 'off' ? 1_000 : 1) * (isPriority ? 10 : 1),
}

function estimated(json: JsonObject, maxOutput?: number, operation = 'chat') {
  // `as`: of the request and of the prices only what an estimate looks at.
  const request = { json, maxOutput, model: 'r', bytes: Buffer.alloc(40), door: { operation } } as unknown as ModelRequest
  return estimateOf(prices as LlmDeps['prices'], request, item)
}

test.each([
  ['the bound of the request, at the dearest target in use', estimated({}, 30), { tokens: 40, nanoUsd: 80 }],
  ['without a bound the most the model writes', estimated({}), { tokens: 110, nanoUsd: 220 }],
  ['for each of several choices', estimated({ n: 3 }), { tokens: 310, nanoUsd: 620 }],
  ['in the priority tier its price', estimated({ service_tier: 'priority' }, 30), { tokens: 40, nanoUsd: 800 }],
  ['no output of embeddings', estimated({}, undefined, 'embeddings'), { tokens: 10, nanoUsd: 20 }],
])('a reservation holds %s', (_name, estimate, expected) => {
  expect(estimate).toEqual(expected)
})
