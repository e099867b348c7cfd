import { appendFileSync, cpSync, existsSync, mkdirSync, renameSync } from 'node:fs'
import { join } from 'node:path'
import { encodeEntry } from '../../src/metering/journal-line.ts'
import { segmentPath } from '../../src/metering/journal-reader.ts'
import { madeUpEntries } from '../ledger-entries.ts'
import { holds } from './caller.ts'
import type { Context } from './figure.ts'
import { createSite, type Site } from './gate.ts'
import { createOperator } from './operator.ts'

const SLICE = 20_000
const INDEXED_MS = 300_000

/** Gives a gateway that never ran an indexed ledger of so many rows. It is made once for all figures of a run. */
export async function seedLedger(context: Context, site: Site, rows: number): Promise<void> {
  const model = join(context.shared, `ledger-${rows}`)
  if (!existsSync(model)) await makeLedger(context, model, rows)
  cpSync(model, join(site.folder, '.tollgate', 'ledger'), { recursive: true })
}

async function makeLedger(context: Context, model: string, rows: number): Promise<void> {
  const site = await createSite({ ...context, folder: join(context.folder, 'model') }, { teams: [] })
  const folder = join(site.folder, '.tollgate', 'ledger')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const entries = madeUpEntries(Math.min(rows, SLICE))
  for (let written = 0; written < rows; written += SLICE) {
    // Older by an hour each time, and with ids of their own.
    const moved = entries.map((entry, index) =>
      encodeEntry({ ...entry, id: `seed-${written + index}`, at: entry.at - written * 180 }),
    )
    appendFileSync(segmentPath(folder, 1), moved.slice(0, rows - written).join(''))
  }
  await using gate = await site.start({ patienceMs: INDEXED_MS })
  const operator = await createOperator(site)
  if (!(await holds(async () => (await operator.metric('tollgate_ledger_backlog_bytes')) === 0, INDEXED_MS)))
    throw new Error(`the ledger of ${rows} rows was not indexed in ${INDEXED_MS} ms`)
  await gate.end('SIGTERM')
  renameSync(folder, model)
}
