// Clients of Responses take it that answers are kept: on the next request they name an earlier item by its id (`item_reference`) instead of
// saying it again. Answers that were translated are kept by nobody, so (1) the items of each are remembered under the caller and their id,
// unless the caller said `store: false`, and (2) a reference to one of them is replaced by the item before the request goes anywhere.
// That is a bounded cache of one process, whose workers tell each other: a reference to what was pushed out stays, and is refused where no provider can know it.
import { LRUCache } from 'lru-cache'
import { type Gossip, NO_GOSSIP } from '../lib/gossip.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import { editBody, scanMembers } from './body.ts'
import type { LlmHttpRequest } from './contract.ts'
import type { Door } from './request.ts'
import type { Dialect } from './wire.ts'

/** Remembers items of answers, each for the principal it was said to. */
export interface ItemMemory {
  /** Follows one exchange: the door and the request to go on with. `done` is for an answer that went out. */
  follow(door: Door, http: LlmHttpRequest): { readonly door: Door; readonly http: LlmHttpRequest; done(): void }
}

/** Makes a memory of at most so many items and characters. */
export function createItemMemory(
  bounds: { readonly maxEntries: number; readonly maxLength: number },
  gossip: Gossip = NO_GOSSIP,
): ItemMemory {
  const items = new LRUCache<string, string>({
    max: bounds.maxEntries,
    maxSize: bounds.maxLength,
    sizeCalculation: (text, name) => text.length + name.length,
  })
  const find = (name: string): string | undefined => {
    if (!items.has(name)) gossip.catchUp()
    return items.get(name)
  }
  gossip.hear(TOPIC, (name, text) => {
    if (typeof text === 'string') items.set(name, text)
  })
  const keep = (name: string, text: string): void => {
    items.set(name, text)
    gossip.tell(TOPIC, name, text)
  }
  return {
    follow(door, http) {
      if (door.dialect.name !== 'responses') return { door, http, done: () => undefined }
      const { key } = http.identity
      const noted: JsonObject[] = []
      return {
        door: { ...door, dialect: listening(door.dialect, noted) },
        http: withItems(http, (id) => find(nameOf(key, id))),
        done() {
          for (const item of noted) if (typeof item['id'] === 'string') keep(nameOf(key, item['id']), JSON.stringify(item))
        },
      }
    },
  }
}

const TOPIC = 'item'

const nameOf = (key: string, id: string) => JSON.stringify([key, id])

/** The dialect, noting the items it writes. Only translated answers pass through it. */
function listening(dialect: Dialect, noted: JsonObject[]): Dialect {
  let isKept = true
  const note = (output: Json | undefined) => {
    if (isKept && Array.isArray(output)) noted.push(...output.filter(isJsonObject))
  }
  return {
    ...dialect,
    decodeRequest(body) {
      isKept = body['store'] !== false
      return dialect.decodeRequest(body)
    },
    encodeAnswer(answer, context) {
      const body = dialect.encodeAnswer(answer, context)
      note(body['output'])
      return body
    },
    createEncoder(context) {
      const encoder = dialect.createEncoder(context)
      return {
        fail: (error, requestId) => encoder.fail(error, requestId),
        encode(event) {
          const frames = encoder.encode(event)
          if (event.type === 'end' && isKept) note(outputOf(frames))
          return frames
        },
      }
    },
  }
}

const DATA = 'data: '

/** The items of the frame that ends a stream, which repeats them all. */
function outputOf(frames: string): Json | undefined {
  const line = frames.split('\n').findLast((text) => text.startsWith(DATA))
  const event: unknown = line === undefined ? undefined : JSON.parse(line.slice(DATA.length)) // our own encoder wrote it
  const response = isJsonObject(event) ? event['response'] : undefined
  return isJsonObject(response) ? response['output'] : undefined
}

/** The request with remembered items in the place of references to them; untouched when there are none. */
function withItems(http: LlmHttpRequest, find: (id: string) => string | undefined): LlmHttpRequest {
  const { body } = http
  if (body === undefined || !body.includes('item_reference')) return http
  const input = inputOf(body)
  if (input === undefined) return http
  const found = input.map((item) => (isReference(item) ? find(item.id) : undefined))
  if (found.every((text) => text === undefined)) return http
  const texts = input.map((item, index) => found[index] ?? JSON.stringify(item))
  return { ...http, body: editBody(body, scanMembers(body), { input: `[${texts.join(',')}]` }) }
}

function isReference(item: unknown): item is { readonly id: string } {
  return isJsonObject(item) && item['type'] === 'item_reference' && typeof item['id'] === 'string'
}

function inputOf(body: Buffer): readonly unknown[] | undefined {
  try {
    const json: unknown = JSON.parse(body.toString('utf8'))
    const input = isJsonObject(json) ? json['input'] : undefined
    return Array.isArray(input) ? input : undefined
  } catch {
    return undefined // whoever reads the request says what is wrong with it
  }
}
