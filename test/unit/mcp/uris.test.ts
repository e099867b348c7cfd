import { expect, test } from 'vitest'
import { findResource } from '../../../src/mcp/uris.ts'
import { ready, snapshotOf } from '../catalog/inventory.ts'

async function view(rules: readonly object[]) {
  const server = ready('notes', { resources: ['notes://public/1', 'notes://private/1'], templates: ['notes://{+path}'] })
  return (await snapshotOf({ c: { resources: rules } }, [server])).view(['c'])
}

const rows: [string, string, boolean][] = [
  ['a listed resource is found', 'notes://public/1', true],
  ['a URI of the template is found', 'notes://public/2', true],
  ['a denied resource is not, although the template would open it', 'notes://private/1', false],
  ['an unlisted URI that a deny glob covers is not', 'notes://private/2', false],
  ['a second spelling of a denied URI is not', 'notes://public/../private/2', false],
  ['nor an escaped one', 'notes://public%2f..%2Fprivate/2', false],
  ['a URI of another scheme is not', 'file:///etc/passwd', false],
]

test.each(rows)('%s', async (_name, uri, found) => {
  const shown = await view([{ server: 'notes', allow: ['notes://*'], deny: ['notes://private/*'] }])

  expect(findResource(shown, uri) !== undefined).toBe(found)
})
