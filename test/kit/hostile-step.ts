import { isJsonObject, type Json, type JsonObject } from '../../src/core/json.ts'

/** A message of the gateway, and every way to answer it. */
export interface Step {
  readonly method: string
  readonly id: string | number | undefined
  readonly params: JsonObject
  /** The message as it came: also answers of the gateway to what the server asked. */
  readonly message: JsonObject
  /** Header fields, where the transport has any. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** The right form of an answer with this result. */
  result(result: JsonObject): void
  /** The right form of an error answer. */
  error(code: number, message: string): void
  /** Any message on the stream of this call: an HTTP answer becomes an event stream. Resolves when the wire takes more. */
  send(message: JsonObject): Promise<void>
  /** Bytes where the body of the answer stands, with a media type where there is one; the transport frames nothing. */
  body(bytes: string | Buffer, contentType?: string): void
  /** Bytes in place of the whole answer: for HTTP its status line too, and `hangUp` then ends it. Resolves when the wire takes more. */
  raw(bytes: string | Buffer): Promise<void>
  /** Ends the connection after what was written, in the middle of whatever it is. */
  hangUp(): void
  /** Aborted when the gateway does not wait any more. */
  readonly gone: AbortSignal
}

/** What all transports share: the script under way and the record of what came. */
export interface Desk {
  take(step: Step): void
}

/** What a transport gives. */
export interface Wire extends AsyncDisposable {
  readonly file: JsonObject
  push(message: JsonObject): Promise<void>
}

/** The members of a message a step shows; what is no object shows as empty. */
export function partsOf(parsed: Json): Pick<Step, 'method' | 'id' | 'params' | 'message'> {
  const message = isJsonObject(parsed) ? parsed : {}
  const { id, method, params = {} } = message
  return {
    method: typeof method === 'string' ? method : '',
    id: typeof id === 'string' || typeof id === 'number' ? id : undefined,
    params: isJsonObject(params) ? params : {},
    message,
  }
}

/** One event of an event stream. */
export function eventOf(message: JsonObject): string {
  return `data: ${JSON.stringify(message)}\n\n`
}
