import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { expect, it } from 'vitest'
import { gatewayFile, startTestGateway } from '../support/gateway.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** A self-signed certificate for localhost, made by the system's openssl. */
function makeCertificate(folder: string, name: string): { cert: string; key: string } {
  const [cert, key] = [join(folder, `${name}.pem`), join(folder, `${name}-key.pem`)]
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '1',
    '-subj',
    `/CN=${name}`,
    '-addext',
    'subjectAltName=IP:127.0.0.1',
    '-keyout',
    key,
    '-out',
    cert,
  ]
  execFileSync('openssl', args, { stdio: 'ignore' })
  return { cert, key }
}

interface Seen {
  readonly status: number
  readonly commonName: string | undefined
}

function get(url: string, tls: { ca: string; cert?: string; key?: string }): Promise<Seen> {
  return new Promise((resolve, reject) => {
    const sent = request(`${url}/.well-known/oauth-protected-resource/mcp`, { ...tls, agent: false }, (response) => {
      const socket = response.socket as TLSSocket // https
      const commonName = socket.getPeerCertificate().subject.CN
      response
        .resume()
        .on('end', () =>
          resolve({ status: response.statusCode ?? 0, commonName: typeof commonName === 'string' ? commonName : undefined }),
        )
    })
    sent.on('error', reject).end()
  })
}

it('speaks TLS, takes a new certificate without a restart, and keeps the old one when the new pair is bad', async () => {
  await using pems = await temporaryFolder()
  const [first, second] = [makeCertificate(pems.path, 'first'), makeCertificate(pems.path, 'second')]
  const read = (path: string): string => readFileSync(path, 'utf8')
  await using gateway = await startTestGateway({
    'tollgate.json': gatewayFile({ data: { port: 0, tls: { cert: 'tls/cert.pem', key: 'tls/key.pem' } } }),
    'tls/cert.pem': read(first.cert),
    'tls/key.pem': read(first.key),
  })
  const ca = `${read(first.cert)}${read(second.cert)}`

  expect(gateway.url).toMatch(/^https:/)
  expect(await get(gateway.url, { ca })).toEqual({ status: 200, commonName: 'first' })
  gateway.write('tls/cert.pem', 'not a certificate')
  await expect.poll(() => gateway.logs().some(({ message }) => message === 'internal error'), { timeout: 3_000 }).toBe(true)
  expect(await get(gateway.url, { ca })).toEqual({ status: 200, commonName: 'first' })
  gateway.write('tls/key.pem', read(second.key))
  gateway.write('tls/cert.pem', read(second.cert))
  await expect.poll(async () => (await get(gateway.url, { ca })).commonName, { timeout: 3_000 }).toBe('second')
})

it('asks for client certificates when told whose', async () => {
  await using pems = await temporaryFolder()
  const [server, client] = [makeCertificate(pems.path, 'server'), makeCertificate(pems.path, 'client')]
  const read = (path: string): string => readFileSync(path, 'utf8')
  await using gateway = await startTestGateway({
    'tollgate.json': gatewayFile({ data: { port: 0, tls: { cert: 'cert.pem', key: 'key.pem', clientCa: 'clients.pem' } } }),
    'cert.pem': read(server.cert),
    'key.pem': read(server.key),
    'clients.pem': read(client.cert),
  })
  const ca = read(server.cert)

  await expect(get(gateway.url, { ca })).rejects.toThrow()
  expect((await get(gateway.url, { ca, cert: read(client.cert), key: read(client.key) })).status).toBe(200)
})
