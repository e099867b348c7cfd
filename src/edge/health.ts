import type { IncomingMessage, ServerResponse } from 'node:http'

/** One thing readiness depends on, or one that only degrades it. */
export interface HealthCheck {
  readonly name: string
  readonly ok: boolean
  /** False: shown as degraded, readiness stays. One dead upstream must not take the gateway out. */
  readonly required: boolean
  readonly message?: string
}

/** Answers `/livez`, `/readyz` and `/healthz` (an alias of readyz); `?verbose` lists the checks. Asks no credential, tells no secret. */
export function createHealthHandler(
  checks: () => readonly HealthCheck[],
): (request: IncomingMessage, response: ServerResponse) => boolean {
  return (request, response) => {
    const [path, query = ''] = (request.url ?? '').split('?')
    if (path !== '/livez' && path !== '/readyz' && path !== '/healthz') return false
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      send(response, 405, { status: 'method not allowed' })
      return true
    }
    if (path === '/livez') {
      send(response, 200, { status: 'alive' })
      return true
    }
    const all = checks()
    const ready = all.every((check) => check.ok || !check.required)
    const status = ready ? (all.every((check) => check.ok) ? 'ready' : 'degraded') : 'not ready'
    const shown = query.includes('verbose') || !ready || status === 'degraded' ? { checks: all } : {}
    send(response, ready ? 200 : 503, { status, ...shown })
    return true
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`
  response.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  })
  response.end(text)
}
