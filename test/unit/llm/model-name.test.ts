import { describe, expect, test } from 'vitest'
import { concreteTarget, modelNamed } from '../../../src/core/model-name.ts'
import type { CatalogItem, CatalogView, ModelTarget } from '../../../src/core/snapshot.ts'

// Only names matter here.
const items = ['gpt-4o', 'gpt-*', 'gpt-4o-*', '*'].map((name) => ({ name }) as CatalogItem)
const view = {
  items: { model: items },
  byName: { model: new Map(items.map((item) => [item.name, item])) },
} as unknown as CatalogView
const target = (model: string): ModelTarget => ({ model, priceAs: model }) as ModelTarget

describe('names with a star', () => {
  test.each([
    ['gpt-4o', 'gpt-4o'],
    ['gpt-4o-mini', 'gpt-4o-*'],
    ['gpt-5', 'gpt-*'],
    ['claude', '*'],
    ['mock?chunks=5&delay=10', '*'],
  ])('%s is granted by %s', (asked, granted) => {
    expect(modelNamed(view, asked)?.name).toBe(granted)
  })

  test.each([['gpt-*'], ['*'], ['a b'], ['line\nbreak'], ['']])('%j is no model', (asked) => {
    const strict = { ...view, items: { ...view.items, model: items.slice(0, 3) } } as CatalogView

    expect(modelNamed(strict, asked)).toBeUndefined()
  })

  test('the star of the target is what the name has in its place', () => {
    const item = { name: 'openai/*' } as CatalogItem

    expect(concreteTarget(target('*'), item, 'openai/gpt-$&')).toMatchObject({ model: 'gpt-$&', priceAs: 'gpt-$&' })
    expect(concreteTarget(target('fixed'), item, 'openai/gpt')).toMatchObject({ model: 'fixed' })
  })
})
