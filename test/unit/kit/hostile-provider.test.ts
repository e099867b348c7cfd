import { describe, expect, it } from 'vitest'
import {
  edited,
  endless,
  faultAt,
  lyingLength,
  lyingUsage,
  startHostileProvider,
  type HostileProvider,
} from '../../kit/hostile-provider.ts'

const messages = [{ role: 'user', content: 'hi' }]
const contents = [{ role: 'user', parts: [{ text: 'hi' }] }]

/** One streamed and one whole request of each dialect. */
const ASKED: Readonly<Record<string, { readonly whole: string; readonly stream: string; readonly body: object }>> = {
  chat: { whole: '/v1/chat/completions', stream: '/v1/chat/completions', body: { model: 'm', messages } },
  responses: { whole: '/v1/responses', stream: '/v1/responses', body: { model: 'm', input: 'hi' } },
  messages: { whole: '/v1/messages', stream: '/v1/messages', body: { model: 'm', max_tokens: 9, messages } },
  gemini: {
    whole: '/v1beta/models/m:generateContent',
    stream: '/v1beta/models/m:streamGenerateContent?alt=sse',
    body: { contents },
  },
  converse: {
    whole: '/model/m/converse',
    stream: '/model/m/converse-stream',
    body: { messages: [{ role: 'user', content: [{ text: 'hi' }] }] },
  },
}

const HEADERS = {
  'content-type': 'application/json',
  'x-api-key': 'k',
  'x-goog-api-key': 'k',
  'anthropic-version': '2023-06-01',
  authorization: 'Bearer k',
}

function post({ url }: HostileProvider, dialect: string, isStream: boolean): Promise<Response> {
  const { whole, stream, body } = ASKED[dialect]!
  return fetch(url + (isStream ? stream : whole), {
    method: 'POST',
    headers: HEADERS,
    body: JSON.stringify(['gemini', 'converse'].includes(dialect) || !isStream ? body : { ...body, stream: true }),
  })
}

/** What a body gave before it ended or broke. */
async function read(answer: Response): Promise<{ readonly bytes: Buffer; readonly broke: boolean }> {
  const chunks: Uint8Array[] = []
  try {
    for await (const chunk of answer.body ?? []) chunks.push(chunk as Uint8Array)
    return { bytes: Buffer.concat(chunks), broke: false }
  } catch {
    return { bytes: Buffer.concat(chunks), broke: true }
  }
}

describe.each(Object.keys(ASKED))('a hostile provider of %s', (dialect) => {
  it('is an honest one until its script says otherwise, and knows the dialect', async () => {
    await using provider = await startHostileProvider()
    const honest = await read(await post(provider, dialect, true))
    const wires: unknown[] = []
    provider.become((answer, pen) => {
      wires.push([answer.wire, answer.isStream, answer.status])
      pen.head({}, 503)
      pen.end()
    })

    const spoiled = await post(provider, dialect, true)

    expect([honest.broke, honest.bytes.length > 50]).toEqual([false, true])
    expect(wires).toEqual([[dialect, true, 200]])
    expect(spoiled.status).toBe(503)
  })

  it('cuts, ends and adds garbage at the byte it was told', async () => {
    await using provider = await startHostileProvider()
    const { bytes } = await read(await post(provider, dialect, true))

    provider.become(faultAt(20, 'close'))
    const cut = await read(await post(provider, dialect, true))
    provider.become(faultAt(20, 'end'))
    const ended = await read(await post(provider, dialect, true))
    provider.become(faultAt(20, Buffer.from('JUNK')))
    const junk = await read(await post(provider, dialect, true))

    expect([cut.broke, cut.bytes.length]).toEqual([true, 20])
    expect([ended.broke, ended.bytes.length]).toEqual([false, 20])
    expect([junk.broke, junk.bytes.length, junk.bytes.toString('latin1', 20, 24)]).toEqual([false, bytes.length + 4, 'JUNK'])
  })

  it('stalls until the caller goes', async () => {
    const goes = Promise.withResolvers<void>()
    await using provider = await startHostileProvider(async (answer, pen) => {
      pen.gone.addEventListener('abort', () => goes.resolve())
      await faultAt(10, 'stall')(answer, pen)
    })
    const answer = await post(provider, dialect, true)
    const reader = answer.body!.getReader()
    await reader.read()

    await reader.cancel()

    await expect(goes.promise).resolves.toBeUndefined()
  })

  it('lies about length and usage', async () => {
    await using provider = await startHostileProvider(lyingLength(7))
    const long = await read(await post(provider, dialect, false))
    provider.become(lyingUsage(-5))
    const usage = await read(await post(provider, dialect, false))

    expect(long.broke).toBe(true)
    expect(usage.bytes.toString()).toMatch(/(?:okens|Count)":-5/)
    expect(() => JSON.parse(usage.bytes.toString()) as unknown).not.toThrow()
  })
})

it('an endless answer ends with its reader', async () => {
  await using provider = await startHostileProvider(endless(': nothing\n\n', Infinity))
  const answer = await post(provider, 'chat', true)
  const reader = answer.body!.getReader()

  let bytes = 0
  while (bytes < 1_000_000) bytes += (await reader.read()).value?.byteLength ?? 0
  await reader.cancel()

  expect(bytes).toBeGreaterThanOrEqual(1_000_000)
})

it('a word of the answer can be another', async () => {
  await using provider = await startHostileProvider(edited((text) => text.replace('chat.completion', 'no.such.thing')))

  const { bytes } = await read(await post(provider, 'chat', false))

  expect(bytes.toString()).toContain('no.such.thing')
})
