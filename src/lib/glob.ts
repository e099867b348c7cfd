/** Compiles a glob: `*` stands for any run of characters, everything else for itself. Matching takes linear time per star. */
export function compileGlob(glob: string): (text: string) => boolean {
  const parts = glob.split('*')
  if (parts.length === 1) return (text) => text === glob
  const [first = '', ...rest] = parts
  const last = rest.pop() ?? ''
  return (text) => {
    if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false
    const end = text.length - last.length
    let at = first.length
    for (const part of rest) {
      const found = text.indexOf(part, at)
      if (found < 0 || found + part.length > end) return false
      at = found + part.length
    }
    return true
  }
}

const compiled = new WeakMap<readonly string[], readonly ((text: string) => boolean)[]>()

/** Index of the first glob that matches, or -1. The list must not change: what it compiles to is kept beside it. */
export function matchGlobs(globs: readonly string[], text: string): number {
  let matchers = compiled.get(globs)
  if (matchers === undefined) compiled.set(globs, (matchers = globs.map(compileGlob)))
  for (const [index, matches] of matchers.entries()) if (matches(text)) return index
  return -1
}
