import { accessSync, constants } from 'node:fs'
import { resolve } from 'node:path'
import type { Fault } from './explain-issues.ts'
import type { JsonPath } from './json-source.ts'
import type { Gateway } from './gateway.ts'

/** Tells whether a host name or address is reachable from this machine only. */
function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '').toLowerCase()
  return bare === 'localhost' || bare === '::1' || /^127(\.\d{1,3}){3}$/.test(bare) || /^::ffff:127(\.\d{1,3}){3}$/.test(bare)
}

/** Checks what makes a gateway unsafe to start with: a local issuer on an open listener, private keys among public ones. */
export function checkGateway(gateway: Gateway): Fault[] {
  const faults: Fault[] = []
  for (const listener of ['data', 'admin'] as const) {
    const { host } = gateway[listener]
    if (gateway.mode !== 'development' || isLoopback(host)) continue
    const message = `development mode accepts tokens anybody on this machine can make, so it listens on loopback only; use "127.0.0.1" or "mode": "production"`
    faults.push({ path: [listener, 'host'], message: `${message}; found ${JSON.stringify(host)}` })
  }
  faults.push(...proxyFaults(gateway))
  if (gateway.publicUrl !== undefined) faults.push(...publicUrlFaults(gateway.publicUrl))
  gateway.identity.issuers.forEach((issuer, index) => {
    const at = ['identity', 'issuers', index]
    if (gateway.identity.issuers.findIndex((other) => other.issuer === issuer.issuer) < index) {
      faults.push({ path: [...at, 'issuer'], message: `the issuer ${JSON.stringify(issuer.issuer)} is given twice` })
    }
    if (!('keys' in issuer.jwks)) return
    issuer.jwks.keys.forEach((key, position) => {
      const path = [...at, 'jwks', 'keys', position]
      if (key['kty'] === 'oct' || 'k' in key)
        faults.push({ path, message: 'a shared secret is no public key; tokens are verified with public keys only' })
      else if ('d' in key) faults.push({ path, message: 'this is a private key: write its public part only, without "d"' })
    })
  })
  return faults
}

function proxyFaults({ egress: { proxy } }: Gateway): Fault[] {
  if (proxy === undefined) return []
  const { username, password } = new URL(proxy.url)
  if (username === '' && password === '') return []
  return [
    {
      path: ['egress', 'proxy', 'url'],
      message: 'the URL carries credentials: write "credentials": "env:NAME" instead, by reference',
    },
  ]
}

/** Files the gateway reads when it starts, relative to its folder: certificates and key sets. */
export function checkFiles(gateway: Gateway, folder: string): Fault[] {
  const certificates = (['data', 'admin'] as const).flatMap((listener) =>
    Object.entries(gateway[listener].tls ?? {}).flatMap(([name, file]) =>
      file === undefined ? [] : [{ path: [listener, 'tls', name], file }],
    ),
  )
  const keySets = gateway.identity.issuers.flatMap(({ jwks }, index) =>
    'file' in jwks ? [{ path: ['identity', 'issuers', index, 'jwks', 'file'], file: jwks.file }] : [],
  )
  return [...certificates, ...keySets].flatMap(({ path, file }) => fileFaults(path, resolve(folder, file)))
}

function fileFaults(path: JsonPath, file: string): Fault[] {
  try {
    accessSync(file, constants.R_OK)
    return []
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown reason'
    return [{ path, message: code === 'ENOENT' ? `there is no file ${file}` : `${file} cannot be read: ${code}` }]
  }
}

/** A production gateway nobody can call was not meant; `hasKeys` tells whether an API key exists. */
export function checkCallers(gateway: Gateway, hasKeys: boolean): Fault[] {
  const { issuers, anonymous, apiKeys } = gateway.identity
  if (gateway.mode !== 'production' || issuers.length > 0 || anonymous !== undefined || (apiKeys && hasKeys)) return []
  const keys = apiKeys
    ? 'make an API key with "tollgate keys create"'
    : 'set "apiKeys": true and make one with "tollgate keys create"'
  return [
    {
      path: ['identity'],
      message: `nobody can call: add an issuer under "identity": { "issuers": [...] }, ${keys}, or set "anonymous"`,
    },
  ]
}

function publicUrlFaults(text: string): Fault[] {
  const url = new URL(text)
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    return [{ path: ['publicUrl'], message: 'write scheme, host and port only, such as "https://tools.example.com"' }]
  }
  return url.pathname === '/' ? [] : [{ path: ['publicUrl'], message: `write it without a path: "${url.origin}"` }]
}
