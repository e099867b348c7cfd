import { expect, test } from 'vitest'
import { challenge, metadataUrl, resourceMetadata } from '../../../src/identity/challenge.ts'

const resourceMetadataUrl = 'https://gw.example/.well-known/oauth-protected-resource/t/team-a/mcp'

test('a missing credential is challenged as in the MCP authorization section', () => {
  expect(challenge({ resourceMetadataUrl, scope: 'mcp:tools' })).toBe(
    'Bearer resource_metadata="https://gw.example/.well-known/oauth-protected-resource/t/team-a/mcp", scope="mcp:tools"',
  )
})

test('a bad token is named', () => {
  expect(challenge({ resourceMetadataUrl, error: 'invalid_token', description: 'it has expired' })).toBe(
    `Bearer resource_metadata="${resourceMetadataUrl}", error="invalid_token", error_description="it has expired"`,
  )
})

test('a weak token is told all scopes at once', () => {
  expect(challenge({ resourceMetadataUrl, error: 'insufficient_scope', scope: 'a b' })).toBe(
    `Bearer error="insufficient_scope", scope="a b", resource_metadata="${resourceMetadataUrl}"`,
  )
})

test('nothing in a description leaves its quotes or its line', () => {
  expect(challenge({ resourceMetadataUrl: 'x', description: 'a"b\\c\r\nSet-Cookie: é' })).toBe(
    'Bearer resource_metadata="x", error_description="a\\"b\\\\cSet-Cookie: "',
  )
})

test('the metadata of an endpoint', () => {
  const document = resourceMetadata({
    resource: 'https://gw.example/t/team-a/mcp',
    issuers: ['https://idp.example', 'urn:tollgate:development'],
    scopes: ['mcp:tools', 'offline_access'],
    name: 'Team A',
  })

  expect(document).toEqual({
    resource: 'https://gw.example/t/team-a/mcp',
    authorization_servers: ['https://idp.example'],
    scopes_supported: ['mcp:tools'],
    bearer_methods_supported: ['header'],
    resource_name: 'Team A',
  })
})

test('no issuer on the web and no scope leave their members out', () => {
  const document = resourceMetadata({ resource: 'http://127.0.0.1/mcp', issuers: ['urn:x'], scopes: [], name: 'x' })

  expect(Object.keys(document)).toEqual(['resource', 'bearer_methods_supported', 'resource_name'])
})

test.each([
  ['https://gw.example', '/t/team-a/mcp', 'https://gw.example/.well-known/oauth-protected-resource/t/team-a/mcp'],
  ['https://gw.example:8443/', '/mcp', 'https://gw.example:8443/.well-known/oauth-protected-resource/mcp'],
  ['https://gw.example', '/', 'https://gw.example/.well-known/oauth-protected-resource'],
])('metadata of %s%s', (publicUrl, path, url) => {
  expect(metadataUrl(publicUrl, path)).toBe(url)
})
