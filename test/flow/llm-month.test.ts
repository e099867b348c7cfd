// A month in a minute: thousands of sessions of several teams over every wire, streams and whole answers, with errors, failovers, cuts and
// hang-ups. Two programs that share no line of code keep the books, the gateway its ledger and the fake providers their bill, and must agree to
// the nano-dollar.
//
// What a cut leaves: providers of lanes `said` have told their usage before they break off (chat on every chunk, Messages at the start, Gemini
// as running totals). Those of lanes `unsaid` (Responses, Converse) tell it at the end only, so they bill nothing for a cut; the gateway counts
// by itself, marks the entry as estimated and charges the budget, and exactly these entries stand on no bill.
import { beforeAll, describe, expect, it, vi } from 'vitest'
import type { Bill } from '../../servers/providers/bill.ts'
import { type ModelGateway, startModelGateway } from '../support/model-gateway.ts'

type Rates = Readonly<Record<'input' | 'output', string>> & Readonly<Record<string, string>>

/** Models of the fakes, whose they are, and what they cost. Each has prices of its own, so that a mix-up shows in the sums. */
const MODELS: Readonly<Record<string, { readonly provider: string; readonly type: string; readonly rates: Rates }>> = {
  'gpt-a': {
    provider: 'openai',
    type: 'openai',
    rates: { input: '2.5', cacheRead: '1.25', cacheWrite5m: '2.75', output: '10', reasoning: '11' },
  },
  'gpt-every': { provider: 'compatible', type: 'generic', rates: { input: '0.15', cacheRead: '0.075', output: '0.6' } },
  'o-pro': { provider: 'openai', type: 'openai', rates: { input: '20', cacheRead: '5.001', output: '80' } },
  'o-cut-pro': { provider: 'openai', type: 'openai', rates: { input: '21', output: '81' } },
  'embed-o': { provider: 'openai', type: 'openai', rates: { input: '0.02', output: '0' } },
  'claude-a': {
    provider: 'anthropic',
    type: 'anthropic',
    rates: { input: '3', cacheRead: '0.3', cacheWrite5m: '3.75', cacheWrite1h: '6', output: '15' },
  },
  'claude-early': { provider: 'anthropic', type: 'anthropic', rates: { input: '0.8', output: '4' } },
  'gemini-2.5-flash': {
    provider: 'gemini',
    type: 'gemini',
    rates: { input: '0.3', cacheRead: '0.075', inputAudio: '1', output: '2.5' },
  },
  'gemini-embedding-001': { provider: 'gemini', type: 'gemini', rates: { input: '0.15', output: '0' } },
  'gemini-2.5-pro': { provider: 'vertex', type: 'vertex', rates: { input: '1.25', output: '10.000001' } },
  'amazon.nova-lite-v1:0': { provider: 'bedrock', type: 'bedrock', rates: { input: '0.06', cacheRead: '0.015', output: '0.24' } },
  'amazon.nova-micro-v1:0': { provider: 'bedrock', type: 'bedrock', rates: { input: '0.035', output: '0.14' } },
  'amazon.titan-embed-text-v2:0': { provider: 'bedrock', type: 'bedrock', rates: { input: '0.021', output: '0' } },
  'gpt-azure': { provider: 'azure', type: 'azure', rates: { input: '2.6', output: '10.4' } },
  'llama-a': { provider: 'compatible', type: 'generic', rates: { input: '0.0001', output: '0.0003' } },
}

const DOORS = ['chat', 'responses', 'messages'] as const

interface Lane {
  readonly route: string
  /** Names of models with what the fake is told to do. */
  readonly targets: readonly string[]
  readonly share: number
  readonly kind: 'plain' | 'said' | 'unsaid' | 'hang-up' | 'embeddings'
}

const caching = 'usage={"input":120,"cacheRead":310,"cacheWrite5m":40,"cacheWrite1h":25,"output":90,"reasoning":17}'
const audible = 'usage={"input":210,"cacheRead":55,"inputAudio":33,"output":71,"reasoning":9}'
const early = 'firstOutput=400&usage={"input":77,"output":600}'
const every = 'usageOn=every&usage={"input":66,"cacheRead":11,"output":500}'

/** What answers say whose callers leave: they hear it once. */
const SPOKEN = 'QQQQ'

