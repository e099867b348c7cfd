import type { z } from 'zod'
import type { JsonPath } from './json-source.ts'

/** Any schema, seen from inside. */
export type Schema = z.core.$ZodType

/** The schemas that could hold at a path of a value: several where a union leaves it open, none where nothing is known. */
export function schemasAt(schema: Schema, path: JsonPath, value: unknown): readonly Schema[] {
  let schemas = alternatives(schema, value)
  let current = value
  for (const step of path) {
    current = memberOf(current, step)
    schemas = schemas.flatMap((one) => {
      const next = childOf(one, step)
      return next === undefined ? [] : alternatives(next, current)
    })
  }
  return schemas
}

/** The keys objects of these schemas may have. */
export function knownKeys(schemas: readonly Schema[]): readonly string[] {
  const keys = schemas.flatMap((schema) => {
    const { def } = inside(schema)
    return def.type === 'object' ? Object.keys(def.shape) : []
  })
  return [...new Set(keys)].filter((key) => key !== '$schema')
}

function inside(schema: Schema): z.core.$ZodTypes['_zod'] {
  return (schema as z.core.$ZodTypes)._zod // every schema is one of the closed list of kinds; the base type only forgets which
}

/** Takes off what does not change the shape (optional, default) and opens unions, by discriminator where there is one. */
function alternatives(schema: Schema, value: unknown): readonly Schema[] {
  const { def } = inside(schema)
  switch (def.type) {
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
    case 'nonoptional':
      return alternatives(def.innerType, value)
    case 'pipe':
      return alternatives(def.in, value)
    case 'union': {
      const options = def.options.flatMap((option) => alternatives(option, value))
      const discriminator = 'discriminator' in def && typeof def.discriminator === 'string' ? def.discriminator : undefined
      const named = discriminator === undefined ? [] : options.filter((option) => isVariant(option, discriminator, value))
      return named.length > 0 ? named : options
    }
    default:
      return [schema]
  }
}

function isVariant(schema: Schema, discriminator: string, value: unknown): boolean {
  const child = childOf(schema, discriminator)
  const { def } = child === undefined ? { def: undefined } : inside(child)
  return def?.type === 'literal' && def.values.some((literal) => literal === memberOf(value, discriminator))
}

function childOf(schema: Schema, step: string | number): Schema | undefined {
  const { def } = inside(schema)
  if (def.type === 'object') return Object.hasOwn(def.shape, step) ? def.shape[step] : undefined
  if (def.type === 'record') return def.valueType
  return def.type === 'array' ? def.element : undefined
}

/** The own member of a value, if it has any. */
export function memberOf(value: unknown, step: string | number): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined
  return (value as Readonly<Record<string | number, unknown>>)[step] // an own member was asked for just above
}

/** The value at a path, or undefined. */
export function valueAt(value: unknown, path: JsonPath): unknown {
  return path.reduce<unknown>((current, step) => memberOf(current, step), value)
}
