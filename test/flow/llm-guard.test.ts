import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { gatewayFile, startTestGateway } from '../support/gateway.ts'
import { startModelGateway, type ModelGateway } from '../support/model-gateway.ts'
import { npmServer } from '../support/npm-server.ts'
import { modernRequest } from '../support/raw-mcp.ts'

// Put together here, because a scanner of repositories would find it written out.
const KEY = `ghp_${'aB3dE5fG7hJ9'.repeat(3)}`
const CODE_NAME = 'Project Falcon'

const GUARDS = {
  house: {
    evaluators: [
      { type: 'secrets' },
      { type: 'pattern', name: 'names', patterns: ['(?i)project falcon'] },
      { type: 'pattern', name: 'phones', patterns: ['\\+49[0-9 ]{6,14}[0-9]'], action: 'redact', replacement: '[phone]' },
      { type: 'tool_calls', deny: ['delete_*'], when: "tool.name == 'pay' && args.amount > 100" },
    ],
  },
  quiet: { evaluators: [{ type: 'pattern', name: 'names', patterns: ['(?i)project falcon'], mode: 'shadow' }] },
}

let models: ModelGateway
let shadowed: ModelGateway

beforeAll(async () => {
  models = await startModelGateway({ file: { guards: GUARDS }, catalog: { guards: ['house'] } })
  shadowed = await startModelGateway({ file: { guards: GUARDS }, catalog: { guards: ['quiet'] } })
})

afterAll(async () => {
  await models[Symbol.asyncDispose]()
  await shadowed[Symbol.asyncDispose]()
})

beforeEach(() => models.fakes.reset())

/** The newest entry of a ledger. */
const newest = async (gateway: ModelGateway) => (await gateway.entries()).at(-1)

interface Door {
  readonly path: string
  body(model: string, words: string, stream: boolean): Record<string, unknown>
}

const messages = (content: string): unknown => [{ role: 'user', content }]
const DOORS: readonly Door[] = [
  { path: '/v1/chat/completions', body: (model, words, stream) => ({ model, stream, messages: messages(words) }) },
  { path: '/v1/responses', body: (model, words, stream) => ({ model, stream, input: words }) },
  {
    path: '/v1/messages',
    body: (model, words, stream) => ({ model, stream, max_tokens: 1_000, messages: messages(words) }),
  },
]
/** A provider of the same dialect for some door, and of another for the others. */
const PROVIDERS = ['openai', 'anthropic', 'gemini', 'bedrock']
const ROWS = DOORS.flatMap((door) =>
  PROVIDERS.flatMap((model) => [true, false].map((stream) => ({ door, model, stream, path: door.path }))),
)

/** The words of a stream in any dialect, put together from its deltas. */
function wordsOf(text: string): string {
  const deltas = text
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice(6)) as { delta?: unknown; choices?: { delta?: { content?: string } }[] })
    .map(({ delta, choices }) => {
      if (typeof delta === 'string') return delta
      if (typeof delta === 'object' && delta !== null && 'text' in delta) return String(delta.text)
      return choices?.[0]?.delta?.content ?? ''
    })
  return deltas.join('')
}

/** The text without what JSON and events put around it, so that words cut over several events would show. */
const squeezed = (text: string): string => `${text}\n${wordsOf(text)}`

describe('a prompt', () => {
  it.each(ROWS)('at $path to $model with a secret goes out without it (stream: $stream)', async ({ door, model, stream }) => {
    const answer = await models.post(door.path, door.body(model, `my key is ${KEY}, thanks`, stream))
    await answer.text()

    expect(answer.status).toBe(200)
    const sent = JSON.stringify(models.fakes.requests())
    expect(sent).not.toContain(KEY)
    expect(sent).toContain('my key is [redacted], thanks')
    expect(String((await newest(models))?.['verdicts'])).toContain('"evaluator":"secrets","action":"redact"')
  })

  it.each(ROWS)('at $path to $model with forbidden words never leaves (stream: $stream)', async ({ door, model, stream }) => {
    const answer = await models.post(door.path, door.body(model, `tell me of ${CODE_NAME}`, stream))

    const text = await answer.text()
    expect([answer.status, models.fakes.requests()]).toEqual([400, []])
    expect(text).toContain('blocked by names')
    expect(text).not.toContain(CODE_NAME)
    const entries = await models.entries()
    expect(entries.filter(({ id }) => id === entries.at(-1)?.['id'])).toHaveLength(1)
    expect(entries.at(-1)).toMatchObject({ status: 'blocked', error: 'guard_blocked', nanoUsd: 0 })
  })
})

