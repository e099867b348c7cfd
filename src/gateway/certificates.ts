import { resolve } from 'node:path'
import { watchConfig, type ConfigWatch } from '../catalog/watch.ts'
import type { Gateway } from '../config/gateway.ts'
import type { Report } from '../core/events.ts'
import type { Doors } from './doors.ts'

/** What following certificates borrows. */
export interface CertificatesDeps {
  readonly folder: string
  readonly config: Gateway
  readonly doors: Doors
  readonly report: Report
  /** Hears that the files changed. */
  changed(): void
}

/** Gives the listeners their certificates again when a file changes. A pair that cannot be used leaves the old one in place. */
export async function followCertificates(deps: CertificatesDeps): Promise<ConfigWatch | undefined> {
  const { folder, config, doors, report } = deps
  const files = [config.data.tls, config.admin.tls].flatMap((tls) =>
    tls === undefined ? [] : [tls.cert, tls.key, ...(tls.clientCa === undefined ? [] : [tls.clientCa])],
  )
  if (files.length === 0) return undefined
  return await watchConfig({
    paths: files.map((file) => resolve(folder, file)),
    onChange() {
      doors.data.reloadTls()
      doors.admin.reloadTls()
      deps.changed()
    },
    onError: (error) => report({ type: 'internal-error', error }),
  })
}
