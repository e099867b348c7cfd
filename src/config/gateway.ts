import { z } from 'zod'
import { Identity } from './identity.ts'
import { CallLimits } from './limits.ts'
import { SecretReference } from './reference.ts'

const Tls = z.strictObject({
  cert: z.string().min(1).meta({ description: 'PEM file with the certificate chain; read again when it changes.' }),
  key: z.string().min(1).meta({ description: 'PEM file with the private key.' }),
  clientCa: z
    .string()
    .min(1)
    .optional()
    .meta({ description: 'PEM file: client certificates are asked for and must be signed by one of these.' }),
})
export type Tls = z.infer<typeof Tls>

const port = z.int().min(0).max(65_535)
const host = z.string().min(1)

const Listener = z.strictObject({
  host: host.default('127.0.0.1'),
  port: port.default(8080),
  tls: Tls.optional(),
  hosts: z.array(z.string().min(1)).default([]).meta({
    description: 'Host header values accepted besides those of publicUrl and, on loopback, localhost, 127.0.0.1 and [::1].',
  }),
  origins: z.array(z.string().min(1)).default([]).meta({
    description:
      'Browser origins allowed (scheme://host:port, exact). On a loopback listener pages of the same loopback origin are allowed too.',
  }),
})

/** Bounds of reference 0.1: what one caller, connection or message may take. */
export const Bounds = z.strictObject({
  bodyBytes: z.int().min(1024).max(1_073_741_824).default(4_194_304),
  headerBytes: z.int().min(1024).max(1_048_576).default(16_384),
  urlBytes: z.int().min(256).max(65_536).default(8_192),
  jsonDepth: z.int().min(4).max(1_000).default(64),
  jsonNodes: z.int().min(100).max(100_000_000).default(100_000),
  headersMs: z.int().min(100).max(600_000).default(10_000),
  bodyMs: z.int().min(100).max(600_000).default(30_000),
  connections: z.int().min(1).max(1_000_000).default(4_000),
  connectionsPerAddress: z.int().min(1).max(1_000_000).default(400),
  inFlight: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(2_000)
    .meta({ description: 'Exchanges under way in this process; more get 503 with Retry-After.' }),
  tokenBytes: z.int().min(256).max(65_536).default(8_192),
  sessionsPerPrincipal: z.int().min(1).max(1_000_000).default(20),
  sessions: z.int().min(1).max(10_000_000).default(10_000),
  sessionIdleMs: z.int().min(1_000).max(86_400_000).default(900_000),
  listensPerPrincipal: z.int().min(1).max(100_000).default(20),
  parkedMs: z
    .int()
    .min(1_000)
    .max(3_600_000)
    .default(600_000)
    .meta({ description: "How long a call that waits for its caller's answer is kept." }),
  parkedPerPrincipal: z.int().min(1).max(100_000).default(20),
  eventBufferBytes: z
    .int()
    .min(1024)
    .max(1_073_741_824)
    .default(262_144)
    .meta({ description: 'Unread bytes kept for one stream before it is ended.' }),
  drainMs: z.int().min(0).max(600_000).default(30_000),
  lameDuckMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(0)
    .meta({ description: 'On SIGTERM: how long new requests are still accepted while readiness already says no.' }),
  keepAliveMs: z.int().min(1_000).max(600_000).default(15_000).meta({ description: 'Comment lines on silent streams.' }),
  metricSeries: z.int().min(100).max(1_000_000).default(10_000),
})
export type Bounds = z.infer<typeof Bounds>

const Telemetry = z.strictObject({
  level: z.enum(['error', 'warn', 'info', 'debug']).default('info'),
  exchanges: z.boolean().default(true).meta({ description: 'One log line per exchange.' }),
  otlp: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .meta({ description: 'OTLP/HTTP traces endpoint, for instance http://127.0.0.1:4318/v1/traces.' }),
      headers: z.record(z.string(), SecretReference).default({}),
      serviceName: z.string().default('tollgate'),
      sampleRatio: z.number().min(0).max(1).default(1),
    })
    .optional(),
})

/** `tollgate.json`: the gateway itself. */
export const Gateway = z.strictObject({
  $schema: z.string().optional(),
  mode: z
    .enum(['development', 'production'])
    .default('production')
    .meta({ description: 'development adds a local issuer whose tokens "npm start" prints. Only on loopback listeners.' }),
  publicUrl: z
    .url({ protocol: /^https?$/ })
    .optional()
    .meta({ description: 'Where callers reach the data listener, without a path. Default: from the listener.' }),
  data: Listener.prefault({}).meta({ description: 'The listener for callers.' }),
  admin: z.strictObject({ host: host.default('127.0.0.1'), port: port.default(8081), tls: Tls.optional() }).prefault({}),
  health: z.strictObject({ host: host.default('127.0.0.1'), port: port.default(8082) }).prefault({}),
  servers: z.string().default('servers').meta({ description: 'Folder of upstream registrations, relative to this file.' }),
  catalogs: z.string().default('catalogs').meta({ description: 'Folder of catalogs, relative to this file.' }),
  state: z
    .string()
    .default('.tollgate')
    .meta({ description: 'Folder for the ledger, keys and seals, relative to this file. Private to the gateway.' }),
  identity: Identity.prefault({}),
  seal: z
    .strictObject({ keys: z.array(SecretReference).min(1) })
    .optional()
    .meta({
      description:
        'Keys (32 bytes, base64) that seal session ids and request states; the first seals, all open. Default: one made in the state folder.',
    }),
  egress: z
    .strictObject({ allow: z.array(z.string().min(1)).default([]) })
    .prefault({})
    .meta({
      description:
        'Addresses (CIDR, or host:port) beyond the public Internet that names may resolve to. A literal address in an operator file is allowed as written.',
    }),
  limits: CallLimits.optional().meta({ description: 'Limits for every caller on top of those of catalogs and tools.' }),
  ledger: z
    .strictObject({
      durability: z
        .enum(['process', 'strict'])
        .default('process')
        .meta({ description: 'process: survives the end of the process. strict: waits for the disk before the last byte.' }),
    })
    .prefault({}),
  bounds: Bounds.prefault({}),
  telemetry: Telemetry.prefault({}),
})
export type Gateway = z.infer<typeof Gateway>
