/** Whether an object of a valid JSON text has two members of one name, seen in another way than the code under test sees it. */
export function hasTwins(text: string): boolean {
  const tokens = tokensOf(text)
  const open: (Set<string> | undefined)[] = []
  for (const [index, token] of tokens.entries()) {
    if (token === '{') open.push(new Set())
    else if (token === '[') open.push(undefined)
    else if (token === '}' || token === ']') open.pop()
    else if (token.startsWith('"') && tokens[index + 1] === ':') {
      const names = open.at(-1)
      const name = JSON.parse(token) as string // a quoted text is text
      if (names?.has(name)) return true
      names?.add(name)
    }
  }
  return false
}

/**
 * Whether a text has a name with an escape in it. Such names are read wrongly by JSON.parse itself once a name that ends in a backslash was read
 * before (nodejs/node#63785, V8 up to at least 14.6), so nothing can be compared with it there.
 */
export function hasEscapedName(text: string): boolean {
  const tokens = tokensOf(text)
  return tokens.some((token, index) => token.includes('\\') && tokens[index + 1] === ':')
}

function tokensOf(text: string): readonly string[] {
  return text.match(/"(?:[^"\\]|\\.)*"|[{}[\],:]/gs) ?? []
}
