import type { Entry } from '../core/entry.ts'
import { GatewayError } from '../core/errors.ts'
import { isJsonObject, type Json, type JsonObject } from '../core/json.ts'
import type { CatalogItem, CatalogView, ItemKind } from '../core/snapshot.ts'
import { printable } from './classify.ts'
import type { RequestMessage } from './message.ts'
import { findResource } from './uris.ts'

/** What a call is about: the name as asked, the item behind it when the view has one, and how the upstream is told. */
export interface Target {
  readonly ledgerKind: Exclude<Entry['kind'], 'model'>
  readonly kind: ItemKind
  /** What policy is asked about: the item's shown name, else the name as asked. */
  readonly name: string
  readonly asked: string
  readonly item: CatalogItem | undefined
  /** Arguments as the caller sent them, where the method has some. */
  readonly args: JsonObject | undefined
  /** Members of the params that name the item, in the upstream's words. */
  toUpstream(item: CatalogItem): JsonObject
  /** Unknown and forbidden are answered with the same words. */
  unknown(): GatewayError
}

/** Methods that are calls: decided, limited, guarded and written to the ledger. */
export const CALL_METHODS = new Set(['tools/call', 'prompts/get', 'resources/read', 'completion/complete'])

/** Finds what a call is about. Throws GatewayError `invalid_params` when the params do not say. */
export function findTarget({ method, params }: RequestMessage, view: CatalogView): Target {
  if (method === 'tools/call') return named('tool', textOf(params, 'name'), view, argumentsOf(params))
  if (method === 'prompts/get') return named('prompt', textOf(params, 'name'), view, promptArguments(params))
  if (method === 'resources/read') return resource(textOf(params, 'uri'), view)
  return completion(params, view)
}

function named(kind: 'tool' | 'prompt', name: string, view: CatalogView, args: JsonObject): Target {
  return {
    ledgerKind: kind,
    kind,
    name,
    asked: name,
    item: view.byName[kind].get(name),
    args,
    toUpstream: (item) => ({ name: item.definition.name }),
    unknown: () => new GatewayError('not_found', `Unknown ${kind}: ${printable(name)}`),
  }
}

function resource(uri: string, view: CatalogView): Target {
  const found = findResource(view, uri)
  return {
    ledgerKind: 'resource',
    kind: found?.item.kind ?? 'resource',
    name: found?.item.name ?? uri,
    asked: uri,
    item: found?.item,
    args: undefined,
    toUpstream: () => ({ uri: found?.uri ?? uri }),
    unknown: () => new GatewayError('not_found', 'Resource not found', { details: { uri } }),
  }
}

function completion(params: JsonObject, view: CatalogView): Target {
  const { ref, argument } = params
  const isPrompt = isJsonObject(ref) && ref['type'] === 'ref/prompt'
  if (!isJsonObject(ref) || (!isPrompt && ref['type'] !== 'ref/resource'))
    throw invalid('"ref" must be a ref/prompt or a ref/resource')
  if (!isJsonObject(argument) || typeof argument['name'] !== 'string' || typeof argument['value'] !== 'string') {
    throw invalid('"argument" must have a name and a value')
  }
  const name = textOf(ref, isPrompt ? 'name' : 'uri')
  const template = view.byName.template.get(name)
  const item = isPrompt ? view.byName.prompt.get(name) : (template ?? view.byName.resource.get(name))
  return {
    ledgerKind: 'completion',
    kind: item?.kind ?? (isPrompt ? 'prompt' : 'template'),
    name,
    asked: name,
    item,
    args: undefined,
    toUpstream: ({ definition }) => ({ ref: { ...ref, [isPrompt ? 'name' : 'uri']: definition.name } }),
    unknown: () => new GatewayError('not_found', `Unknown ${isPrompt ? 'prompt' : 'resource template'}: ${printable(name)}`),
  }
}

function textOf(params: JsonObject, member: string): string {
  const value = params[member]
  if (typeof value !== 'string') throw invalid(`"${member}" must be a text`)
  return value
}

function argumentsOf({ arguments: given = {} }: JsonObject): JsonObject {
  if (!isJsonObject(given)) throw invalid('"arguments" must be an object')
  return given
}

function promptArguments(params: JsonObject): JsonObject {
  const args = argumentsOf(params)
  const strange = Object.entries(args).find(([, value]: [string, Json | undefined]) => typeof value !== 'string')
  if (strange !== undefined) throw invalid(`argument "${printable(strange[0])}" of a prompt must be a text`)
  return args
}

const invalid = (message: string) => new GatewayError('invalid_params', message)
