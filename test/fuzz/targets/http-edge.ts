import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { developmentToken, startGatewayProcess, writeFiles, type GatewayProcess } from '../../support/gateway-process.ts'
import { readAnswers } from '../http-answers.ts'
import { HTTP_SEEDS, HTTP_WORDS } from '../http-seeds.ts'
import { invariant, type Target } from '../target.ts'

/** A connection is over when nothing came for so long. */
const QUIET_MS = 40
const LONGEST_MS = 1_000
const CLEAN_EVERY = 64
const FAR_BOUND = 1_000_000

const FILES = {
  'tollgate.json': {
    mode: 'development',
    data: { port: 0, origins: ['https://app.test'] },
    admin: { port: 0 },
    health: { port: 0 },
    bounds: {
      failedSignInsPerSecond: FAR_BOUND,
      sessionsPerPrincipal: FAR_BOUND,
      sessions: FAR_BOUND,
      listensPerPrincipal: 100_000,
    },
    providers: { demo: { type: 'demo' } },
    routes: { demo: { targets: [{ provider: 'demo', model: 'tollgate-demo' }] } },
  },
  'catalogs/research.json': { title: 'Research', for: { teams: ['research'] }, models: [{ route: 'demo' }] },
}

/** The HTTP edge of a gateway that runs as a process of its own, over raw sockets. */
export async function httpEdge(): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-fuzz-'))
  writeFiles(folder, FILES)
  const gateway = await startGatewayProcess(folder)
  const token = await developmentToken(folder, { team: 'research' })
  const { host, port } = new URL(gateway.url)
  let runs = 0
  return {
    name: 'http-edge',
    parallel: 16,
    dictionary: HTTP_WORDS,
    seeds: () => HTTP_SEEDS.map((seed) => Buffer.from(seed, 'latin1')),
    async run(input) {
      const bytes = Buffer.from(input.toString('latin1').replaceAll('@HOST@', host).replaceAll('@TOKEN@', token), 'latin1')
      const answer = await exchange(Number(port), bytes)
      checkAlive(gateway)
      runs += 1
      if (runs % CLEAN_EVERY === 0) await checkClean(gateway.url, token)
      return check(bytes, answer)
    },
    async close() {
      await checkClean(gateway.url, token)
      const code = await gateway.kill('SIGTERM')
      rmSync(folder, { recursive: true })
      invariant(code === 0, `the gateway stops in order, not with ${code}`)
    },
  }
}

/** Everything the gateway says to these bytes, until it closes the connection or falls silent. What comes after @WAIT@ is sent when it has spoken. */
function exchange(port: number, bytes: Buffer): Promise<Buffer> {
  return new Promise((resolve) => {
    const [first = '', ...later] = bytes.toString('latin1').split('@WAIT@')
    const chunks: Buffer[] = []
    const socket = connect(port, '127.0.0.1')
    const longest = setTimeout(() => socket.destroy(), LONGEST_MS)
    let quiet: NodeJS.Timeout | undefined
    const again = () => {
      clearTimeout(quiet)
      quiet = setTimeout(() => {
        const next = later.shift()
        if (next === undefined) return void socket.destroy()
        socket.write(next, 'latin1')
        again()
      }, QUIET_MS)
    }
    socket.on('connect', () => {
      socket.write(first, 'latin1')
      again()
    })
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk)
      again()
    })
    // A reset is one way to refuse; what was said before it counts.
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(longest)
      clearTimeout(quiet)
      resolve(Buffer.concat(chunks))
    })
  })
}

function checkAlive({ child, output }: GatewayProcess): void {
  const hasEnded = child.exitCode !== null || child.signalCode !== null
  invariant(!hasEnded, `the gateway is the same process; it said: ${hasEnded ? output().slice(-2_000) : ''}`)
}

async function checkClean(url: string, token: string): Promise<void> {
  const body = JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'hi' }] })
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' }
  const answer = await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body })
  await answer.arrayBuffer()
  invariant(answer.status === 200, `a clean request is answered, not refused with ${answer.status}`)
}

function check(sent: Buffer, said: Buffer): string {
  const text = sent.toString('latin1')
  // an answer to HEAD has the length of a body it does not have
  if (/HEAD/i.test(text)) return `head ${said.toString('latin1', 9, 12)}`
  const answers = readAnswers(said).filter(({ status }) => status === 0 || status >= 200)
  const blankLines = text.match(/\n\r?(?=\n)/g)?.length ?? 0
  invariant(answers.length <= blankLines + 1, `${answers.length} answers to at most ${blankLines} requests`)
  invariant(
    answers.slice(0, -1).every(({ isWhole }) => isWhole),
    'no answer begins inside another',
  )
  for (const { status } of answers) invariant(status !== 500, 'nothing a caller sends is a failure of ours')
  return answers.map(({ status, isWhole }) => `${status}${isWhole ? '' : ' cut'}`).join() || 'silence'
}
