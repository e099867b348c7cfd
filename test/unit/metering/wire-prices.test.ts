// From the bytes of every wire to the nano-dollar: answers in the shapes providers document, and what each must cost. The sums are worked out
// by hand beside each row, so that neither the reader of usage nor the arithmetic can be wrong together with its test.
import { describe, expect, test } from 'vitest'
import { PriceFile } from '../../../src/config/prices.ts'
import type { JsonObject } from '../../../src/core/json.ts'
import type { Usage } from '../../../src/core/usage.ts'
import { chatDialect } from '../../../src/llm/dialects/chat.ts'
import { messagesDialect } from '../../../src/llm/dialects/messages.ts'
import { responsesDialect } from '../../../src/llm/dialects/responses.ts'
import { embeddingUsage as titanUsage } from '../../../src/llm/providers/bedrock-embeddings.ts'
import type { Dialect, Wire, WireEvent } from '../../../src/llm/wire.ts'
import { chatWire } from '../../../src/llm/wires/chat.ts'
import { converseWire } from '../../../src/llm/wires/converse.ts'
import { embeddingUsage as geminiEmbeddingUsage } from '../../../src/llm/wires/gemini-embeddings.ts'
import { geminiWire } from '../../../src/llm/wires/gemini.ts'
import { messagesWire } from '../../../src/llm/wires/messages.ts'
import { responsesWire } from '../../../src/llm/wires/responses.ts'
import { createPrices } from '../../../src/metering/prices.ts'

/** In nano-dollars a token: input 3000, read 300, written 3750 and 6000, audio 10000, image 5000, output 15000, thought 12000, spoken 20000. */
const prices = createPrices([
  PriceFile.parse({
    name: 'test',
    prices: [
      {
        provider: 'p',
        model: 'm',
        usdPerMillion: {
          input: '3',
          cacheRead: '0.3',
          cacheWrite5m: '3.75',
          cacheWrite1h: '6',
          inputAudio: '10',
          inputImage: '5',
          output: '15',
          reasoning: '12',
          outputAudio: '20',
        },
        serverToolsUsd: { web_search_requests: '0.01' },
      },
    ],
  }),
])

function nanoUsd(usage: Usage | undefined): number | null {
  if (usage === undefined) return null
  return prices.cost({ providerType: 'p', provider: 'p', model: 'm', at: 0 }, usage).nanoUsd
}

function ofStream(wire: Wire, events: readonly WireEvent[]): number | null {
  const decoder = wire.createDecoder({ family: 'p', newId: (prefix) => `${prefix}_1` })
  const seen = [...events.flatMap((event) => [...decoder.push(event)]), ...decoder.close()]
  const usages = seen.flatMap((event) => ((event.type === 'usage' || event.type === 'start') && event.usage ? [event.usage] : []))
  expect(seen.map(({ type }) => type)).toContain('end')
  return nanoUsd(usages.at(-1))
}

function ofTap(dialect: Dialect, events: readonly WireEvent[]): number | null {
  const tap = dialect.createTap({ includeUsage: true })
  const sightings = events.map(({ event, data }) =>
    tap.see(Buffer.from(`${event === '' ? '' : `event: ${event}\n`}data: ${data}\n\n`)),
  )
  expect(sightings.some(({ kind }) => kind === 'error')).toBe(false)
  return nanoUsd(tap.usage())
}

/** A chat stream: its chunks, then the mark of the end. */
function chatStream(...chunks: readonly JsonObject[]): readonly WireEvent[] {
  const whole = chunks.map((chunk) => ({ id: 'c', object: 'chat.completion.chunk', created: 1, model: 'm', ...chunk }))
  return [...whole.map((chunk) => ({ event: '', data: JSON.stringify(chunk) })), { event: '', data: '[DONE]' }]
}

/** Events whose names stand in their data. */
function typed(...events: readonly (JsonObject & { readonly type: string })[]): readonly WireEvent[] {
  return events.map((event) => ({ event: event.type, data: JSON.stringify(event) }))
}

const WORDS = { choices: [{ index: 0, delta: { role: 'assistant', content: 'Hi' }, finish_reason: null }] }
const STOP = { choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }
const message = { index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }
const chatBody = (usage: JsonObject) => ({
  id: 'c',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [message],
  usage,
})

interface Row {
  readonly name: string
  readonly wire: Wire
  readonly dialect?: Dialect
  readonly body: JsonObject
  readonly stream: readonly WireEvent[]
  readonly nanoUsd: number
}

