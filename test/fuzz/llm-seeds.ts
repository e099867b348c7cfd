import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createSseParser } from '../../src/lib/sse.ts'

const folder = join(import.meta.dirname, '../fixtures/llm')

function fixtures(path: string, pattern: RegExp): readonly Buffer[] {
  return readdirSync(join(folder, path))
    .filter((name) => pattern.test(name))
    .toSorted()
    .map((name) => readFileSync(join(folder, path, name)))
}

const headed = (head: string, json: unknown) => Buffer.from(`${head}\n${JSON.stringify(json)}`)
const parsed = (bytes: Buffer): unknown => JSON.parse(bytes.toString('utf8'))

/** Requests as callers send them: the dialect in the first line, then the body. */
export function requestSeeds(): readonly Buffer[] {
  const files = {
    chat: fixtures('chat/requests', /\.json$/),
    responses: fixtures('responses', /^request-everything\.json$/),
    messages: fixtures('messages', /^conversation\.request\.json$/),
  }
  const recorded = Object.entries(files).flatMap(([dialect, bodies]) => bodies.map((body) => headed(dialect, parsed(body))))
  return [...recorded, ...SMALL_REQUESTS.map(([dialect, body]) => headed(dialect, body))]
}

const SMALL_REQUESTS = [
  ['chat', { model: 'm', messages: [{ role: 'user', content: 'hi' }], stream: true, stream_options: { include_usage: true } }],
  ['responses', { model: 'm', input: 'hi', reasoning: { effort: 'low' }, text: { format: { type: 'json_object' } } }],
  [
    'messages',
    {
      model: 'm',
      max_tokens: 5,
      messages: [{ role: 'user', content: 'hi' }],
      thinking: { type: 'enabled', budget_tokens: 2048 },
    },
  ],
] as const

/** Whole answers as providers give them: the wire in the first line, then the body. */
export function answerSeeds(): readonly Buffer[] {
  return [
    ...fixtures('messages', /^whole\.answer\.json$/).map((body) => headed('messages', parsed(body))),
    ...fixtures('responses', /^answer\.json$/).map((body) => headed('responses', parsed(body))),
    ...SMALL_ANSWERS.map(([wire, body]) => headed(wire, body)),
  ]
}

const CHAT_USAGE = {
  prompt_tokens: 20,
  completion_tokens: 9,
  total_tokens: 29,
  prompt_tokens_details: { cached_tokens: 4, audio_tokens: 1 },
  completion_tokens_details: { reasoning_tokens: 3, audio_tokens: 1 },
}
const SMALL_ANSWERS = [
  [
    'chat',
    {
      id: 'c1',
      model: 'gpt-5',
      choices: [
        { index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'hello', annotations: [], refusal: null } },
      ],
      usage: CHAT_USAGE,
    },
  ],
  [
    'chat',
    {
      id: 'c2',
      choices: [
        {
          index: 0,
          finish_reason: 'tool_calls',
          message: { content: null, tool_calls: [{ id: 'x', type: 'function', function: { name: 'f', arguments: '{"a":1}' } }] },
        },
      ],
      usage: { prompt_tokens: 1, completion_tokens: 2 },
    },
  ],
  [
    'gemini',
    {
      candidates: [
        {
          content: {
            role: 'model',
            parts: [{ text: 'hello', thoughtSignature: 'YQ==' }, { functionCall: { name: 'f', args: { a: 1 } } }],
          },
          finishReason: 'STOP',
        },
      ],
      usageMetadata: {
        promptTokenCount: 9,
        candidatesTokenCount: 4,
        thoughtsTokenCount: 3,
        cachedContentTokenCount: 2,
        totalTokenCount: 16,
      },
    },
  ],
  [
    'converse',
    {
      output: {
        message: { role: 'assistant', content: [{ text: 'hello' }, { toolUse: { toolUseId: 't', name: 'f', input: { a: 1 } } }] },
      },
      stopReason: 'tool_use',
      usage: { inputTokens: 5, outputTokens: 6, totalTokens: 13, cacheReadInputTokens: 2, cacheWriteInputTokens: 0 },
    },
  ],
] as const

/** Streams as providers send them: the wire in the first line, then the events as one JSON array, their data parsed where it is JSON. */
export function streamSeeds(): readonly Buffer[] {
  const framed = {
    chat: fixtures('chat/streams', /\.sse$/),
    responses: fixtures('responses', /\.sse$/),
    messages: fixtures('messages', /tools\.sse$/),
    gemini: fixtures('gemini', /\.sse$/),
  }
  const lines = fixtures('converse', /^[a-z]+\.jsonl$/).map((file) => headed('converse', linesOf(file).map(withParsedData)))
  const streams = Object.entries(framed).flatMap(([wire, files]) => files.map((file) => headed(wire, eventsOf(file))))
  return [...streams, ...lines]
}

interface SeedEvent {
  readonly event: string
  readonly data: unknown
}

function eventsOf(bytes: Buffer): readonly SeedEvent[] {
  const events: SeedEvent[] = []
  const onEvent = ({ event, data }: { event: string; data: string }) => events.push(withParsedData({ event, data }))
  createSseParser({ onEvent }, 1_000_000).push(bytes)
  return events
}

function linesOf(bytes: Buffer): readonly SeedEvent[] {
  const lines = bytes.toString('utf8').split('\n')
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as SeedEvent) // the fixtures hold events, one a line
}

function withParsedData({ event, data }: SeedEvent): SeedEvent {
  try {
    return { event, data: JSON.parse(String(data)) }
  } catch {
    return { event, data } // "[DONE]", or garbage on purpose
  }
}
