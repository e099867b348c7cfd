import { z } from 'zod'
import { Guard } from './guard.ts'
import { Identity } from './identity.ts'
import { CallLimits } from './limits.ts'
import { Provider } from './provider.ts'
import { Glob, Id, SecretReference } from './reference.ts'
import { ModelName, Route } from './route.ts'

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

const port = z.int().min(0).max(65_535).meta({ description: 'TCP port; 0 takes a free one.' })
const host = z.string().min(1).meta({ description: 'Address to listen on; beyond loopback only when written here.' })

const Listener = z.strictObject({
  host: host.default('127.0.0.1'),
  port: port.default(8080),
  tls: Tls.optional().meta({ description: 'Serve TLS with these files; plain HTTP when absent.' }),
  hosts: z.array(z.string().min(1)).default([]).meta({
    description: 'Host header values accepted besides those of publicUrl and, on loopback, localhost, 127.0.0.1 and [::1].',
  }),
  origins: z.array(z.string().min(1)).default([]).meta({
    description:
      'Browser origins allowed (scheme://host:port, exact). On a loopback listener pages of the same loopback origin are allowed too.',
  }),
})

/** What one caller, connection or message may take. */
export const Bounds = z.strictObject({
  bodyBytes: z.int().min(1024).max(1_073_741_824).default(4_194_304).meta({ description: 'Largest request body.' }),
  modelBodyBytes: z
    .int()
    .min(1024)
    .max(1_073_741_824)
    .default(33_554_432)
    .meta({ description: 'Largest request body on /v1: prompts carry images.' }),
  modelAnswerBytes: z
    .int()
    .min(1024)
    .max(1_073_741_824)
    .default(33_554_432)
    .meta({ description: 'Largest answer of a provider.' }),
  headerBytes: z.int().min(1024).max(1_048_576).default(16_384).meta({ description: 'Largest header block.' }),
  urlBytes: z.int().min(256).max(65_536).default(8_192).meta({ description: 'Longest URL.' }),
  jsonDepth: z.int().min(4).max(1_000).default(64).meta({ description: 'Deepest nesting of a message.' }),
  jsonNodes: z.int().min(100).max(100_000_000).default(100_000).meta({ description: 'Most values in one message.' }),
  headersMs: z
    .int()
    .min(100)
    .max(600_000)
    .default(10_000)
    .meta({ description: 'How long a caller may take to send its headers.' }),
  bodyMs: z.int().min(100).max(600_000).default(30_000).meta({ description: 'How long a caller may take to send its body.' }),
  connections: z.int().min(1).max(1_000_000).default(4_000).meta({ description: 'Open connections.' }),
  connectionsPerAddress: z.int().min(1).max(1_000_000).default(400).meta({ description: 'Open connections from one address.' }),
  inFlight: z
    .int()
    .min(1)
    .max(1_000_000)
    .default(2_000)
    .meta({ description: 'Exchanges under way in this process; more get 503 with Retry-After.' }),
  tokenBytes: z.int().min(256).max(65_536).default(8_192).meta({ description: 'Longest credential.' }),
  failedSignInsPerSecond: z.int().min(1).max(1_000_000).default(100).meta({
    description: 'Refused tokens per second and address (four times as many at once); past it tokens not seen before get 429.',
  }),
  sessionsPerPrincipal: z.int().min(1).max(1_000_000).default(20).meta({ description: 'Legacy sessions of one caller.' }),
  sessions: z.int().min(1).max(10_000_000).default(10_000).meta({ description: 'Legacy sessions of all callers.' }),
  sessionIdleMs: z
    .int()
    .min(1_000)
    .max(86_400_000)
    .default(900_000)
    .meta({ description: 'A legacy session without traffic ends after this long.' }),
  listensPerPrincipal: z.int().min(1).max(100_000).default(20).meta({ description: 'Open listening streams of one caller.' }),
  parkedMs: z
    .int()
    .min(1_000)
    .max(3_600_000)
    .default(600_000)
    .meta({ description: "How long a call that waits for its caller's answer is kept." }),
  parkedPerPrincipal: z
    .int()
    .min(1)
    .max(100_000)
    .default(20)
    .meta({ description: 'Calls of one caller that wait for its answer.' }),
  eventBufferBytes: z
    .int()
    .min(1024)
    .max(1_073_741_824)
    .default(262_144)
    .meta({ description: 'Unread bytes kept for one stream before it is ended.' }),
  drainMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(30_000)
    .meta({ description: 'How long exchanges under way may take to end on SIGTERM.' }),
  lameDuckMs: z
    .int()
    .min(0)
    .max(600_000)
    .default(0)
    .meta({ description: 'On SIGTERM: how long new requests are still accepted while readiness already says no.' }),
  keepAliveMs: z.int().min(1_000).max(600_000).default(15_000).meta({ description: 'Comment lines on silent streams.' }),
  metricSeries: z
    .int()
    .min(100)
    .max(1_000_000)
    .default(10_000)
    .meta({ description: 'Most metric series; further label values are counted as "other".' }),
})
export type Bounds = z.infer<typeof Bounds>

