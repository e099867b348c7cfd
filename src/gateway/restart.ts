import { isDeepStrictEqual } from 'node:util'
import type { ConfigFiles } from '../config/load.ts'
import type { Problem } from '../config/problem.ts'

/** Settings of tollgate.json that are read once: sockets, folders, keys and bounds that parts were made with. */
const FIXED = [
  'mode',
  'publicUrl',
  'data',
  'admin',
  'health',
  'workers',
  'state',
  'seal',
  'egress',
  'ledger',
  'bounds',
  'telemetry',
] as const

/** What the running gateway does not follow: one problem per setting that differs from the one it was started with. */
export function restartNeeded(started: ConfigFiles, now: ConfigFiles): Problem[] {
  const [before, after] = [started.gateway, now.gateway]
  if (before === undefined || after === undefined) return []
  return FIXED.filter((setting) => !isDeepStrictEqual(before.value[setting], after.value[setting])).map((setting) => ({
    file: after.file,
    ...after.locate([setting]),
    path: `$.${setting}`,
    message: `"${setting}" differs from what the gateway was started with and needs a restart; the rest is in use`,
  }))
}
