// Writes what runs as a bill of materials (CycloneDX): every package of the runtime tree with version, licence and hash. The same lock
// file gives the same bytes: a serial number out of its hash, and a time only where SOURCE_DATE_EPOCH says one.
//   npm run sbom                 prints it
//   npm run sbom -- sbom.json    writes it
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'

const root = dirname(import.meta.dirname)
// With the development packages, also where NODE_ENV says production: asked to omit them, npm leaves out whatever one of them needs as well.
const ARGUMENTS = ['sbom', '--sbom-format=cyclonedx', '--sbom-type=application', '--package-lock-only', '--include=dev']

type Component = Readonly<{ 'bom-ref': string; properties: readonly Readonly<{ name: string; value: string }>[] }>
type Dependency = Readonly<{ ref: string; dependsOn: readonly string[] }>
/** What of a bill this script reads or changes. */
type Bill = {
  serialNumber: string
  metadata: { timestamp?: string; component: { 'bom-ref': string; name: string } }
  components: readonly Component[]
  dependencies: readonly Dependency[]
}

/** A UUID of the lock file: version 8, the one whose bits are the maker's own. */
function serialOf(lock: Buffer): string {
  const hex = createHash('sha256').update(lock).digest('hex')
  return `urn:uuid:${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`
}

/** Takes the packages out that only who changes the gateway installs. */
function withoutTools(bill: Bill): Pick<Bill, 'components' | 'dependencies'> {
  const components = bill.components.filter(
    ({ properties }) => !properties.some(({ name, value }) => name === 'cdx:npm:package:development' && value === 'true'),
  )
  const left = new Set([bill.metadata.component['bom-ref'], ...components.map((component) => component['bom-ref'])])
  const dependencies = bill.dependencies
    .filter(({ ref }) => left.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((one) => left.has(one)) }))
  return { components, dependencies }
}

function createSbom(): string {
  const made = spawnSync('npm', ARGUMENTS, { cwd: root, encoding: 'utf8', maxBuffer: 67_108_864 })
  if (made.status !== 0) throw new Error(`npm ${ARGUMENTS.join(' ')} failed (it needs npm 10 or newer): ${made.stderr}`)
  // `as`: npm writes it; a bill in another form fails the test of this script.
  const bill = JSON.parse(made.stdout) as Bill
  const epoch = process.env['SOURCE_DATE_EPOCH']
  bill.serialNumber = serialOf(readFileSync(join(root, 'package-lock.json')))
  if (epoch === undefined) delete bill.metadata.timestamp
  else bill.metadata.timestamp = new Date(Number(epoch) * 1000).toISOString()
  // npm takes the name of the folder, which differs from clone to clone.
  const { name } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { name: string } // our own file
  bill.metadata.component.name = name
  return `${JSON.stringify({ ...bill, ...withoutTools(bill) }, null, 2)}\n`
}

const out = process.argv[2]
if (out === undefined) process.stdout.write(createSbom())
else writeFileSync(resolve(out), createSbom())
