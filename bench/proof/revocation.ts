import { execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { openListen } from '../../test/support/raw-mcp.ts'
import { startBackEnd } from './back-end.ts'
import { createCaller, holds, type Caller } from './caller.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { createSite, type Site } from './gate.ts'

/** F20: a credential that is taken back is worth nothing. */
export const revocation: Figure = {
  id: 'F20',
  what: 'Revocation of a token id, of a subject and of an API key: new requests in both facets, an open model stream, an open listening stream',
  target: 'at most 5 s on requests and on open streams',
  measure,
}

const WITHIN_MS = 5_000
/** How long the streams would last by themselves. */
const STREAM_MS = 60_000

type Way = 'token id' | 'subject' | 'API key'

/** Milliseconds from the command's end until each of them had ended; Infinity for never. */
interface Ended {
  readonly way: Way
  readonly requests: number
  readonly modelStream: number
  readonly listening: number
}

async function measure(context: Context): Promise<Measured> {
  const { stack } = context
  const rounds = paced(context, { quick: 1, usual: 3 })
  const backEnd = stack.use(await startBackEnd())
  const site = await createSite(context, { backEnd })
  stack.use(await site.start())
  const ways: readonly Way[] = ['token id', 'subject', 'API key']
  const all: Ended[] = []
  for (let round = 0; round < rounds; round += 1)
    for (const way of ways) all.push(await revoke(context, site, { way, name: `${way} ${round}`.replaceAll(' ', '-') }))
  const worst = (part: 'requests' | 'modelStream' | 'listening'): number => Math.max(...all.map((one) => one[part]))
  const parts = { requests: worst('requests'), 'model stream': worst('modelStream'), 'listening stream': worst('listening') }
  return {
    measured: `slowest of ${all.length}: ${Object.entries(parts)
      .map(([name, ms]) => `${name} ${inWords(ms)}`)
      .join(', ')}`,
    missed: missedOf(Object.fromEntries(Object.entries(parts).map(([name, ms]) => [`${name} ${inWords(ms)}`, ms <= WITHIN_MS]))),
    note: 'Counted from the end of the command; three ways in turn',
  }
}

function inWords(ms: number): string {
  return Number.isFinite(ms) ? `${ms.toFixed(0)} ms` : 'never'
}

async function revoke(context: Context, site: Site, { way, name }: { readonly way: Way; readonly name: string }): Promise<Ended> {
  const run = (...args: string[]): string =>
    execFileSync(process.execPath, [context.program, ...args, '--config', join(site.folder, 'tollgate.json')], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    })
  const key =
    way === 'API key'
      ? (JSON.parse(run('keys', 'create', '--subject', `s${name}`, '--team', 'proof', '--json')) as Record<string, string>)
      : undefined // our own program
  const token = key?.['key'] ?? (await site.token({ team: 'proof', subject: `s${name}`, id: `id-${name}` }))
  await using caller = createCaller(site, token, 8)
  if (!(await holds(async () => (await caller.tool('echo', { text: 'x' })).ok, 5_000)))
    throw new Error(`the ${way} does not work`)
  const hanging = new AbortController()
  const listen = await openListen(`${site.url}/mcp`, { authorization: `Bearer ${token}` }, hanging.signal)
  const stream = caller.chat(`ms=${STREAM_MS}`, { stream: true, signal: hanging.signal })
  const commands: Readonly<Record<Way, readonly string[]>> = {
    'token id': ['revoke', '--jti', `id-${name}`],
    subject: ['revoke', '--subject', `s${name}`],
    'API key': ['keys', 'revoke', key?.['id'] ?? ''],
  }
  run(...commands[way])
  const begun = performance.now()
  const since = (): number => performance.now() - begun
  const ended = Promise.all([
    stream.then(since),
    listen.text().then(since, since),
    refusedBoth(caller).then((is) => (is ? since() : Infinity)),
  ])
  const timer = setTimeout(() => hanging.abort(), WITHIN_MS * 2)
  const [modelStream, listening, requests] = await ended
  clearTimeout(timer)
  const orNever = (ms: number): number => (ms >= WITHIN_MS * 2 ? Infinity : ms)
  return { way, requests: orNever(requests), modelStream: orNever(modelStream), listening: orNever(listening) }
}

async function refusedBoth(caller: Caller): Promise<boolean> {
  return await holds(async () => {
    const [tool, chat] = [await caller.tool('echo', { text: 'x' }), await caller.chat('x')]
    return tool.status === 401 && chat.status === 401
  }, WITHIN_MS * 2)
}
