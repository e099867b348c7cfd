/** The mock's name of a model that answers in this manner. */
export function mockModel(manner: string): string {
  return manner === '' ? 'mock' : `mock?${manner}`
}

/** The gateway's name for it: letters that names of routes are made of. */
export function routeName(manner: string): string {
  return manner === '' ? 'mock' : `mock/${manner.replaceAll('=', ':').replaceAll('&', '/')}`
}
