import type { IncomingMessage } from 'node:http'
import { describe, expect, test } from 'vitest'
import type { Identity } from '../../../src/core/principal.ts'
import { createAccess } from '../../../src/edge/access.ts'

const IDENTITY: Identity = {
  principal: { issuer: 'https://issuer.test', subject: 'ada', kind: 'user', groups: [], roles: [], scopes: [] },
  key: 'ada',
  method: 'jwt',
}

function setUp() {
  const held = { holds: true, asked: 0 }
  const access = createAccess({
    publicUrl: 'http://gate.test',
    title: 'Gate',
    authenticate: () => {
      held.asked += 1
      return Promise.resolve(IDENTITY)
    },
    holds: () => held.holds,
    failedSignIns: { isBlocked: () => false, failed: () => undefined },
    issuers: () => [],
    scopes: () => [],
  })
  return { access, held }
}

/** Only what access reads of a request. */
const request = (socket: object, headers: Record<string, string>) => ({ socket, headers }) as unknown as IncomingMessage

describe('a caller is recalled', () => {
  const bearer = { authorization: 'Bearer one' }

  test('on the connection where it proved itself, for the same path and credential', async () => {
    const { access } = setUp()
    const socket = {}

    await access.authenticate(request(socket, bearer), '/v1/chat/completions')

    expect(access.recall(request(socket, { ...bearer }), '/v1/chat/completions')).toBe(IDENTITY)
  })

  test.each([
    ['another connection', {}, bearer, '/v1/chat/completions'],
    ['another token', undefined, { authorization: 'Bearer two' }, '/v1/chat/completions'],
    ['no token', undefined, {}, '/v1/chat/completions'],
    ['a second credential beside it', undefined, { ...bearer, 'x-api-key': 'other' }, '/v1/chat/completions'],
    ['an Azure key beside it', undefined, { ...bearer, 'api-key': 'other' }, '/v1/chat/completions'],
    ['another endpoint', undefined, bearer, '/mcp/research'],
  ])('never for %s', async (_name, other, headers, path) => {
    const { access } = setUp()
    const socket = {}

    await access.authenticate(request(socket, bearer), '/v1/chat/completions')

    expect(access.recall(request(other ?? socket, headers), path)).toBeUndefined()
  })

  test('never when its credential holds no longer', async () => {
    const { access, held } = setUp()
    const socket = {}
    await access.authenticate(request(socket, bearer), '/mcp')

    held.holds = false

    expect(access.recall(request(socket, bearer), '/mcp')).toBeUndefined()
  })
})
