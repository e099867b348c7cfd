import { expect, test } from 'vitest'
import { budgetOf, EFFORTS, effortOf } from '../../../src/llm/effort.ts'

test.each([
  { name: 'nothing said', reasoning: {}, word: undefined, atMostHigh: undefined },
  { name: 'a word wins over a budget', reasoning: { effort: 'max', budgetTokens: 1 }, word: 'max', atMostHigh: 'max' },
  { name: 'no budget', reasoning: { budgetTokens: 0 }, word: 'none', atMostHigh: 'none' },
  { name: 'the smallest', reasoning: { budgetTokens: 1 }, word: 'low', atMostHigh: 'low' },
  { name: 'low to its edge', reasoning: { budgetTokens: 1_024 }, word: 'low', atMostHigh: 'low' },
  { name: 'past low', reasoning: { budgetTokens: 1_025 }, word: 'medium', atMostHigh: 'medium' },
  { name: 'medium to its edge', reasoning: { budgetTokens: 8_192 }, word: 'medium', atMostHigh: 'medium' },
  { name: 'past medium', reasoning: { budgetTokens: 8_193 }, word: 'high', atMostHigh: 'high' },
  { name: 'past high', reasoning: { budgetTokens: 24_577 }, word: 'xhigh', atMostHigh: 'high' },
  { name: 'past everything', reasoning: { budgetTokens: 200_000 }, word: 'max', atMostHigh: 'high' },
] as const)('an effort: $name', ({ reasoning, word, atMostHigh }) => {
  expect(effortOf(reasoning)).toBe(word)
  expect(effortOf(reasoning, 'high')).toBe(atMostHigh)
})

test.each([
  { name: 'nothing said', reasoning: {}, budget: undefined },
  { name: 'a number wins over a word', reasoning: { effort: 'low', budgetTokens: 5 }, budget: 5 },
  { name: 'none', reasoning: { effort: 'none' }, budget: 0 },
  { name: 'high', reasoning: { effort: 'high' }, budget: 24_576 },
] as const)('a budget: $name', ({ reasoning, budget }) => {
  expect(budgetOf(reasoning)).toBe(budget)
})

test('there and back: the word of a budget is the word it came from', () => {
  const words = EFFORTS.filter((word) => word !== 'minimal')
  expect(words.map((effort) => effortOf({ budgetTokens: budgetOf({ effort }) ?? -1 }))).toEqual(words)
})
