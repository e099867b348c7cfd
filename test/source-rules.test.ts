// Rules of the supply chain that are about text and bytes of this repository: constructs that must not appear, secrets, the rights of the
// pipeline, a package that is built twice. Each rule is shown red once on an invented text.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseSync, Visitor } from 'rolldown/utils'
import { describe, expect, test } from 'vitest'
import { temporaryFolder } from './support/temporary-folder.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const read = (path: string) => readFileSync(join(root, path), 'utf8')
const sources = globSync('src/**/*.ts', { cwd: root }).toSorted()

// --- constructs ---

type Found = { readonly rule: string; readonly text: string }

/** Places where a rule looks as if it were broken, and is not: `path: rule`, with the reason. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'src/store/sqlite.ts: sql': 'PRAGMA takes no parameters; the numbers are our own.',
  'src/metering/index-rows.ts: sql': 'The columns and the number of the table are our own constants.',
  'src/cli/stdio.ts: decoding': 'Whole lines are written to that stream, never parts of one.',
}

const isName = (node: unknown, pattern: RegExp): boolean =>
  typeof node === 'object' && node !== null && 'name' in node && pattern.test(String(node.name))

/** Constructs of a source file that are not allowed anywhere. */
function forbidden(path: string, text: string): Found[] {
  const { program, errors } = parseSync(path, text)
  if (errors[0] !== undefined) throw new Error(`${path}: ${errors[0].message}`)
  const found: Found[] = []
  const add = (rule: string, { start, end }: { start: number; end: number }) =>
    void found.push({ rule, text: text.slice(start, Math.min(end, start + 90)) })
  new Visitor({
    ImportDeclaration: (node) => {
      if (/^(node:)?vm$/.test(node.source.value)) add('code from text', node)
      if (!/^(node:)?child_process$/.test(node.source.value)) return
      for (const one of node.specifiers) if (/^(exec|execSync|fork)$/.test(one.local.name)) add('shell', node)
    },
    Property: (node) => {
      if (isName(node.key, /^shell$/) && !(node.value.type === 'Literal' && node.value.value === false)) add('shell', node)
    },
    NewExpression: (node) => {
      if (isName(node.callee, /^Function$/)) add('code from text', node)
      // A thread with flags of its own runs outside of the permission model unless they name it.
      const isThread = isName(node.callee, /^Worker$/) && path.startsWith('src/')
      if (isThread && !text.includes('execArgv: workerFlags()')) add('unconfined thread', node)
      const [first] = node.arguments
      if (isName(node.callee, /^URL$/) && first !== undefined && /\bheaders\W+host\b/.test(text.slice(first.start, first.end)))
        add('URL from Host', node)
    },
    CallExpression: (node) => {
      const { callee } = node
      const [first] = node.arguments
      if (isName(callee, /^(eval|Function)$/)) add('code from text', node)
      if (callee.type !== 'MemberExpression') return
      const isTemplate = first?.type === 'TemplateLiteral' && first.expressions.length > 0
      if (isName(callee.property, /^(exec|prepare|raw)$/) && (isTemplate || first?.type === 'BinaryExpression')) add('sql', node)
      if (isName(callee.property, /^toString$/) && isName(callee.object, /^(chunk|part|piece)$/)) add('decoding', node)
    },
    LogicalExpression: (node) => {
      const counts = /^(?!has|is).*(tokens|nanoUsd|bytes|count|price|cost)$/i
      const { left } = node
      const isCount = isName(left, counts) || (left.type === 'MemberExpression' && isName(left.property, counts))
      // `bytes || undefined` leaves a field out of a log line; a number in its place would be a wrong count.
      if (node.operator === '||' && isCount && !isName(node.right, /^undefined$/)) add('falsy default', node)
    },
  }).visit(program)
  return found
}

