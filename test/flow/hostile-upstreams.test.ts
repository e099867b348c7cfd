// Group E of the catalogue through the real gateway: hostile MCP servers behind it, the probe tenant beside the attack, the invariants after.
// The connector alone meets the same rows in upstream-faults.test.ts, upstream-inventory.test.ts and sse-upstream.test.ts.
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { JsonObject } from '../../src/core/json.ts'
import { startArena, type Arena } from '../kit/arena.ts'
import { honest, hostileTool, said, startHostileMcp, type HostileMcp, type Script } from '../kit/hostile-mcp.ts'
import { watchPeak } from '../kit/process-figures.ts'
import { modernRequest } from '../support/raw-mcp.ts'

/** Rows that are not run here, and why. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  E24: 'no tools are made of REST or OpenAPI descriptions: the gateway writes no path, query or header from arguments but x-mcp-header',
  E27: 'an endpoint event that names another origin is refused by the connector: see sse-upstream.test.ts',
}

const MEGABYTE = 1_048_576
const CANARY = 'upstream-canary-51c7'
const timeouts = { connectMs: 500, firstByteMs: 250, idleMs: 250, totalMs: 700, listMs: 1_500 }
const bounds = { resultBytes: MEGABYTE, eventBytes: MEGABYTE, lineBytes: MEGABYTE, definitions: 50 }
/** A breaker that stays out of the way of tests about single calls. */
const breaker = { failures: 1_000 }
const patient = { timeouts, bounds, breaker, concurrency: { max: 2, queue: 0 } }

/** Answers `tools/call` with this script, everything else rightly. */
const calling = (call: Script, era: 'modern' | 'legacy' = 'modern'): Script =>
  honest({ tools: () => [hostileTool('act')], era }, { 'tools/call': call })
