import { execFile } from 'node:child_process'
import {
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const run = promisify(execFile)
const installed = mkdtempSync(join(tmpdir(), 'tollgate-build-'))
const home = join(installed, 'node_modules', 'tollgate')
const dist = join(home, 'dist')

const built = (pattern: string) => globSync(pattern, { cwd: dist }).filter((path) => !path.includes('node_modules'))
/** Programs of their own, which begin to work when they are loaded. */
const isProgram = (path: string) => /(^|\/)main\.js$|[-.]worker\.js$/.test(path)

// As npm would install it: the package among its dependencies, below node_modules.
beforeAll(async () => {
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), readFileSync('package.json'))
  for (const name of readdirSync('node_modules').filter((entry) => !entry.startsWith('.'))) {
    symlinkSync(resolve('node_modules', name), join(installed, 'node_modules', name))
  }
  await run(process.execPath, ['scripts/build.ts', dist])
})

afterAll(() => rmSync(installed, { recursive: true, force: true }))

describe('dist', () => {
  test('every source file has its place', () => {
    const sources = globSync('src/**/*.ts').filter((path) => !path.endsWith('.d.ts'))

    expect(
      sources.map((path) => path.replace(/^src\//, '').replace(/\.ts$/, '.js')).filter((path) => !existsSync(join(dist, path))),
    ).toEqual([])
  })

  test('nothing in it names a TypeScript file', () => {
    const named = built('**/*.js').filter((path) =>
      /['"`]\.{1,2}\/[^'"`\s]*\.ts['"`]/.test(readFileSync(join(dist, path), 'utf8')),
    )

    expect(named).toEqual([])
  })

  test('every file of it loads below node_modules, where Node does not strip types', async () => {
    const files = built('**/*.js').filter((path) => !isProgram(path))
    const program = `for (const file of ${JSON.stringify(files)}) await import(${JSON.stringify(`${dist}/`)} + file)`

    const { stderr } = await run(process.execPath, ['--input-type=module', '--eval', program])

    expect(files.length).toBeGreaterThan(10)
    expect(stderr).toBe('')
  })

  test('the command line answers from it', async () => {
    for (const main of built('main.js')) {
      const { stdout } = await run(process.execPath, [join(dist, main), '--help'])

      expect(stdout).toContain('tollgate')
    }
  })

  test('the program of each bundled server is there as its registration names it', () => {
    const missing = built('servers/*.json').flatMap((path) => {
      const { args = [] } = JSON.parse(readFileSync(join(dist, path), 'utf8')) as { args?: string[] }
      const places = (name: string) => [join(dist, name), join(dist, dirname(path), name)]
      return args.filter((name) => /\.(ts|js)$/.test(name) && !places(name).some((place) => existsSync(place)))
    })

    expect(missing).toEqual([])
  })
})
