import { EventEmitter, once } from 'node:events'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { keysCommand } from '../../../src/cli/keys.ts'
import { openKeyStore, type NewKey } from '../../../src/store/keys.ts'
import { createAuthenticatorFixture, RESOURCE } from '../../support/authenticator.ts'
import { createCliIo } from '../../support/cli-io.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const START = Date.parse('2026-11-23T12:00:00Z')
const HOUR = 3_600_000
const agent: NewKey = {
  principal: { subject: 'indexer', kind: 'agent', team: 'research', groups: [], roles: [], scopes: [] },
  name: 'nightly',
}

describe('the key store', () => {
  test('knows a key it made, and keeps only its hash', async () => {
    await using folder = await temporaryFolder()
    const store = await openKeyStore(folder.path, () => START)

    const { key, stored } = await store.create(agent)

    expect(store.find(key)).toEqual({
      identity: {
        principal: { issuer: 'urn:tollgate:keys', ...agent.principal },
        key: JSON.stringify(['urn:tollgate:keys', 'indexer', null, 'research', null, null]),
        credentialId: stored.id,
        method: 'api-key',
      },
    })
    const secret = key.slice(13)
    for (const file of await readdir(folder.path)) expect(await readFile(join(folder.path, file), 'utf8')).not.toContain(secret)
  })

  test('refuses what is no key, what it does not know, and a known id with another secret', async () => {
    await using folder = await temporaryFolder()
    await using elsewhere = await temporaryFolder()
    const [store, other] = [await openKeyStore(folder.path, () => START), await openKeyStore(elsewhere.path, () => START)]

    expect(store.find('tgk_x')).toEqual({ reason: 'malformed' })
    expect(store.find((await other.create(agent)).key)).toEqual({ reason: 'unknown_key' })
  })

  test('its files are for the owner alone', async () => {
    await using folder = await temporaryFolder()
    const state = join(folder.path, 'state')
    await (await openKeyStore(state, () => START)).create(agent)

    const modes = await Promise.all(
      ['.', 'pepper', 'keys.json'].map(async (name) => (await stat(join(state, name))).mode & 0o777),
    )

    expect(modes).toEqual([0o700, 0o600, 0o600])
  })

  test('a pepper that others may read is refused', async () => {
    await using folder = await temporaryFolder()
    await openKeyStore(folder.path, () => START)
    await chmod(join(folder.path, 'pepper'), 0o640)

    await expect(openKeyStore(folder.path, () => START)).rejects.toThrow('chmod 600')
  })

  test('an expired key is refused from that moment on', async () => {
    await using folder = await temporaryFolder()
    let now = START
    const store = await openKeyStore(folder.path, () => now)
    const { key, stored } = await store.create({ ...agent, expiresAt: new Date(START + HOUR) })

    now = START + HOUR - 1
    expect(store.find(key)).toMatchObject({ identity: { expiresAt: START + HOUR } })
    now = START + HOUR

    expect(store.find(key)).toEqual({ reason: 'expired' })
    expect(store.isActive(stored.id)).toBe(false)
  })

  test('after a rotation both keys work until the overlap is over', async () => {
    await using folder = await temporaryFolder()
    let now = START
    const store = await openKeyStore(folder.path, () => now)
    const old = await store.create(agent)

    const fresh = await store.rotate(old.stored.id, HOUR)

    expect(store.find(old.key)).toHaveProperty('identity')
    expect(store.find(fresh.key)).toHaveProperty('identity')
    now = START + HOUR
    expect(store.find(old.key)).toEqual({ reason: 'expired' })
    expect(store.find(fresh.key)).toHaveProperty('identity')
    expect(store.list().map((key) => key.replacedBy)).toEqual([fresh.stored.id, undefined])
  })

  test('a revoked key cannot be rotated back to life', async () => {
    await using folder = await temporaryFolder()
    const store = await openKeyStore(folder.path, () => START)
    const { key, stored } = await store.create(agent)

    await store.revoke(stored.id)

    expect(store.find(key)).toEqual({ reason: 'revoked' })
    await expect(store.rotate(stored.id, 0)).rejects.toThrow('revoked')
    await expect(store.revoke('nobody00')).rejects.toThrow('no key nobody00')
  })

  test('writers of several processes lose nothing', async () => {
    await using folder = await temporaryFolder()
    const stores = await Promise.all([1, 2, 3].map(() => openKeyStore(folder.path, () => START)))

    await Promise.all(stores.flatMap((store) => [1, 2, 3, 4].map(() => store.create(agent))))

    expect((await openKeyStore(folder.path, () => START)).list()).toHaveLength(12)
    expect((await readdir(folder.path)).toSorted()).toEqual(['keys.json', 'pepper'])
  })

  test('a change made by another process is followed within a second, and told', async () => {
    await using folder = await temporaryFolder()
    const [gateway, commandLine] = [await openKeyStore(folder.path, () => START), await openKeyStore(folder.path, () => START)]
    const { key, stored } = await commandLine.create(agent)
    await gateway.reload()
    gateway.watch()
    const events = new EventEmitter()
    gateway.onChange(() => events.emit('change'))
    const startedAt = performance.now()

    await Promise.all([once(events, 'change'), commandLine.revoke(stored.id)])

    expect(performance.now() - startedAt).toBeLessThan(1000)
    expect(gateway.find(key)).toEqual({ reason: 'revoked' })
    gateway.close()
  })

  test('a file that became unreadable keeps the last good keys and is told', async () => {
    await using folder = await temporaryFolder()
    const store = await openKeyStore(folder.path, () => START)
    const { key } = await store.create(agent)
    await writeFile(join(folder.path, 'keys.json'), '{"keys":[')
    const events = new EventEmitter()

    store.watch((error) => events.emit('problem', error))
    const [problem] = await once(events, 'problem')

    expect(String(problem)).toContain('is not JSON')
    expect(store.find(key)).toHaveProperty('identity')
    await expect(openKeyStore(folder.path, () => START)).rejects.toThrow('is not JSON')
    store.close()
  })
})

