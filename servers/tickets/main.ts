// A bundled MCP server: support tickets in memory. Closing one asks the user first, when the client can ask.
// Run: node servers/tickets/main.ts (speaks MCP on stdin and stdout).
import {
  CLIENT_CAPABILITIES_META_KEY,
  inputRequired,
  inputResponse,
  McpServer,
  type CallToolResult,
  type ClientCapabilities,
  type ServerContext,
} from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import * as z from 'zod'
import { createTicketStore, type Ticket } from './store.ts'

const id = z
  .string()
  .regex(/^T-\d{1,9}$/)
  .describe('Id of a ticket, such as T-1001')
const reading = { readOnlyHint: true, idempotentHint: true, openWorldHint: false }
const confirmation = z.object({ confirm: z.boolean().describe('Close the ticket') })

const store = createTicketStore()

serveStdio(() => {
  const server = new McpServer(
    { name: 'tickets', title: 'Tickets', version: '1.0.0' },
    { instructions: 'Search for an open ticket on the subject before you create one. Closing asks the user.' },
  )
  registerReading(server)
  registerCreate(server)
  registerClose(server)
  return server
})

function registerReading(server: McpServer): void {
  server.registerTool(
    'search_tickets',
    {
      title: 'Search tickets',
      description: 'Finds tickets by a piece of their id, subject, body or customer.',
      inputSchema: z.object({
        query: z.string().max(200).optional().describe('Text to look for; all tickets when absent'),
        status: z.enum(['open', 'closed']).optional(),
      }),
      annotations: reading,
    },
    (filter) => {
      const lines = store
        .search(filter)
        .map(({ id: found, status, priority, subject }) => `${found} [${status}, ${priority}] ${subject}`)
      return text(lines.length === 0 ? 'No tickets found.' : lines.join('\n'))
    },
  )
  server.registerTool(
    'get_ticket',
    { title: 'Read ticket', description: 'Returns one ticket.', inputSchema: z.object({ id }), annotations: reading },
    ({ id: wanted }) => {
      const ticket = store.get(wanted)
      return ticket === undefined ? unknown(wanted) : text(JSON.stringify(ticket, undefined, 2))
    },
  )
}

function registerCreate(server: McpServer): void {
  server.registerTool(
    'create_ticket',
    {
      title: 'Create ticket',
      description: 'Opens a new ticket for a customer.',
      inputSchema: z.object({
        subject: z.string().min(1).max(200),
        body: z.string().max(20_000).describe('What happened, in the words of the customer'),
        customer: z.string().min(1).max(100),
        priority: z.enum(['low', 'normal', 'high']).optional(),
      }),
      annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: false },
    },
    (ticket) => text(`Opened ${store.open(ticket).id}`),
  )
}

function registerClose(server: McpServer): void {
  server.registerTool(
    'close_ticket',
    {
      title: 'Close ticket',
      description: 'Closes a ticket with a resolution. The user is asked to confirm when the client can ask.',
      inputSchema: z.object({ id, resolution: z.string().min(1).max(2_000).describe('What was done about it') }),
      annotations: { readOnlyHint: false, destructiveHint: true, idempotentHint: true, openWorldHint: false },
    },
    ({ id: wanted, resolution }, context) => {
      const ticket = store.get(wanted)
      if (ticket === undefined) return unknown(wanted)
      if (ticket.status === 'closed') return text(`${wanted} is closed already.`)
      const consent = askConsent(server, context)
      if (consent === 'ask') return inputRequired({ inputRequests: { confirm: toQuestion(ticket) } })
      if (consent === 'no') return text(`${wanted} stays open: the user did not confirm.`)
      store.close(wanted, resolution)
      return text(`Closed ${wanted}: ${resolution}`)
    },
  )
}

/** A client that cannot ask its user is trusted to have asked: the tool says that it is destructive. */
function askConsent(server: McpServer, { mcpReq }: ServerContext): 'ask' | 'yes' | 'no' {
  // The SDK checked the envelope's shape but publishes its type as empty.
  const envelope: { readonly [CLIENT_CAPABILITIES_META_KEY]?: ClientCapabilities } | undefined = mcpReq.envelope
  // oxlint-disable-next-line typescript/no-deprecated -- the only place that knows what a client of the legacy era declared
  const declared = envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? server.server.getClientCapabilities()
  // A client that declares URLs alone shows no forms.
  if (declared?.elicitation === undefined || (declared.elicitation.url && !declared.elicitation.form)) return 'yes'
  const answer = inputResponse(mcpReq.inputResponses, 'confirm')
  if (answer.kind !== 'elicit') return 'ask'
  return answer.action === 'accept' && answer.content?.['confirm'] === true ? 'yes' : 'no'
}

function toQuestion({ id: wanted, subject, customer }: Ticket) {
  return inputRequired.elicit({ message: `Close ${wanted} "${subject}" of ${customer}?`, requestedSchema: confirmation })
}

function text(value: string): CallToolResult {
  return { content: [{ type: 'text', text: value }] }
}

function unknown(wanted: string): CallToolResult {
  return { ...text(`There is no ticket ${wanted}. Use search_tickets to find its id.`), isError: true }
}
