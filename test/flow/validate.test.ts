import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { env } from 'node:process'
import { Client } from '@modelcontextprotocol/client'
import { StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import type { Schema } from '@cfworker/json-schema'
import { Validator } from '@cfworker/json-schema'
import { describe, expect, test } from 'vitest'
import { readConfig } from '../../src/catalog/read.ts'
import { buildSnapshot } from '../../src/catalog/snapshot.ts'
import { validate } from '../../src/cli/validate.ts'
import { jsonSchemas } from '../../src/config/json-schema.ts'
import type { StdioServer } from '../../src/config/server.ts'
import type { JsonObject } from '../../src/core/json.ts'
import { proveGuards } from '../../src/gateway/guards.ts'
import { createCliIo } from '../support/cli-io.ts'
import { inventory } from '../unit/catalog/inventory.ts'
import { createFolder } from '../unit/config/folder.ts'

const lent = { prove: proveGuards }
const root = join(import.meta.dirname, '../..')
const shipped = join(root, 'tollgate.json')

describe('the files that are shipped', () => {
  test('have no problems', async () => {
    const io = createCliIo({ env: { PATH: env['PATH'] } })

    expect(await validate({ config: shipped, json: false }, io, lent)).toBe(0)
    expect(io.written.out).toBe('valid: tollgate.json, 3 servers, 2 catalogs\n')
  })

  test('satisfy the schemas they name', async () => {
    for (const [schema, folder] of [
      ['server', 'servers'],
      ['catalog', 'catalogs'],
      ['tollgate', '.'],
    ] as const) {
      const names =
        folder === '.' ? ['tollgate.json'] : (await readdir(join(root, folder))).filter((name) => name.endsWith('.json'))
      const validator = new Validator(JSON.parse(jsonSchemas().get(`${schema}.json`) ?? '') as Schema, '2020-12')
      for (const name of names) {
        const file = JSON.parse(await readFile(join(root, folder, name), 'utf8')) as { readonly $schema: string }
        expect(validator.validate(file).errors).toEqual([])
        expect(await readFile(join(root, folder, file.$schema), 'utf8')).toBe(jsonSchemas().get(`${schema}.json`))
      }
    }
  })

  test('ask the bundled servers only for what they offer', async () => {
    const files = await readConfig(shipped, { PATH: env['PATH'] })
    const servers = await Promise.all(
      [...files.servers].map(async ([id, { value }]) => {
        const { command, args, cwd } = value as StdioServer
        const client = new Client({ name: 'test', version: '1' })
        await client.connect(new StdioClientTransport({ command, args, cwd: cwd ?? root, stderr: 'ignore' }))
        const tools = (await client.listTools()).tools as unknown as JsonObject[]
        const prompts = id === 'notes' ? (await client.listPrompts()).prompts.map((prompt) => prompt.name) : []
        const resources = id === 'notes' ? (await client.listResources()).resources.map((resource) => resource.uri) : []
        await client.close()
        return [
          id,
          { status: { state: 'ready', since: 0, circuit: 'closed' }, inventory: inventory(id, { tools, prompts, resources }) },
        ] as const
      }),
    )

    const snapshot = buildSnapshot({ files, servers: new Map(servers), generation: 1, now: 0 })

    expect(snapshot.problems).toEqual([])
    for (const catalog of snapshot.catalogs.values())
      expect(catalog.withheld.filter((one) => one.reason === 'not-offered')).toEqual([])
    expect(snapshot.catalogs.get('research')?.items.tool.map((item) => item.name)).toEqual([
      'take_note',
      'search_notes',
      'get_note',
      'list_notes',
      'add_duration',
      'convert_time',
      'current_time',
      'get_ticket',
      'search_tickets',
    ])
    expect(snapshot.catalogs.get('operations')?.items.tool.map((item) => item.name)).toEqual([
      'get_ticket',
      'search_tickets',
      'create_ticket',
      'resolve_ticket',
      'current_time',
      'get_note',
      'search_notes',
    ])
    const note = snapshot.catalogs.get('research')?.items.tool[0]?.shown['inputSchema'] as {
      properties: object
      required: string[]
    }
    expect(Object.keys(note.properties)).not.toContain('workspace')
  })
})

describe('validate', () => {
  const broken = {
    'tollgate.json': '{ "mode": "develop" }',
    'catalogs/r.json': '{\n  "title": "x", "for": {},\n  "tools": [{ "server": "notes", "allow": ["*"], "alow": [] }]\n}',
    'servers/notes.json': '{ "type": "http", "url": "https://x" }',
  }

  test('prints every problem with its place and the way out', async () => {
    await using folder = await createFolder(broken)
    const io = createCliIo({ cwd: folder.path })

    expect(await validate({ config: 'tollgate.json', json: false }, io, lent)).toBe(3)
    expect(io.written.out).toBe(`tollgate.json:1:11  error
  $.mode: must be "development" or "production"; found "develop"
  fix: write "development"

catalogs/r.json:3:50  error
  $.tools[0].alow: unknown key "alow"; did you mean "allow"?
  allowed: "server", "tool", "allow", "deny", "prefix", "as", "title", "description", "arguments", "when", "labels", "price", "limits", "timeoutMs", "maxResultTokens" or "maxResultBytes"

2 problems in 2 files
`)
  })

  test('answers as JSON', async () => {
    await using folder = await createFolder(broken)
    const io = createCliIo({ cwd: folder.path })

    await validate({ config: 'tollgate.json', json: true }, io, lent)

    expect(JSON.parse(io.written.out)).toMatchObject({
      valid: false,
      servers: ['notes'],
      problems: [
        { file: 'tollgate.json', line: 1, column: 11, path: '$.mode' },
        { file: 'catalogs/r.json', line: 3, column: 50, path: '$.tools[0].alow', suggestion: 'allow' },
      ],
    })
  })
})
