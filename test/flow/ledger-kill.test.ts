import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { createLedger } from '../../src/metering/ledger.ts'

const KILLS = 50
const CHILD = fileURLToPath(new URL('./ledger-kill-child.ts', import.meta.url))

function idsIn(directory: string): string[] {
  if (!existsSync(join(directory, 'ledger', 'ledger.db'))) return []
  const database = new DatabaseSync(join(directory, 'ledger', 'ledger.db'), { readOnly: true })
  const ids = database.prepare('SELECT id FROM entry').all()
  database.close()
  return ids.map((row) => String(row['id']))
}

/** Runs one child on the folder, kills it, and says what it had acknowledged and how long it took to be ready. */
async function oneLife(
  directory: string,
  round: number,
): Promise<{ acknowledged: string[]; readyMs: number | undefined; said: string }> {
  const child = spawn(process.execPath, [CHILD, directory, String(round), round % 5 === 0 ? 'strict' : 'process'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
  const ready = new Promise<void>((resolve) =>
    child.stdout.on('data', (chunk: Buffer) => {
      out += chunk.toString()
      if (out.includes('\n')) resolve()
    }),
  )
  // Most lives end in the middle of writing, some while the ledger of the life before is still being opened.
  if (round % 4 !== 3) await ready
  // Every fifth life is long enough for the index to be at work.
  const delayMs = round % 5 === 4 ? 400 + Math.random() * 600 : Math.random() * 300
  const timer = setTimeout(() => child.kill('SIGKILL'), delayMs)
  await once(child, 'close')
  clearTimeout(timer)
  const [first = '', ...lines] = out.split('\n').slice(0, -1)
  const readyMs = first.startsWith('ready ') ? Number(first.slice(6)) : undefined
  return { acknowledged: lines.flatMap((line) => line.split(' ')), readyMs, said }
}

test(
  'killed 50 times at random moments, the ledger has every acknowledged entry exactly once and is ready within 2 s',
  { timeout: 90_000 },
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'tollgate-kill-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const acknowledged: string[] = []
    const readyTimes: number[] = []

    for (let round = 0; round < KILLS; round += 1) {
      const life = await oneLife(directory, round)
      acknowledged.push(...life.acknowledged)
      if (life.readyMs !== undefined) readyTimes.push(life.readyMs)
      expect(life.said).toBe('')
    }
    const indexed = idsIn(directory)
    const began = performance.now()
    const ledger = await createLedger({ directory, durability: 'process', report: () => undefined, now: () => performance.now() })
    readyTimes.push(performance.now() - began)
    const calls = await ledger.query({ from: 0, to: Number.MAX_SAFE_INTEGER, by: [], where: {} })
    await ledger.close()

    const stored = idsIn(directory)
    // The lives were long enough for kills in the middle of indexing, too.
    expect(indexed.length).toBeGreaterThan(0)
    const known = new Set(stored)
    expect(acknowledged.length).toBeGreaterThan(KILLS)
    expect(acknowledged.filter((id) => !known.has(id))).toEqual([])
    expect(known.size).toBe(stored.length)
    expect(calls[0]?.calls).toBe(stored.length)
    expect(Math.max(...readyTimes)).toBeLessThan(2_000)
    expect(readdirSync(join(directory, 'ledger')).filter((name) => name.endsWith('.bad'))).toEqual([])
  },
)