describe('API keys at the gate', () => {
  test.each(['authorization', 'apiKey'] as const)('are accepted in %s', async (header) => {
    await using folder = await temporaryFolder()
    const keys = await openKeyStore(folder.path, () => START)
    const { key } = await keys.create(agent)
    await using fixture = createAuthenticatorFixture({}, { keys })

    const presented = header === 'apiKey' ? { apiKey: key } : { authorization: `Bearer ${key}` }
    const identity = await fixture.authenticator.authenticate(presented, RESOURCE)

    expect(identity).toMatchObject({ method: 'api-key', principal: { subject: 'indexer' } })
  })

  test('are refused where they are switched off, and open streams learn of it', async () => {
    await using folder = await temporaryFolder()
    const keys = await openKeyStore(folder.path, () => START)
    const { key } = await keys.create(agent)
    await using fixture = createAuthenticatorFixture({}, { keys })
    const identity = await fixture.authenticator.authenticate({ apiKey: key }, RESOURCE)

    fixture.authenticator.update(fixture.configure({ apiKeys: false }), { jti: [], subjects: [] })

    expect(fixture.authenticator.isRevoked(identity)).toBe(true)
    await expect(fixture.authenticator.authenticate({ apiKey: key }, RESOURCE)).rejects.toMatchObject({ code: 'unauthenticated' })
  })

  test('a revoked key ends what it opened', async () => {
    await using folder = await temporaryFolder()
    const keys = await openKeyStore(folder.path, () => START)
    const { key, stored } = await keys.create(agent)
    await using fixture = createAuthenticatorFixture({}, { keys })
    const identity = await fixture.authenticator.authenticate({ apiKey: key }, RESOURCE)
    const revoked: boolean[] = []
    fixture.authenticator.onRevoked(() => revoked.push(fixture.authenticator.isRevoked(identity)))

    await keys.revoke(stored.id)

    expect(revoked).toEqual([true])
  })
})

describe('tollgate keys', () => {
  test('create prints the key once and says nothing else on the output', async () => {
    await using folder = await temporaryFolder()
    const store = await openKeyStore(folder.path, () => START)
    const io = createCliIo()

    const code = await keysCommand(
      store,
      { action: 'create', subject: 'bot', team: 'research', expires: '90d', role: ['analyst'] },
      io,
    )

    expect(code).toBe(0)
    expect(store.find(io.written.out.trim())).toMatchObject({ identity: { principal: { subject: 'bot', roles: ['analyst'] } } })
    expect(io.written.err).toContain('not shown again')
    expect(store.list()[0]?.expiresAt).toBe('2027-02-21T12:00:00.000Z')
  })

  test('list shows states without anything secret', async () => {
    await using folder = await temporaryFolder()
    const store = await openKeyStore(folder.path, () => START)
    const io = createCliIo()
    const { stored } = await store.create(agent)
    await store.revoke(stored.id)
    await store.create(agent)

    await keysCommand(store, { action: 'list' }, io)
    await keysCommand(store, { action: 'list', json: true }, io)

    expect(io.written.out).toMatch(/ID +STATE +SUBJECT.*\n\w{8} +revoked +indexer +research +never +nightly\n\w{8} +active /)
    expect(io.written.out).not.toContain('hash')
  })

  test('rotate and revoke', async () => {
    await using folder = await temporaryFolder()
    const store = await openKeyStore(folder.path, () => START)
    const io = createCliIo()
    const { stored } = await store.create(agent)

    await keysCommand(store, { action: 'rotate', id: stored.id, overlap: '24h', json: true }, io)
    const { id, key } = JSON.parse(io.written.out) as { id: string; key: string }
    await keysCommand(store, { action: 'revoke', id }, io)

    expect(store.find(key)).toEqual({ reason: 'revoked' })
    expect(store.isActive(stored.id)).toBe(true)
  })

  test('a bad duration says how to write one', async () => {
    await using folder = await temporaryFolder()
    const store = await openKeyStore(folder.path, () => START)

    await expect(keysCommand(store, { action: 'create', subject: 'x', expires: 'soon' }, createCliIo())).rejects.toThrow(
      'write 90d',
    )
  })
})
