import type { JsonObject } from '../../core/json.ts'
import type { CacheHint, ChatRequest } from '../middle.ts'
import type { TargetProfile } from '../wire.ts'
import { converseModel, type ConverseModel } from './converse-model.ts'
import { createScope, type Scope } from './messages-scope.ts'

/** What writing the pieces of one request shares. */
export interface ConverseContext {
  readonly model: ConverseModel
  readonly family: string
  /** Parameters that could not be said. */
  readonly dropped: Set<string>
  readonly names: Scope['names']
  /** The same request as the Messages wire sees it: what Claude is told beside the fields of Converse is decided there. */
  readonly scope: Scope
  /** The cache point for a hint; nothing where the model has none. */
  cachePoints(hint: CacheHint | undefined): JsonObject[]
  /** Takes out the cache points that are too many; to be asked when all are made. */
  withoutSurplus(blocks: readonly JsonObject[]): JsonObject[]
  /** A document name that is allowed, and that no other document of the request has. */
  documentName(name: string | undefined): string
}

/** Makes the context of one request. */
export function createConverseContext(request: ChatRequest, target: TargetProfile): ConverseContext {
  const scope = createScope(request, target)
  const { dropped, names } = scope
  const model = converseModel(target.model)
  return {
    model,
    family: target.family,
    dropped,
    names,
    scope,
    ...createCachePoints(model, dropped),
    documentName: createDocumentNames(dropped),
  }
}

const MAX_CACHE_POINTS = 4

function createCachePoints(model: ConverseModel, dropped: Set<string>): Pick<ConverseContext, 'cachePoints' | 'withoutSurplus'> {
  const made: JsonObject[] = []
  return {
    cachePoints(hint) {
      if (hint === undefined) return []
      const isKnown = model.isNova || model.claude !== undefined
      const isLong = hint.ttl === '1h' && !model.isNova
      if (!isKnown || (hint.ttl === '1h' && !isLong)) dropped.add('cache_control')
      if (!isKnown) return []
      const point = { cachePoint: { type: 'default', ...(isLong ? { ttl: '1h' } : {}) } }
      made.push(point)
      return [point]
    },
    withoutSurplus(blocks) {
      // The last ones are kept, as each stands for everything before it.
      const surplus = new Set(made.slice(0, -MAX_CACHE_POINTS))
      if (surplus.size > 0) dropped.add('cache_control')
      return blocks.filter((block) => !surplus.has(block))
    },
  }
}

const MAX_DOCUMENT_NAME = 190

/** Letters, digits, single blanks, hyphens, parentheses and brackets are allowed; models read the name, so it is kept where it can be. */
function createDocumentNames(dropped: Set<string>): ConverseContext['documentName'] {
  const taken = new Set<string>()
  return (name) => {
    const stem = name?.replace(/\.[A-Za-z0-9]{1,5}$/, '') ?? ''
    const plain = stem
      .replaceAll(/[^A-Za-z0-9()[\]-]+/g, ' ')
      .trim()
      .slice(0, MAX_DOCUMENT_NAME)
      .trim()
    if (plain !== stem) dropped.add('file.filename')
    const base = plain === '' ? 'document' : plain
    let choice = base
    for (let count = 2; taken.has(choice); count += 1) choice = `${base} (${count})`
    taken.add(choice)
    return choice
  }
}
