import { describe, expect, test } from 'vitest'
import type { Json, JsonObject } from '../../../src/core/json.ts'
import { readEmbeddingQuestion, toEmbeddingList } from '../../../src/llm/embeddings.ts'
import { toEmbeddingRequest } from '../../../src/llm/providers/bedrock-embeddings.ts'

const LIMITS = { mostTexts: 2, own: ['input_type'] }

describe('reading a request', () => {
  test.each<{ name: string; json: JsonObject; expected: object }>([
    { name: 'one text', json: { model: 'm', input: 'a' }, expected: { texts: ['a'], asBase64: false, dropped: [] } },
    { name: 'a list', json: { input: ['a', 'b'] }, expected: { texts: ['a', 'b'], asBase64: false, dropped: [] } },
    {
      name: 'a size and base64',
      json: { input: 'a', dimensions: 256, encoding_format: 'base64' },
      expected: { texts: ['a'], dimensions: 256, asBase64: true, dropped: [] },
    },
    {
      name: 'nulls are nothing',
      json: { input: 'a', dimensions: null, encoding_format: null, user: null },
      expected: { texts: ['a'], asBase64: false, dropped: [] },
    },
    {
      name: 'members of the model are its own, others are dropped',
      json: { input: 'a', input_type: 'x', user: 'u' },
      expected: { texts: ['a'], asBase64: false, dropped: ['user'] },
    },
  ])('$name', ({ json, expected }) => {
    expect(readEmbeddingQuestion(json, LIMITS)).toEqual(expected)
  })

  test.each<[string, JsonObject, string]>([
    ['no text', {}, '$.input: must be a text or a list of 1 to 2 texts'],
    ['an empty list', { input: [] }, '$.input'],
    ['an empty text', { input: [''] }, '$.input'],
    ['token ids', { input: [1, 2] }, '$.input'],
    ['too many', { input: ['a', 'b', 'c'] }, '$.input'],
    ['a size of none', { input: 'a', dimensions: 0 }, '$.dimensions'],
    ['a size in words', { input: 'a', dimensions: 'big' }, '$.dimensions'],
    ['another format', { input: 'a', encoding_format: 'hex' }, '$.encoding_format'],
  ])('refuses %s', (_name, json, words) => {
    expect(() => readEmbeddingQuestion(json, LIMITS)).toThrow(words)
  })

  test('a size Bedrock cannot read is the caller\u2019s fault, as elsewhere', () => {
    expect(() => toEmbeddingRequest({ input: 'a', dimensions: 'big' }, 'amazon.titan-embed-text-v2:0')).toThrow('$.dimensions')
  })
})

describe('writing an answer', () => {
  test('vectors in order, as numbers or as base64, with usage where it was counted', () => {
    const vectors = [[1, -2], [0.5]]

    expect(toEmbeddingList({ vectors, model: 'm', asBase64: false, tokens: 0 })).toEqual({
      object: 'list',
      model: 'm',
      data: [
        { object: 'embedding', index: 0, embedding: [1, -2] },
        { object: 'embedding', index: 1, embedding: [0.5] },
      ],
      usage: { prompt_tokens: 0, total_tokens: 0 },
    })
    const coded = toEmbeddingList({ vectors, model: 'm', asBase64: true })
    expect(coded).not.toHaveProperty('usage')
    expect(coded['data']).toMatchObject([{ embedding: 'AACAPwAAAMA=' }, { embedding: 'AAAAPw==' }])
  })

  test.each<[string, readonly (Json | undefined)[]]>([
    ['no vectors', []],
    ['a missing vector', [[1], undefined]],
    ['an empty vector', [[]]],
    ['a vector that is not all numbers', [[1, 'x']]],
  ])('refuses %s', (_name, vectors) => {
    expect(() => toEmbeddingList({ vectors, model: 'm', asBase64: false })).toThrow('no list of embeddings')
  })
})
