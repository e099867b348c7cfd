// What every way of reaching an upstream must do, run over every transport and era with a real server behind it.
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createSecrets } from '../../src/lib/secrets.ts'
import { createChildGuard } from '../../src/mcp/upstream/child-guard.ts'
import { connectStdio } from '../../src/mcp/upstream/stdio-connection.ts'
import { startEverythingFixture } from '../support/everything.ts'
import { npmServer } from '../support/npm-server.ts'
import { callerWith, connectServer, itemOf, type TestUpstream } from '../support/upstream.ts'

const root = join(import.meta.dirname, '../..')
const guard = createChildGuard()

interface Transport {
  readonly name: string
  /** The registration of a running server, and how to end it. */
  open(): Promise<{ file: Record<string, unknown>; close(): Promise<void> }>
  /** A tool without effect, its arguments, and a part of its answer. */
  readonly tool: readonly [name: string, args: Record<string, unknown>, answer: string]
  /** A tool that takes longer than an abort. */
  readonly slow?: readonly [name: string, args: Record<string, unknown>]
}

const fixture = (era: 'modern' | 'legacy') => async () => {
  const server = await startEverythingFixture(era)
  return { file: { type: 'http', url: server.url }, close: async () => await server[Symbol.asyncDispose]() }
}
const child = (file: Record<string, unknown>) => async () => ({ file, close: async () => undefined })
const SIMPLE = ['test_simple_text', {}, 'simple text response'] as const
const SUM = ['get-sum', { a: 2, b: 3 }, '5'] as const
const LONG = ['trigger-long-running-operation', { duration: 5, steps: 5 }] as const

const transports: Transport[] = [
  { name: 'Streamable HTTP, modern', open: fixture('modern'), tool: SIMPLE, slow: ['test_tool_with_progress', {}] },
  { name: 'Streamable HTTP, legacy', open: fixture('legacy'), tool: SIMPLE, slow: ['test_tool_with_progress', {}] },
  { name: 'HTTP+SSE', open: openSse, tool: SUM, slow: LONG },
  {
    name: 'stdio, modern',
    open: child({ type: 'stdio', command: process.execPath, args: ['servers/clock/main.ts'], cwd: root, era: 'modern' }),
    tool: ['current_time', { timezone: 'UTC' }, 'UTC'],
  },
  { name: 'stdio, legacy', open: child(npmServer('server-everything', ['stdio'])), tool: SUM, slow: LONG },
]

/** The npm server over HTTP+SSE, on a free port. */
async function openSse() {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as { port: number } // a TCP server has an address object
  await new Promise((resolve) => probe.close(resolve))
  const { command, args } = npmServer('server-everything', ['sse']) as { command: string; args: string[] }
  const server = execFile(command, args, { env: { ...process.env, PORT: String(port) } })
  await new Promise<void>((resolve, reject) => {
    server.stderr?.on('data', (text: string) => text.includes(String(port)) && resolve())
    server.once('exit', (code) => reject(new Error(`the server ended with ${code}`)))
  })
  return {
    file: { type: 'sse', url: `http://127.0.0.1:${port}/sse` },
    async close() {
      const ended = once(server, 'exit')
      server.kill()
      await ended
    },
  }
}

describe.each(transports)('$name', ({ open, tool, slow }) => {
  let opened: Awaited<ReturnType<Transport['open']>>
  let connector: TestUpstream

  beforeAll(async () => {
    opened = await open()
    connector = connectServer(opened.file, {
      connectStdio: (config, wishes) =>
        connectStdio(config, {
          id: 'child',
          secrets: createSecrets({}, root),
          env: process.env,
          baseDir: root,
          guard,
          report: () => undefined,
          now: () => performance.now(),
          clientInfo: { name: 'tollgate', version: '0' },
          ...wishes,
        }),
    })
    await connector.upstream.refresh()
  })

  afterAll(async () => {
    await connector[Symbol.asyncDispose]()
    await opened.close()
  })

  const call = (name: string, args: Record<string, unknown>, caller = callerWith()) =>
    connector.upstream.call({ method: 'tools/call', params: { name, arguments: args } as never }, caller)

  it('is ready and lists what the server offers, every definition with its digest', () => {
    expect(connector.upstream.status().state).toBe('ready')
    expect(itemOf(connector.upstream, tool[0]).definition.digest).toMatch(/^sha256:[0-9a-f]{64}$/)
  })

  it('carries a call and its answer, and says how long it took', async () => {
    const caller = callerWith()

    const step = await call(tool[0], tool[1], caller)

    expect(step.kind).toBe('result')
    expect(JSON.stringify(step)).toContain(tool[2])
    expect(caller.timings.upstreamMs).toBeGreaterThan(0)
  })

  it('keeps concurrent calls apart', async () => {
    const steps = await Promise.all(Array.from({ length: 20 }, () => call(tool[0], tool[1])))

    expect(steps.every((step) => step.kind === 'result')).toBe(true)
  })

  it('passes on what the server says of an unknown tool', async () => {
    const step = await call('no_such_tool', {})

    expect(step.kind === 'error' || (step.kind === 'result' && step.result['isError'] === true)).toBe(true)
  })

  if (slow === undefined) return // the bundled server answers too fast to be interrupted

  it('gives up at once when the caller does, and goes on serving', async () => {
    const abort = new AbortController()
    const running = call(slow[0], slow[1], callerWith({ signal: abort.signal }))
    setTimeout(() => abort.abort(), 20)
    const started = performance.now()

    await expect(running).rejects.toMatchObject({ code: 'abandoned' })

    expect(performance.now() - started).toBeLessThan(2_000)
    expect((await call(tool[0], tool[1])).kind).toBe('result')
  })

  it('ends a call at its deadline, and goes on serving', async () => {
    await expect(call(slow[0], slow[1], callerWith({ timeoutMs: 30 }))).rejects.toMatchObject({
      code: 'upstream_timeout',
    })

    expect((await call(tool[0], tool[1])).kind).toBe('result')
  })
})

afterAll(() => guard.close())
