// Prepares a fresh clone. Runs under any Node >= 18: installs exactly what package-lock.json says when it changed, and checks
// that the pinned Node (a platform package from the lock file) is there, because npm skips a failed optional package silently.
import { createHash } from 'node:crypto'
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const stamp = join(root, 'node_modules', '.tollgate-setup')
const binary = join(root, 'node_modules', '.bin', process.platform === 'win32' ? 'node.cmd' : 'node')

function fail(message) {
  process.stderr.write(`setup: ${message}\n`)
  process.exit(1)
}

const wanted = createHash('sha256')
  .update(readFileSync(join(root, 'package-lock.json')))
  .digest('hex')
const installed = existsSync(stamp) ? readFileSync(stamp, 'utf8').trim() : ''

if (wanted !== installed) {
  process.stderr.write('setup: installing the packages of package-lock.json (once per change of that file)\n')
  const run = spawnSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'ignore', 'inherit'],
    shell: process.platform === 'win32',
    env: { ...process.env, NODE_ENV: '' },
  })
  if (run.status !== 0) fail('npm ci failed; its message is above. Check the network and run the command again.')
}

const probe = spawnSync(binary, ['--version'], { encoding: 'utf8', shell: process.platform === 'win32' })
const [major = 0, minor = 0] = (probe.stdout ?? '').trim().replace(/^v/, '').split('.').map(Number)
if (probe.status !== 0 || major < 24 || (major === 24 && minor < 15)) {
  fail(
    `no Node >= 24.15 in node_modules for ${process.platform}-${process.arch}. ` +
      'Delete node_modules and run the command again, or install Node 24 LTS yourself and start with "node src/main.ts start".',
  )
}
if (wanted !== installed) writeFileSync(stamp, `${wanted}\n`)
