import { z } from 'zod'
import { SecretReference } from './reference.ts'

const HeaderName = z.string().regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}$/, 'must be an HTTP header name')

const Credential = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('bearer'), token: SecretReference }),
  z.strictObject({
    type: z.literal('header'),
    name: HeaderName.meta({ description: 'Header that carries the secret.' }),
    value: SecretReference,
    prefix: z.string().max(64).optional().meta({ description: 'Written before the secret, such as "Token ".' }),
  }),
  z.strictObject({
    type: z.literal('basic'),
    username: z.string().min(1).meta({ description: 'User name; not a secret.' }),
    password: SecretReference,
  }),
  z.strictObject({
    type: z.literal('client_credentials'),
    tokenUrl: z.url({ protocol: /^https?$/ }).meta({ description: 'Token endpoint of the authorization server.' }),
    clientId: z.string().min(1).meta({ description: 'Client id at the authorization server.' }),
    clientSecret: SecretReference,
    scope: z.string().optional().meta({ description: 'Scopes asked for, separated by blanks.' }),
    resource: z.string().optional().meta({ description: 'RFC 8707 resource; the URL of the server when absent.' }),
    audience: z.string().optional().meta({ description: 'Audience asked for, where the server wants one.' }),
    authentication: z
      .enum(['basic', 'post'])
      .default('basic')
      .meta({ description: 'How the client proves itself at the token endpoint.' }),
  }),
])
export type Credential = z.infer<typeof Credential>

const Timeouts = z.strictObject({
  connectMs: z.int().min(1).max(60_000).default(3_000).meta({ description: 'Longest wait for a connection.' }),
  firstByteMs: z
    .int()
    .min(1)
    .max(3_600_000)
    .default(30_000)
    .meta({ description: 'Longest wait for the beginning of an answer.' }),
  idleMs: z
    .int()
    .min(1)
    .max(3_600_000)
    .default(60_000)
    .meta({ description: 'Longest silence within an answer; progress resets it.' }),
  totalMs: z.int().min(1).max(3_600_000).default(300_000).meta({ description: 'Longest time for one call, progress or not.' }),
  listMs: z.int().min(1).max(60_000).default(5_000).meta({ description: 'For fetching what the server offers.' }),
})

const shared = {
  $schema: z.string().optional(),
  title: z.string().max(128).optional().meta({ description: 'Shown to people.' }),
  description: z.string().max(1024).optional().meta({ description: 'What the server is for.' }),
  enabled: z.boolean().default(true).meta({ description: 'false keeps the file and leaves the server out.' }),
  era: z
    .enum(['auto', 'modern', 'legacy'])
    .default('auto')
    .meta({ description: 'Protocol era: detected, or pinned to modern (2026-07-28) or legacy (2025-11-25 and before).' }),
  sharing: z.enum(['auto', 'shared', 'principal']).default('auto').meta({
    description:
      'Whether callers share one upstream session or process. auto: shared, but a session of its own for a caller whose client answers server requests (HTTP).',
  }),
  timeouts: Timeouts.prefault({}).meta({ description: 'How long things may take.' }),
  concurrency: z
    .strictObject({
      max: z.int().min(1).max(10_000).default(64).meta({ description: 'Calls under way at one time.' }),
      queue: z.int().min(0).max(100_000).default(256).meta({ description: 'Calls waiting; more are refused with 503.' }),
    })
    .prefault({})
    .meta({ description: 'Calls under way and waiting, over all callers.' }),
  breaker: z
    .strictObject({
      failures: z
        .int()
        .min(1)
        .max(1000)
        .default(5)
        .meta({ description: 'Failures in a row that open the breaker: calls are refused at once.' }),
      minOpenMs: z.int().min(1).max(600_000).default(1_000).meta({ description: 'How long it stays open the first time.' }),
      maxOpenMs: z.int().min(1).max(600_000).default(2_000).meta({
        description:
          'How long it stays open at most. One call is let through as a probe then, so a server that is back is used again this soon.',
      }),
    })
    .prefault({})
    .meta({ description: 'When to stop calling a server that fails.' }),
  bounds: z
    .strictObject({
      resultBytes: z.int().min(1).max(1_073_741_824).default(10_485_760).meta({ description: 'Largest result of one call.' }),
      eventBytes: z.int().min(1).max(1_073_741_824).default(10_485_760).meta({ description: 'Largest server-sent event.' }),
      lineBytes: z.int().min(1).max(1_073_741_824).default(10_485_760).meta({ description: 'Longest line of a child.' }),
      stderrBytesPerSecond: z
        .int()
        .min(1)
        .max(104_857_600)
        .default(65_536)
        .meta({ description: 'What a child may write to stderr; the rest is dropped and counted.' }),
      definitions: z
        .int()
        .min(1)
        .max(100_000)
        .default(500)
        .meta({ description: 'Tools, prompts, resources and templates kept, of each kind.' }),
      descriptionBytes: z
        .int()
        .min(1)
        .max(1_048_576)
        .default(8_192)
        .meta({ description: 'Longest description of a definition.' }),
      pages: z.int().min(1).max(1000).default(64).meta({ description: 'Most pages of one list.' }),
    })
    .prefault({})
    .meta({ description: 'What one answer or definition may take.' }),
  refreshMs: z
    .int()
    .min(1_000)
    .max(86_400_000)
    .default(300_000)
    .meta({ description: 'What the server offers is asked again this often, besides its own change notices.' }),
  labels: z
    .record(z.string().min(1).max(64), z.string().max(256))
    .default({})
    .meta({ description: 'Free labels, written to the ledger with every call.' }),
}