/** A provider that says its usage once, in a chunk without choices. */
function chatRow(name: string, usage: JsonObject, cost: number, first: JsonObject = {}): Row {
  const stream = chatStream({ ...WORDS, ...first }, STOP, { choices: [], usage })
  return { name, wire: chatWire, dialect: chatDialect, body: chatBody(usage), stream, nanoUsd: cost }
}

const CHAT: readonly Row[] = [
  chatRow(
    'OpenAI: cached, written, audio and thought',
    {
      prompt_tokens: 1000,
      completion_tokens: 200,
      total_tokens: 1200,
      prompt_tokens_details: { cached_tokens: 400, audio_tokens: 50, cache_write_tokens: 100 },
      completion_tokens_details: {
        reasoning_tokens: 80,
        audio_tokens: 10,
        accepted_prediction_tokens: 5,
        rejected_prediction_tokens: 7,
      },
    },
    // 450 x 3000 + 400 x 300 + 100 x 3750 + 50 x 10000 + 110 x 15000 + 80 x 12000 + 10 x 20000
    5_155_000,
  ),
  chatRow(
    'Azure: a first chunk of filters without choices',
    { prompt_tokens: 20, completion_tokens: 10, total_tokens: 30, prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 } },
    210_000, // 20 x 3000 + 10 x 15000
    { prompt_filter_results: [{ prompt_index: 0, content_filter_results: {} }] },
  ),
  chatRow(
    'DeepSeek: what hit the cache and what missed it',
    {
      prompt_tokens: 300,
      completion_tokens: 50,
      total_tokens: 350,
      prompt_cache_hit_tokens: 256,
      prompt_cache_miss_tokens: 44,
      completion_tokens_details: { reasoning_tokens: 20 },
    },
    898_800, // 44 x 3000 + 256 x 300 + 30 x 15000 + 20 x 12000
  ),
  chatRow(
    'OpenRouter: written to a cache, searched, and a cost of its own that is not ours',
    {
      prompt_tokens: 194,
      completion_tokens: 2,
      total_tokens: 196,
      cost: 0.95,
      cost_details: { upstream_inference_cost: 19 },
      prompt_tokens_details: { cached_tokens: 100, cache_write_tokens: 50, audio_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
      server_tool_use: { web_search_requests: 2 },
    },
    20_379_500, // 44 x 3000 + 100 x 300 + 50 x 3750 + 2 x 15000 + 2 searches of a cent
  ),
  chatRow(
    'xAI: thoughts beside the completion',
    { prompt_tokens: 100, completion_tokens: 10, total_tokens: 160, completion_tokens_details: { reasoning_tokens: 50 } },
    1_050_000, // 100 x 3000 + 10 x 15000 + 50 x 12000
  ),
  chatRow(
    'Perplexity: searches by another name',
    { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15, num_search_queries: 3 },
    30_105_000, // 10 x 3000 + 5 x 15000 + 3 searches of a cent
  ),
  {
    ...chatRow(
      'vLLM: running totals on every chunk, details null',
      { prompt_tokens: 12, completion_tokens: 7, total_tokens: 19, prompt_tokens_details: null },
      141_000, // 12 x 3000 + 7 x 15000
    ),
    stream: chatStream(
      { ...WORDS, usage: { prompt_tokens: 12, completion_tokens: 1, total_tokens: 13 } },
      { ...WORDS, usage: { prompt_tokens: 12, completion_tokens: 6, total_tokens: 18 } },
      { ...STOP, usage: { prompt_tokens: 12, completion_tokens: 7, total_tokens: 19, prompt_tokens_details: null } },
      { choices: [], usage: { prompt_tokens: 12, completion_tokens: 7, total_tokens: 19, prompt_tokens_details: null } },
    ),
  },
  {
    ...chatRow('Groq: in a member of its own', { prompt_tokens: 100, completion_tokens: 40, total_tokens: 140 }, 900_000),
    // 100 x 3000 + 40 x 15000; a stream says it with the last choice
    stream: chatStream(
      { ...WORDS, x_groq: { id: 'req_1' } },
      {
        ...STOP,
        x_groq: { id: 'req_1', usage: { queue_time: 0.1, prompt_tokens: 100, completion_tokens: 40, total_tokens: 140 } },
      },
    ),
  },
]

