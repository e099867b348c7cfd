// Says which packages of the lock file were pinned sooner than seven days after their release. Needs no network.
//   npm run cooldown                what is too young, or not on record
//   npm run cooldown -- --record    asks the registry about the packages that are not on record, and puts them there
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { readLockFile } from './lock-file.ts'
import { cooldownFaults, COOLDOWN_DAYS, idOf, renewDates, type ReleaseDates } from './release-dates.ts'

const root = dirname(import.meta.dirname)
const file = join(import.meta.dirname, 'release-dates.json')

/** The day a version was released, as the registry says; undefined when it cannot be asked. */
function askRelease(name: string, version: string): string | undefined {
  const answer = spawnSync('npm', ['view', name, 'time', '--json', '--prefer-offline'], { cwd: root, encoding: 'utf8' })
  try {
    // `as`: an answer of another form has no such member, and then there is no day.
    const times = JSON.parse(answer.stdout) as Readonly<Record<string, string>>
    return times[version]?.slice(0, 10)
  } catch {
    return undefined // no network, or no such package: said by the caller
  }
}

const locked = readLockFile(root)
// `as`: our own file, written below.
let dates = JSON.parse(readFileSync(file, 'utf8')) as ReleaseDates

if (process.argv.includes('--record')) {
  const known = new Set(Object.values(dates).flatMap((released) => Object.keys(released)))
  const missing = new Map(locked.filter((entry) => !known.has(idOf(entry))).map((entry) => [idOf(entry), entry]))
  const fresh = [...missing].map(([id, { name, version }]) => [id, askRelease(name, version)] as const)
  const unanswered = fresh.filter(([, day]) => day === undefined).map(([id]) => id)
  if (unanswered.length > 0) process.stdout.write(`not recorded, the registry gave no answer: ${unanswered.join(', ')}\n`)
  const days = Object.fromEntries(fresh.flatMap(([id, day]) => (day === undefined ? [] : [[id, day]])))
  dates = renewDates(locked, dates, days, new Date().toISOString().slice(0, 10))
  writeFileSync(file, `${JSON.stringify(dates, null, 2)}\n`)
}

const faults = cooldownFaults(locked, dates)
for (const fault of faults) process.stdout.write(`${fault}\n`)
process.stdout.write(`${locked.length} packages, ${faults.length} against the rule of ${COOLDOWN_DAYS} days\n`)
process.exitCode = faults.length === 0 ? 0 : 1