const LANES: readonly Lane[] = [
  { route: 'pair', targets: ['gpt-a', 'claude-a'], share: 8, kind: 'plain' },
  { route: 'thinking', targets: ['o-pro?reasoning=hm%20hm', 'gemini-2.5-pro'], share: 4, kind: 'plain' },
  { route: 'flash', targets: ['gemini-2.5-flash', 'amazon.nova-lite-v1:0'], share: 6, kind: 'plain' },
  { route: 'aws', targets: ['amazon.nova-lite-v1:0', 'gpt-azure'], share: 5, kind: 'plain' },
  { route: 'deployment', targets: ['gpt-azure', 'llama-a?size=700&chunks=9'], share: 5, kind: 'plain' },
  { route: 'own', targets: ['llama-a', 'gpt-a'], share: 4, kind: 'plain' },
  { route: 'cached', targets: [`claude-a?${caching}`, `gpt-a?${caching}`], share: 4, kind: 'plain' },
  { route: 'audible', targets: [`gemini-2.5-flash?${audible}`, `o-pro?${audible}`], share: 3, kind: 'plain' },
  { route: 'cut-chat', targets: [`gpt-every?${every}&chunks=6&cutChunk=3`], share: 2, kind: 'said' },
  { route: 'cut-messages', targets: [`claude-early?${early}&chunks=6&cutChunk=3`], share: 2, kind: 'said' },
  {
    route: 'cut-gemini',
    targets: ['gemini-2.5-pro?chunks=8&cutChunk=4&usage={"input":30,"output":800}'],
    share: 2,
    kind: 'said',
  },
  { route: 'cut-responses', targets: ['o-cut-pro?chunks=6&cutChunk=3'], share: 1, kind: 'unsaid' },
  { route: 'cut-converse', targets: ['amazon.nova-micro-v1:0?chunks=6&cutChunk=3'], share: 1, kind: 'unsaid' },
  { route: 'left-chat', targets: [`gpt-every?${every}&text=${SPOKEN.repeat(20)}&chunks=20&delay=50`], share: 1, kind: 'hang-up' },
  {
    route: 'left-messages',
    targets: [`claude-early?${early}&text=${SPOKEN.repeat(20)}&chunks=20&delay=50`],
    share: 1,
    kind: 'hang-up',
  },
  { route: 'embed-openai', targets: ['embed-o'], share: 2, kind: 'embeddings' },
  { route: 'embed-gemini', targets: ['gemini-embedding-001'], share: 1, kind: 'embeddings' },
  { route: 'embed-titan', targets: ['amazon.titan-embed-text-v2:0'], share: 1, kind: 'embeddings' },
]

const TEAMS = ['research', 'support', 'platform', 'interns'] as const
/** All but the last have more than a month can cost; the last runs out of money. */
const BUDGETS: Readonly<Record<(typeof TEAMS)[number], string>> = {
  research: '900',
  support: '900',
  platform: '900',
  interns: '0.05',
}
const SESSIONS = 3_800
const AT_ONCE = 8
const FAULTS = [{ status: 500 }, { status: 503 }, { status: 429 }, { drop: true }, { status: 529, code: 'overloaded_error' }]

type Entry = Readonly<Record<string, unknown>>

interface Month {
  readonly entries: readonly Entry[]
  readonly bill: Bill
  /** Requests that were sent, by lane. */
  readonly sent: ReadonlyMap<string, number>
  readonly spentUsd: ReadonlyMap<string, string>
  readonly usage: readonly { readonly group: Record<string, string>; readonly nanoUsd: number }[]
}

const bare = (model: unknown): string => String(model).split('?')[0] ?? ''
const nanoOf = (entry: Entry): number => Number(entry['nanoUsd'])
const isEstimated = (entry: Entry): boolean => entry['usageSource'] === 'estimated'
const total = (entries: readonly Entry[]): number => entries.reduce((sum, entry) => sum + nanoOf(entry), 0)

