import { collectGarbage } from '../../test/kit/inspector.ts'
import type { Gate, Site } from './gate.ts'

/** Makes a gateway that was started with INSPECTABLE let go of everything that nothing holds. */
export async function collect(site: Site, gate: Gate): Promise<void> {
  const { child, readyMs, output } = gate
  const urls = { url: site.url, adminUrl: site.adminUrl, healthUrl: site.healthUrl }
  // Twice: what a finalizer lets go is gone with the second.
  for (let round = 0; round < 2; round += 1)
    await collectGarbage({ ...urls, child, readyMs, output, kill: (signal) => gate.end(signal) })
}