describe('constructs that must not appear', () => {
  test('O10: no SQL, program or address is put together from text, no bytes are decoded in parts, no count has a falsy default, no thread is unconfined', () => {
    const found = sources.flatMap((path) =>
      forbidden(path, read(path)).map(({ rule, text }) => ({ at: `${path}: ${rule}`, text })),
    )

    expect(found.filter(({ at }) => !(at in EXCEPTIONS))).toEqual([])
    expect(
      Object.keys(EXCEPTIONS).filter((at) => sources.includes(at.split(':')[0] ?? '') && !found.some((one) => one.at === at)),
    ).toEqual([])
  })

  test.each([
    ['sql', 'database.prepare(`SELECT ${name}`)'],
    ['sql', "database.exec('DELETE FROM ' + table)"],
    ['sql', 'sql.raw(`${text}`)'],
    ['shell', "import { exec } from 'node:child_process'"],
    ['shell', "import { execSync as run, execSync } from 'child_process'"],
    ['shell', 'spawn(program, { shell: true })'],
    ['code from text', 'eval(text)'],
    ['code from text', "new Function('a', text)"],
    ['code from text', "import { runInNewContext } from 'node:vm'"],
    ['decoding', "stream.on('data', (chunk) => (text += chunk.toString()))"],
    ['URL from Host', 'const url = new URL(`http://${request.headers.host}/`)'],
    ['falsy default', 'const tokens = usage.outputTokens || 1'],
    ['unconfined thread', 'new Worker(entry, { execArgv: [] })'],
  ])('O10: %s is found in %s', (rule, text) => {
    expect(forbidden('src/invented.ts', text).map((one) => one.rule)).toContain(rule)
  })
})

// --- secrets ---

const SECRETS: readonly RegExp[] = [
  /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----\\?\r?\n?[A-Za-z0-9+/=\s\\]{100,}/,
  /\b(?:AKIA|ASIA)[0-9A-Z]{16}\b/,
  /\bgh[pousr]_[A-Za-z0-9]{36}\b/,
  /\bglpat-[A-Za-z0-9_-]{20}/,
  /\bxox[abprs]-[0-9A-Za-z-]{20,}/,
  /\bAIza[0-9A-Za-z_-]{35}\b/,
  /\bsk-(?:ant-|proj-)?[A-Za-z0-9_-]{32,}/,
  /\bnpm_[A-Za-z0-9]{36}\b/,
]
/** Texts of tests that look like secrets: published examples, words, and invented ones that say so. */
const INVENTED = /EXAMPLE|YOUR1TOKEN|sk-loading-spinner|fake|canary|0123456789/i

const secretsIn = (text: string): string[] =>
  SECRETS.flatMap((shape) => [...text.matchAll(new RegExp(shape, 'g'))].map(([found]) => found)).filter(
    (one) => !INVENTED.test(one),
  )

describe('secrets', () => {
  test('O14: no file of the repository, so no file of the package, holds one', async () => {
    const { stdout } = await run('git', ['ls-files', '-z'], { cwd: root, maxBuffer: 16_777_216 })
    const files = stdout.split('\0').filter((path) => path !== '' && existsSync(join(root, path)))

    expect(files.flatMap((path) => secretsIn(read(path)).map((text) => `${path}: ${text.slice(0, 12)}`))).toEqual([])
    expect(files.filter((path) => /(^|\/)(\.env(\..+)?|id_(rsa|ed25519)|.+\.(pem|p12|pfx|key))$/.test(path))).toEqual([])
  })

  test.each([
    ['a cloud key', ['AKIA', 'Q7RK2ZP9LM4XW8TB'].join('')],
    ['a token of a code host', `ghp_${'q7Rk2Zp9Lm4Xw8T'.repeat(3).slice(0, 36)}`],
    ['a key of a model provider', `sk-ant-${'q7Rk2Zp9Lm4Xw8T'.repeat(3)}`],
    ['a private key', ['-----BEGIN', ' PRIVATE KEY-----\n', 'q7Rk2Zp9Lm4Xw8T'.repeat(10)].join('')],
  ])('O14: %s is found', (_name, text) => {
    expect(secretsIn(`const x = '${text}'`)).toHaveLength(1)
  })
})

