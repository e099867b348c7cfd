import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { EXIT } from '../../../src/cli/io.ts'
import { revoke, type RevokeOptions } from '../../../src/cli/revoke.ts'
import { createCliIo } from '../../support/cli-io.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

async function run(file: string, options: Omit<RevokeOptions, 'file'>) {
  const io = createCliIo()
  const code = await revoke({ file, ...options }, io)
  return { code, ...io.written }
}

test('ids and subjects go on the list once and come off again; the rest of the file stays', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'revocations.json')
  await writeFile(file, JSON.stringify({ $schema: './schema.json', jti: ['old'], subjects: [] }))

  await run(file, { jti: 'token-1' })
  await run(file, { jti: 'token-1' })
  await run(file, { subject: 'mallory' })
  await run(file, { subject: 'mallory', issuer: 'https://idp.test' })
  await run(file, { subject: 'mallory', undo: true })

  expect(JSON.parse(await readFile(file, 'utf8'))).toEqual({
    $schema: './schema.json',
    jti: ['old', 'token-1'],
    subjects: [{ issuer: 'https://idp.test', subject: 'mallory' }],
  })
})

test('a list that is not there begins', async () => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'revocations.json')

  const { code, out } = await run(file, { jti: 'x' })

  expect([code, out]).toEqual([EXIT.ok, 'credential x is revoked\n'])
})

test.each(['{', '{"jit":["x"]}', '[]'])('%j is left alone', async (text) => {
  await using folder = await temporaryFolder()
  const file = join(folder.path, 'revocations.json')
  await writeFile(file, text)

  const { code } = await run(file, { jti: 'x' })

  expect(code).toBe(EXIT.invalid)
  expect(await readFile(file, 'utf8')).toBe(text)
})

test.each<Omit<RevokeOptions, 'file'>>([{}, { jti: 'x', subject: 'y' }, { issuer: 'z' }, { jti: 'x', issuer: 'z' }, { jti: '' }])(
  '%j is a usage mistake',
  async (options) => {
    await using folder = await temporaryFolder()

    expect((await run(join(folder.path, 'r.json'), options)).code).toBe(EXIT.usage)
  },
)
