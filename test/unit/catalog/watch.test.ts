import { mkdir, rename, symlink, unlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { watchConfig } from '../../../src/catalog/watch.ts'
import { createFolder } from '../config/folder.ts'

/** A watch over a folder laid out like a configuration, whose changes can be awaited. */
async function watched(files: Readonly<Record<string, unknown>> = {}, onChange?: () => Promise<void>) {
  const folder = await createFolder({ 'tollgate.json': '{}', 'catalogs/a.json': '{}', ...files })
  const waiting: (() => void)[] = []
  const state = { changes: 0, errors: [] as unknown[] }
  const watch = await watchConfig({
    paths: ['tollgate.json', 'servers', 'catalogs'].map((name) => join(folder.path, name)),
    debounceMs: 20,
    pollMs: 100,
    async onChange() {
      state.changes++
      waiting.splice(0).forEach((resolve) => resolve())
      await onChange?.()
    },
    onError: (error) => state.errors.push(error),
  })
  return {
    folder,
    state,
    watch,
    async change(act: () => Promise<unknown>) {
      const seen = new Promise<void>((resolve) => waiting.push(resolve))
      const started = performance.now()
      await act()
      await seen
      return performance.now() - started
    },
    async [Symbol.asyncDispose]() {
      await watch.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}

describe('a change is seen within one second', () => {
  test.each<[name: string, act: (folder: Awaited<ReturnType<typeof createFolder>>) => Promise<unknown>]>([
    ['a file written in place', (folder) => folder.write('catalogs/a.json', '{"title":"x"}')],
    ['tollgate.json itself', (folder) => folder.write('tollgate.json', '{"mode":"development"}')],
    ['a new file', (folder) => folder.write('catalogs/b.json', '{}')],
    ['a removed file', (folder) => folder.remove('catalogs/a.json')],
    ['a folder that did not exist', (folder) => folder.write('servers/new.json', '{}')],
    [
      'a file replaced by a rename',
      async (folder) => {
        await folder.write('catalogs/.a.tmp', '{"n":1}')
        await rename(join(folder.path, 'catalogs/.a.tmp'), join(folder.path, 'catalogs/a.json'))
      },
    ],
  ])('%s', async (_name, act) => {
    await using subject = await watched()

    expect(await subject.change(() => act(subject.folder))).toBeLessThan(1_000)
  })

  test('a mounted folder whose link is swapped', async () => {
    await using folder = await createFolder({ 'v1/a.json': '{"v":1}', 'v2/a.json': '{"v":2}' })
    const mount = join(folder.path, 'catalogs')
    await mkdir(mount)
    await symlink('../v1', join(mount, '..data'))
    await symlink('..data/a.json', join(mount, 'a.json'))
    const seen = Promise.withResolvers<void>()
    const watch = await watchConfig({
      paths: [mount],
      debounceMs: 20,
      pollMs: 100,
      onChange: () => seen.resolve(),
      onError: (error) => seen.reject(error),
    })

    await symlink('../v2', join(mount, '..data_tmp'))
    await rename(join(mount, '..data_tmp'), join(mount, '..data'))
    await seen.promise
    await watch.close()
  })

  test('a folder that is swapped for another one by its link', async () => {
    await using folder = await createFolder({ 'v1/a.json': '{"v":1}', 'v2/a.json': '{"v":2}' })
    const link = join(folder.path, 'catalogs')
    await symlink('v1', link)
    const seen = Promise.withResolvers<void>()
    const watch = await watchConfig({
      paths: [link],
      debounceMs: 20,
      pollMs: 100,
      onChange: () => seen.resolve(),
      onError: (error) => seen.reject(error),
    })

    await unlink(link)
    await symlink('v2', link)
    await seen.promise
    await watch.close()
  })
})

describe('no reload happens', () => {
  test('for a touched file, a file of an editor or a file that is not JSON', async () => {
    await using subject = await watched()
    await using control = await watched()

    await utimes(join(subject.folder.path, 'catalogs/a.json'), 1, 1)
    await subject.folder.write('catalogs/.a.json.swp', 'x')
    await subject.folder.write('catalogs/readme.md', 'x')
    // A watch of the same kind sees three changes of its own meanwhile: this one has looked as well.
    for (const n of [1, 2, 3]) await control.change(() => control.folder.write('catalogs/a.json', { n }))
    const before = subject.state.changes
    await subject.change(() => subject.folder.write('catalogs/a.json', '{"last":1}'))

    expect(before).toBe(0)
    expect(subject.state.changes).toBe(1)
  })

  test('after closing', async () => {
    const subject = await watched()
    await subject.watch.close()

    await subject.folder.write('catalogs/a.json', '{"late":1}')
    await using after = await watched()
    await after.change(() => writeFile(join(after.folder.path, 'catalogs/a.json'), '{"n":1}'))

    expect(subject.state.changes).toBe(0)
    await subject.folder[Symbol.asyncDispose]()
  })
})

test('a change while one is being handled is handled after it, and a failure ends nothing', async () => {
  let under = 0
  let most = 0
  await using subject = await watched({}, async () => {
    most = Math.max(most, ++under)
    await new Promise((resolve) => setImmediate(resolve))
    under--
    throw new Error('cannot load')
  })

  await subject.change(() => subject.folder.write('catalogs/a.json', '{"n":1}'))
  await subject.change(() => subject.folder.write('catalogs/a.json', '{"n":2}'))

  expect(most).toBe(1)
  expect(subject.state.changes).toBe(2)
  expect(subject.state.errors.length).toBeGreaterThan(0)
})
