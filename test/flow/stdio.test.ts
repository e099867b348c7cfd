import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { JsonObject } from '../../src/core/json.ts'
import type { Connection } from '../../src/mcp/upstream/contract.ts'
import type { StdioConnection } from '../../src/mcp/upstream/stdio-connection.ts'
import { callTool, createCaller, jsonOf, root, StdioBench, textOf } from '../support/stdio-fixtures.ts'

const published = (name: string): string => join(root, 'node_modules/@modelcontextprotocol', name, 'dist/index.js')
const bundled = (bench: StdioBench, name: string, settings: object = {}): Promise<StdioConnection> =>
  bench.connect({ command: 'node', args: [`servers/${name}/main.ts`], ...settings })

async function list(connection: Connection, kind: 'tools' | 'prompts' | 'resources'): Promise<readonly JsonObject[]> {
  const step = await connection.send({ method: `${kind}/list`, params: {}, caller: createCaller() })
  if (step.kind !== 'result') throw new Error(`expected a list, got ${JSON.stringify(step)}`)
  // `as`: these servers answer with lists of objects.
  return step.result[kind] as readonly JsonObject[]
}

const namesOf = (items: readonly JsonObject[]): unknown[] => items.map(({ name }) => name)

describe('published servers behind a stdio connection', () => {
  test('server-everything lists, answers, reports progress and asks', async () => {
    await using bench = new StdioBench()
    const capabilities = { elicitation: {}, sampling: {} }
    const connection = await bench.connect({ args: [published('server-everything')] }, { capabilities })
    const caller = createCaller({ progress: true, capabilities })

    const names = namesOf(await list(connection, 'tools'))
    const long = await callTool(connection, 'trigger-long-running-operation', { duration: 0.2, steps: 2 }, caller)
    const asked = await callTool(connection, 'trigger-sampling-request', { prompt: 'hi', maxTokens: 5 }, caller)
    if (asked.kind !== 'input') throw new Error('expected a question')
    const answer = { role: 'assistant', content: { type: 'text', text: 'hello back' }, model: 'm' }
    const end = await asked.held?.resume({ [Object.keys(asked.requests)[0]!]: answer }, createCaller())

    expect(connection.facts.era).toBe('legacy')
    expect(names).toContain('echo')
    expect(textOf(await callTool(connection, 'echo', { message: 'hi' }))).toBe('Echo: hi')
    expect(long.kind).toBe('result')
    expect(caller.heard.map(({ params }) => params['progress'])).toEqual([1, 2])
    expect(Object.values(asked.requests)[0]?.method).toBe('sampling/createMessage')
    expect(textOf(end!)).toContain('hello back')
  })

  test('server-filesystem reads inside its folder and refuses outside', async () => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), 'files-')))
    writeFileSync(join(folder, 'note.txt'), 'from disk')
    try {
      await using bench = new StdioBench()
      const connection = await bench.connect({ args: [published('server-filesystem'), folder] })

      expect(namesOf(await list(connection, 'tools'))).toContain('read_text_file')
      expect(textOf(await callTool(connection, 'read_text_file', { path: join(folder, 'note.txt') }))).toBe('from disk')
      expect(await callTool(connection, 'read_text_file', { path: '/etc/hostname' })).toMatchObject({ result: { isError: true } })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  test('server-memory keeps what it was told, in the file its registration names', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'memory-'))
    try {
      await using bench = new StdioBench()
      const env = { MEMORY_FILE_PATH: join(folder, 'memory.jsonl') }
      const first = await bench.connect({ args: [published('server-memory')], env })
      const entities = [{ name: 'Ann', entityType: 'person', observations: ['likes tests'] }]
      await callTool(first, 'create_entities', { entities })
      await first.close()

      const second = await bench.connect({ args: [published('server-memory')], env })

      expect(jsonOf(await callTool(second, 'read_graph'))).toMatchObject({ entities })
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})

