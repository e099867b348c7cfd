import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Json } from '../../../src/core/json.ts'
import { inputTokens, NO_TOKENS, outputTokens, type TokenCounts } from '../../../src/core/usage.ts'
import { geminiServiceTier, geminiUsage } from '../../../src/llm/wires/gemini-usage.ts'

const usage = (usageMetadata: Json) => geminiUsage({ usageMetadata })

describe('usage', () => {
  test.each<[string, Json, Partial<TokenCounts>]>([
    [
      'thoughts stand outside the candidates',
      { promptTokenCount: 50, candidatesTokenCount: 12, thoughtsTokenCount: 30, totalTokenCount: 92 },
      { input: 50, output: 12, reasoning: 30 },
    ],
    [
      'cached tokens stand inside the prompt',
      { promptTokenCount: 50, cachedContentTokenCount: 40, candidatesTokenCount: 1 },
      { input: 10, cacheRead: 40, output: 1 },
    ],
    [
      'prompts of tools are input',
      { promptTokenCount: 50, toolUsePromptTokenCount: 5, candidatesTokenCount: 1 },
      { input: 55, output: 1 },
    ],
    [
      'audio and images have prices of their own',
      {
        promptTokenCount: 50,
        candidatesTokenCount: 9,
        promptTokensDetails: [
          { modality: 'TEXT', tokenCount: 20 },
          { modality: 'AUDIO', tokenCount: 18 },
          { modality: 'IMAGE', tokenCount: 12 },
        ],
        candidatesTokensDetails: [{ modality: 'AUDIO', tokenCount: 4 }],
      },
      { input: 20, inputAudio: 18, inputImage: 12, output: 5, outputAudio: 4 },
    ],
    [
      'details that say more than the whole are cut',
      {
        promptTokenCount: 5,
        candidatesTokenCount: 1,
        promptTokensDetails: [{ modality: 'AUDIO', tokenCount: 9 }],
        candidatesTokensDetails: [{ modality: 'AUDIO', tokenCount: 9 }],
      },
      { inputAudio: 5, outputAudio: 1 },
    ],
    ['zeros are zero', { promptTokenCount: 0, candidatesTokenCount: 0, totalTokenCount: 0 }, {}],
    [
      'candidates that are left out follow from the total',
      { promptTokenCount: 5, thoughtsTokenCount: 2, totalTokenCount: 10 },
      { input: 5, output: 3, reasoning: 2 },
    ],
    ['more cached than prompted', { promptTokenCount: 5, cachedContentTokenCount: 9 }, { cacheRead: 5 }],
  ])('%s', (_name, meta, counts) => {
    expect(usage(meta)).toEqual({ ...NO_TOKENS, ...counts, source: 'provider' })
  })

  test.each<[string, Json]>([
    ['nothing', {}],
    ['only traffic', { trafficType: 'ON_DEMAND' }],
    ['text', { promptTokenCount: '5' }],
    ['a fraction', { promptTokenCount: 1.5 }],
    ['a negative number', { promptTokenCount: 5, candidatesTokenCount: -1 }],
    ['a number no double holds', { promptTokenCount: 2 ** 60 }],
    ['an odd thought', { promptTokenCount: 5, thoughtsTokenCount: {} }],
    ['a list', []],
    ['null', null],
  ])('%s is not known', (_name, meta) => {
    expect(usage(meta)).toBeUndefined()
  })

  test('every part of the total is counted once, whatever the details say', () => {
    const count = fc.nat(1_000_000)
    const details = fc.array(fc.record({ modality: fc.constantFrom('TEXT', 'AUDIO', 'IMAGE', 'VIDEO'), tokenCount: count }), {
      maxLength: 4,
    })
    const facts = fc.record({
      prompt: count,
      share: fc.double({ min: 0, max: 1, noNaN: true }),
      toolUse: count,
      candidates: count,
      thoughts: count,
      details,
      cached: details,
      out: details,
    })
    fc.assert(
      fc.property(facts, (fact) => {
        const found = usage({
          promptTokenCount: fact.prompt,
          cachedContentTokenCount: Math.floor(fact.prompt * fact.share),
          toolUsePromptTokenCount: fact.toolUse,
          candidatesTokenCount: fact.candidates,
          thoughtsTokenCount: fact.thoughts,
          totalTokenCount: fact.prompt + fact.toolUse + fact.candidates + fact.thoughts,
          promptTokensDetails: fact.details,
          cacheTokensDetails: fact.cached,
          candidatesTokensDetails: fact.out,
        })
        if (found === undefined) throw new Error('usage is not read')
        expect(inputTokens(found)).toBe(fact.prompt + fact.toolUse)
        expect(outputTokens(found)).toBe(fact.candidates + fact.thoughts)
        for (const value of Object.values(found)) if (typeof value === 'number') expect(value).toBeGreaterThanOrEqual(0)
      }),
    )
  })

  test.each([
    ['ON_DEMAND', undefined],
    ['ON_DEMAND_PRIORITY', 'priority'],
    ['ON_DEMAND_FLEX', 'flex'],
    ['PROVISIONED_THROUGHPUT', undefined],
  ])('traffic %s is tier %s', (trafficType, tier) => {
    expect(geminiServiceTier({ usageMetadata: { trafficType } })).toBe(tier)
  })
})
