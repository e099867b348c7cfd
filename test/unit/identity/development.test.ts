import { chmod, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { token } from '../../../src/cli/token.ts'
import { openDevelopmentIssuer } from '../../../src/identity/development.ts'
import { createAuthenticatorFixture, RESOURCE } from '../../support/authenticator.ts'
import { createCliIo } from '../../support/cli-io.ts'
import { NOW_SECONDS } from '../../support/issuer.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const now = () => NOW_SECONDS * 1000

test('a development token opens the gate whose state folder made it', async () => {
  await using folder = await temporaryFolder()
  const development = await openDevelopmentIssuer(folder.path, now)
  await using fixture = createAuthenticatorFixture({ issuers: [development.issuer()] })
  const text = await (await openDevelopmentIssuer(folder.path, now)).mint({ team: 'research', roles: ['admin'], ttlSeconds: 60 })

  const identity = await fixture.authenticator.authenticate({ authorization: `Bearer ${text}` }, RESOURCE)

  expect(identity.principal).toMatchObject({
    issuer: 'urn:tollgate:development',
    subject: 'developer@research',
    kind: 'user',
    team: 'research',
    roles: ['admin'],
  })
})

test('a token of another folder is refused', async () => {
  await using folder = await temporaryFolder()
  await using elsewhere = await temporaryFolder()
  const development = await openDevelopmentIssuer(folder.path, now)
  await using fixture = createAuthenticatorFixture({ issuers: [development.issuer()] })
  const text = await (await openDevelopmentIssuer(elsewhere.path, now)).mint({ team: 'research', ttlSeconds: 60 })

  await expect(fixture.authenticator.authenticate({ authorization: `Bearer ${text}` }, RESOURCE)).rejects.toThrow('unknown key')
})

test('the key is for its owner alone, and one that is not is refused', async () => {
  await using folder = await temporaryFolder()
  await openDevelopmentIssuer(folder.path, now)
  const file = join(folder.path, 'development-issuer.json')

  expect((await stat(file)).mode & 0o777).toBe(0o600)
  await chmod(file, 0o644)
  await expect(openDevelopmentIssuer(folder.path, now)).rejects.toThrow('chmod 600')
})

test('the configuration holds the public key only', async () => {
  await using folder = await temporaryFolder()
  const development = await openDevelopmentIssuer(folder.path, now)
  const { d } = JSON.parse(await readFile(join(folder.path, 'development-issuer.json'), 'utf8')) as { d: string }

  expect(JSON.stringify(development.issuer())).not.toContain(d)
})

test('tollgate token prints a token, or the headers a client helper wants', async () => {
  await using folder = await temporaryFolder()
  const development = await openDevelopmentIssuer(folder.path, now)
  const io = createCliIo()

  await token(development, { team: 'research' }, io)
  await token(development, { team: 'research', headers: true, ttl: '12h' }, io)

  const [plain = '', headers = ''] = io.written.out.split('\n')
  expect(plain).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
  expect(JSON.parse(headers)).toEqual({ Authorization: expect.stringMatching(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/) })
})

test('outside development mode it says what to use instead', async () => {
  const io = createCliIo()

  expect(await token(undefined, { team: 'research' }, io)).toBe(1)
  expect(io.written.err).toContain('development mode only')
})
