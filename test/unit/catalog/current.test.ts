import { expect, test } from 'vitest'
import { createCurrent } from '../../../src/catalog/current.ts'
import { mergeReload } from '../../../src/catalog/reload.ts'
import { readConfig } from '../../../src/catalog/read.ts'
import type { Snapshot } from '../../../src/core/snapshot.ts'
import { createFolder } from '../config/folder.ts'
import { snapshotOf } from './inventory.ts'

test('listeners hear of a swap in order, with both snapshots, until they leave', async () => {
  const [first, second] = await Promise.all([snapshotOf({}, []), snapshotOf({ c: {} }, [])])
  const current = createCurrent(first)
  const heard: [string, Snapshot, Snapshot][] = []
  const leave = current.subscribe((next, previous) => heard.push(['one', next, previous]))
  current.subscribe((next, previous) => heard.push(['two', next, previous]))

  current.swap(second)
  leave()
  current.swap(first)

  expect(current.get()).toBe(first)
  expect(heard).toEqual([
    ['one', second, first],
    ['two', second, first],
    ['two', first, second],
  ])
})

test('a reload keeps the last good version of what is bad, and nothing else', async () => {
  const server = { type: 'http', url: 'https://x.example' }
  await using folder = await createFolder({
    'tollgate.json': { mode: 'development' },
    'servers/a.json': server,
    'servers/b.json': server,
    'catalogs/c.json': { title: 'old', for: {} },
    'catalogs/gone.json': { title: 'gone', for: {} },
    'revocations.json': { jti: ['old'] },
  })
  const before = await readConfig(folder.config, {})

  await folder.write('servers/b.json', '{')
  await folder.write('catalogs/c.json', { title: 5 })
  await folder.write('catalogs/new.json', { title: 5 })
  await folder.write('revocations.json', '[')
  await folder.remove('catalogs/gone.json')
  const merged = mergeReload(before, await readConfig(folder.config, {}))

  expect([...merged.servers.keys()]).toEqual(['a'])
  expect([...merged.quarantined.keys()]).toEqual(['b'])
  expect([...merged.catalogs].map(([id, file]) => [id, file.value.title])).toEqual([['c', 'old']])
  expect(merged.revocations.jti).toEqual(['old'])
  expect(merged.problems.map((problem) => problem.file).toSorted()).toEqual([
    'catalogs/c.json',
    'catalogs/c.json',
    'catalogs/new.json',
    'catalogs/new.json',
    'revocations.json',
    'servers/b.json',
  ])

  await folder.write('tollgate.json', { mode: 'x' })
  await folder.remove('catalogs/c.json')
  const unusable = mergeReload(before, await readConfig(folder.config, {}))

  expect([...unusable.catalogs.keys()]).toEqual(['c', 'gone'])
  expect(unusable.gateway).toBe(before.gateway)
  expect(unusable.problems.some((problem) => problem.file === 'tollgate.json')).toBe(true)
})
