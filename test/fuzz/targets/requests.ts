import { GatewayError } from '../../../src/core/errors.ts'
import { isJsonObject, type JsonObject } from '../../../src/core/json.ts'
import type { ChatRequest } from '../../../src/llm/middle.ts'
import { named, readHeaded } from '../headed.ts'
import { requestSeeds } from '../llm-seeds.ts'
import { AIMS, DIALECTS, MODEL_WORDS, type Aim } from '../models.ts'
import { invariant, type Target } from '../target.ts'

/** Requests of every dialect, written for every wire. */
export function requests(): Target {
  return {
    name: 'requests',
    json: 'headed',
    dictionary: MODEL_WORDS,
    seeds: requestSeeds,
    price: { parse: convert, honest: honestRequest },
    run(input) {
      const { head, json } = readHeaded(input)
      if (!isJsonObject(json)) return 'no object'
      const dialect = named(DIALECTS, head)
      const before = JSON.stringify(json)
      try {
        const request = dialect.decodeRequest(json)
        invariant(JSON.stringify(json) === before, 'reading changes nothing')
        return `${dialect.name} ${shapeOf(request)} ${AIMS.map((aim) => encode(aim, request)).join(' ')}`
      } catch (error) {
        return `${dialect.name} ${refusal(error)}`
      }
    },
  }
}

function refusal(error: unknown): string {
  if (!(error instanceof GatewayError) || error.code === 'internal') throw error
  return `${error.code} ${error.message
    .replaceAll(/\[\d+\]/g, '[]')
    .replaceAll(/".*?"/g, '""')
    .slice(0, 80)}`
}

function encode({ wire, target }: Aim, request: ChatRequest): string {
  try {
    const { body, dropped } = wire.encodeRequest(request, target)
    const text = JSON.stringify(body)
    invariant(isJsonObject(JSON.parse(text)), 'what is sent is an object')
    invariant(text.isWellFormed(), 'what is sent is Unicode')
    return String(dropped.length)
  } catch (error) {
    return refusal(error).slice(0, 24)
  }
}

function convert(input: Buffer): void {
  const { head, json } = readHeaded(input)
  if (!isJsonObject(json)) return
  const request = named(DIALECTS, head).decodeRequest(json)
  AIMS[input.length % AIMS.length]?.wire.encodeRequest(
    request,
    AIMS[input.length % AIMS.length]?.target ?? { model: 'm', family: 'openai' },
  )
}

function honestRequest(bytes: number): Buffer {
  const messages: JsonObject[] = []
  for (let size = 30; size < bytes; size += 84) {
    const role = messages.length % 2 === 0 ? 'user' : 'assistant'
    messages.push({ role, content: 'A sentence of an ordinary length, as people write them.' })
  }
  return Buffer.from(`chat\n${JSON.stringify({ model: 'm', messages })}`)
}

function shapeOf({ turns, tools, output, reasoning, toolChoice }: ChatRequest): string {
  const parts = new Set(turns.flatMap((turn) => turn.parts.map(({ type }) => type)))
  return [
    [...parts].toSorted().join('+'),
    Math.min(3, turns.length),
    Math.min(2, tools.length),
    output?.type,
    reasoning?.effort,
    toolChoice?.type,
  ].join(',')
}