describe('an answer', () => {
  it.each(ROWS)('at $path from $model is redacted (stream: $stream)', async ({ door, model, stream }) => {
    models.fakes.script({ behaviour: { text: `call +49 170 1234567 or use ${KEY} now`, chunks: 24 } })

    const answer = await models.post(door.path, door.body(model, 'how?', stream))

    const text = squeezed(await answer.text())
    expect(answer.status).toBe(200)
    expect(text).toContain('call [phone] or use [redacted] now')
    expect(text).not.toContain(KEY)
    expect(text).not.toContain('1234567')
    const entry = await newest(models)
    expect(entry).toMatchObject({ status: 'ok' })
    expect(String(entry?.['verdicts'])).toMatch(/secrets.*phones/)
  })

  it.each(ROWS)('at $path from $model with forbidden words is stopped before them (stream: $stream)', async (row) => {
    const { door, model, stream } = row
    const before = 'fine words. '.repeat(80)
    models.fakes.script({ behaviour: { text: `${before}It is ${CODE_NAME}, as you know. ${before}`, chunks: 60 } })

    const answer = await models.post(door.path, door.body(model, 'what?', stream))

    const text = squeezed(await answer.text())
    expect(answer.status).toBe(stream ? 200 : 400)
    expect(text).not.toMatch(/falcon|project/i)
    expect(text).not.toContain('as you know')
    if (stream) expect(text).toContain('fine words. ')
    const entry = await newest(models)
    expect(entry).toMatchObject({ status: 'blocked', error: 'guard_blocked' })
  })

  it.each(ROWS)('at $path from $model passes a shadow guard unchanged (stream: $stream)', async ({ door, model, stream }) => {
    shadowed.fakes.reset()
    shadowed.fakes.script({ behaviour: { text: `It is ${CODE_NAME}.`, chunks: 7 } })

    const answer = await shadowed.post(door.path, door.body(model, 'what?', stream))

    expect(squeezed(await answer.text())).toContain(`It is ${CODE_NAME}.`)
    expect(String((await newest(shadowed))?.['verdicts'])).toContain('"action":"flag"')
  })
})

describe('a tool call a model proposes', () => {
  const tool = (name: string): unknown => ({
    type: 'function',
    name,
    function: { name, parameters: { type: 'object' } },
    input_schema: { type: 'object' },
    parameters: { type: 'object' },
  })
  const ask = (door: Door, model: string, stream: boolean): Record<string, unknown> => {
    const pick = (name: string): unknown => {
      const { function: nested, input_schema: schema, parameters, type } = tool(name) as Record<string, unknown>
      if (door.path.endsWith('completions')) return { type, function: nested }
      return door.path.endsWith('messages') ? { name, input_schema: schema } : { type, name, parameters }
    }
    return { ...door.body(model, 'do it', stream), tools: ['delete_all', 'pay', 'send'].map(pick) }
  }
  const blocked = [
    { tools: [{ name: 'delete_all', arguments: '{"path":"/unique-path"}' }] },
    { tools: [{ name: 'pay', arguments: '{"amount":500,"note":"/unique-path"}' }] },
    { tools: [{ name: 'send', arguments: `{"text":"/unique-path and project \\u0066alcon"}` }] },
  ]

  it.each(ROWS)('at $path from $model is stopped whole (stream: $stream)', async ({ door, model, stream }) => {
    for (const { tools } of blocked) {
      models.fakes.script({ times: 1, behaviour: { text: 'let me see', tools, pieces: 9 } })

      const answer = await models.post(door.path, ask(door, model, stream))

      const text = await answer.text()
      expect(text.includes('/unique') || text.includes('unique-'), text).toBe(false)
      expect(text).not.toContain(`"name":"${tools[0]?.name}"`)
      expect(await newest(models)).toMatchObject({ status: 'blocked', error: 'guard_blocked' })
    }
  })

  it.each(ROWS)('at $path from $model goes out redacted, as valid JSON (stream: $stream)', async ({ door, model, stream }) => {
    const tools = [{ name: 'send', arguments: `{"text":"use \\"${KEY}\\"","amount":5}` }]
    models.fakes.script({ behaviour: { tools, pieces: 9 } })

    const answer = await models.post(door.path, ask(door, model, stream))

    const text = await answer.text()
    expect(answer.status).toBe(200)
    expect(text).not.toContain(KEY)
    expect(text.replaceAll('\\', '')).toMatch(/"text": ?"use "\[redacted\]"", ?"amount": ?5/)
  })
})

describe('the same guard on tools', () => {
  const secret = { type: 'secrets', hooks: ['request'] }
  const result = { type: 'pattern', name: 'results', patterns: ['Echo: [a-z]+ FALCON'], hooks: ['response'] }
  const phone = { type: 'pattern', name: 'phones', patterns: ['[0-9]{10}'], hooks: ['response'], action: 'redact' }

  it('judges arguments and results of MCP calls', async () => {
    await using gateway = await startTestGateway({
      'tollgate.json': gatewayFile({ guards: { tools: { evaluators: [secret, result, phone] } } }),
      'servers/every.json': npmServer('server-everything', ['stdio']),
      'catalogs/research.json': {
        title: 'Research',
        for: { teams: ['research'] },
        tools: [{ server: 'every', allow: ['*'] }],
        guards: ['tools'],
      },
    })
    await gateway.until((snapshot) => snapshot.servers.get('every')?.status.state === 'ready', 20_000)
    const authorization = `Bearer ${await gateway.token('research')}`
    const echo = async (message: string): Promise<string> => {
      const params = { name: 'echo', arguments: { message } }
      return (await modernRequest(`${gateway.url}/mcp`, 'tools/call', params, { headers: { authorization } })).text
    }

    expect(await echo('hi')).toContain('Echo: hi')
    expect(await echo(`key ${KEY}`)).toContain('Echo: key [redacted]')
    expect(await echo('call 0123456789')).toContain('Echo: call [redacted]')
    const blocked = await echo('about FALCON')
    expect(blocked).toContain('blocked by results')
    expect(blocked).not.toContain('FALCON')
  })
})
