import type { Entry } from '../src/core/entry.ts'

const BEGAN_AT = Date.UTC(2026, 10, 1)

const NO_MODEL = {
  provider: null,
  model: null,
  reportedModel: null,
  region: null,
  stream: null,
  firstTokenMs: null,
  inputTokens: null,
  cacheReadTokens: null,
  cacheWrite5mTokens: null,
  cacheWrite1hTokens: null,
  inputAudioTokens: null,
  inputImageTokens: null,
  outputTokens: null,
  reasoningTokens: null,
  outputAudioTokens: null,
  usageSource: null,
  flags: null,
  dropped: null,
  routing: null,
  verdicts: null,
} as const

const REVISION = `sha256:${'5'.repeat(64)}`

/** As in a gateway, entries share the text of their caller and of what was called, and have the rest to themselves. */
const CALLERS = Array.from({ length: 40 }, (_, caller) => ({
  issuer: 'https://login.example.com/tenant/v2.0',
  subject: `subject-${caller}-of-the-company`,
  principalKind: caller % 3 === 0 ? ('user' as const) : ('agent' as const),
  org: 'example',
  team: `team-${caller % 8}`,
  project: `project-${caller % 11}`,
  agent: caller % 3 === 0 ? null : `agent-${caller}`,
  user: caller % 3 === 0 ? `user-${caller}@example.com` : null,
}))

const TOOLS = Array.from({ length: 120 }, (_, tool) => ({
  kind: 'tool' as const,
  method: 'tools/call',
  catalog: `catalog-${tool % 4}`,
  server: `server-${tool % 6}`,
  target: `server-${tool % 6}_tool_${tool % 30}`,
  upstreamTarget: `tool_${tool % 30}`,
  definitionDigest: `sha256:${String(tool % 30).padStart(64, 'd')}`,
}))

const ROUTES = Array.from({ length: 24 }, (_, route) => ({
  kind: 'model' as const,
  method: 'chat',
  catalog: `catalog-${route % 4}`,
  server: null,
  target: `route-${route % 6}`,
  upstreamTarget: `route-${route % 6}`,
  definitionDigest: null,
  provider: `provider-${route % 3}`,
  model: `model-${route}`,
  reportedModel: `model-${route}-2026-10-01`,
  priceVersion: `prices#model-${route}@2026-10-01`,
  usageSource: 'provider' as const,
}))

/** Entries of forty callers in turn, half of them tool calls, half model calls; with the shape and the repetitions of true ones. */
export function madeUpEntries(count: number): Entry[] {
  return Array.from({ length: count }, (_, number) => (number % 2 === 0 ? toolEntry(number) : modelEntry(number)))
}

function toolEntry(number: number): Entry {
  const place = (number / 2) % TOOLS.length
  return {
    ...ownFields(number),
    ...NO_MODEL,
    priceVersion: null,
    ...pick(CALLERS, number),
    ...pick(TOOLS, place),
    rule: `catalogs/catalog-${place % 4}.json:${7 + place}`,
    argumentsDigest: `sha256:${String(number).padStart(64, 'a')}`,
    era: number % 4 === 0 ? 'modern' : 'legacy',
  }
}

function modelEntry(number: number): Entry {
  const place = ((number - 1) / 2) % ROUTES.length
  return {
    ...ownFields(number),
    ...NO_MODEL,
    ...pick(CALLERS, number),
    ...pick(ROUTES, place),
    rule: `catalogs/catalog-${place % 4}.json:${200 + place}`,
    era: 'modern',
    nanoUsd: 1_234_567 + number,
    stream: number % 4 === 1 ? 1 : 0,
    firstTokenMs: 120.25 + Math.sin(number) * 100,
    inputTokens: 800 + (number % 500),
    cacheReadTokens: number % 200,
    outputTokens: 90 + (number % 300),
    routing: `[{"target":"provider-${place % 3}/model-${place}","outcome":"chosen","reason":"weight"}]`,
  }
}

function ownFields(number: number) {
  const upstreamMs = 20 + Math.sin(number) * 10
  const hasFailed = number % 50 === 0
  return {
    id: idOf(number),
    attempt: 1,
    at: BEGAN_AT + Math.floor(number / 3),
    session: `session-${Math.floor(number / 500)}-${number % CALLERS.length}`,
    revision: REVISION,
    decision: 'allow',
    reason: 'allowed',
    argumentsDigest: null,
    status: hasFailed ? 'error' : 'ok',
    error: hasFailed ? 'upstream_timeout' : null,
    traceId: String(number).padStart(32, 'b'),
    durationMs: upstreamMs + 0.8765432101,
    gatewayMs: 0.8765432101 + (number % 7) / 1e4,
    queueMs: 0,
    guardMs: 0,
    upstreamMs,
    requestBytes: 300 + (number % 90),
    responseBytes: 700 + (number % 1_000),
    nanoUsd: 0,
    labels: null,
  } as const
}

function pick<Kind>(kinds: readonly Kind[], place: number): Kind {
  // A remainder is within the list.
  return kinds[place % kinds.length] as Kind
}

/** The id of the exchange with this number. */
export function idOf(number: number): string {
  const milliseconds = (BEGAN_AT + Math.floor(number / 3)).toString(16).padStart(12, '0')
  const rest = (Math.imul(number + 1, 0x9e3779b1) >>> 0).toString(16).padStart(12, '0')
  return `${milliseconds.slice(0, 8)}-${milliseconds.slice(8)}-7${String(number % 1_000).padStart(3, '0')}-8000-${rest}`
}