describe.each(['modern', 'legacy'] as const)('the bundled servers in the %s era', (era) => {
  test('notes: write, find, read as a tool and as a resource, delete', async () => {
    await using bench = new StdioBench()
    const connection = await bundled(bench, 'notes', { era })
    const created = await callTool(connection, 'create_note', { title: 'Plan', text: 'Walk the dog', format: 'text' })
    const id = /n\d+/.exec(textOf(created))?.[0] ?? ''

    expect(connection.facts.era).toBe(era)
    expect(namesOf(await list(connection, 'tools'))).toEqual([
      'create_note',
      'delete_note',
      'search_notes',
      'list_notes',
      'get_note',
    ])
    expect(namesOf(await list(connection, 'prompts'))).toEqual(['summarize_notes'])
    expect(namesOf(await list(connection, 'resources'))).toContain(id)
    expect(textOf(await callTool(connection, 'search_notes', { query: 'dog walk' }))).toContain(id)
    expect(textOf(await callTool(connection, 'get_note', { id }))).toContain('Walk the dog')
    expect(
      await connection.send({ method: 'resources/read', params: { uri: `notes://${id}` }, caller: createCaller() }),
    ).toMatchObject({ result: { contents: [{ text: 'Walk the dog', mimeType: 'text/plain' }] } })
    expect(textOf(await callTool(connection, 'delete_note', { id }))).toBe(`Deleted ${id}`)
    expect(await callTool(connection, 'get_note', { id })).toMatchObject({ result: { isError: true } })
  })

  test('notes: a new note is announced to listeners', async () => {
    await using bench = new StdioBench()
    const connection = await bundled(bench, 'notes', { era })
    const changed = new Promise<string>((resolve) => connection.onNotification(resolve))
    await connection.listen([])

    await callTool(connection, 'create_note', { title: 'New', text: '' })

    expect(await changed).toBe('notifications/resources/list_changed')
  })

  test('clock: converts and adds, on the calendar and on the clock', async () => {
    await using bench = new StdioBench()
    const connection = await bundled(bench, 'clock', { era })
    const [utc, spring] = ['2026-07-01T12:00:00Z', '2026-03-28T12:00:00+01:00']
    const zurich = 'Europe/Zurich'

    for (const [tool, input, time] of [
      ['convert_time', { time: utc, timezone: zurich }, '2026-07-01T14:00:00.000+02:00'],
      ['convert_time', { time: '2026-01-01T12:00:00+05:30', timezone: 'America/New_York' }, '2026-01-01T01:30:00.000-05:00'],
      ['add_duration', { time: '2026-01-31T12:00:00Z', duration: 'P1M' }, '2026-02-28T12:00:00.000+00:00'],
      ['add_duration', { time: spring, duration: 'P1D', timezone: zurich }, '2026-03-29T12:00:00.000+02:00'],
      ['add_duration', { time: spring, duration: 'PT24H', timezone: zurich }, '2026-03-29T13:00:00.000+02:00'],
      ['add_duration', { time: utc, duration: '-PT45M' }, '2026-07-01T11:15:00.000+00:00'],
    ] as const) {
      expect(await callTool(connection, tool, input)).toMatchObject({ result: { structuredContent: { time } } })
    }
  })

  test('clock: what it cannot read it explains', async () => {
    await using bench = new StdioBench()
    const connection = await bundled(bench, 'clock', { era })

    for (const input of [
      { time: 'noon', timezone: 'UTC' },
      { time: '2026-07-01T12:00:00Z', timezone: 'Mars/Base' },
    ]) {
      expect(await callTool(connection, 'convert_time', input)).toMatchObject({ result: { isError: true } })
    }
  })

  test.each([
    ['confirms', { action: 'accept', content: { confirm: true } }, 'Closed T-1001: fixed', 'closed'],
    ['says no', { action: 'accept', content: { confirm: false } }, 'T-1001 stays open: the user did not confirm.', 'open'],
    ['declines', { action: 'decline' }, 'T-1001 stays open: the user did not confirm.', 'open'],
  ])('tickets: closing asks a client that can be asked; the user %s', async (_name, response, text, status) => {
    await using bench = new StdioBench()
    const capabilities = { elicitation: {} }
    const connection = await bench.connect({ command: 'node', args: ['servers/tickets/main.ts'], era }, { capabilities })
    const input = { id: 'T-1001', resolution: 'fixed' }
    const caller = createCaller({ capabilities })
    const step = await callTool(connection, 'close_ticket', input, caller)
    if (step.kind !== 'input') throw new Error('expected a question')
    const responses = { [Object.keys(step.requests)[0]!]: response }

    const params = { name: 'close_ticket', arguments: input, inputResponses: responses }
    const end = step.held ? step.held.resume(responses, caller) : connection.send({ method: 'tools/call', params, caller })

    expect(Object.values(step.requests)[0]?.params?.['message']).toBe('Close T-1001 "Cannot sign in" of Northwind?')
    expect(textOf(await end)).toBe(text)
    expect(jsonOf(await callTool(connection, 'get_ticket', { id: 'T-1001' }))).toMatchObject({ status })
  })

  test('tickets: a client that cannot show a form closes at once', async () => {
    await using bench = new StdioBench()
    const connection = await bundled(bench, 'tickets', { era })
    const urls = createCaller({ capabilities: { elicitation: { url: {} } } })

    expect(textOf(await callTool(connection, 'close_ticket', { id: 'T-1003', resolution: 'y' }, urls))).toBe('Closed T-1003: y')
    expect(textOf(await callTool(connection, 'close_ticket', { id: 'T-1002', resolution: 'x' }))).toBe('Closed T-1002: x')
    expect(textOf(await callTool(connection, 'search_tickets', { status: 'closed' }))).toContain('T-1002')
  })
})

test('a bundled server is found to be modern by itself', async () => {
  await using bench = new StdioBench()

  expect((await bundled(bench, 'clock')).facts).toMatchObject({
    era: 'modern',
    protocolVersion: '2026-07-28',
    serverInfo: { name: 'clock' },
  })
})
