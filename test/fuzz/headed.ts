/** An input of two parts: a first line, and the JSON after it. */
export interface Headed {
  readonly head: string
  /** Undefined when there is no JSON. */
  readonly json: unknown
}

/** Takes an input apart. */
export function readHeaded(input: Buffer): Headed {
  const text = input.toString('utf8')
  const end = text.indexOf('\n')
  return { head: end < 0 ? '' : text.slice(0, end), json: parsed(text.slice(end + 1)) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined // JSON cannot say undefined, so this tells it apart
  }
}

/** The entry of a table that a first line names; any text names one, so that mutated heads are not lost. */
export function named<Item>(table: Readonly<Record<string, Item>>, head: string): Item {
  const items = Object.values(table)
  const item = Object.hasOwn(table, head) ? table[head] : items[head.length % items.length]
  if (item === undefined) throw new Error('the table is empty')
  return item
}
