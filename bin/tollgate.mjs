#!/usr/bin/env node
// Starts Tollgate under any Node >= 18: from a clone it runs src/main.ts, from a published package dist/main.js, with the Node that
// is pinned in node_modules when the one that runs this file is too old. Arguments, streams, signals and the exit status pass through.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const source = join(root, 'src', 'main.ts')
const entry = existsSync(source) ? source : join(root, 'dist', 'main.js')
const FORWARDED = ['SIGTERM', 'SIGINT', 'SIGHUP']

function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 24 || (major === 24 && minor >= 15)
}

/** The platform package of Node that npm installed beside us, or one level up when we are a dependency ourselves. */
function findPinnedNode() {
  const { resolve } = createRequire(import.meta.url)
  const platform = { win32: 'win', darwin: 'darwin', linux: 'linux' }[process.platform]
  const binary = process.platform === 'win32' ? 'node.exe' : 'node'
  for (const name of [`node-${platform}-${process.arch}`, `node-bin-${platform}-${process.arch}`]) {
    try {
      const path = join(dirname(resolve(`${name}/package.json`)), 'bin', binary)
      if (existsSync(path)) return path
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND' && error.code !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') throw error
    }
  }
  return undefined
}

/** Becomes the gateway where the system can replace a process (same pid, nothing to supervise); else shadows it as a child. */
function runWith(node) {
  // Node 24 is pinned: what it calls experimental is known and tested, and no news to who runs a verb.
  // A young generation larger than this buys no speed here and stays resident (ARCHITECTURE.md).
  const args = ['--disable-warning=ExperimentalWarning', '--max-semi-space-size=8', entry, ...process.argv.slice(2)]
  if (process.execve && process.platform !== 'win32') process.execve(node, [node, ...args], process.env)
  const child = spawn(node, args, { stdio: 'inherit' })
  for (const signal of process.platform === 'win32' ? [] : FORWARDED) {
    // Ctrl-C reaches the whole foreground group, so the child already has it; a second one would mean "stop at once".
    process.on(signal, () => (signal === 'SIGINT' && process.stdin.isTTY ? undefined : child.kill(signal)))
  }
  child.on('error', (error) => fail(`could not start ${node}: ${error.message}`))
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    for (const name of FORWARDED) process.removeAllListeners(name)
    process.kill(process.pid, signal)
  })
}

function fail(message) {
  process.stderr.write(`tollgate: ${message}\n`)
  process.exit(1)
}

const node = isNewEnough(process.versions.node) ? process.execPath : findPinnedNode()
if (!existsSync(entry)) fail(`neither src/main.ts nor dist/main.js is in ${root}; install the package again`)
if (node === undefined) {
  fail(
    `needs Node >= 24.15 and this is ${process.version}. In a clone run "npm start" once, which installs the pinned one; ` +
      'otherwise install Node 24 LTS, or install the package again without --omit=optional.',
  )
}
runWith(node)
