import type { StreamGuard } from '../../pipeline/facet.ts'
import type { LlmDeps } from '../contract.ts'
import { createGate } from '../gate.ts'
import { createSignatureRecorder, keepsSignatures, type SignatureMemory } from '../signature.ts'
import type { SinkHooks } from './attempt.ts'
import { createPassSink } from './pass-sink.ts'
import type { Prepared } from './prepare.ts'
import type { StreamSink } from './sink.ts'
import { createTranslateSink } from './translate-sink.ts'
import type { ModelVisit } from './visit.ts'

/** What a sink is made for. */
export interface SinkParts {
  readonly deps: LlmDeps
  readonly signatures: SignatureMemory
  readonly visit: ModelVisit
  readonly guard: StreamGuard | undefined
}

/** Makes the sink of a streamed answer: bytes pass in the same dialect, else they are read and written anew. */
export function createSink(parts: SinkParts, prepared: Prepared, hooks: SinkHooks): StreamSink {
  const sink = prepared.call.body.kind === 'same' ? passing(parts, prepared, hooks) : translating(parts, prepared, hooks)
  parts.visit.sink = sink
  return sink
}

function passing({ deps, visit }: SinkParts, { reading }: Prepared, hooks: SinkHooks): StreamSink {
  const { request, delivery } = visit
  const quirks = reading.quirks === undefined ? {} : { quirks: reading.quirks }
  const tap = request.door.dialect.createTap({ includeUsage: request.includeUsage, ...quirks })
  return createPassSink({ reading, tap, delivery, maxFrameBytes: deps.bounds.modelAnswerBytes, ...hooks })
}

function translating(
  { deps, signatures, visit, guard }: SinkParts,
  { reading, decodeContext }: Prepared,
  hooks: SinkHooks,
): StreamSink {
  const { request, delivery, exchange } = visit
  const { dialect } = request.door
  const recorder = keepsSignatures(dialect.name)
    ? undefined
    : createSignatureRecorder(signatures, exchange.identity.key, decodeContext.family)
  return createTranslateSink({
    reading,
    decoder: reading.wire.createDecoder(decodeContext),
    encoder: dialect.createEncoder(visit.encodeContext()),
    delivery,
    gate: guard === undefined ? undefined : createGate(guard),
    maxFrameBytes: deps.bounds.modelAnswerBytes,
    onEvent: (event) => recorder?.see(event),
    ...hooks,
  })
}
