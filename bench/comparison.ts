import type { Program } from './programs.ts'

/** What one slice of load came to. */
export interface SliceResult {
  /** Requests answered, or pieces of streams passed on: what CPU is counted per. */
  readonly units: number
  /** Milliseconds to the first content, where that is measured. */
  readonly firstMs?: readonly number[]
}

/** The slices of one program, one for each round. */
export interface Row {
  readonly program: Program
  /** Microseconds of CPU per unit. */
  readonly cpu: number[]
  /** Median milliseconds to the first content. */
  readonly firstMs: number[]
}

const ROUNDS = 4
const SLICE_MS = 1_200
/** The gateway is the largest program: V8 needs so much to have compiled it. */
const WARM_MS = 4_000

/** Gives every program its slices in turning order, so that noise of the machine hits all alike. */
export async function compare(
  programs: readonly Program[],
  run: (program: Program, milliseconds: number) => Promise<SliceResult>,
): Promise<readonly Row[]> {
  const rows = programs.map((program): Row => ({ program, cpu: [], firstMs: [] }))
  for (const { program } of rows) await run(program, WARM_MS / (program.translates ? 1 : 4))
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const { program, cpu, firstMs } of round % 2 === 0 ? rows : rows.toReversed()) {
      const before = program.cpu()
      const result = await run(program, SLICE_MS)
      cpu.push((program.cpu() - before) / result.units)
      firstMs.push(median(result.firstMs ?? []))
    }
  }
  return rows
}

/** Prints figures per unit, and ratios that are taken inside each round; the first row is the bare one. */
export function report(name: string, unit: string, rows: readonly Row[]): void {
  const [base] = rows
  if (base === undefined) return
  const nginx = rows.find(({ program }) => program.name === 'nginx')
  process.stdout.write(`\n${name}\n`)
  for (const { program, cpu, firstMs } of rows) {
    const ratio = (to: Row) => median(cpu.map((value, round) => value / (to.cpu[round] ?? Number.NaN))).toFixed(2)
    const beside = [`${ratio(base)} x bare`, ...(nginx === undefined ? [] : [`${ratio(nginx)} x nginx`])].join(', ')
    const figures = `${median(cpu).toFixed(1).padStart(7)} us CPU per ${unit}  ${beside}`
    const added = median(firstMs.map((value, round) => (value - (base.firstMs[round] ?? Number.NaN)) * 1000))
    const first = Number.isNaN(added)
      ? ''
      : `  first content ${median(firstMs).toFixed(2)} ms (${added >= 0 ? '+' : ''}${added.toFixed(0)} us)`
    process.stdout.write(`  ${program.name.padEnd(20)}${figures}${first}  ${program.memory().toFixed(0)} MiB\n`)
  }
}

/** The middle value; NaN of nothing. */
function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = Math.floor(sorted.length / 2)
  if (sorted.length % 2 === 1) return sorted[middle] ?? Number.NaN
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2
}
