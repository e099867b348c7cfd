// Runs every check and prints one line for each; what a failing one said follows its line. Runs under any Node >= 18.
//   node scripts/check.mjs        what must be green before a commit
//   node scripts/check.mjs --ci   the same from a fresh clone: `npm test` first (it installs), then the fuzzer and the conformance suite, and one
//                                 closing line `N passed, N failed` that counts each test and each other check as one
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const isCi = process.argv.includes('--ci')
const scratch = mkdtempSync(join(tmpdir(), 'tollgate-check-'))
const reportFile = join(scratch, 'tests.json')

const STATIC = [
  { name: 'types', script: ['run', 'types'], seconds: 60 },
  { name: 'lint', script: ['run', 'lint'], seconds: 60 },
  { name: 'format', script: ['run', 'format:check'], seconds: 20 },
  { name: 'dead code', script: ['run', 'dead-code'], seconds: 40 },
  { name: 'schema', script: ['run', 'schema', '--', '--check'], seconds: 20 },
]
const TESTS = { name: 'tests', script: ['test'], seconds: 400 }
/** The same seed makes the same inputs, so that a change is to blame for what it finds. */
const FUZZ = { name: 'fuzz', script: ['run', 'fuzz', '--', '--seed', '1', '--seconds', '60'], seconds: 150 }
const CONFORMANCE = { name: 'conformance', script: ['run', 'conformance'], seconds: 600 }

/** A run that hangs somewhere still ends within 15 minutes and says where: no step gets more than what is left of this. */
const WHOLE_RUN_SECONDS = 14 * 60
const started = Date.now()

/** Runs one npm script to its end or to its deadline, and ends everything it started when it is late. */
function runScript({ script, ...step }, live) {
  const left = WHOLE_RUN_SECONDS - (Date.now() - started) / 1000
  const seconds = Math.max(1, Math.round(Math.min(step.seconds, left)))
  return new Promise((resolve) => {
    const child = spawn('npm', live ? script : ['--silent', ...script], {
      cwd: root,
      env: { ...process.env, TEST_REPORT: reportFile },
      stdio: ['ignore', live ? 'inherit' : 'pipe', live ? 'inherit' : 'pipe'],
      detached: process.platform !== 'win32',
      shell: process.platform === 'win32',
    })
    let output = ''
    child.stdout?.on('data', (chunk) => (output += chunk))
    child.stderr?.on('data', (chunk) => (output += chunk))
    const timer = setTimeout(() => {
      output += `\nstopped after ${seconds} seconds\n`
      endGroup(child)
    }, seconds * 1000)
    child.on('error', (error) => resolve({ ok: false, output: `${output}${error.message}\n` }))
    child.on('close', (code) => {
      clearTimeout(timer)
      endGroup(child)
      resolve({ ok: code === 0, output })
    })
  })
}

/** Ends the process group of a child; one that is already gone is what we want. */
function endGroup(child) {
  try {
    if (process.platform === 'win32') child.kill('SIGKILL')
    else process.kill(-child.pid, 'SIGKILL')
  } catch (error) {
    if (error.code !== 'ESRCH' && error.code !== 'EPERM') throw error
  }
}

/** What the test runner wrote: counts, and the part of the architecture test. A file that could not even load counts as one failure. */
function readReport(ok) {
  let report
  try {
    report = JSON.parse(readFileSync(reportFile, 'utf8'))
  } catch {
    // No report means the runner did not get that far: the install or the runner itself failed.
    return { passed: 0, failed: 1, architecture: false }
  }
  const broken = report.testResults.filter(
    (file) => file.status === 'failed' && !file.assertionResults.some((one) => one.status === 'failed'),
  ).length
  const failed = report.numFailedTests + broken
  const architecture = report.testResults.some(
    (file) => file.name.replaceAll('\\', '/').endsWith('test/architecture.test.ts') && file.status === 'passed',
  )
  return { passed: report.numPassedTests, failed: failed === 0 && !ok ? 1 : failed, architecture }
}

/** The closing counts of a script that has them, else one for the script itself. */
function countsOf(output, ok) {
  const [, passed, failed] = /^(\d+) passed, (\d+) failed\s*$/m.exec(output) ?? []
  return passed === undefined
    ? { passed: ok ? 1 : 0, failed: ok ? 0 : 1 }
    : { passed: Number(passed), failed: Math.max(Number(failed), ok ? 0 : 1) }
}

function say(ok, name, detail) {
  process.stdout.write(`${ok ? 'ok  ' : 'FAIL'}  ${name.padEnd(12)}  ${detail}\n`)
}

async function runStep(step, live = false) {
  const began = Date.now()
  const { ok, output } = await runScript(step, live)
  const seconds = `${((Date.now() - began) / 1000).toFixed(1)} s`
  const tests = step === TESTS ? readReport(ok) : undefined
  const counts = tests ?? (step === FUZZ ? countsOf(output, ok) : { passed: ok ? 1 : 0, failed: ok ? 0 : 1 })
  if (tests) say(tests.architecture, 'architecture', '')
  const detail = step === TESTS || step === FUZZ ? `${seconds}, ${counts.passed} passed, ${counts.failed} failed` : seconds
  say(ok, step.name, detail)
  if (!ok) process.stdout.write(`${output.trimEnd()}\n`)
  return counts
}

const steps = isCi ? [TESTS, ...STATIC, FUZZ, CONFORMANCE] : [...STATIC, TESTS]
let passed = 0
let failed = 0
for (const step of steps) {
  const result = await runStep(step, isCi && step === TESTS)
  passed += result.passed
  failed += result.failed
}
rmSync(scratch, { recursive: true, force: true })
process.stdout.write(`${passed} passed, ${failed} failed\n`)
process.exitCode = failed === 0 ? 0 : 1
