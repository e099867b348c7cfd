import { writeBody, type BodyEdits, type WrittenBody } from '../body.ts'
import type { ProviderCall } from '../provider.ts'
import { messagesWire } from './messages.ts'

/** Where a cloud that serves Claude wants the betas of the caller: in the body (Bedrock) or in their header, which the provider passes (Vertex). */
export interface EnvelopeOptions {
  readonly betas: 'body' | 'header'
}

/** Writes a Messages body for a cloud that names model and streaming in the URL: without both, with `anthropic_version`. */
export function claudeEnvelope(call: ProviderCall, version: string, options: EnvelopeOptions = { betas: 'header' }): WrittenBody {
  const betas = options.betas === 'body' ? betasOf(call) : []
  const edits: BodyEdits = {
    model: undefined,
    stream: undefined,
    anthropic_version: JSON.stringify(version),
    ...(betas.length === 0 ? {} : { anthropic_beta: JSON.stringify(betas) }),
  }
  return writeBody(call, messagesWire, edits)
}

function betasOf({ passed }: ProviderCall): string[] {
  const names = (passed['anthropic-beta'] ?? '').split(',').map((name) => name.trim())
  return names.filter((name) => name !== '')
}