const Telemetry = z.strictObject({
  level: z
    .enum(['error', 'warn', 'info', 'debug'])
    .default('info')
    .meta({ description: 'Least severe operational log line written.' }),
  exchanges: z.boolean().default(true).meta({ description: 'One log line per exchange.' }),
  otlp: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .meta({ description: 'OTLP/HTTP traces endpoint, for instance http://127.0.0.1:4318/v1/traces.' }),
      headers: z.record(z.string(), SecretReference).default({}).meta({ description: 'Headers of the exporter, by reference.' }),
      serviceName: z.string().default('tollgate').meta({ description: 'Name of this service in traces.' }),
      sampleRatio: z.number().min(0).max(1).default(1).meta({ description: 'Share of traces that begin here and are kept.' }),
    })
    .optional()
    .meta({ description: 'Send traces over OTLP/HTTP; absent: none are sent.' }),
})

const Egress = z.strictObject({
  allow: z.array(z.string().min(1)).default([]).meta({
    description:
      'Addresses (CIDR, or host:port) beyond the public Internet that names may resolve to. A literal address in an operator file is allowed as written.',
  }),
  ports: z.array(z.int().min(1).max(65_535)).default([443]).meta({
    description: 'Ports that a URL found elsewhere (in the metadata of an issuer) may name. URLs in operator files may name any.',
  }),
  proxy: z
    .strictObject({
      url: z
        .url({ protocol: /^https?$/ })
        .meta({ description: 'The proxy, for instance http://proxy.example.com:3128, without credentials.' }),
      credentials: SecretReference.optional().meta({ description: 'user:password for the proxy, by reference.' }),
      direct: z.array(Glob).default([]).meta({
        description: 'Hosts reached without it, for instance *.corp.example.com. "*" stands for any run of characters.',
      }),
    })
    .optional()
    .meta({
      description:
        'Outbound proxy: targets are reached through a tunnel (CONNECT) and their names are resolved there. localhost and literal addresses that are not public are reached directly.',
    }),
})
export type Egress = z.infer<typeof Egress>

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
  admin: z
    .strictObject({
      host: host.default('127.0.0.1'),
      port: port.default(8081),
      tls: Tls.optional().meta({ description: 'Serve TLS with these files.' }),
    })
    .prefault({})
    .meta({ description: 'The listener for operators: admin API and metrics. It always asks for a credential.' }),
  health: z
    .strictObject({ host: host.default('127.0.0.1'), port: port.default(8082) })
    .prefault({})
    .meta({ description: 'The listener for /livez and /readyz.' }),
  workers: z
    .union([z.literal('auto'), z.int().min(1).max(64)])
    .default(1)
    .meta({
      description:
        'Threads that serve callers on the data port, each with an event loop of its own; "auto" is one per core this process may use. Linux only; elsewhere one serves.',
    }),
  servers: z.string().default('servers').meta({ description: 'Folder of upstream registrations, relative to this file.' }),
  catalogs: z.string().default('catalogs').meta({ description: 'Folder of catalogs, relative to this file.' }),
  state: z
    .string()
    .default('.tollgate')
    .meta({ description: 'Folder for the ledger, keys and seals, relative to this file. Private to the gateway.' }),
  identity: Identity.prefault({}).meta({ description: 'Who may call, and how they prove it.' }),
  seal: z
    .strictObject({ keys: z.array(SecretReference).min(1).meta({ description: 'The first seals, all open.' }) })
    .optional()
    .meta({
      description:
        'Keys (32 bytes, base64) that seal session ids and request states; the first seals, all open. Default: one made in the state folder.',
    }),
  egress: Egress.prefault({}).meta({ description: 'What the gateway itself may connect to, and which way.' }),
  providers: z.record(Id, Provider).default({}).meta({ description: 'Providers of models, by id.' }),
  routes: z.record(ModelName, Route).default({}).meta({ description: 'Model names callers use, and who answers them.' }),
  prices: z.array(z.string().min(1)).default([]).meta({
    description:
      'Price files of your own, relative to this file; the last one that knows a model wins over the table that ships.',
  }),
  guards: z.record(Id, Guard).default({}).meta({ description: 'Named sets of evaluators; catalogs name those that guard them.' }),
  limits: CallLimits.optional().meta({ description: 'Limits for every caller on top of those of catalogs and tools.' }),
  ledger: z
    .strictObject({
      durability: z
        .enum(['process', 'strict'])
        .default('process')
        .meta({ description: 'process: survives the end of the process. strict: waits for the disk before the last byte.' }),
      spillBytes: z.int().min(0).max(1_073_741_824).default(8_388_608).meta({
        description:
          'While the disk refuses entries, this many bytes of them wait in memory and calls go on; then calls are refused. 0 refuses at once.',
      }),
    })
    .prefault({})
    .meta({ description: 'What every call leaves behind.' }),
  bounds: Bounds.prefault({}).meta({ description: 'What one caller, connection or message may take.' }),
  telemetry: Telemetry.prefault({}).meta({ description: 'Logs and traces.' }),
})
export type Gateway = z.infer<typeof Gateway>
