import { startBackEnd } from './back-end.ts'
import { createCaller, together } from './caller.ts'
import { missedOf, paced, type Context, type Figure, type Measured } from './figure.ts'
import { createSite } from './gate.ts'

/** F18: nobody ever gets somebody else's answer. */
export const crosstalk: Figure = {
  id: 'F18',
  what: 'Cross-talk: 100,000 marked exchanges of 10 teams with the same ids over shared upstreams that answer out of order; tools, models, model streams',
  target: '0 crossed',
  measure,
}

const TEAMS = 10
const CALLERS_PER_TEAM = 20
const LATE_MS = 25

async function measure(context: Context): Promise<Measured> {
  const { stack, say } = context
  const wanted = paced(context, { quick: 5_000, usual: 100_000 })
  const backEnd = stack.use(await startBackEnd())
  backEnd.lateMs = LATE_MS
  const teams = Array.from({ length: TEAMS }, (_, team) => `team-${team}`)
  const site = await createSite(context, { backEnd, teams })
  stack.use(await site.start())
  const callers = await Promise.all(
    teams.map(async (team) => ({ team, caller: stack.use(createCaller(site, await site.token({ team }), CALLERS_PER_TEAM)) })),
  )
  const counts = { answered: 0, crossed: 0, failed: 0 }
  let begun = 0
  await together(TEAMS * CALLERS_PER_TEAM, async (worker) => {
    const number = begun++
    if (number >= wanted) return false
    const { team, caller } = callers[worker % TEAMS] ?? { team: '' }
    const marker = `mark ${team} ${number}`
    // Every caller counts its ids from 0, as clients do.
    const id = Math.floor(number / (TEAMS * CALLERS_PER_TEAM))
    const outcome = await (number % 2 === 0
      ? caller?.tool('echo', { text: marker }, { id })
      : caller?.chat(marker, { stream: number % 4 === 1 }))
    if (outcome?.ok !== true) counts.failed += 1
    else if (outcome.text === marker) counts.answered += 1
    else counts.crossed += 1
    if (number % 20_000 === 0) say(`${number} sent`)
    return true
  })
  return {
    measured: `${wanted.toLocaleString('en')} exchanges, ${TEAMS * CALLERS_PER_TEAM} at a time: ${counts.crossed} crossed, ${counts.failed} failed, ${counts.answered.toLocaleString('en')} with their own mark`,
    missed: missedOf({
      [`${counts.crossed} crossed`]: counts.crossed === 0,
      [`${counts.failed} had no answer`]: counts.failed === 0,
    }),
  }
}