const responseUsage = {
  input_tokens: 500,
  input_tokens_details: { cached_tokens: 200, cache_write_tokens: 40 },
  output_tokens: 90,
  output_tokens_details: { reasoning_tokens: 30 },
  total_tokens: 590,
}
const responseOutput = [
  { type: 'web_search_call', id: 'ws_1', status: 'completed', action: { type: 'search', query: 'x' } },
  {
    type: 'message',
    id: 'msg_1',
    status: 'completed',
    role: 'assistant',
    content: [{ type: 'output_text', text: 'Hi', annotations: [] }],
  },
]
const response = { id: 'resp_1', object: 'response', created_at: 1, model: 'm', error: null, incomplete_details: null }
const wholeResponse = { ...response, status: 'completed', output: responseOutput, usage: responseUsage }
const at = { output_index: 1, content_index: 0, item_id: 'msg_1' }

const RESPONSES: readonly Row[] = [
  {
    name: 'Responses: cached, written, thought and searched',
    wire: responsesWire,
    dialect: responsesDialect,
    body: wholeResponse,
    stream: typed(
      { type: 'response.created', sequence_number: 0, response: { ...response, status: 'in_progress', output: [], usage: null } },
      {
        type: 'response.output_item.added',
        sequence_number: 1,
        output_index: 0,
        item: { ...responseOutput[0], status: 'in_progress' },
      },
      { type: 'response.output_item.done', sequence_number: 2, output_index: 0, item: responseOutput[0] ?? null },
      { type: 'response.output_item.added', sequence_number: 3, output_index: 1, item: { ...responseOutput[1], content: [] } },
      { type: 'response.output_text.delta', sequence_number: 4, ...at, delta: 'Hi' },
      { type: 'response.output_text.done', sequence_number: 5, ...at, text: 'Hi' },
      { type: 'response.output_item.done', sequence_number: 6, output_index: 1, item: responseOutput[1] ?? null },
      { type: 'response.completed', sequence_number: 7, response: wholeResponse },
    ),
    // 260 x 3000 + 200 x 300 + 40 x 3750 + 60 x 15000 + 30 x 12000 + a search of a cent
    nanoUsd: 12_250_000,
  },
]

/** A Messages answer whose stream says its input first and its output last. */
function messagesRow(name: string, cost: number, { usage, start, end }: Record<'usage' | 'start' | 'end', JsonObject>): Row {
  const head = { id: 'msg_1', type: 'message', role: 'assistant', model: 'm', stop_reason: null, stop_sequence: null }
  return {
    name,
    wire: messagesWire,
    dialect: messagesDialect,
    body: { ...head, stop_reason: 'end_turn', content: [{ type: 'text', text: 'Hi' }], usage },
    stream: typed(
      { type: 'message_start', message: { ...head, content: [], usage: start } },
      { type: 'content_block_start', index: 0, content_block: { type: 'text', text: '' } },
      { type: 'ping' },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hi' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage: end },
      { type: 'message_stop' },
    ),
    nanoUsd: cost,
  }
}

const written = {
  cache_creation_input_tokens: 300,
  cache_creation: { ephemeral_5m_input_tokens: 100, ephemeral_1h_input_tokens: 200 },
}
const iterations = [
  { type: 'compaction', input_tokens: 1000, output_tokens: 200, cache_read_input_tokens: 0 },
  { type: 'message', input_tokens: 23, output_tokens: 10, cache_read_input_tokens: 0 },
]

const MESSAGES: readonly Row[] = [
  // 100 x 3000 + 100 x 3750 + 200 x 6000 + 1000 x 300 + 30 x 15000 + 20 x 12000 + a search of a cent
  messagesRow('Messages: both lifetimes of a cache, thought and searched', 12_865_000, {
    usage: {
      input_tokens: 100,
      ...written,
      cache_read_input_tokens: 1000,
      output_tokens: 50,
      output_tokens_details: { thinking_tokens: 20 },
      server_tool_use: { web_search_requests: 1, web_fetch_requests: 0 },
      service_tier: 'standard',
    },
    start: { input_tokens: 100, ...written, cache_read_input_tokens: 1000, output_tokens: 1, service_tier: 'standard' },
    end: { output_tokens: 50, output_tokens_details: { thinking_tokens: 20 }, server_tool_use: { web_search_requests: 1 } },
  }),
  // 1023 x 3000 + 210 x 15000
  messagesRow('Messages: compaction, whose top level says only the last iteration', 6_219_000, {
    usage: { input_tokens: 23, output_tokens: 10, iterations },
    start: { input_tokens: 23, output_tokens: 1 },
    end: { input_tokens: 23, output_tokens: 10, iterations },
  }),
]

