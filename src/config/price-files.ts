import { readFile } from 'node:fs/promises'
import { relative, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Fault } from './explain-issues.ts'
import { PriceFile } from './prices.ts'
import type { Provider } from './provider.ts'
import { type FileReading, readConfigFile } from './read-file.ts'
import { readShippedTable } from './shipped-prices.ts'

/** The table that ships: beside `src` in a clone, beside the rooms in a published package. */
const SHIPPED = 'catalogs/prices/model-prices.json'
const SHIPPED_PATH = fileURLToPath(new URL(`${import.meta.url.endsWith('.ts') ? '../..' : '..'}/${SHIPPED}`, import.meta.url))

/** The table that ships, then the operator's own files in order; `files` are relative to `folder`. Throws for one that cannot be used. */
export async function loadPriceFiles(folder: string, files: readonly string[]): Promise<PriceFile[]> {
  const own = await readPriceFiles(folder, files)
  const [problem] = own.flatMap(({ problems }) => problems)
  if (problem !== undefined)
    throw new Error(`${problem.file}:${problem.line}:${problem.column}: ${problem.path}: ${problem.message}`)
  const shipped = readShippedTable(JSON.parse(await readFile(SHIPPED_PATH, 'utf8')))
  return [shipped, ...own.flatMap(({ located }) => located?.value ?? [])]
}

/** Reads the operator's own price files, each with its problems. */
export function readPriceFiles(folder: string, files: readonly string[]): Promise<FileReading<PriceFile>[]> {
  return Promise.all(
    files.map((name) => {
      const path = resolve(folder, name)
      return readPriceFile(path, relative(folder, path).replaceAll('\\', '/'))
    }),
  )
}

/** Reads the table that ships with the place of every row. */
export function readShippedPrices(): Promise<FileReading<PriceFile>> {
  return readPriceFile(SHIPPED_PATH, SHIPPED)
}

/** The name under which prices of a provider are looked up: its type, or the profile of an OpenAI-shaped one. */
export function priceTypeOf(provider: Provider): string {
  return provider.type === 'openai_compatible' ? provider.profile : provider.type
}

function readPriceFile(path: string, file: string): Promise<FileReading<PriceFile>> {
  return readConfigFile({
    path,
    file,
    schema: PriceFile,
    env: {},
    check: (value) => ({ value, faults: [...duplicateFaults(value), ...discountFaults(value)] }),
  })
}

function duplicateFaults({ prices }: PriceFile): Fault[] {
  const owners = new Map<string, number>()
  return prices.flatMap(({ provider, model, region, tier, from }, index) => {
    const key = JSON.stringify([provider, model, region, tier, from])
    const owner = owners.get(key)
    if (owner === undefined) owners.set(key, index)
    const message = `the same provider, model, region, tier and day as row ${owner}; one of them would never be used`
    return owner === undefined ? [] : [{ path: ['prices', index], message }]
  })
}

function discountFaults({ discounts }: PriceFile): Fault[] {
  return discounts.flatMap(({ percent }, index) =>
    Math.abs(percent * 100 - Math.round(percent * 100)) < 1e-6
      ? []
      : [{ path: ['discounts', index, 'percent'], message: 'must have at most two decimals, like 12.5' }],
  )
}
