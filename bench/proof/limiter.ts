import { startBackEnd } from './back-end.ts'
import { atPace, createCaller, type Outcome } from './caller.ts'
import { missedOf, type Context, type Figure, type Measured } from './figure.ts'
import { createSite } from './gate.ts'
import { percentile } from './statistics.ts'

/** F12: a limit lets through what it says. */
export const limiter: Figure = {
  id: 'F12',
  what: 'Limiter: 600 calls per minute, asked four times as often over 75 s, tools and models each; and a burst of 1,000 at once',
  target: 'at most 2 % over the limit in any 60 s, never more than the limit in a burst; Retry-After true within 1 s',
  measure,
}

const LIMIT = 600
const MINUTE_MS = 60_000
const RUN_MS = 75_000
const OVER = 0.02
const BURST = 1_000

/** One call, with the moment at which the upstream saw it, or its refusal came back. */
interface Seen {
  readonly at: number
  readonly outcome: Outcome
}

async function measure(context: Context): Promise<Measured> {
  const { stack } = context
  const backEnd = stack.use(await startBackEnd())
  const only = (what: object, limit: number): object => ({ tools: [], models: [], ...what, limits: { callsPerMinute: limit } })
  const tools = { tools: [{ server: 'back', allow: ['*'] }] }
  const models = { models: [{ route: 'chat' }] }
  const catalog = (team: string, what: object): object => ({ title: team, for: { teams: [team] }, ...only(what, LIMIT) })
  const teams = { tool: catalog('tool', tools), model: catalog('model', models), burst: catalog('burst', tools) }
  const site = await createSite(context, {
    backEnd,
    teams: [],
    files: Object.fromEntries(Object.entries(teams).map(([team, file]) => [`catalogs/${team}.json`, file])),
  })
  stack.use(await site.start())
  const callerOf = async (team: string) => stack.use(createCaller(site, await site.token({ team }), 128))
  const [tool, model, burst] = [await callerOf('tool'), await callerOf('model'), await callerOf('burst')]
  const seenAt = new Map<string, number>()
  backEnd.onCall = ({ text }) => void seenAt.set(text, performance.now())
  const steady = Promise.all([
    run(seenAt, 'tool', (text) => tool.tool('echo', { text })),
    run(seenAt, 'model', (text) => model.chat(text)),
  ])
  const atOnce = await Promise.all(Array.from({ length: BURST }, () => burst.tool('echo', { text: 'x' })))
  const passedAtOnce = atOnce.filter(({ ok }) => ok).length
  const results = (await steady).map((seen, index) => judge(index === 0 ? 'tools' : 'models', seen))
  return {
    measured: `${results.map(({ words }) => words).join('; ')}; burst: ${passedAtOnce} of ${BURST}`,
    missed: [
      ...results.flatMap(({ missed }) => missed),
      ...missedOf({
        [`${passedAtOnce} passed in a burst`]: passedAtOnce <= LIMIT,
        [`only ${passedAtOnce} passed in a burst`]: passedAtOnce >= LIMIT * 0.98,
      }),
    ],
  }
}

async function run(
  seenAt: ReadonlyMap<string, number>,
  name: string,
  ask: (text: string) => Promise<Outcome>,
): Promise<readonly Seen[]> {
  const seen: Seen[] = []
  await atPace({ perSecond: (LIMIT / 60) * 4, milliseconds: RUN_MS }, async (index) => {
    const text = `${name} ${index}`
    const outcome = await ask(text)
    seen.push({ at: seenAt.get(text) ?? performance.now(), outcome })
  })
  return seen.toSorted((a, b) => a.at - b.at)
}

function judge(name: string, seen: readonly Seen[]) {
  const passed = seen.filter(({ outcome }) => outcome.ok).map(({ at }) => at)
  const most = mostIn(passed)
  const refused = seen.filter(({ outcome }) => outcome.status === 429)
  const others = seen.length - passed.length - refused.length
  const wrong = wrongAdvice(refused, passed)
  return {
    words: `${name}: ${most} in the fullest 60 s (limit ${LIMIT}), ${passed.length} passed and ${refused.length} refused in all, Retry-After of 95 % wrong by at most ${wrong.toFixed(2)} s`,
    missed: missedOf({
      [`${name}: ${most} in 60 s`]: most <= LIMIT * (1 + OVER),
      [`${name}: only ${most} in 60 s`]: most >= LIMIT * (1 - OVER),
      [`${name}: ${others} answers that were neither`]: others === 0,
      [`${name}: Retry-After wrong by ${wrong.toFixed(2)} s`]: wrong <= 1,
    }),
  }
}

/** The most of these moments that lie within one minute. */
function mostIn(moments: readonly number[]): number {
  let first = 0
  return moments.reduce((most, at, index) => {
    while (at - (moments[first] ?? 0) >= MINUTE_MS) first += 1
    return Math.max(most, index - first + 1)
  }, 0)
}

/**
 * Seconds by which the advice of a refusal missed the next call that passed, which may be one too many, because it is in whole seconds. Of 95 in
 * a hundred: the answer of a refusal may overtake a call that was admitted before it.
 */
function wrongAdvice(refused: readonly Seen[], passed: readonly number[]): number {
  const wrongs = refused.flatMap(({ at, outcome }) => {
    const next = passed.find((moment) => moment > at)
    if (next === undefined) return []
    const truth = (next - at) / 1_000
    const advice = Number(outcome.retryAfter ?? Number.NaN)
    return Number.isNaN(advice) ? [Infinity] : [Math.max(0, truth - advice, advice - 1 - truth)]
  })
  return wrongs.length === 0 ? 0 : percentile(wrongs, 0.95)
}
