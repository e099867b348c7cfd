import { GatewayError } from '../../core/errors.ts'
import { isJsonObject, type JsonObject } from '../../core/json.ts'
import type { Usage } from '../../core/usage.ts'
import type { ChatAnswer, Failure, Part } from '../middle.ts'
import type { Prepared } from './prepare.ts'
import type { ModelVisit } from './visit.ts'

/** A whole answer in the caller's dialect. `bytes` are the provider's own where nothing had to change. */
export interface WholeAnswer {
  readonly json: JsonObject
  readonly bytes: Buffer | undefined
  readonly usage: Usage | undefined
  readonly reportedModel?: string
  readonly serviceTier?: string
  /** Parts of a translated answer, for signatures that the caller's dialect cannot carry. */
  readonly parts?: readonly Part[]
}

/** Reads whole answers of one attempt: first `check`, then `toWhole` on the same JSON. */
export interface WholeReader {
  check(json: JsonObject): Failure | undefined
  toWhole(json: JsonObject, body: Buffer): WholeAnswer
}

/** Makes the reader of an attempt. */
export function createWholeReader(visit: ModelVisit, prepared: Prepared): WholeReader {
  return new Reader(visit, prepared)
}

class Reader implements WholeReader {
  readonly #visit: ModelVisit
  readonly #prepared: Prepared
  #answer: ChatAnswer | undefined

  constructor(visit: ModelVisit, prepared: Prepared) {
    this.#visit = visit
    this.#prepared = prepared
  }

  check(json: JsonObject): Failure | undefined {
    const { call, reading, decodeContext } = this.#prepared
    if (call.operation !== 'chat' || call.body.kind === 'same') return undefined
    try {
      this.#answer = reading.wire.decodeAnswer(json, decodeContext)
    } catch (error) {
      return { kind: 'invalid', message: error instanceof GatewayError ? error.message : 'the answer cannot be read' }
    }
    return this.#answer.stop === 'malformed' ? { kind: 'server', message: 'the model produced a malformed answer' } : undefined
  }

  toWhole(json: JsonObject, body: Buffer): WholeAnswer {
    const { call, live } = this.#prepared
    const usage = live.provider.usageOf(call, json)
    const answer = this.#answer
    if (answer === undefined) {
      const changed = call.operation === 'chat' ? undefined : live.provider.toAnswer?.(call, json)
      const named = textOf(json, 'model') ?? textOf(json, 'modelVersion')
      const tier =
        textOf(json, 'service_tier') ?? (isJsonObject(json['usage']) ? textOf(json['usage'], 'service_tier') : undefined)
      return {
        json: changed ?? json,
        bytes: changed === undefined ? body : undefined,
        usage,
        ...(named === undefined ? {} : { reportedModel: named }),
        ...(tier === undefined ? {} : { serviceTier: tier }),
      }
    }
    return {
      json: this.#visit.request.door.dialect.encodeAnswer(answer, this.#visit.encodeContext()),
      bytes: undefined,
      usage: usage ?? answer.usage,
      parts: answer.parts,
      ...(answer.model === undefined ? {} : { reportedModel: answer.model }),
      ...(answer.serviceTier === undefined ? {} : { serviceTier: answer.serviceTier }),
    }
  }
}

function textOf(json: JsonObject, member: string): string | undefined {
  const value = json[member]
  return typeof value === 'string' ? value : undefined
}
