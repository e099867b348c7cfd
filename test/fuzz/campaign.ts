// One target for some time: (1) its seeds and its corpus are run, (2) inputs are made from the pool, and those that make it behave in a new way join
// the pool, (3) an input that breaks an invariant is made as small as it can be while it still breaks the same one.
import { checkCost } from './cost.ts'
import { readCorpus } from './corpus.ts'
import { minimise } from './minimise.ts'
import { mutate } from './mutate.ts'
import { createRandom } from './random.ts'
import type { Target } from './target.ts'

/** An input that broke an invariant, as small as it could be made. */
export interface Crash {
  readonly input: Buffer
  readonly reason: string
}

/** What came of a campaign. */
export interface Campaign {
  readonly inputs: number
  /** The smallest input seen for each way the target behaved. */
  readonly behaviours: ReadonlyMap<string, Buffer>
  readonly crashes: readonly Crash[]
}

const MAX_CRASHES = 8
const MAX_POOL = 5_000
const TURN_INPUTS = 64

/** Attacks a target until the time is over. */
export async function runCampaign(
  target: Target,
  { seed, milliseconds, maxCrashes = MAX_CRASHES }: CampaignOptions,
): Promise<Campaign> {
  const random = createRandom(seed)
  const until = performance.now() + milliseconds
  const seeds = [...target.seeds(), ...readCorpus(target.name).map(({ input }) => input)]
  const pool = [...seeds]
  const behaviours = new Map<string, Buffer>()
  const crashes = new Map<string, Crash>()
  let inputs = 0
  const take = async (input: Buffer, { signature, reason }: Outcome) => {
    inputs += 1
    if (signature !== undefined) {
      if (remember(behaviours, signature, input) && pool.length < MAX_POOL) pool.push(input)
      return
    }
    const kind = kindOf(reason)
    if (!crashes.has(kind)) crashes.set(kind, await crashOf(target, input, reason))
  }
  const feed = async (batch: readonly Buffer[]) => {
    const outcomes = await Promise.all(batch.map((input) => attempt(target, input)))
    for (const [index, outcome] of outcomes.entries()) await take(batch[index] ?? Buffer.alloc(0), outcome)
  }
  for (const input of seeds) await feed([input])
  while (performance.now() < until && crashes.size < maxCrashes) {
    await feed(Array.from({ length: target.parallel ?? 1 }, () => mutate(pool, target, random)))
    // lets what an input started come to light (an unhandled rejection ends the run) and timers run
    if (inputs % TURN_INPUTS === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  return { inputs, behaviours, crashes: [...crashes.values()] }
}

/** How long, and with which choices. */
export interface CampaignOptions {
  readonly seed: number
  readonly milliseconds: number
  /** It ends early with so many. */
  readonly maxCrashes?: number
}

function remember(behaviours: Map<string, Buffer>, signature: string, input: Buffer): boolean {
  const known = behaviours.get(signature)
  if (known === undefined || input.length < known.length) behaviours.set(signature, input)
  return known === undefined
}

/** A signature, or the reason why an invariant broke. */
interface Outcome {
  readonly signature?: string
  readonly reason: string
}

/** Runs one input. */
async function attempt(target: Target, input: Buffer): Promise<Outcome> {
  try {
    const answer = target.run(input)
    const signature = typeof answer === 'string' ? answer : await answer
    if (target.price !== undefined) checkCost(input, target.price)
    return { signature, reason: '' }
  } catch (error) {
    return { reason: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

/** What breaks in the same place in the same way is one crash: the message without its numbers, and the first line of our own code. */
function kindOf(reason: string): string {
  const [message = '', ...frames] = reason.split('\n')
  const place = frames.find((frame) => frame.includes('/src/')) ?? ''
  return `${message.replaceAll(/\d+/g, '#').replaceAll(/".*?"/g, '""').slice(0, 120)} ${place.trim().replace(/:\d+\)?$/, '')}`
}

async function crashOf(target: Target, input: Buffer, reason: string): Promise<Crash> {
  const kind = kindOf(reason)
  const small = await minimise(
    input,
    target.json,
    async (candidate) => kindOf((await attempt(target, candidate)).reason) === kind,
  )
  return { input: small, reason }
}
