// Builds dist/ for a published package, where Node does not strip types (below node_modules). Three steps: take the types out of every
// file with the same function Node uses in a clone, so lines and columns stay; point relative `.ts` names at `.js`; copy the data files
// with the same change. dist/ then looks like a clone: main.js, rooms, servers/, catalogs/, tollgate.json.
//   node scripts/build.ts [folder]
import { globSync } from 'node:fs'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import { dirname, join, relative, resolve } from 'node:path'
import { parseSync, Visitor } from 'rolldown/utils'

const root = dirname(import.meta.dirname)
const out = resolve(process.argv[2] ?? join(root, 'dist'))
const isSource = (path: string) => path.endsWith('.ts') && !path.endsWith('.d.ts')
const isOurs = (path: string) => !path.split('/').includes('node_modules')

/** One source file as JavaScript: types blanked out, every relative `.ts` in a string literal renamed. */
function toJavaScript(path: string, source: string): string {
  const code = stripTypeScriptTypes(source)
  const { program, errors } = parseSync(path.replace(/\.ts$/, '.js'), code)
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`)
  const ends: number[] = []
  new Visitor({
    Literal: (node) => {
      if (typeof node.value === 'string' && /^\.{1,2}\/.*\.ts$/.test(node.value)) ends.push(node.end)
    },
  }).visit(program)
  // The end of a literal is behind its closing quote, so the two letters before the quote are `ts`.
  return ends.reduce((text, end) => `${text.slice(0, end - 3)}js${text.slice(end - 1)}`, code)
}

/** A registration names the program of its bundled server; in dist/ that program is JavaScript. */
function renamePrograms(json: string): string {
  return json.replaceAll(/("(?:[\w./-]*\/)?main)\.ts"/g, '$1.js"')
}

async function write(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true })
  await writeFile(path, text)
}

async function build(): Promise<number> {
  await rm(out, { recursive: true, force: true })
  const sources = globSync(['src/**/*.ts', 'servers/**/*.ts'], { cwd: root }).filter((path) => isSource(path) && isOurs(path))
  for (const path of sources) {
    const place = path.startsWith('src/') ? relative('src', path) : path
    await write(join(out, place.replace(/\.ts$/, '.js')), toJavaScript(path, await readFile(join(root, path), 'utf8')))
  }
  for (const path of globSync('servers/**/*.json', { cwd: root }).filter(isOurs)) {
    await write(join(out, path), renamePrograms(await readFile(join(root, path), 'utf8')))
  }
  for (const path of globSync(['catalogs', 'tollgate.json', 'src/**/*.json'], { cwd: root })) {
    await cp(join(root, path), join(out, path.replace(/^src\//, '')), { recursive: true })
  }
  return sources.length
}

process.stdout.write(`built ${await build()} files into ${relative(process.cwd(), out) || '.'}\n`)
