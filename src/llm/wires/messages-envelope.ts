import type { Json } from '../../core/json.ts'
import { writeBody, type BodyEdits, type WrittenBody } from '../body.ts'
import type { ProviderCall, RequestBody } from '../provider.ts'
import { messagesWire } from './messages.ts'
import { refuseThread } from './messages-thread.ts'

/** Where a cloud that serves Claude wants the betas of the caller: in the body (Bedrock) or in their header, which the provider passes (Vertex). */
export interface EnvelopeOptions {
  readonly betas: 'body' | 'header'
}

/** Writes a Messages body for a cloud that names model and streaming in the URL: without both, with `anthropic_version`. */
export function claudeEnvelope(call: ProviderCall, version: string, options: EnvelopeOptions = { betas: 'header' }): WrittenBody {
  if (call.body.kind === 'same') refuseThread(threadOf(call.body))
  const betas = options.betas === 'body' ? betasOf(call) : []
  const edits: BodyEdits = {
    model: undefined,
    stream: undefined,
    anthropic_version: JSON.stringify(version),
    ...(betas.length === 0 ? {} : { anthropic_beta: JSON.stringify(betas) }),
  }
  return writeBody(call, messagesWire, edits)
}

function threadOf({ bytes, members }: Extract<RequestBody, { kind: 'same' }>): Json | undefined {
  const span = members.get('thread')
  // Of the value only matters whether there is one.
  return span === undefined || bytes.toString('utf8', span.valueStart, span.end) === 'null' ? undefined : true
}

function betasOf({ passed }: ProviderCall): string[] {
  const names = (passed['anthropic-beta'] ?? '').split(',').map((name) => name.trim())
  return names.filter((name) => name !== '')
}
