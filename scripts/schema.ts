// Writes catalogs/schema/*.json from the schemas in src/config; with --check it only says which of them are stale.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { jsonSchemas } from '../src/config/json-schema.ts'

const folder = join(import.meta.dirname, '..', 'catalogs', 'schema')
const checking = process.argv.includes('--check')

const stale = [...jsonSchemas()].filter(([name, text]) => read(join(folder, name)) !== text)
if (!checking) mkdirSync(folder, { recursive: true })
for (const [name, text] of stale) {
  if (!checking) writeFileSync(join(folder, name), text)
  process.stdout.write(`catalogs/schema/${name} ${checking ? 'is stale: run "npm run schema"' : 'written'}\n`)
}
if (checking && stale.length > 0) process.exitCode = 1

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
