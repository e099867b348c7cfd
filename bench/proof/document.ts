import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { execFileSync } from 'node:child_process'
import type { Figure, Measured, Pace } from './figure.ts'

/** A line of the table: one figure as it was last measured. */
export interface Row {
  readonly id: string
  readonly cells: readonly string[]
}

const HEAD = ['figure', 'what', 'target', 'measured', 'verdict', 'command', 'date, commit, run']
const PACES: Readonly<Record<Pace, string>> = {
  quick: 'short form',
  usual: 'in half an hour with all',
  alone: 'alone, in full',
  long: 'the long soak',
}

/** The line of a figure that was measured now. */
export function rowOf(figure: Figure, measured: Measured, facts: { readonly pace: Pace; readonly at: Date }): Row {
  const { missed, note } = measured
  const verdict = missed.length === 0 ? 'reached' : `**missed**: ${missed.join('; ')}`
  const words = note === undefined ? measured.measured : `${measured.measured}. ${note}`
  const command = `npm run proof -- --only ${figure.id}${facts.pace === 'quick' ? ' --quick' : facts.pace === 'long' ? ' --long' : ''}`
  const when = `${facts.at.toISOString().slice(0, 16).replace('T', ' ')}, ${commit()}, ${PACES[facts.pace]}`
  return { id: figure.id, cells: [figure.what, figure.target, words, verdict, `\`${command}\``, when] }
}

/** Puts lines in the place of those of the same figures; the others stay with their own dates. */
export function writeDocument(path: string, rows: readonly Row[], order: readonly Figure[]): void {
  const known = new Map([...readRows(path), ...rows].map((row) => [row.id, row]))
  const lines = order.map(({ id, what, target }) => {
    const cells = known.get(id)?.cells ?? [what, target, 'not measured', 'not measured', `\`npm run proof -- --only ${id}\``, '']
    return `| ${[id, ...cells.map(escaped)].join(' | ')} |`
  })
  const table = [`| ${HEAD.join(' | ')} |`, `|${HEAD.map(() => '---').join('|')}|`, ...lines]
  writeFileSync(path, `${[...opening(), ...table].join('\n')}\n`)
}

function opening(): string[] {
  return [
    '# Proof',
    '',
    'What the gateway withstands, measured. Written by `npm run proof` and by nothing else; `bench/README.md` says how each figure is taken.',
    'Each line keeps the date of its own run. Where a target is missed, the line says by how much and why.',
    '',
    `Machine of the last run: ${machine()}.`,
    '',
  ]
}

function machine(): string {
  const model = cpus()[0]?.model.trim() ?? 'unknown processor'
  return `${cpus().length} cores (${model}), ${Math.round(totalmem() / 1_073_741_824)} GiB, Linux ${release()}, Node ${process.versions.node}`
}

function readRows(path: string): Row[] {
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => /^\| F\d+ \|/.test(line))
    .map((line) => {
      const [id = '', ...cells] = line.slice(2, -2).split(/ (?<!\\)\| /)
      return { id, cells: cells.map((cell) => cell.replaceAll('\\|', '|')) }
    })
}

function escaped(cell: string): string {
  return cell.replaceAll('|', '\\|').replaceAll('\n', ' ')
}

function commit(): string {
  return execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' }).trim()
}
