import type { IncomingHttpHeaders } from 'node:http'
import { createHttpPeer, readBody } from './bridge/http.ts'

/** A whole answer. */
export interface TextAnswer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** One request of a verb. */
export interface TextRequest {
  readonly method?: 'GET' | 'POST'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly timeoutMs?: number
  readonly signal?: AbortSignal
}

const MAX_BYTES = 16 * 1024 * 1024

/** Asks one URL once, within a deadline. Redirects are not followed. */
export async function fetchText(url: URL, request: TextRequest = {}): Promise<TextAnswer> {
  const { method = 'GET', headers = {}, body, timeoutMs = 5_000, signal } = request
  const deadline = AbortSignal.timeout(timeoutMs)
  const peer = createHttpPeer(url, timeoutMs)
  try {
    const call = { method, headers, signal: signal === undefined ? deadline : AbortSignal.any([deadline, signal]) }
    const incoming = await peer.open(body === undefined ? call : { ...call, body })
    return { status: incoming.statusCode ?? 0, headers: incoming.headers, body: await readBody(incoming, MAX_BYTES) }
  } finally {
    peer.close()
  }
}
