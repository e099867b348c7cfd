import type { Environment } from '../config/interpolate.ts'
import type { ConfigFiles, ExpressionUse } from '../config/load.ts'
import { loadConfig } from '../config/load.ts'
import { checkKnownFields, compileCondition, compileExpression, MODEL_VARIABLES } from '../lib/condition.ts'
import { addressRanges, isMetadataAddress } from '../lib/address.ts'
import { checkEgressEntry } from '../lib/egress-policy.ts'
import { compilePattern } from '../lib/linear-pattern.ts'

/** Reads all files of the admin, with every expression compiled once to see whether it would. */
export function readConfig(configFile: string, env: Environment): Promise<ConfigFiles> {
  return loadConfig(configFile, { env, compile, checkEgress: checkEgressEntry, isReachable })
}

const VARIABLES = {
  condition: ['principal', 'args', 'tool', 'time'],
  audience: ['principal', 'time'],
  model: MODEL_VARIABLES,
  call: ['tool', 'args'],
} as const

function compile(source: string, use: ExpressionUse): void {
  if (use === 'pattern') return void compilePattern(source)
  if (use === 'claim') return void compileExpression(source, ['claims'])
  compileCondition(source, VARIABLES[use])
  checkKnownFields(source, VARIABLES[use])
}

/** The name by which GCE and GKE reach their metadata server, and the address behind it. */
const METADATA_NAME = 'metadata.google.internal'
const METADATA_ADDRESS = '169.254.169.254'

function isReachable(text: string, allow: readonly string[]): boolean {
  const { hostname, port, protocol } = new URL(text)
  const address = hostname === METADATA_NAME ? METADATA_ADDRESS : hostname.replaceAll(/^\[|\]$/g, '')
  if (!isMetadataAddress(address)) return true
  const place = `${hostname}:${port === '' ? (protocol === 'https:' ? 443 : 80) : port}`
  return allow.some((entry) => entry.toLowerCase() === place || covers(entry, address))
}

function covers(entry: string, address: string): boolean {
  try {
    return addressRanges([entry]).has(address)
  } catch {
    return false // host:port, or a fault that is reported where it stands
  }
}
