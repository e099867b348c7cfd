/** Splits a JSON pointer (RFC 6901) into its unescaped reference tokens. */
export function parseJsonPointer(pointer: string): readonly string[] {
  if (pointer === '') return []
  if (!pointer.startsWith('/')) throw new Error(`a JSON pointer starts with "/": ${pointer}`)
  return pointer
    .slice(1)
    .split('/')
    .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~'))
}

/** The value a JSON pointer names, undefined when there is none. Only own members count: `/__proto__` finds nothing inherited. */
export function readJsonPointer(document: unknown, tokens: readonly string[]): unknown {
  let value = document
  for (const token of tokens) {
    if (typeof value !== 'object' || value === null) return undefined
    if (Array.isArray(value)) {
      if (!/^(0|[1-9][0-9]{0,9})$/.test(token)) return undefined
      value = value[Number(token)]
    } else {
      if (!Object.hasOwn(value, token)) return undefined
      value = Reflect.get(value, token)
    }
  }
  return value
}
