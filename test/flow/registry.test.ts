import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../src/core/errors.ts'
import { renderRegistry, registryName, registryVersion, type RegistryCatalog } from '../../src/edge/registry.ts'
import { HTTP_STATUS } from '../../src/edge/errors.ts'

const PUBLIC = 'https://gate.example.com'
const AT = Date.parse('2026-11-23T10:00:00Z')

function catalog(id: string, more: Partial<RegistryCatalog> = {}): RegistryCatalog {
  return { id, title: `The ${id}`, digest: `sha256:0123456789abcdef${id}`, updatedAt: AT, ...more }
}

describe('the registry of the catalogs of a caller', () => {
  test('lists one server per catalog in the wire form of the registry API', async () => {
    await using registry = await serve([catalog('research', { description: 'Papers and notes' })])

    const { status, body } = await registry.get('/v0.1/servers')

    expect({ status, body }).toEqual({
      status: 200,
      body: {
        servers: [
          {
            server: {
              $schema: 'https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json',
              name: 'com.example.gate/research',
              title: 'The research',
              description: 'Papers and notes',
              version: '1.0.0-sha256-01234567',
              remotes: [{ type: 'streamable-http', url: 'https://gate.example.com/mcp/research' }],
            },
            _meta: {
              'io.modelcontextprotocol.registry/official': {
                status: 'active',
                statusChangedAt: '2026-11-23T10:00:00.000Z',
                publishedAt: '2026-11-23T10:00:00.000Z',
                updatedAt: '2026-11-23T10:00:00.000Z',
                isLatest: true,
              },
            },
          },
        ],
        metadata: { count: 1 },
      },
    })
  })

  test('answers for one server and one version as clients escape them', async () => {
    await using registry = await serve([catalog('a'), catalog('b')])
    const name = encodeURIComponent('com.example.gate/b')

    const versions = await registry.get(`/v0.1/servers/${name}/versions`)
    const latest = await registry.get(`/v0.1/servers/${name}/versions/latest`)
    const exact = await registry.get(`/v0.1/servers/${name}/versions/${latest.body.server.version}`)

    expect(versions.body.servers.map((entry: { server: { name: string } }) => entry.server.name)).toEqual(['com.example.gate/b'])
    expect(latest.body).toEqual(versions.body.servers[0])
    expect(exact).toEqual(latest)
  })

  test.each([
    ['an unknown server', `/v0.1/servers/${encodeURIComponent('com.example.gate/z')}/versions/latest`, 'Server not found'],
    ['a catalog of somebody else', `/v0.1/servers/${encodeURIComponent('com.example.gate/secret')}/versions`, 'Server not found'],
    [
      'an unknown version',
      `/v0.1/servers/${encodeURIComponent('com.example.gate/a')}/versions/9.9.9`,
      'Server version not found',
    ],
    ['a path of neither', `/v0.1/servers/${encodeURIComponent('com.example.gate/a')}`, 'there is nothing at this path'],
    ['a name that is not escaped', '/v0.1/servers/com.example.gate/a/versions/latest', 'there is nothing at this path'],
  ])('answers 404 for %s', async (_name, path, error) => {
    await using registry = await serve([catalog('a')])

    expect(await registry.get(path)).toEqual({ status: 404, body: { error } })
  })

  test.each([
    ['limit=0', 'limit'],
    ['limit=101', 'limit'],
    ['limit=ten', 'limit'],
    ['limit=1e2', 'limit'],
    ['cursor=!!', 'cursor'],
    ['cursor=YQ', 'cursor'],
    ['updated_since=yesterday', 'updated_since'],
    ['updated_since=2026-13-45T00:00:00Z', 'updated_since'],
    ['sort=name', 'sort'],
  ])('answers 400 for ?%s and says what is allowed', async (query, word) => {
    await using registry = await serve([catalog('a')])

    const { status, body } = await registry.get(`/v0.1/servers?${query}`)

    expect(status).toBe(400)
    expect(body.error).toContain(word)
  })

  test('filters by search, version and time', async () => {
    await using registry = await serve([catalog('alpha'), catalog('beta', { updatedAt: AT + 60_000, title: 'Second one' })])
    const idsOf = async (query: string) =>
      (await registry.get(`/v0.1/servers?${query}`)).body.servers.map(
        (entry: { server: { name: string } }) => entry.server.name.split('/')[1],
      )

    expect(await idsOf('search=ALPH')).toEqual(['alpha'])
    expect(await idsOf('search=second')).toEqual(['beta'])
    expect(await idsOf('updated_since=2026-11-23T10:00:30Z')).toEqual(['beta'])
    expect(await idsOf('version=latest&include_deleted=true')).toEqual(['alpha', 'beta'])
    expect(await idsOf('version=2.0.0')).toEqual([])
  })

  test('pages through everything once, whatever the order the catalogs came in', async () => {
    const ids = Array.from({ length: 7 }, (_, index) => `c${index}`)
    await using registry = await serve(ids.toReversed().map((id) => catalog(id)))
    const seen: string[] = []
    let cursor: string | undefined
    for (let page = 0; page < 10; page += 1) {
      const { body } = await registry.get(`/v0.1/servers?limit=3${cursor === undefined ? '' : `&cursor=${cursor}`}`)
      expect(body.metadata.count).toBe(body.servers.length)
      seen.push(...body.servers.map((entry: { server: { name: string } }) => entry.server.name.split('/')[1]))
      cursor = body.metadata.nextCursor
      if (cursor === undefined) break
    }

    expect(seen).toEqual(ids)
  })
})

test.each([
  ['https://gate.example.com', 'com.example.gate/x'],
  ['http://localhost:8080', 'local.tollgate/x'],
  ['http://127.0.0.1:8080', 'local.tollgate/x'],
  ['http://[::1]:8080', 'local.tollgate/x'],
  ['http://gateway:8080', 'local.tollgate/x'],
])('a gateway at %s names its catalogs %s', (url, name) => {
  expect(registryName('x', url)).toBe(name)
})

test('a version is a semantic version, follows the digest, and needs no escape in a path', () => {
  const version = registryVersion(`sha256:00000000${'f'.repeat(56)}`)

  expect(version).toBe('1.0.0-sha256-00000000')
  expect(encodeURIComponent(version)).toBe(version)
  expect(registryVersion(`sha256:1${'0'.repeat(63)}`)).not.toBe(version)
})

test('long texts are cut to what the format allows, between characters', () => {
  const body = renderRegistry([catalog('a', { title: '', description: '😀'.repeat(101) })], {
    path: [],
    query: new URLSearchParams(),
    publicUrl: PUBLIC,
  })

  const [entry] = 'servers' in body ? body.servers : []
  expect(Array.from(entry!.server.description)).toHaveLength(100)
  expect(entry!.server.description.endsWith('😀…')).toBe(true)
})

/** The door as the gateway wires it. */
async function serve(catalogs: readonly RegistryCatalog[]) {
  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '', 'http://gateway.invalid')
    const path = url.pathname.slice('/v0.1/servers'.length).split('/').filter(Boolean).map(decodeURIComponent)
    try {
      const body = renderRegistry(catalogs, { path, query: url.searchParams, publicUrl: PUBLIC })
      response.end(JSON.stringify(body))
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error
      response.writeHead(HTTP_STATUS[error.code]).end(JSON.stringify({ error: error.message }))
    }
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    async get(path: string) {
      const response = await fetch(`http://127.0.0.1:${port}${path}`)
      return { status: response.status, body: (await response.json()) as ReturnType<typeof JSON.parse> }
    },
    [Symbol.asyncDispose]: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
