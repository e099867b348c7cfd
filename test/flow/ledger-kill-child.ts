// A process that is going to be killed: records entries, some thousand a second, and names each one on stdout once it is durable.
//   node ledger-kill-child.ts <state folder> <round> <durability>
import { writeSync } from 'node:fs'
import { performance } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { createLedger } from '../../src/metering/ledger.ts'
import { entry } from '../unit/metering/entry-fixture.ts'

const [directory = '', round = '0', durability = 'process'] = process.argv.slice(2)
const began = performance.now()
const ledger = await createLedger({
  directory,
  durability: durability === 'strict' ? 'strict' : 'process',
  report: (event) => writeSync(2, `${JSON.stringify(event)}\n`),
  now: () => performance.now(),
  segmentBytes: 65_536,
})
writeSync(1, `ready ${Math.round(performance.now() - began)}\n`)

for (let number = 0; ; number += 8) {
  const ids = Array.from({ length: 8 }, (_, index) => `${round}-${number + index}`)
  await Promise.all(ids.map((id) => ledger.record(entry({ id, at: Date.now() }))))
  writeSync(1, `${ids.join(' ')}\n`)
  await setTimeout(1)
}
