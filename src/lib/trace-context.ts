// W3C Trace Context and Baggage (https://www.w3.org/TR/trace-context/, https://www.w3.org/TR/baggage/): read what a caller sent, leniently in
// that a bad value is as good as none, and write what goes to an upstream.
import { randomFillSync } from 'node:crypto'

/** The span a message came from. */
export interface SpanReference {
  /** 32 hex digits. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
}

/** The trace an exchange belongs to. Has every field of the core's TraceContext. */
export interface Trace extends SpanReference {
  readonly parentSpanId?: string
  readonly sampled: boolean
  readonly tracestate?: string
  readonly baggage?: string
  /** The span of the HTTP request, when the message itself named another parent. */
  readonly link?: SpanReference
}

/** Where the three values may stand: HTTP headers, or `_meta` of a message. */
export type Carrier = Readonly<Record<string, unknown>>

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const ZEROS = /^0+$/
const MAX_TRACEPARENT = 256
const MAX_TRACESTATE = 512
const MAX_TRACESTATE_MEMBERS = 32
const TRACESTATE_MEMBER = /^[a-z0-9][a-z0-9_\-*/@]{0,255}=[\x21-\x2b\x2d-\x3c\x3e-\x7e\x20]{1,256}$/
const MAX_BAGGAGE = 8_192
const MAX_BAGGAGE_MEMBERS = 64
const BAGGAGE_MEMBER = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*=[\x20\t\x21\x23-\x2b\x2d-\x7e]*$/

/**
 * Begins the trace of an exchange: under the parent that `meta` names, else the one of the headers, else as a new trace of which
 * `sampleRatio` (0 to 1) are sampled. A caller's choice to sample or not is followed.
 */
export function startTrace(headers: Carrier, meta: Carrier | undefined, sampleRatio: number): Trace {
  const spanId = randomHex(8)
  const parent = parseTraceparent(headers['traceparent'])
  const traceId = parent?.traceId ?? randomHex(16)
  const tracestate = parent === undefined ? undefined : parseTracestate(headers['tracestate'])
  const baggage = parseBaggage(headers['baggage'])
  const trace: Trace = {
    traceId,
    spanId,
    sampled: parent?.sampled ?? isSampled(traceId, sampleRatio),
    ...(parent === undefined ? {} : { parentSpanId: parent.spanId }),
    ...(tracestate === undefined ? {} : { tracestate }),
    ...(baggage === undefined ? {} : { baggage }),
  }
  return meta === undefined ? trace : traceOfMeta(trace, meta)
}

/** The same exchange under the parent that a message's `_meta` names; the parent of the HTTP request is kept as a link. */
export function traceOfMeta(trace: Trace, meta: Carrier): Trace {
  const parent = parseTraceparent(meta['traceparent'])
  const baggage = parseBaggage(meta['baggage']) ?? trace.baggage
  if (parent === undefined) return baggage === undefined ? trace : { ...trace, baggage }
  const tracestate = parseTracestate(meta['tracestate'])
  const ambient = trace.parentSpanId
  const isOther = ambient !== undefined && (ambient !== parent.spanId || trace.traceId !== parent.traceId)
  return {
    traceId: parent.traceId,
    spanId: trace.spanId,
    parentSpanId: parent.spanId,
    sampled: parent.sampled,
    ...(tracestate === undefined ? {} : { tracestate }),
    ...(baggage === undefined ? {} : { baggage }),
    ...(isOther ? { link: { traceId: trace.traceId, spanId: ambient } } : {}),
  }
}

/** The `traceparent` that makes our span the parent. */
export function formatTraceparent(trace: Pick<Trace, 'traceId' | 'spanId' | 'sampled'>): string {
  return `00-${trace.traceId}-${trace.spanId}-${trace.sampled ? '01' : '00'}`
}

/** The parent a `traceparent` names; undefined when it is none. A later version is read as far as it looks like version 00. */
export function parseTraceparent(value: unknown): (SpanReference & { readonly sampled: boolean }) | undefined {
  if (typeof value !== 'string' || value.length > MAX_TRACEPARENT) return undefined
  const [, version, traceId, spanId, flags, rest] = TRACEPARENT.exec(value) ?? []
  if (version === undefined || traceId === undefined || spanId === undefined || flags === undefined) return undefined
  if (version === 'ff' || (version === '00' && rest !== undefined) || ZEROS.test(traceId) || ZEROS.test(spanId)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 }
}

/** `tracestate` with its first members, as many as the limits let through; undefined when it is not one. */
export function parseTracestate(value: unknown): string | undefined {
  const members = membersOf(value, TRACESTATE_MEMBER)
  return members && firstWithin(members.slice(0, MAX_TRACESTATE_MEMBERS), MAX_TRACESTATE)
}

/** `baggage` with its first members, as many as the limits let through; undefined when it is not one. */
export function parseBaggage(value: unknown): string | undefined {
  const members = membersOf(value, BAGGAGE_MEMBER)
  return members && firstWithin(members.slice(0, MAX_BAGGAGE_MEMBERS), MAX_BAGGAGE)
}

/** One strange member makes the whole value strange: nothing of it is passed on. */
function membersOf(value: unknown, form: RegExp): string[] | undefined {
  if (typeof value !== 'string' || value.length > MAX_BAGGAGE * 2) return undefined
  const members = value
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '')
  return members.every((member) => form.test(member)) ? members : undefined
}

function firstWithin(members: readonly string[], max: number): string | undefined {
  let text = ''
  for (const member of members) {
    const longer = text === '' ? member : `${text},${member}`
    if (longer.length > max) break
    text = longer
  }
  return text === '' ? undefined : text
}

/** By the trace id, so that every hop with the same ratio decides the same. */
function isSampled(traceId: string, ratio: number): boolean {
  return Number.parseInt(traceId.slice(-8), 16) < ratio * 0x1_0000_0000
}

const pool = Buffer.alloc(4_096)
let used = pool.length

function randomHex(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool)
    used = 0
  }
  const text = pool.toString('hex', used, used + bytes)
  used += bytes
  return ZEROS.test(text) ? randomHex(bytes) : text
}
