import type { Fault } from './explain-issues.ts'
import type { Gateway } from './gateway.ts'
import type { JsonPath } from './json-source.ts'
import { isSecretParameter } from './secret-shapes.ts'

/** Addresses of tollgate.json that carry a secret: they stand in logs, errors and lists, so none may. */
export function urlFaults({ identity, telemetry }: Gateway): Fault[] {
  const issuers = identity.issuers.flatMap(({ issuer, jwks }, index) => {
    const at = ['identity', 'issuers', index]
    const keys = 'url' in jwks ? faultOf([...at, 'jwks', 'url'], jwks.url, 'key sets are public, so leave it out') : []
    return [...faultOf([...at, 'issuer'], issuer, 'issuers are public names, so leave it out'), ...keys]
  })
  const { otlp } = telemetry
  if (otlp === undefined) return issuers
  return [...issuers, ...faultOf(['telemetry', 'otlp', 'url'], otlp.url, 'write it under "headers", by reference')]
}

function faultOf(path: JsonPath, text: string, instead: string): Fault[] {
  if (!URL.canParse(text)) return []
  const { username, password, searchParams } = new URL(text)
  const isSecret = username !== '' || password !== '' || [...searchParams.keys()].some((name) => isSecretParameter(name))
  return isSecret ? [{ path, message: `the URL carries a secret: ${instead}` }] : []
}
