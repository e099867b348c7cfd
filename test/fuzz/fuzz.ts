// Attacks every parser with inputs made from a corpus:
//   npm run fuzz -- --seed 1 --seconds 60      all targets share 60 seconds; the same seed makes the same inputs
//   npm run fuzz -- --target sse               one target; without --seconds it goes on until it is ended, each minute with a new seed
//   npm run fuzz -- --seconds 60 --keep        adds the smallest input of each new behaviour to the corpus
// A crash is written to corpus/<target>/crash-<hash>, where the unit tests find it. The last line is `N passed, N failed`, counted in targets.
import { parseArgs } from 'node:util'
import { runCampaign, type Campaign } from './campaign.ts'
import { readCorpus, writeCorpus } from './corpus.ts'
import type { Target } from './target.ts'
import { PARSERS } from './targets/parsers.ts'
import { SOCKETS } from './targets/sockets.ts'

const ROUND_SECONDS = 60
const KEPT_BYTES = 2_048
const KEPT_FILES = 16

interface Options {
  readonly seed: number
  readonly seconds: number | undefined
  readonly names: readonly string[]
  readonly keep: boolean
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      seconds: { type: 'string' },
      target: { type: 'string', multiple: true, default: [] },
      keep: { type: 'boolean', default: false },
    },
  })
  const [seed, seconds] = [Number(values.seed), values.seconds === undefined ? undefined : Number(values.seconds)]
  if (!Number.isSafeInteger(seed)) throw new Error('--seed is a whole number')
  if (seconds !== undefined && !(seconds > 0)) throw new Error('--seconds is a number above 0')
  return { seed, seconds, names: values.target, keep: values.keep }
}

const ALL: Readonly<Record<string, () => Target | Promise<Target>>> = { ...PARSERS, ...SOCKETS }

function chosen(names: readonly string[]): readonly string[] {
  const known = Object.keys(ALL)
  const unknown = names.find((name) => !known.includes(name))
  if (unknown !== undefined) throw new Error(`there is no target "${unknown}"; known: ${known.join(', ')}`)
  return names.length === 0 ? known : names
}

function report(name: string, { inputs, behaviours, crashes }: Campaign, seconds: number): void {
  const counts = `${inputs} inputs, ${behaviours.size} behaviours, ${crashes.length} crashes, ${seconds.toFixed(1)} s`
  process.stdout.write(`${crashes.length === 0 ? 'ok  ' : 'FAIL'}  ${name.padEnd(16)}  ${counts}\n`)
  for (const { input, reason } of crashes) {
    const shown = JSON.stringify(input.toString('latin1').slice(0, 400))
    process.stdout.write(`      ${writeCorpus(name, 'crash', input)}: ${shown}\n${reason.replaceAll(/^/gm, '        ')}\n`)
  }
}

/** Fills the corpus up with inputs of all sizes. */
function keep(name: string, { behaviours }: Campaign): void {
  const room = Math.max(0, KEPT_FILES - readCorpus(name).length)
  const small = [...behaviours.values()]
    .filter(({ length }) => length > 0 && length <= KEPT_BYTES)
    .toSorted((a, b) => a.length - b.length)
  for (let count = 0; count < Math.min(room, small.length); count++) {
    const input = small[Math.floor((count * small.length) / room)]
    if (input !== undefined) writeCorpus(name, 'seed', input)
  }
}

/** Runs one round over the targets and returns the names of those that broke. */
async function round(names: readonly string[], options: Options, seconds: number): Promise<readonly string[]> {
  const broken: string[] = []
  for (const name of names) {
    const started = performance.now()
    const target = await ALL[name]?.()
    if (target === undefined) continue
    const campaign = await runCampaign(target, { seed: options.seed, milliseconds: (seconds * 1000) / names.length })
    await target.close?.()
    report(name, campaign, (performance.now() - started) / 1000)
    if (options.keep) keep(name, campaign)
    if (campaign.crashes.length > 0) broken.push(name)
  }
  return broken
}

const options = readOptions()
const names = chosen(options.names)
const broken = new Set<string>()
let seed = options.seed
do {
  const seconds = options.seconds ?? ROUND_SECONDS * names.length
  for (const name of await round(names, { ...options, seed }, seconds)) broken.add(name)
  seed += 1
} while (options.seconds === undefined)
process.stdout.write(`${names.length - broken.size} passed, ${broken.size} failed\n`)
process.exitCode = broken.size === 0 ? 0 : 1
