import { describe, expect, it } from 'vitest'
import { startModelGateway, type ModelGateway } from '../support/model-gateway.ts'
import { type AskOptions, DIALECTS, readStream, type StreamReading } from '../support/model-streams.ts'

// Sixteen lanes: models that differ only by name, so that each request of a batch gets the fault meant for it.
const LANES = 16
const FIELD = { cut: 'cutByte', stall: 'stallByte', garbage: 'garbageByte' } as const
type Fault = keyof typeof FIELD

interface Way {
  readonly dialect: keyof typeof DIALECTS
  readonly provider: string
  readonly lane: string
}

const WAYS: readonly Way[] = [
  { dialect: 'chat', provider: 'openai', lane: 'lane' },
  { dialect: 'chat', provider: 'anthropic', lane: 'lane' },
  { dialect: 'responses', provider: 'openai', lane: 'lane' },
  { dialect: 'responses', provider: 'gemini', lane: 'gemini-lane' },
  { dialect: 'messages', provider: 'anthropic', lane: 'lane' },
  { dialect: 'messages', provider: 'bedrock', lane: 'amazon.lane' },
]

function startLanes({ provider, lane }: Way): Promise<ModelGateway> {
  const clocks = { connectMs: 5_000, firstTokenMs: 80, idleMs: 80, totalMs: 20_000 }
  return startModelGateway({
    routes: Object.fromEntries(
      Array.from({ length: LANES }, (_, index) => [
        `lane-${index}`,
        { targets: [{ provider, model: `${lane}-${index}` }], retries: 0, clocks },
      ]),
    ),
  })
}

interface Outcome extends StreamReading {
  readonly at: number
  readonly id: string
}

/** One batch of offsets, each on its own lane. */
async function sweepBatch(models: ModelGateway, way: Way, fault: Fault, offsets: readonly number[]): Promise<Outcome[]> {
  models.fakes.reset()
  return await Promise.all(
    offsets.map(async (at, lane) => {
      models.fakes.script({
        model: `${way.lane}-${lane}`,
        times: 1,
        behaviour: { text: 'é🙂', chunks: 2, [FIELD[fault]]: at },
      })
      return { at, ...(await ask(models, { dialect: way.dialect, model: `lane-${lane}` })) }
    }),
  )
}

async function ask(models: ModelGateway, { dialect, model }: AskOptions): Promise<StreamReading & { readonly id: string }> {
  const { path, body } = DIALECTS[dialect]
  const answer = await models.post(path, { ...body, model, stream: true })
  const reading = readStream(dialect, answer.status, await answer.text())
  return { ...reading, id: answer.headers.get('x-tollgate-request-id') ?? '' }
}

/** Every offset until a whole batch was complete: the fault lay beyond the end. */
async function sweep(models: ModelGateway, way: Way, fault: Fault, step: number): Promise<Outcome[]> {
  const all: Outcome[] = []
  for (let from = 0; from < 20_000; from += LANES * step) {
    const batch = await sweepBatch(
      models,
      way,
      fault,
      Array.from({ length: LANES }, (_, index) => from + index * step),
    )
    all.push(...batch)
    if (batch.every(({ kind }) => kind === 'complete')) return all
  }
  throw new Error('no offset was beyond the end')
}

type Entries = Awaited<ReturnType<ModelGateway['entries']>>

/** What the ledger must say of what the caller saw. */
function expectSettled(outcomes: readonly Outcome[], entries: Entries, isScribbled: boolean): void {
  const byId = new Map(entries.map((entry) => [entry['id'], entry]))
  for (const { kind, id, at, text } of outcomes) {
    const entry = byId.get(id)
    const { status, usageSource } = entry ?? {}
    const said = { at, text, kind, status, usageSource }
    // A scribble may take the usage away, and then the counts are ours.
    const source = isScribbled ? /^(provider|estimated)$/ : /^provider$/
    if (kind === 'complete') expect(said).toMatchObject({ status: 'ok', usageSource: expect.stringMatching(source) })
    else if (kind === 'malformed') expect(['ok', 'cut']).toContain(status)
    else if (kind === 'refused') expect(said).toMatchObject({ status: 'error' })
    else expect(said).toMatchObject({ status: 'cut', usageSource: expect.stringMatching(/^(provider_partial|estimated)$/) })
  }
}

// Every byte where a stream is short; the events of Responses are long and alike.
const STEP = { chat: 1, messages: 1, responses: 3 } as const
/** What the fake scribbles; forwarded as it came where the provider speaks the caller's dialect. */
const SCRIBBLE = '}{ garbage ]['

describe.each(WAYS)('a $dialect stream from $provider', (way) => {
  it.each([
    { id: 'G12', fault: 'cut' },
    { id: 'G04', fault: 'stall' },
    { id: 'G15', fault: 'garbage' },
  ] as const)(
    '$id $fault at every byte is told and settled as what it is',
    async ({ fault }) => {
      await using models = await startLanes(way)

      const outcomes = await sweep(models, way, fault, STEP[way.dialect] * (fault === 'cut' ? 1 : 5))

      const malformed = outcomes.filter(({ kind, text }) => kind === 'malformed' && !text.includes(SCRIBBLE))
      expect(malformed.map(({ at, text }) => ({ at, text }))).toEqual([])
      expect(new Set(outcomes.map(({ kind }) => kind)).size).toBeGreaterThan(1)
      const entries = await models.entries()
      expectSettled(outcomes.slice(-900), entries, fault === 'garbage')
    },
    60_000,
  )
})
