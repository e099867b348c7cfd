import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { answer, modern, startFakeUpstream, tool } from '../support/fake-upstream.ts'
import { gatewayFile, startTestGateway } from '../support/gateway.ts'
import { modernRequest } from '../support/raw-mcp.ts'

const FROM_HEADER = '1'.repeat(32)
const FROM_META = '2'.repeat(32)

/** A collector that keeps what it is sent; the texts in a protobuf message can be read as they are. */
async function startCollector(): Promise<AsyncDisposable & { readonly url: string; first(): Promise<Buffer> }> {
  const received = Promise.withResolvers<Buffer>()
  const server = createServer((request, response) => {
    void buffer(request).then((body) => {
      received.resolve(body)
      response.writeHead(200).end()
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    // A TCP server has an address object.
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    first: () => received.promise,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test('a call joins the trace of its message, else of its headers, tells the upstream both ways, and names its request', async () => {
  await using collector = await startCollector()
  await using upstream = await startFakeUpstream(
    modern(
      () => [tool('look')],
      (request, response) => answer(response, request, { resultType: 'complete', ttlMs: 0, cacheScope: 'private', content: [] }),
    ),
  )
  await using gateway = await startTestGateway({
    'tollgate.json': gatewayFile({ telemetry: { otlp: { url: collector.url } } }),
    'servers/one.json': { type: 'http', url: upstream.url },
    'catalogs/all.json': { title: 'All', for: {}, tools: [{ server: 'one', allow: ['*'] }] },
  })
  await gateway.until((snapshot) => snapshot.servers.get('one')?.status.state === 'ready')
  const headers = {
    authorization: `Bearer ${await gateway.token('research')}`,
    traceparent: `00-${FROM_HEADER}-b7ad6b7169203331-01`,
  }
  const call = async (id: string, meta: object): Promise<unknown> =>
    await modernRequest(`${gateway.url}/mcp`, 'tools/call', { name: 'look', arguments: {}, _meta: meta }, { headers, id })

  await call('request-7', {})
  await call('request-8', { traceparent: `00-${FROM_META}-b7ad6b7169203331-01` })

  const told = upstream.called('tools/call').map(({ headers: sent, body }) => {
    const { _meta } = body['params'] as { _meta: Record<string, string> } // the gateway always sends an envelope
    return [sent['traceparent'], _meta['traceparent']]
  })
  expect(told.map(([header]) => header?.slice(3, 35))).toEqual([FROM_HEADER, FROM_META])
  expect(told.every(([header, meta]) => header === meta)).toBe(true)
  const sent = (await collector.first()).toString('latin1')
  for (const text of ['tools/call look', 'jsonrpc.request.id', 'request-7']) expect(sent).toContain(text)
})