const http = (head: string, body: string | Buffer): Script => {
  return async (step) => {
    await step.raw(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n${head}\r\n\r\n`)
    await step.raw(body)
    step.hangUp()
  }
}
const answerText = (id: unknown, result: object): string => JSON.stringify({ jsonrpc: '2.0', id, result })

/** Why a call failed, as its caller is told; `ok` when it did not. */
async function outcome(arena: Arena, name: string): Promise<unknown> {
  const { status, message, text } = await arena.call(name)
  if (message?.error === undefined) return message?.result === undefined ? `${status} ${text}` : 'ok'
  const { code, data } = message.error
  // What is told is ours: no stack, and a reason of the list unless it is a code of the protocol.
  expect(text).not.toMatch(/\n\s+at |node:internal|\/src\//)
  return code < 0 ? code : data?.['reason']
}

it('rows that are not run here have a reason', () => {
  expect(Object.values(ELSEWHERE).every((reason) => reason.length > 40)).toBe(true)
})

describe('E a server over HTTP that answers calls wrongly', () => {
  let evil: HostileMcp
  let arena: Arena

  beforeAll(async () => {
    evil = await startHostileMcp(
      'http',
      calling((step) => step.result(said('ok'))),
    )
    arena = await startArena({ servers: { evil: { ...evil.file, ...patient } }, canaries: [CANARY] })
    await arena.offers('act')
  }, 30_000)
  afterAll(async () => {
    await arena[Symbol.asyncDispose]()
    await evil[Symbol.asyncDispose]()
  })

  /** Every script once; what each led to, by its name. The server is right again afterwards. */
  async function outcomes(scripts: Readonly<Record<string, Script>>): Promise<{ broken: readonly string[]; told: object }> {
    const told: Record<string, unknown> = {}
    const broken = await arena.attack(async () => {
      for (const [name, script] of Object.entries(scripts)) {
        evil.become(calling(script))
        told[name] = await outcome(arena, 'act')
      }
      evil.become(calling((step) => step.result(said('ok'))))
      told['afterwards'] = await outcome(arena, 'act')
    })
    return { broken, told }
  }

  const forever: Script = async (step) => {
    while (!step.gone.aborted) {
      await step.send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: 'x', progress: 1 } })
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  }
  const rows: Readonly<Record<string, { readonly scripts: Readonly<Record<string, Script>>; readonly told: string }>> = {
    'E01: a call that is never answered ends at its clocks and frees its place': {
      scripts: {
        never: () => undefined,
        again: () => undefined,
        silent: (step) => step.send({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x' } }),
        progressing: forever,
      },
      told: 'upstream_timeout',
    },
    'E03: what is no answer to the call is none': {
      scripts: {
        html: (step) => step.body('<html>', 'text/html'),
        empty: (step) => step.body(''),
        truncated: (step) => step.body('{"jsonrpc":"2.0","id":1,"resu'),
        array: (step) => step.body(`[${answerText(step.id, said('x'))}]`),
        'wrong id': (step) => step.body(answerText(987_654, said('x'))),
        'the id as text': (step) => step.body(answerText(String(step.id), said('x'))),
        both: (step) => step.body(JSON.stringify({ jsonrpc: '2.0', id: step.id, result: {}, error: { code: 1, message: 'x' } })),
        'no JSON-RPC': (step) => step.body('true'),
        'no UTF-8': (step) => step.body(Buffer.from([0x22, 0xff, 0x22])),
        'a type that only begins right': (step) => step.body(answerText(step.id, said('x')), 'application/jsonx'),
      },
      told: 'upstream_invalid',
    },
    'E04: lengths and chunks that lie': {
      scripts: {
        'too long': http('content-length: 9999', '{}'),
        'too short': http('content-length: 2', '{"jsonrpc":"2.0"}'),
        'bad chunk': http('transfer-encoding: chunked', 'zz\r\n{}\r\n'),
        'endless chunk size': http('transfer-encoding: chunked', `${'f'.repeat(40)}\r\n`),
        'half a chunk': http('transfer-encoding: chunked', '5\r\n{"a'),
        'no HTTP': async (step) => {
          await step.raw('SSH-2.0-OpenSSH_9.6\r\n')
          step.hangUp()
        },
      },
      told: 'upstream_invalid',
    },
    'E18: encodings nobody asked for, bombs included': {
      scripts: {
        gzip: http('content-encoding: gzip\r\ncontent-length: 20', Buffer.alloc(20, 'x')),
        'many layers': http(`content-encoding: ${Array(100).fill('gzip').join(', ')}\r\ncontent-length: 4`, '{}  '),
        unknown: http('content-encoding: br\r\ncontent-length: 4', '{}  '),
      },
      told: 'upstream_invalid',
    },
    'E19: redirects are not followed': {
      scripts: Object.fromEntries(
        ['/mcp', 'http://localhost:1/', 'http://169.254.169.254/latest/', 'http://127.0.0.1:1/', 'file:///etc/passwd'].flatMap(
          (location) =>
            ([301, 302, 307, 308] as const).map((status): [string, Script] => [
              `${status} ${location}`,
              async (step) => {
                await step.raw(`HTTP/1.1 ${status} Moved\r\nlocation: ${location}\r\ncontent-length: 0\r\n\r\n`)
              },
            ]),
        ),
      ),
      told: 'upstream_invalid',
    },
  }

  it.each(Object.keys(rows))(
    '%s',
    async (name) => {
      const { scripts, told } = rows[name]!
      const before = evil.count('tools/call')

      const result = await outcomes(scripts)

      expect(result.told).toEqual({
        ...Object.fromEntries(Object.keys(scripts).map((script) => [script, told])),
        afterwards: 'ok',
      })
      expect(result.broken).toEqual([])
      // Nothing was asked twice: a tool may have done what it was called for.
      expect(evil.count('tools/call') - before).toBe(Object.keys(scripts).length + 1)
    },
    30_000,
  )

  it('E05: answers over the cap are cut there, and memory stays within four times the cap', async () => {
    const block = Buffer.alloc(65_536, 'x')
    const flood =
      (head: string, part: string | Buffer, suffix: string | Buffer = ''): Script =>
      async (step) => {
        await step.raw(`HTTP/1.1 200 OK\r\n${head}\r\n\r\n`)
        for (let sent = 0; sent < 100 * MEGABYTE && !step.gone.aborted; sent += part.length) await step.raw(part)
        if (!step.gone.aborted) await step.raw(suffix)
        step.hangUp()
      }
    const json = 'content-type: application/json\r\nconnection: close'
    const stream = 'content-type: text/event-stream\r\nconnection: close'
    const tiny = ': x\n\n'.repeat(10_000)
    const notice = `data: {"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":1}}\n\n`.repeat(1_000)
    using peak = watchPeak(arena.gateway.child.pid ?? 0)

    const { told, broken } = await outcomes({
      'a result of 100 MB': flood(json, block),
      'an event of 100 MB': flood(stream, block),
      'a line of 100 MB of blanks': flood(stream, Buffer.alloc(65_536, ' ')),
      'messages without end': flood(stream, notice),
    })
    const grown = peak.grown()
    const { told: comments } = await outcomes({ 'comments without end': flood(stream, tiny) })

    const large = 'upstream_too_large'
    expect(told).toEqual({
      'a result of 100 MB': large,
      'an event of 100 MB': large,
      'a line of 100 MB of blanks': large,
      'messages without end': large,
      afterwards: 'ok',
    })
    expect(Object.values(comments)).toEqual([expect.stringMatching(/^upstream_t/), 'ok'])
    expect(broken).toEqual([])
    expect(grown).toBeLessThan(64 * MEGABYTE)
  }, 60_000)

  it('E06: very many items, great depth and a large picture pass as they are or are refused', async () => {
    const items = `{"content":[${Array(200_000).fill('{}').join(',')}]}`
    const deep = `{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`
    const picture = JSON.stringify({ content: [{ type: 'image', mimeType: 'image/png', data: 'A'.repeat(700_000) }] })
    const raw =
      (result: string): Script =>
      (step) =>
        step.body(`{"jsonrpc":"2.0","id":${JSON.stringify(step.id)},"result":${result}}`)

    const { told, broken } = await outcomes({ items: raw(items), deep: raw(deep), picture: raw(picture) })

    expect(told).toEqual({
      items: expect.stringMatching(/^(?:ok|upstream_invalid|upstream_too_large)$/),
      deep: 'upstream_invalid',
      picture: 'ok',
      afterwards: 'ok',
    })
    expect(broken).toEqual([])
  }, 30_000)

  it('E16 E17: what comes after the answer, on the stream or on the idle connection, changes nothing', async () => {
    const { told, broken } = await outcomes({
      'a second answer': async (step) => {
        await step.send({ jsonrpc: '2.0', id: step.id ?? 0, result: said('first') })
        await step.send({ jsonrpc: '2.0', id: step.id ?? 0, result: said('second') })
        step.hangUp()
      },
      'a notice afterwards': async (step) => {
        step.result(said('first'))
        await step.raw('data: {"jsonrpc":"2.0","method":"notifications/message"}\n\n')
      },
      'an answer nobody asked for': async (step) => {
        step.result(said('first'))
        await step.raw(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}`)
      },
    })

    expect(told).toEqual({
      'a second answer': 'ok',
      'a notice afterwards': 'ok',
      'an answer nobody asked for': 'ok',
      afterwards: 'ok',
    })
    expect(broken).toEqual([])
  }, 30_000)

  it('E20: statuses of an upstream are told in our words, with a wait that is bounded', async () => {
    const status =
      (line: string, more = ''): Script =>
      async (step) => {
        await step.raw(`HTTP/1.1 ${line}\r\n${more}content-length: ${CANARY.length}\r\n\r\n${CANARY}`)
        step.hangUp()
      }
    const waits: unknown[] = []

    const { told, broken } = await outcomes({
      401: status('401 Unauthorized', 'www-authenticate: Bearer realm="x"\r\n'),
      403: status('403 Forbidden'),
      500: status('500 Oops'),
      503: status('503 Busy'),
    })
    for (const wait of ['7', '999999', '-1', 'soon', 'Wed, 21 Oct 2099 07:28:00 GMT']) {
      evil.become(calling(status('429 Slow down', `retry-after: ${wait}\r\n`)))
      const answer = await arena.call('act')
      waits.push(answer.message?.error?.data?.['retryAfterSeconds'])
      evil.become(calling((step) => step.result(said('ok'))))
    }

    expect(told).toEqual({
      401: 'upstream_auth',
      403: 'upstream_auth',
      500: 'upstream_unavailable',
      503: 'upstream_unavailable',
      afterwards: 'ok',
    })
    expect(waits.every((wait) => typeof wait === 'number' && wait >= 1 && wait <= 60)).toBe(true)
    expect(broken).toEqual([])
  }, 30_000)

  it('E14 E15 E21: questions and progress that belong to nobody are dropped or refused', async () => {
    const { told, broken } = await outcomes({
      questions: async (step) => {
        for (const method of ['elicitation/create', 'sampling/createMessage', 'roots/list', 'ping', 'no/such'])
          await step.send({ jsonrpc: '2.0', id: `q-${method}`, method, params: { message: '?', requestedSchema: {} } })
        step.result(said('ok'))
      },
      'a flood of progress': async (step) => {
        for (let count = 0; count < 200; count += 1)
          await step.send({ jsonrpc: '2.0', method: 'notifications/progress', params: { progressToken: count, progress: 1 } })
        step.result(said('ok'))
      },
      'input nobody can give': (step) => {
        const request = { method: 'elicitation/create', params: { message: 'Password?', requestedSchema: { type: 'object' } } }
        step.result({ resultType: 'input_required', inputRequests: { one: request } })
      },
    })

    expect(broken).toEqual([])
    expect(told).toMatchObject({
      questions: expect.stringMatching(/^(?:ok|upstream_invalid)$/),
      'a flood of progress': 'ok',
      'input nobody can give': -32_021,
      afterwards: 'ok',
    })
    expect(evil.seen.filter(({ message }) => message['result'] !== undefined && message['id'] !== 'q-ping')).toEqual([])
  }, 30_000)

  it('E12: a form that asks for a secret, and an address that is no web page, reach nobody', async () => {
    const asking = (params: JsonObject): Script =>
      calling((step) => {
        step.result({ resultType: 'input_required', inputRequests: { one: { method: 'elicitation/create', params } } })
      })
    const fieldOf = (name: string): JsonObject => ({
      message: '?',
      requestedSchema: { type: 'object', properties: { [name]: { type: 'string' } } },
    })
    const meta = { 'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {}, url: {} } } }
    const headers = { authorization: `Bearer ${arena.token}` }
    const told: unknown[] = []

    const broken = await arena.attack(async () => {
      for (const params of [fieldOf('password'), { mode: 'url', message: '?', url: 'javascript:alert(1)' }, fieldOf('city')]) {
        evil.become(asking(params))
        const call = { name: 'act', arguments: {}, _meta: meta }
        const { message } = await modernRequest(`${arena.gateway.url}/mcp`, 'tools/call', call, { headers })
        told.push(message?.error?.data?.['reason'] ?? message?.result?.['resultType'])
      }
      evil.become(calling((step) => step.result(said('ok'))))
    })

    expect(told).toEqual(['upstream_invalid', 'upstream_invalid', 'input_required'])
    expect(broken).toEqual([])
  }, 30_000)

  it('E22 E23: addresses and stacks in a result are data: passed on, never fetched, never logged', async () => {
    let fetched = 0
    const bait = createServer((_request, response) => void response.end(String((fetched += 1))))
    bait.listen(0, '127.0.0.1')
    await once(bait, 'listening')
    const { port } = bait.address() as AddressInfo // node:net: what a TCP server has
    const links = ['file:///etc/passwd', 'javascript:alert(1)', 'data:text/html,x', `http://127.0.0.1:${port}/`]
    const content = links.map((uri) => ({ type: 'resource_link', uri, name: 'x' }))
    let text = ''

    const broken = await arena.attack(async () => {
      evil.become(calling((step) => step.result({ resultType: 'complete', content })))
      text += (await arena.call('act')).text
      evil.become(
        calling((step) =>
          step.result({
            resultType: 'complete',
            isError: true,
            content: [{ type: 'text', text: 'at Object.<anonymous> (/root/secret.js:1)' }],
          }),
        ),
      )
      text += (await arena.call('act')).text
      evil.become(calling((step) => step.result(said('ok'))))
    })
    bait.close()

    expect(broken).toEqual([])
    for (const link of links) expect(text).toContain(link)
    expect(text).toContain('secret.js')
    expect(arena.gateway.output()).not.toContain('secret.js')
    expect(fetched).toBe(0)
  }, 30_000)
})
