import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { PriceFile } from './prices.ts'

const SHIPPED = new URL('../../catalogs/prices/model-prices.json', import.meta.url)

/** The table that ships, then the operator's own files in order; `files` are relative to `folder`. Throws for one that cannot be used. */
export async function loadPriceFiles(folder: string, files: readonly string[]): Promise<PriceFile[]> {
  const paths = [SHIPPED, ...files.map((file) => resolve(folder, file))]
  return await Promise.all(paths.map(async (path) => PriceFile.parse(JSON.parse(await readFile(path, 'utf8')))))
}