describe('a month of model calls', () => {
  let month: Month
  beforeAll(async () => {
    month = await runMonth()
  }, 180_000)

  it('is about a million tokens, with everything that goes wrong in it', () => {
    const { said } = month.bill
    const tokens = Object.values(said).reduce((sum, count) => sum + count, 0)
    const statuses = Map.groupBy(month.entries, ({ status }) => status)

    expect(tokens).toBeGreaterThan(900_000)
    expect(new Set(statuses.keys())).toEqual(new Set(['ok', 'error', 'limited', 'retried', 'cut', 'abandoned']))
    for (const status of ['retried', 'cut', 'abandoned', 'limited']) expect(statuses.get(status)?.length).toBeGreaterThan(30)
    expect(new Set(month.bill.lines.map(({ wire }) => wire))).toEqual(
      new Set(['chat', 'responses', 'messages', 'gemini', 'converse']),
    )
  })

  it('costs in the ledger what the providers bill, in all, by provider and by model', () => {
    const billed = month.entries.filter((entry) => !isEstimated(entry))
    const byModel = Object.fromEntries(
      Object.keys(MODELS).map((model) => [model, total(billed.filter((entry) => bare(entry['model']) === model))]),
    )
    const bills = Object.fromEntries(Object.keys(MODELS).map((model) => [model, sumOfBill(month.bill, (name) => name === model)]))

    expect(byModel).toEqual(bills)
    for (const provider of new Set(Object.values(MODELS).map((model) => model.provider)))
      expect([provider, total(billed.filter((entry) => entry['provider'] === provider))]).toEqual([
        provider,
        sumOfBill(month.bill, (name) => MODELS[name]?.provider === provider),
      ])
    expect(String(total(billed))).toBe(month.bill.nanoUsd)
    const free = Object.keys(bills).filter((model) => bills[model] === 0)
    expect(free).toEqual(['o-cut-pro', 'amazon.nova-micro-v1:0'])
  })

  it('counts by itself only what no provider said', () => {
    const unsaid = LANES.filter(({ kind }) => kind === 'unsaid').map(({ route }) => route)
    const estimated = month.entries.filter(isEstimated)

    expect(new Set(estimated.map(({ target }) => target))).toEqual(new Set(unsaid))
    expect(estimated.every((entry) => nanoOf(entry) > 0 && entry['flags'] === 'estimated' && entry['status'] === 'cut')).toBe(
      true,
    )
    const served = month.entries.filter((entry) => unsaid.includes(String(entry['target'])) && entry['status'] !== 'limited')
    expect(estimated).toHaveLength(served.length)
  })

  it('has one last entry for every exchange, and attempts without gaps', () => {
    const exchanges = [...Map.groupBy(month.entries, ({ id }) => id).values()]
    const sent = [...month.sent.values()].reduce((sum, count) => sum + count, 0)

    expect(exchanges).toHaveLength(sent)
    for (const entries of exchanges) {
      const inOrder = entries.toSorted((a, b) => Number(a['attempt']) - Number(b['attempt']))
      expect(inOrder.map(({ attempt }) => attempt)).toEqual(entries.map((_entry, index) => index + 1))
      expect(inOrder.map(({ status }) => status === 'retried')).toEqual(
        inOrder.map((_entry, index) => index < inOrder.length - 1),
      )
    }
  })

  it('leaves nothing at zero that was billed, and nothing without a price', () => {
    const lines = month.bill.lines.filter(({ nanoUsd }) => nanoUsd !== null && nanoUsd !== '0')
    const priced = month.entries.filter((entry) => entry['usageSource'] !== null && !isEstimated(entry))

    expect(priced.filter((entry) => nanoOf(entry) > 0)).toHaveLength(lines.length)
    expect(month.entries.filter(({ nanoUsd }) => nanoUsd === null)).toEqual([])
  })

  it('is spent in each budget as the ledger says', () => {
    for (const team of TEAMS) {
      const nano = total(month.entries.filter((entry) => entry['team'] === team))
      expect([team, month.spentUsd.get(team)]).toEqual([team, dollars(nano)])
    }
    expect(total(month.entries.filter(({ team }) => team === 'interns'))).toBeLessThanOrEqual(50_000_000)
  })

  it('is answered by the usage report with the same sums', () => {
    const byModel = new Map<string, number>()
    for (const { group, nanoUsd } of month.usage) {
      const model = bare(group['model'])
      byModel.set(model, (byModel.get(model) ?? 0) + nanoUsd)
    }

    for (const model of Object.keys(MODELS))
      expect([model, byModel.get(model)]).toEqual([model, total(month.entries.filter((entry) => bare(entry['model']) === model))])
  })
})

function sumOfBill({ lines }: Bill, isIncluded: (model: string) => boolean): number {
  return lines.reduce((sum, { model, nanoUsd }) => (isIncluded(model) ? sum + Number(nanoUsd ?? 0) : sum), 0)
}

function dollars(nano: number): string {
  const digits = String(nano).padStart(10, '0')
  const fraction = digits.slice(-9).replace(/0+$/, '')
  return `${digits.slice(0, -9)}${fraction === '' ? '' : `.${fraction}`}`
}

