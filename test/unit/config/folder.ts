import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'

/** A temporary folder with the given files; text is written as it is, everything else as JSON. Removed when the test is over. */
export async function createFolder(files: Readonly<Record<string, unknown>>) {
  const path = await mkdtemp(join(tmpdir(), 'tollgate-config-'))
  const write = async (name: string, content: unknown) => {
    await mkdir(dirname(join(path, name)), { recursive: true })
    await writeFile(join(path, name), typeof content === 'string' ? content : JSON.stringify(content, null, 2))
  }
  for (const [name, content] of Object.entries(files)) await write(name, content)
  return {
    path,
    config: join(path, 'tollgate.json'),
    write,
    remove: (name: string) => rm(join(path, name), { recursive: true, force: true }),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}