const spoken = { role: 'model', parts: [{ text: 'Hi' }] }
const geminiUsage = {
  promptTokenCount: 1000,
  cachedContentTokenCount: 400,
  toolUsePromptTokenCount: 30,
  candidatesTokenCount: 50,
  thoughtsTokenCount: 25,
  totalTokenCount: 1105,
  promptTokensDetails: [
    { modality: 'TEXT', tokenCount: 700 },
    { modality: 'AUDIO', tokenCount: 200 },
    { modality: 'IMAGE', tokenCount: 100 },
  ],
  cacheTokensDetails: [{ modality: 'TEXT', tokenCount: 400 }],
}
const partialUsage = { ...geminiUsage, candidatesTokenCount: 3, totalTokenCount: 1058 }

const OTHERS: readonly Row[] = [
  {
    name: 'Gemini: cached, spoken and shown, with running totals',
    wire: geminiWire,
    body: { candidates: [{ content: spoken, finishReason: 'STOP' }], usageMetadata: geminiUsage },
    stream: [
      { candidates: [{ content: spoken }], usageMetadata: partialUsage },
      { candidates: [{ content: spoken, finishReason: 'STOP' }], usageMetadata: geminiUsage },
    ].map((chunk) => ({ event: '', data: JSON.stringify(chunk) })),
    // 330 x 3000 + 400 x 300 + 200 x 10000 + 100 x 5000 + 50 x 15000 + 25 x 12000
    nanoUsd: 4_660_000,
  },
  {
    name: 'Converse: a cache for an hour',
    wire: converseWire,
    body: {
      output: { message: { role: 'assistant', content: [{ text: 'Hi' }] } },
      stopReason: 'end_turn',
      usage: {
        inputTokens: 100,
        outputTokens: 40,
        totalTokens: 240,
        cacheReadInputTokens: 70,
        cacheWriteInputTokens: 30,
        cacheDetails: [
          { ttl: '5m', inputTokens: 20 },
          { ttl: '1h', inputTokens: 10 },
        ],
      },
    },
    stream: [
      { event: 'messageStart', data: '{"role":"assistant"}' },
      { event: 'contentBlockDelta', data: '{"contentBlockIndex":0,"delta":{"text":"Hi"}}' },
      { event: 'contentBlockStop', data: '{"contentBlockIndex":0}' },
      { event: 'messageStop', data: '{"stopReason":"end_turn"}' },
      {
        event: 'metadata',
        data: '{"usage":{"inputTokens":100,"outputTokens":40,"totalTokens":240,"cacheReadInputTokens":70,"cacheWriteInputTokens":30,"cacheDetails":[{"ttl":"5m","inputTokens":20},{"ttl":"1h","inputTokens":10}]},"metrics":{"latencyMs":9}}',
      },
    ],
    // 100 x 3000 + 70 x 300 + 20 x 3750 + 10 x 6000 + 40 x 15000
    nanoUsd: 1_056_000,
  },
]

describe.each([...CHAT, ...RESPONSES, ...MESSAGES, ...OTHERS])('$name', (row) => {
  test('a whole answer', () => {
    expect(nanoUsd(row.wire.usageOf(row.body))).toBe(row.nanoUsd)
  })

  test('a stream that is translated', () => {
    expect(ofStream(row.wire, row.stream)).toBe(row.nanoUsd)
  })
})

test.each([...CHAT, ...RESPONSES, ...MESSAGES])(
  'a stream that is forwarded as it is: $name',
  ({ dialect, stream, nanoUsd: cost }) => {
    expect(dialect === undefined ? 'no dialect' : ofTap(dialect, stream)).toBe(cost)
  },
)

test.each([
  ['OpenAI', chatWire.usageOf({ object: 'list', data: [], usage: { prompt_tokens: 8, total_tokens: 8 } }), 24_000],
  ['Gemini', geminiEmbeddingUsage({ embeddings: [{ values: [1] }], usageMetadata: { promptTokenCount: 9 } }), 27_000],
  [
    'Vertex',
    geminiEmbeddingUsage({
      predictions: [{ embeddings: { statistics: { token_count: 4 } } }, { embeddings: { statistics: { token_count: 7 } } }],
    }),
    33_000,
  ],
  ['Titan', titanUsage({ embedding: [1], inputTextTokenCount: 5 }), 15_000],
] as const)('embeddings of %s', (_name, usage, cost) => {
  expect(nanoUsd(usage)).toBe(cost)
})
