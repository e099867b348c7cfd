import type { HealthCheck } from '../edge/health.ts'
import type { WorkerThreads } from '../workers/threads.ts'
import type { Parts } from './parts.ts'

/** What readiness looks at. Upstreams, issuers and bad files only degrade: one of them must not take the gateway out. */
export function healthChecks({ life, ledger, files, callers }: Parts, threads: WorkerThreads | undefined): HealthCheck[] {
  const ledgerStatus = ledger.status()
  const { problems, servers } = files.current.get()
  const down = [...servers.values()].filter(({ status }) => status.state !== 'ready' && status.state !== 'disabled')
  const issuers = callers.authenticator.status().filter(({ lastError }) => lastError !== undefined)
  const check = (name: string, ok: boolean, options: { required: boolean; message?: string | undefined }): HealthCheck => ({
    name,
    ok,
    required: options.required,
    ...(ok || options.message === undefined ? {} : { message: options.message }),
  })
  return [
    check('serving', life.ready, { required: true, message: life.draining ? 'shutting down' : 'starting or shutting down' }),
    check('ledger', ledgerStatus.writable, { required: true, message: ledgerStatus.reason }),
    check('configuration', problems.length === 0, {
      required: false,
      message: problems.map(({ file, line, message }) => `${file}:${line ?? 1} ${message}`).join('; '),
    }),
    check('servers', down.length === 0, {
      required: false,
      message: down
        .map(({ id, status }) => `${id}: ${status.state}${status.reason === undefined ? '' : ` (${status.reason})`}`)
        .join('; '),
    }),
    ...(threads === undefined
      ? []
      : [
          check('workers', threads.missing === 0, {
            required: false,
            message: `${threads.missing} of ${threads.all} ended and start again`,
          }),
        ]),
    check('issuers', issuers.length === 0, {
      required: false,
      message: issuers.map(({ issuer, lastError }) => `${issuer}: ${lastError ?? ''}`).join('; '),
    }),
  ]
}