async function runMonth(): Promise<Month> {
  await using models = await openGateway()
  const tokens = new Map(await Promise.all(TEAMS.map(async (team) => [team, await models.gateway.token(team)] as const)))
  const random = dice(20_261_123)
  const sent = new Map<string, number>()
  const plans = Array.from({ length: SESSIONS }, () => planOf(random))
  const worker = async () => {
    for (let plan = plans.pop(); plan !== undefined; plan = plans.pop()) {
      const { lane } = plan
      sent.set(lane.route, (sent.get(lane.route) ?? 0) + 1)
      if (plan.fault !== undefined && lane.kind === 'plain')
        models.fakes.script({ model: bare(lane.targets[0]), times: 1, behaviour: plan.fault })
      await ask(models, plan, tokens.get(plan.team) ?? '')
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
  return await books(models, sent)
}

interface Plan {
  readonly lane: Lane
  readonly team: (typeof TEAMS)[number]
  readonly door: (typeof DOORS)[number]
  readonly stream: boolean
  readonly words: string
  readonly fault: (typeof FAULTS)[number] | undefined
}

/** One session, by the dice. */
function planOf(random: () => number): Plan {
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item // never empty
  const lane = pick(LANES.flatMap((one) => Array.from({ length: one.share }, () => one)))
  return {
    lane,
    team: pick(TEAMS),
    door: pick(DOORS),
    stream: lane.kind === 'embeddings' ? false : lane.kind !== 'plain' || random() < 0.5,
    words: 'words and '.repeat(1 + Math.floor(random() * 280)),
    fault: random() < 0.12 ? pick(FAULTS) : undefined,
  }
}

async function ask(models: ModelGateway, { lane, door, stream, words }: Plan, token: string): Promise<void> {
  const [path, body] = requestOf(lane, door, words)
  const hangUp = new AbortController()
  const answer = await fetch(models.url + path, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ ...body, model: lane.route, ...(stream ? { stream } : {}) }),
    signal: hangUp.signal,
  })
  if (lane.kind !== 'hang-up' || answer.status !== 200) return void (await answer.text())
  const reader = answer.body?.getReader()
  let seen = ''
  while (!seen.includes(SPOKEN)) {
    const { value, done } = (await reader?.read()) ?? { value: undefined, done: true }
    if (done) break
    seen += Buffer.from(value).toString('latin1')
  }
  hangUp.abort()
}

function requestOf({ kind }: Lane, door: Plan['door'], words: string): readonly [string, object] {
  if (kind === 'embeddings') return ['/v1/embeddings', { input: words }]
  const messages = [{ role: 'user', content: words }]
  if (door === 'chat') return ['/v1/chat/completions', { messages }]
  if (door === 'responses') return ['/v1/responses', { input: words }]
  return ['/v1/messages', { messages, max_tokens: 500 }]
}

/** Reads both books once every exchange that was begun has its last entry. */
async function books(models: ModelGateway, sent: Month['sent']): Promise<Month> {
  const admin = await models.gateway.token('research', { roles: ['admin'], subject: 'admin' })
  const get = async (path: string): Promise<Entry> => {
    const answer = await fetch(models.gateway.adminUrl + path, { headers: { authorization: `Bearer ${admin}` } })
    return (await answer.json()) as Entry // the admin API gives objects
  }
  const wanted = [...sent.values()].reduce((sum, count) => sum + count, 0)
  let entries: readonly Entry[] = []
  await vi.waitFor(
    async () => {
      entries = (await get('/admin/v1/entries?limit=10000'))['entries'] as readonly Entry[] // what the route answers
      const last = entries.filter(({ status }) => status !== 'retried')
      if (last.length < wanted) throw new Error(`${last.length} of ${wanted} exchanges are in the ledger`)
    },
    { timeout: 20_000, interval: 100 },
  )
  const spentUsd = new Map<string, string>()
  for (const team of TEAMS) {
    const principal = encodeURIComponent(JSON.stringify({ issuer: String(entries[0]?.['issuer']), team }))
    const { budgets } = await get(`/admin/v1/explain?kind=model&name=pair&principal=${principal}`)
    spentUsd.set(team, (budgets as readonly { readonly spentUsd: string }[])[0]?.spentUsd ?? 'none') // what the route answers
  }
  const usage = (await get('/admin/v1/usage?by=provider,model&from=1d'))['rows'] as Month['usage'] // what the route answers
  return { entries, bill: models.fakes.bill(), sent, spentUsd, usage }
}

async function openGateway(): Promise<ModelGateway> {
  const prices = Object.entries(MODELS).map(([model, { type, rates }]) => ({
    provider: type,
    model: `${model}*`,
    usdPerMillion: rates,
  }))
  const routes = Object.fromEntries(
    LANES.map(({ route, targets }) => [
      route,
      { targets: targets.map((model) => ({ provider: MODELS[bare(model)]?.provider, model })) },
    ]),
  )
  const models = await startModelGateway({ routes, prices: { name: 'month', prices } })
  models.fakes.setPrices(Object.fromEntries(Object.entries(MODELS).map(([model, { rates }]) => [model, rates])))
  for (const team of TEAMS)
    models.gateway.write(`catalogs/${team}.json`, {
      title: team,
      for: { teams: [team] },
      budgets: [{ usd: BUDGETS[team], per: 'month', by: 'team' }],
      models: LANES.map(({ route }) => ({ route })),
    })
  await models.gateway.until(({ catalogs }) => TEAMS.every((team) => catalogs.get(team)?.budgets.length === 1))
  return models
}

/** A small generator of numbers from 0 to 1: the same month every time. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 4_294_967_296
  }
}
