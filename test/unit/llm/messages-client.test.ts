import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Anthropic from '@anthropic-ai/sdk'
import { expect, test } from 'vitest'

const encoded = readFileSync(join(import.meta.dirname, '../../fixtures/llm/messages/thinking-and-tools.encoded.sse'))

async function serve(body: string | Buffer, type: string) {
  const server = createServer((_request, response) => {
    response.writeHead(200, { 'content-type': type })
    response.end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const client = new Anthropic({ apiKey: 'none', baseURL: `http://127.0.0.1:${port}`, maxRetries: 0 })
  return { client, [Symbol.asyncDispose]: () => new Promise<void>((resolve) => void server.close(() => resolve())) }
}

const question = { model: 'smart', max_tokens: 100, messages: [{ role: 'user' as const, content: 'hi' }] }

test('the official client reads a stream as it is written', async () => {
  await using served = await serve(encoded, 'text/event-stream')

  const message = await served.client.messages.stream(question).finalMessage()
  expect(message.content.map((block) => (block.type === 'tool_use' ? [block.id, block.name, block.input] : block.type))).toEqual([
    'thinking',
    'redacted_thinking',
    'text',
    ['toolu_1', 'get_weather', { city: 'Ås' }],
    ['toolu_2', 'get_time', {}],
    ['toolu_3', 'get_weather', { city: '東京' }],
  ])
  expect(message.content[0]).toMatchObject({ thinking: 'Three cities: Ås, 東京, 🏝.', signature: 'EqAB+/==' })
  expect(message).toMatchObject({
    stop_reason: 'tool_use',
    usage: { input_tokens: 12, output_tokens: 144, cache_read_input_tokens: 310 },
  })
})

test('the official client hears a failure inside a stream', async () => {
  const failure = 'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"no"},"request_id":"x"}\n\n'
  const cut = encoded.toString().split('event: message_delta')[0] ?? ''
  await using served = await serve(cut + failure, 'text/event-stream')

  await expect(served.client.messages.stream(question).finalMessage()).rejects.toThrow('overloaded_error')
})
