import { describe, expect, it } from 'vitest'
import { GatewayError } from '../../../src/core/errors.ts'
import type { Connection, UpstreamStep } from '../../../src/mcp/upstream/contract.ts'
import { connectStdio } from '../../../src/mcp/upstream/stdio-connection.ts'
import { createChildGuard } from '../../../src/mcp/upstream/child-guard.ts'
import { createSecrets } from '../../../src/lib/secrets.ts'
import {
  honest,
  hostileTool,
  said,
  startHostileMcp,
  type HostileMcp,
  type Script,
  type Transport,
} from '../../kit/hostile-mcp.ts'
import { root, toStdioServer } from '../../support/stdio-fixtures.ts'
import { callerWith, connectServer, type TestUpstream } from '../../support/upstream.ts'

const TRANSPORTS: readonly Transport[] = ['http', 'sse', 'stdio']
const tools = () => [hostileTool('act')]

/** A connector to a server of any transport, with children where it needs them. */
function connect(server: HostileMcp, guard = createChildGuard()): TestUpstream {
  const withChildren = (settings: object, deps: { id: string }): Promise<Connection> =>
    connectStdio(toStdioServer(settings), {
      ...deps,
      secrets: createSecrets(process.env, root),
      env: process.env,
      baseDir: root,
      guard,
      report: () => undefined,
      now: () => performance.now(),
      clientInfo: { name: 'tollgate', version: '0' },
    })
  const era = server.file['type'] === 'http' ? {} : { era: 'legacy' }
  const connected = connectServer(
    { ...server.file, ...era },
    { connectStdio: (settings) => withChildren(settings, { id: 'fake' }) },
  )
  const dispose = async (): Promise<void> => {
    await connected[Symbol.asyncDispose]()
    guard.close()
  }
  return { ...connected, [Symbol.asyncDispose]: dispose }
}

const act = ({ upstream }: TestUpstream): Promise<UpstreamStep> =>
  upstream.call({ method: 'tools/call', params: { name: 'act', arguments: {} } }, callerWith())
const outcome = (connected: TestUpstream): Promise<string> =>
  act(connected).then(
    (step) => (step.kind === 'result' ? JSON.stringify(step.result['content']) : step.kind),
    (error: unknown) => (error instanceof GatewayError ? error.code : String(error)),
  )

describe.each(TRANSPORTS)('a hostile server over %s', (transport) => {
  const offered = { tools, era: transport === 'http' ? 'modern' : 'legacy' } as const
  const once = (call: Script): Promise<HostileMcp> => startHostileMcp(transport, honest(offered, { 'tools/call': call }))

  it('is an honest one until its script says otherwise', async () => {
    await using server = await startHostileMcp(transport, honest(offered))
    await using connected = connect(server)
    await connected.upstream.refresh()
    const before = await outcome(connected)

    server.become(honest(offered, { 'tools/call': (step) => step.error(7, 'no') }))
    const after = await outcome(connected)

    expect(before).toContain('"ok"')
    expect(after).not.toContain('"ok"')
    expect(connected.upstream.inventory()?.definitions.tool.map(({ name }) => name)).toEqual(['act'])
    expect(server.count('tools/call')).toBe(2)
  })

  it('can send messages before the answer, two answers, and answers with another id', async () => {
    await using server = await once(async (step) => {
      await step.send({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data: 'x' } })
      const id = step.id ?? 0
      await step.send({ jsonrpc: '2.0', id, result: said('first') })
      await step.send({ jsonrpc: '2.0', id, result: said('second') })
      await step.send({ jsonrpc: '2.0', id: 'nobody', result: said('stolen') })
    })
    await using connected = connect(server)
    await connected.upstream.refresh()

    expect(await outcome(connected)).toContain('first')
  })

  it('can write raw bytes, half an answer, and hang up', async () => {
    await using server = await once(async (step) => {
      await step.raw(transport === 'http' ? 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{"jso' : '{"jso')
      step.hangUp()
    })
    await using connected = connect(server)
    await connected.upstream.refresh()

    expect(await outcome(connected)).toMatch(/^upstream_/)
  })

  it('can be told of by nobody: pushes reach the stream for such', async () => {
    const listening = { ...offered, capabilities: { tools: { listChanged: true } } }
    await using server = await startHostileMcp(transport, honest(listening))
    await using connected = connect(server)
    await connected.upstream.refresh()
    if (transport === 'http') await expect.poll(() => server.count('subscriptions/listen')).toBe(1)
    const before = server.count('tools/list')

    const listen = server.seen.find(({ method }) => method === 'subscriptions/listen')
    const _meta = { 'io.modelcontextprotocol/subscriptionId': listen?.id ?? '' }
    await server.push({ jsonrpc: '2.0', method: 'notifications/tools/list_changed', params: { _meta } })

    await expect.poll(() => server.count('tools/list'), { timeout: 3_000 }).toBeGreaterThan(before)
  })

  it('sees when the gateway does not wait any more', async () => {
    let gone: AbortSignal | undefined
    await using server = await once((step) => void (gone = step.gone))
    const connected = connect(server)
    await connected.upstream.refresh()
    const call = outcome(connected)
    await expect.poll(() => gone).toBeDefined()

    await connected[Symbol.asyncDispose]()

    expect(await call).not.toContain('ok')
    await expect.poll(() => gone?.aborted).toBe(true)
  })
})
