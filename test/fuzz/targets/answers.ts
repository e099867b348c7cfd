import { GatewayError } from '../../../src/core/errors.ts'
import { isJsonObject, type JsonObject } from '../../../src/core/json.ts'
import type { ChatAnswer } from '../../../src/llm/middle.ts'
import type { Dialect, Wire } from '../../../src/llm/wire.ts'
import { named, readHeaded } from '../headed.ts'
import { answerSeeds } from '../llm-seeds.ts'
import { decodeContext, DIALECTS, encodeContext, MODEL_WORDS, WIRES } from '../models.ts'
import { invariant, type Target } from '../target.ts'
import { checkSameTotals, checkUsage } from '../usage-identities.ts'

/** Whole answers of every wire, written in every dialect and read back. */
export function answers(): Target {
  return {
    name: 'answers',
    json: 'headed',
    dictionary: MODEL_WORDS,
    seeds: answerSeeds,
    price: { parse: convert, honest: honestAnswer },
    run(input) {
      const { head, json } = readHeaded(input)
      if (!isJsonObject(json)) return 'no object'
      const wire = named(WIRES, head)
      checkUsage(wire.usageOf(json))
      const answer = decoded(wire, json)
      if (typeof answer === 'string') return `${wire.name} ${answer}`
      checkUsage(answer.usage)
      for (const dialect of Object.values(DIALECTS)) checkDialect(answer, dialect)
      return `${wire.name} ${shapeOf(answer)}`
    },
  }
}

function decoded(wire: Wire, json: JsonObject): ChatAnswer | string {
  try {
    return wire.decodeAnswer(json, decodeContext())
  } catch (error) {
    if (!(error instanceof GatewayError) || error.code !== 'upstream_invalid') throw error
    return error.message.replaceAll(/\d+/g, '#').slice(0, 60)
  }
}

function checkDialect(answer: ChatAnswer, dialect: Dialect): void {
  const written: unknown = JSON.parse(JSON.stringify(dialect.encodeAnswer(answer, encodeContext())))
  invariant(isJsonObject(written), 'an answer is an object')
  checkSameTotals(answer.usage, WIRES[dialect.name].usageOf(written), dialect.name)
  // a broken answer is written as one, and a call of no tool cannot be said
  if (answer.stop === 'malformed' || answer.parts.some((part) => part.type === 'tool-call' && part.name === '')) return
  const again = WIRES[dialect.name].decodeAnswer(written, decodeContext())
  invariant(textOf(again) === textOf(answer), `${dialect.name} says the same text`)
  invariant(callsOf(again) === callsOf(answer), `${dialect.name} proposes the same calls`)
}

const textOf = ({ parts }: ChatAnswer) =>
  parts.map((part) => (part.type === 'text' || part.type === 'refusal' ? part.text : '')).join('')
const callsOf = ({ parts }: ChatAnswer) => JSON.stringify(parts.flatMap((part) => (part.type === 'tool-call' ? [part.name] : [])))

function convert(input: Buffer): void {
  const { head, json } = readHeaded(input)
  if (!isJsonObject(json)) return
  const answer = named(WIRES, head).decodeAnswer(json, decodeContext())
  named(DIALECTS, 'x'.repeat(input.length % 3)).encodeAnswer(answer, encodeContext())
}

function honestAnswer(bytes: number): Buffer {
  const content = 'An answer of ordinary words. '.repeat(Math.ceil(Math.max(0, bytes - 100) / 29))
  const usage = { prompt_tokens: 5, completion_tokens: 50, total_tokens: 55 }
  return Buffer.from(`chat\n${JSON.stringify({ id: 'c', choices: [{ finish_reason: 'stop', message: { content } }], usage })}`)
}

function shapeOf({ parts, stop, usage }: ChatAnswer): string {
  const kinds = parts.slice(0, 4).map(({ type }) => type)
  const counts =
    usage === undefined
      ? 'unknown'
      : Object.entries(usage)
          .filter(([, count]) => count !== 0)
          .map(([name]) => name)
  return `${kinds.join('+')} ${stop} ${String(counts)}`
}
