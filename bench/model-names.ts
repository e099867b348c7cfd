/** The name of a model that answers in this manner; the gateway has one route for all of them. */
export function mockModel(manner: string): string {
  return manner === '' ? 'mock' : `mock?${manner}`
}
