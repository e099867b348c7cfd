// Watches a Messages stream that is forwarded as it is. The name of a frame's event says what it is, so deltas, nearly all there is, are never
// parsed; usage, stop reasons and errors are. A frame without a name, or with one that says nothing, is parsed to learn its type.
import { isJsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import { createSseParser } from '../../lib/sse.ts'
import { parseObject } from '../loose-json.ts'
import type { DialectError, Sighting, Tap } from '../wire.ts'
import { messagesErrorFrame, messagesFailure } from '../wires/messages-failure.ts'
import { createUsageMeter } from '../wires/messages-usage.ts'

/** Makes a tap for one stream. */
export function createMessagesTap(): Tap {
  return new MessagesTap()
}

const EVENT_DELTA = Buffer.from('event: content_block_delta\n')
const PREAMBLE: Sighting = { kind: 'preamble' }
const CONTENT: Sighting = { kind: 'content' }
const PING: Sighting = { kind: 'ping' }
const FINISH: Sighting = { kind: 'finish' }
const END: Sighting = { kind: 'end' }

class MessagesTap implements Tap {
  readonly #meter = createUsageMeter()
  #model: string | undefined
  #hasContent = false

  see(frame: Buffer): Sighting {
    if (isDelta(frame)) return this.#content()
    const { event, data } = read(frame)
    if (data === undefined) return PING
    const body = parseObject(data)
    const type = typeof body?.['type'] === 'string' ? body['type'] : event
    switch (type) {
      case 'message_start':
        return this.#start(body?.['message'])
      case 'content_block_start':
        return isEmpty(body?.['content_block']) ? this.#aside() : this.#content()
      case 'content_block_delta':
        return this.#content()
      case 'message_delta':
        this.#meter.take(body?.['usage'])
        return FINISH
      case 'message_stop':
        return END
      case 'ping':
        return PING
      case 'error':
        return { kind: 'error', failure: messagesFailure(body ?? {}) }
      default:
        // The end of a block, events to come, and what cannot be read: forwarded, and nothing to commit to.
        return this.#aside()
    }
  }

  usage(): Usage | undefined {
    return this.#meter.usage()
  }

  model(): string | undefined {
    return this.#model
  }

  fail(error: DialectError, requestId: string): string {
    return messagesErrorFrame(error, requestId)
  }

  #start(message: unknown): Sighting {
    if (!isJsonObject(message)) return this.#aside()
    this.#meter.take(message['usage'])
    if (typeof message['model'] === 'string') this.#model = message['model']
    return this.#aside()
  }

  #content(): Sighting {
    this.#hasContent = true
    return CONTENT
  }

  #aside(): Sighting {
    return this.#hasContent ? CONTENT : PREAMBLE
  }
}

function isDelta(frame: Buffer): boolean {
  return frame.length > EVENT_DELTA.length && frame.compare(EVENT_DELTA, 0, EVENT_DELTA.length, 0, EVENT_DELTA.length) === 0
}

/** A block that has begun and holds nothing yet. A call holds its name. */
function isEmpty(block: unknown): boolean {
  if (!isJsonObject(block)) return true
  if (block['type'] === 'text') return (block['text'] ?? '') === ''
  return block['type'] === 'thinking' && (block['thinking'] ?? '') === '' && (block['signature'] ?? '') === ''
}

/** The event of a frame; no data where it holds only comments. */
function read(frame: Buffer): { readonly event: string; readonly data: string | undefined } {
  let found: { readonly event: string; readonly data: string | undefined } = { event: '', data: undefined }
  createSseParser({ onEvent: ({ event, data }) => void (found = { event, data }) }, Number.MAX_SAFE_INTEGER).push(frame)
  return found
}
