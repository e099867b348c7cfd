// A bundled MCP server: notes in memory, as tools, resources and a prompt. Run: node servers/notes/main.ts (speaks MCP on stdin and stdout).
import { McpServer, ResourceTemplate, type CallToolResult } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import * as z from 'zod'
import { createNoteStore, type Note } from './store.ts'

const MIME = { md: 'text/markdown', text: 'text/plain' } as const

const workspace = z.string().min(1).max(64).optional().describe('Which workspace the notes belong to')
const id = z.string().min(1).max(32).describe('Id of a note, such as n1')

const store = createNoteStore(new Date().toISOString())

serveStdio(() => {
  const server = new McpServer(
    { name: 'notes', title: 'Notes', version: '1.0.0' },
    { instructions: 'Search before you create: a note on the subject may exist. Notes are kept in memory only.' },
  )
  registerWriting(server)
  registerReading(server)
  registerResources(server)
  registerPrompt(server)
  return server
})

function registerWriting(server: McpServer): void {
  server.registerTool(
    'create_note',
    {
      title: 'Create note',
      description: 'Writes a new note and returns its id.',
      inputSchema: z.object({
        title: z.string().min(1).max(200).describe('One line that says what the note is about'),
        text: z.string().max(100_000).describe('The note itself'),
        workspace,
        format: z.enum(['md', 'text']).optional().describe('How the text is written; Markdown when absent'),
      }),
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
    },
    (note) => {
      const created = store.add(note, new Date().toISOString())
      server.sendResourceListChanged()
      return { content: [text(`Created ${created.id}: ${created.title}`), toLink(created)] }
    },
  )
  server.registerTool(
    'delete_note',
    {
      title: 'Delete note',
      description: 'Deletes a note for good.',
      inputSchema: z.object({ id }),
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    },
    ({ id: wanted }) => {
      if (!store.remove(wanted)) return unknown(wanted)
      server.sendResourceListChanged()
      return { content: [text(`Deleted ${wanted}`)] }
    },
  )
}

function registerReading(server: McpServer): void {
  const annotations = { readOnlyHint: true, idempotentHint: true, openWorldHint: false }
  server.registerTool(
    'search_notes',
    {
      title: 'Search notes',
      description: 'Finds notes that contain every word of the query, in title or text.',
      inputSchema: z.object({ query: z.string().min(1).max(500).describe('Words to look for'), workspace }),
      annotations,
    },
    ({ query, workspace: within }) => toList(store.search(query, within)),
  )
  server.registerTool(
    'list_notes',
    { title: 'List notes', description: 'Lists notes, newest first.', inputSchema: z.object({ workspace }), annotations },
    ({ workspace: within }) => toList(store.list(within)),
  )
  server.registerTool(
    'get_note',
    { title: 'Read note', description: 'Returns one note with its text.', inputSchema: z.object({ id }), annotations },
    ({ id: wanted }) => {
      const note = store.get(wanted)
      return note === undefined ? unknown(wanted) : { content: [text(`# ${note.title}\n\n${note.text}`)] }
    },
  )
}

function registerResources(server: McpServer): void {
  const template = new ResourceTemplate('notes://{id}', { list: () => ({ resources: store.list().map(toResource) }) })
  server.registerResource('note', template, { title: 'Note', description: 'One note by its id.' }, (uri, variables) => {
    const note = store.get(String(variables['id']))
    if (note === undefined) throw new Error(`no note ${uri.href}`)
    return { contents: [{ uri: uri.href, mimeType: MIME[note.format], text: note.text }] }
  })
}

function registerPrompt(server: McpServer): void {
  const argsSchema = z.object({ workspace: z.string().optional().describe('Only notes of this workspace') })
  const about = { title: 'Summarize notes', description: 'Asks for a summary of the notes.', argsSchema }
  server.registerPrompt('summarize_notes', about, ({ workspace: within }) => {
    const notes = store.list(within).map(({ id: noteId, title, text: body }) => `## ${title} (${noteId})\n\n${body}`)
    const task = `Summarize these notes in at most five sentences and name the ids you used.\n\n${notes.join('\n\n')}`
    return { messages: [{ role: 'user' as const, content: text(task) }] }
  })
}

function toResource({ id: noteId, title, format, text: body }: Note) {
  return { uri: `notes://${noteId}`, name: noteId, title, mimeType: MIME[format], size: Buffer.byteLength(body) }
}

function toLink(note: Note) {
  return { type: 'resource_link' as const, ...toResource(note) }
}

function toList(notes: readonly Note[]): CallToolResult {
  const lines = notes.map((note) => `${note.id} [${note.workspace}] ${note.title}`)
  return { content: [text(lines.length === 0 ? 'No notes found.' : lines.join('\n'))] }
}

function text(value: string) {
  return { type: 'text' as const, text: value }
}

function unknown(wanted: string): CallToolResult {
  return { content: [text(`There is no note ${wanted}. Use list_notes or search_notes to find its id.`)], isError: true }
}