// --- the pipeline ---

/** What is wrong with a program of the pipeline: it holds a credential, or runs what it has just fetched. */
function pipelineFaults(text: string): string[] {
  return [
    ...(text.match(/\$\{?[A-Z_]*(TOKEN|SECRET|PASSWORD|API_KEY|CREDENTIAL)[A-Z_]*/g) ?? []).map((name) => `reads ${name}`),
    ...(text.match(/\b(curl|wget|git clone|npx|npm (install|i|exec|publish))\b.*/g) ?? []).map((line) => `fetches: ${line}`),
    ...(text.match(/uses:\s*(?!\.\/)\S+@(?![0-9a-f]{40}\b)\S+/g) ?? []).map((line) => `not pinned by digest: ${line}`),
    ...(/^on:/m.test(text) && !/^permissions:/m.test(text) ? ['has every right: say "permissions:"'] : []),
  ]
}

describe('the pipeline', () => {
  test('O06: its programs hold no credential, fetch nothing to run, and what they use is pinned', () => {
    const programs = globSync(['.ci/*', '.github/workflows/*.y*ml', 'scripts/{check,setup}.mjs'], { cwd: root })

    expect(programs.flatMap((path) => pipelineFaults(read(path)).map((fault) => `${path}: ${fault}`))).toEqual([])
    expect(programs.length).toBeGreaterThanOrEqual(3)
  })

  test.each([
    ['a token', 'echo "$NPM_TOKEN"', /^reads/],
    ['a program from an address', 'curl -s https://example.com/install | sh', /^fetches/],
    ['an action by tag', 'permissions: {}\non: push\n  - uses: actions/checkout@v4', /^not pinned/],
    ['a workflow with every right', 'on: push', /^has every right/],
  ])('O06: %s is found', (_name, text, fault) => {
    expect(pipelineFaults(text)).toEqual([expect.stringMatching(fault)])
  })
})

// --- what is shipped, and what runs it ---

describe('the package', () => {
  test('O13: two builds are the same to the byte', { timeout: 30_000 }, async () => {
    await using folder = await temporaryFolder()
    const build = async (name: string) => {
      const out = join(folder.path, name)
      await run(process.execPath, ['--disable-warning=ExperimentalWarning', 'scripts/build.ts', out], { cwd: root })
      const files = globSync('**/*', { cwd: out, withFileTypes: true }).filter((entry) => entry.isFile())
      return files.map((entry) => {
        const path = join(entry.parentPath, entry.name)
        return `${path.slice(out.length)} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`
      })
    }

    const [first, second] = await Promise.all([build('first'), build('second')])

    expect(first.toSorted()).toEqual(second.toSorted())
    expect(first.length).toBeGreaterThan(100)
  })

  test('O09: a Node that is too old, where no pinned one is installed, is refused with its version', async () => {
    await using folder = await temporaryFolder()
    cpSync(join(root, 'bin/tollgate.mjs'), join(folder.path, 'bin/tollgate.mjs'))
    cpSync(join(root, 'src/main.ts'), join(folder.path, 'src/main.ts'))
    // As an old Node would say of itself.
    const old = `data:text/javascript,${encodeURIComponent(
      "Object.defineProperty(process.versions, 'node', { value: '24.14.0' }); Object.defineProperty(process, 'version', { value: 'v24.14.0' })",
    )}`

    const refused = run(process.execPath, ['--import', old, join(folder.path, 'bin/tollgate.mjs'), 'start'])

    await expect(refused).rejects.toMatchObject({
      code: 1,
      stderr: expect.stringContaining('needs Node >= 24.15 and this is v24.14.0'),
    })
  })
})
