// What `npm start` offers without a key: a model that says it is none; and what it offers beside it when the machine has keys.
import { execFile } from 'node:child_process'
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { gatewayFile, startTestGateway } from '../support/gateway.ts'
import { developmentToken, startGatewayProcess, type GatewayProcess } from '../support/gateway-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const root = join(import.meta.dirname, '../..')
const shipped = JSON.parse(readFileSync(join(root, 'tollgate.json'), 'utf8')) as Record<string, unknown>

describe('the shipped files', () => {
  let folder: Awaited<ReturnType<typeof temporaryFolder>>
  let gateway: GatewayProcess
  let token: string

  beforeAll(async () => {
    folder = await temporaryFolder()
    cpSync(join(root, 'catalogs'), join(folder.path, 'catalogs'), { recursive: true })
    const own = { ...shipped, ...gatewayFile(), servers: join(root, 'servers') }
    writeFileSync(join(folder.path, 'tollgate.json'), JSON.stringify(own))
    gateway = await startGatewayProcess(folder.path)
    token = await developmentToken(folder.path, { team: 'research' })
  })
  afterAll(async () => {
    await gateway.kill('SIGTERM')
    await folder[Symbol.asyncDispose]()
  })

  async function curl(path: string, body: object): Promise<string> {
    const asked = ['-sS', '-N', '-i', `${gateway.url}${path}`]
    const headers = ['-H', `authorization: Bearer ${token}`, '-H', 'content-type: application/json']
    return (await promisify(execFile)('curl', [...asked, ...headers, '-d', JSON.stringify(body)])).stdout
  }
  const ask = (more: object = {}) => ({ model: 'demo', messages: [{ role: 'user', content: 'hello' }], ...more })

  test('curl gets an answer without any key, and it says what it is', async () => {
    const answer = await curl('/v1/chat/completions', ask())

    expect(answer).toMatch(/^HTTP\/1\.1 200/)
    expect(answer).toContain('[demo] You said: \\"hello\\"')
    expect(answer).toContain('no model was asked')
  })

  test('it streams', async () => {
    const answer = await curl('/v1/chat/completions', ask({ stream: true }))

    expect(answer).toContain('content-type: text/event-stream')
    expect(answer.split('\n').filter((line) => line.startsWith('data: ')).length).toBeGreaterThan(3)
    expect(answer.trimEnd().endsWith('data: [DONE]')).toBe(true)
  })

  test('it proposes a tool that is offered and named', async () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] }
    const tools = [{ type: 'function', function: { name: 'get_weather', parameters } }]
    const messages = [{ role: 'user', content: 'get_weather {"city":"Oslo"}' }]

    const answer = await curl('/v1/chat/completions', ask({ messages, tools }))

    const [, body = ''] = answer.split('\r\n\r\n')
    expect(JSON.parse(body)).toMatchObject({
      choices: [
        {
          finish_reason: 'tool_calls',
          message: { tool_calls: [{ function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } }] },
        },
      ],
    })
  })

  test.each([
    { path: '/v1/messages', body: { model: 'demo', max_tokens: 100, messages: [{ role: 'user', content: 'hello' }] } },
    { path: '/v1/responses', body: { model: 'demo', input: 'hello' } },
  ])('it answers on $path too', async ({ path, body }) => {
    expect(await curl(path, body)).toContain('[demo] You said: \\"hello\\"')
  })

  test('it makes embeddings', async () => {
    expect(await curl('/v1/embeddings', { model: 'demo', input: 'hello' })).toMatch(/"embedding":\s*[["]/)
  })
})

describe('keys of the machine', () => {
  const files = {
    'tollgate.json': gatewayFile({ providers: shipped['providers'], routes: shipped['routes'] }),
    'catalogs/research.json': { title: 'Research', for: { teams: ['research'] }, models: [{ route: 'demo' }] },
  }

  test.each([
    { variable: 'OPENAI_API_KEY', model: 'gpt-5-mini' },
    { variable: 'ANTHROPIC_API_KEY', model: 'claude-sonnet-4-5' },
    { variable: 'GEMINI_API_KEY', model: 'gemini-2.5-flash' },
  ])('$variable adds $model', async ({ variable, model }) => {
    await using gateway = await startTestGateway(files, { [variable]: 'sk-not-a-key-0123' })

    const listed = await modelsOf(gateway)

    expect(listed).toEqual(expect.arrayContaining(['demo', model]))
    expect(JSON.stringify(gateway.logs())).not.toContain('sk-not-a-key-0123')
  })

  test('without them there is the demo, and nothing of a vendor', async () => {
    await using gateway = await startTestGateway(files)

    const listed = await modelsOf(gateway)

    expect(listed).toContain('demo')
    expect(listed.filter((name) => /^(gpt|claude|gemini)/.test(name))).toEqual([])
  })
})

async function modelsOf(gateway: { url: string; token(team: string): Promise<string> }): Promise<string[]> {
  const headers = { authorization: `Bearer ${await gateway.token('research')}` }
  const { data } = (await (await fetch(`${gateway.url}/v1/models`, { headers })).json()) as { data: { id: string }[] }
  return data.map(({ id }) => id)
}
