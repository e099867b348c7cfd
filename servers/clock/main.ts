// A bundled MCP server: times and time zones, with structured answers. Run: node servers/clock/main.ts (speaks MCP on stdin and stdout).
import { McpServer, type CallToolResult } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import * as z from 'zod'
import { addDuration, inZone, parseTime, type ZonedTime } from './zone.ts'

const timezone = z.string().min(1).max(64).describe('IANA name such as Europe/Zurich, or UTC')
const time = z.string().min(1).max(64).describe('ISO 8601 with an offset, such as 2026-11-23T17:00:00+01:00')
const outputSchema = z.object({
  time: z.string().describe('ISO 8601 with the offset of the time zone'),
  timezone: z.string(),
  weekday: z.string(),
  epochMs: z.int(),
})
const annotations = { readOnlyHint: true, idempotentHint: true, openWorldHint: false }

serveStdio(() => {
  const server = new McpServer({ name: 'clock', title: 'Clock', version: '1.0.0' })
  server.registerTool(
    'current_time',
    {
      title: 'Current time',
      description: 'Tells the time now in a time zone.',
      inputSchema: z.object({ timezone: timezone.default('UTC') }),
      outputSchema,
      annotations: { ...annotations, idempotentHint: false },
    },
    ({ timezone: zone }) => answer(() => inZone(Date.now(), zone)),
  )
  server.registerTool(
    'convert_time',
    {
      title: 'Convert time',
      description: 'Tells what a moment is called in another time zone.',
      inputSchema: z.object({ time, timezone }),
      outputSchema,
      annotations,
    },
    (input) => answer(() => inZone(parseTime(input.time), input.timezone)),
  )
  server.registerTool(
    'add_duration',
    {
      title: 'Add duration',
      description: 'Adds an ISO 8601 duration to a moment. Days and longer follow the calendar of the time zone.',
      inputSchema: z.object({
        time,
        duration: z.string().max(64).describe('ISO 8601, such as P1DT2H30M or -PT45M'),
        timezone: timezone.default('UTC'),
      }),
      outputSchema,
      annotations,
    },
    (input) => answer(() => addDuration(parseTime(input.time), input.duration, input.timezone)),
  )
  return server
})

function answer(make: () => ZonedTime): CallToolResult {
  try {
    const result = make()
    return {
      content: [{ type: 'text', text: `${result.weekday}, ${result.time} (${result.timezone})` }],
      structuredContent: { ...result },
    }
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
    return { content: [{ type: 'text', text: error.message }], isError: true }
  }
}
