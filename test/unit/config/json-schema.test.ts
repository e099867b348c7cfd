import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { jsonSchemas } from '../../../src/config/json-schema.ts'

type Schema = {
  readonly description?: string
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly additionalProperties?: Schema | boolean
  readonly anyOf?: readonly Schema[]
  readonly oneOf?: readonly Schema[]
}

/** Paths of the members an editor would show without a word about them. */
function undescribed(schema: Schema, path: string): string[] {
  const { items, additionalProperties: members } = schema
  const parts = [
    ...(schema.anyOf ?? []),
    ...(schema.oneOf ?? []),
    ...(items ? [items] : []),
    ...(typeof members === 'object' ? [members] : []),
  ]
  const properties = Object.entries(schema.properties ?? {}).filter(([key]) => key !== '$schema' && key !== 'type')
  return [
    ...properties.flatMap(([key, member]) => [
      ...(member.description === undefined ? [`${path}.${key}`] : []),
      ...undescribed(member, `${path}.${key}`),
    ]),
    ...parts.flatMap((part) => undescribed(part, path)),
  ]
}

test('every setting has a description', () => {
  expect([...jsonSchemas()].flatMap(([name, text]) => undescribed(JSON.parse(text) as Schema, name))).toEqual([])
})

test('the schemas checked in are the generated ones', async () => {
  for (const [name, text] of jsonSchemas()) {
    expect(await readFile(join(import.meta.dirname, '../../../catalogs/schema', name), 'utf8')).toBe(text)
  }
})
