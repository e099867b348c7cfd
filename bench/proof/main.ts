// The figures of reliability, measured on this machine. How it works: (1) every figure starts a real gateway as a process, with fakes on
// loopback behind it and callers in front; (2) it says what it measured and which parts of its target it missed; (3) the lines go into
// docs/proof.md, where those of figures that did not run stay as they were.
//   npm run proof                    all, in about half an hour; the soak runs beside the others
//   npm run proof -- --only F7,F9    some, in full
//   npm run proof -- --quick         short forms; for whoever changes a figure
//   npm run proof -- --long          the two-hour soak
// `--program <path>` measures the src/main.ts of another checkout, `--no-write` leaves the document alone.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { rowOf, writeDocument, type Row } from './document.ts'
import type { Figure, Measured, Pace } from './figure.ts'
import { FIGURES } from './figures.ts'
import { endAdopted } from './adopted.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    quick: { type: 'boolean', default: false },
    long: { type: 'boolean', default: false },
    program: { type: 'string', default: join(import.meta.dirname, '../../src/main.ts') },
    write: { type: 'boolean', default: true },
  },
  allowNegative: true,
})
const shared = mkdtempSync(join(tmpdir(), 'tollgate-proof-'))
const path = join(import.meta.dirname, '../../docs/proof.md')

if (process.platform === 'linux') await run()
else process.stdout.write('Memory, descriptors and processor times are read from /proc: this needs Linux.\n')

async function run(): Promise<void> {
  process.once('exit', () => {
    endAdopted()
    rmSync(shared, { recursive: true, force: true })
  })
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1)) // what it started ends on exit
  const chosen = choose()
  const pace: Pace = values.long ? 'long' : values.quick ? 'quick' : values.only === undefined ? 'usual' : 'alone'
  const stop = new AbortController()
  const isBeside = (figure: Figure): boolean => figure.isBackground === true && pace !== 'long' && chosen.length > 1
  const beside = chosen.filter((figure) => isBeside(figure)).map((figure) => one(figure, pace, stop.signal))
  const missed: string[] = []
  const keep = (row: Row | undefined): void => {
    if (row === undefined || row.cells[3] !== 'reached') missed.push(row?.id ?? 'a figure that failed')
    if (row !== undefined && values.write) writeDocument(path, [row], FIGURES)
  }
  for (const figure of chosen.filter((other) => !isBeside(other))) keep(await one(figure, pace, new AbortController().signal))
  stop.abort()
  for (const row of await Promise.all(beside)) keep(row)
  process.stdout.write(missed.length === 0 ? 'all reached\n' : `missed: ${missed.join(', ')}\n`)
  process.exitCode = missed.length === 0 ? 0 : 1
}

function choose(): readonly Figure[] {
  const names = values.long ? ['F1'] : values.only?.split(',')
  if (names === undefined) return FIGURES
  const unknown = names.filter((name) => FIGURES.every(({ id }) => id !== name))
  if (unknown.length > 0) throw new Error(`no figure ${unknown.join(', ')}; there are ${FIGURES.map(({ id }) => id).join(', ')}`)
  return FIGURES.filter(({ id }) => names.includes(id))
}

async function one(figure: Figure, pace: Pace, signal: AbortSignal): Promise<Row | undefined> {
  const folder = mkdtempSync(join(shared, `${figure.id}-`))
  const begun = performance.now()
  const seconds = (): string => `${((performance.now() - begun) / 1_000).toFixed(0)} s`
  const say = (text: string): void => void process.stdout.write(`${figure.id}  ${text}\n`)
  say(figure.what)
  let measured: Measured
  try {
    await using stack = new AsyncDisposableStack()
    measured = await figure.measure({ folder, shared, program: resolve(values.program), pace, stack, signal, say })
  } catch (error) {
    say(`failed after ${seconds()}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
    return undefined
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  say(`${measured.measured}${measured.missed.length === 0 ? '' : `; missed: ${measured.missed.join('; ')}`} (${seconds()})`)
  return rowOf(figure, measured, { pace, at: new Date() })
}