const remote = {
  url: z.url({ protocol: /^https?$/ }).meta({ description: 'The MCP endpoint. Secrets stand under credential, not here.' }),
  headers: z.record(HeaderName, z.string().max(8192)).default({}).meta({ description: 'Fixed, non-secret headers.' }),
  credential: Credential.optional().meta({
    description: "How the gateway signs its calls. A caller's own token never leaves the gateway.",
  }),
}

const confinement = {
  read: z
    .array(z.string().min(1))
    .default([])
    .meta({ description: 'Files and folders it may read, besides its program; relative to the folder of tollgate.json.' }),
  write: z
    .array(z.string().min(1))
    .default([])
    .meta({ description: 'Files and folders it may read and write; relative to the folder of tollgate.json.' }),
  network: z
    .boolean()
    .default(false)
    .meta({ description: 'Permit the network. The permission model of Node 24 cannot refuse it; bubblewrap does.' }),
}

const Sandbox = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('none') }),
  z.strictObject({
    type: z.literal('node'),
    ...confinement,
    processes: z.boolean().default(false).meta({ description: 'Permit it to start processes, which nothing confines then.' }),
    threads: z.boolean().default(false).meta({ description: 'Permit it to start worker threads.' }),
  }),
  z.strictObject({
    type: z.literal('bubblewrap'),
    ...confinement,
    command: z.string().min(1).default('bwrap').meta({ description: 'The executable: absolute, or a name looked up on PATH.' }),
  }),
])
export type Sandbox = z.infer<typeof Sandbox>

const HttpServer = z.strictObject({ type: z.literal('http'), ...remote, ...shared })
const SseServer = z.strictObject({ type: z.literal('sse'), ...remote, ...shared })
const StdioServer = z.strictObject({
  type: z.literal('stdio'),
  command: z.string().min(1).meta({
    description:
      'An executable: absolute, or a bare name looked up on PATH when the file is loaded; "node" is the Node that runs the gateway. Never a shell line.',
  }),
  args: z.array(z.string()).default([]).meta({ description: 'Arguments, one word each; no shell reads them.' }),
  cwd: z
    .string()
    .optional()
    .meta({ description: 'Working folder, relative to the folder of tollgate.json, which is also the default.' }),
  env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/), z.string())
    .default({})
    .meta({
      description:
        'Environment of the child: fixed values, or "env:NAME" and "file:PATH" references. Nothing else is inherited but PATH, HOME, LANG, TZ, TMPDIR and the names in inherit.',
    }),
  inherit: z
    .array(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/))
    .default([])
    .meta({ description: 'Names of further variables the child gets from the environment of the gateway.' }),
  allowInterpreterFlags: z
    .boolean()
    .default(false)
    .meta({ description: 'Permit "-c" and "-e" one-liners of shells and interpreters. Logged at every start.' }),
  sandbox: Sandbox.optional().meta({
    description:
      'What the child may reach. node: the permission model of Node, for programs run by node. bubblewrap: Linux namespaces, for any program. Absent: none, but node where the gateway itself runs under the permission model and the command is node.',
  }),
  idleMs: z
    .int()
    .min(1_000)
    .max(86_400_000)
    .default(600_000)
    .meta({ description: 'A child without calls is ended after this long, and started again when needed.' }),
  ...shared,
})

/** `servers/<id>.json`: one upstream MCP server. A superset of an `mcpServers` entry. */
export const Server = z.discriminatedUnion('type', [HttpServer, SseServer, StdioServer])
export type Server = z.infer<typeof Server>
export type HttpServer = z.infer<typeof HttpServer>
export type SseServer = z.infer<typeof SseServer>
export type StdioServer = z.infer<typeof StdioServer>
