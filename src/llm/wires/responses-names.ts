import { createHash } from 'node:crypto'

const MAX_LENGTH = 64

/** Names as the wire takes them (letters, digits, `_`, `-`, at most 64), and the way back. */
export interface SentNames {
  /** The name to send for the caller's. */
  sent(name: string): string
  /** Sent name to the caller's, only where they differ; undefined when none does. */
  changed(): ReadonlyMap<string, string> | undefined
}

/** Makes the names of one request. A name that needs no change is never given to another tool; equal input gives equal names. */
export function createSentNames(names: readonly string[]): SentNames {
  const back = new Map<string, string>()
  const taken = new Set(names.filter(isPlain))
  const sent = new Map<string, string>()
  const choose = (name: string): string => {
    const known = sent.get(name)
    if (known !== undefined) return known
    let choice = name
    for (let round = 0; !isPlain(choice) || (round > 0 && taken.has(choice)); round += 1) {
      choice = `${name.replaceAll(/[^A-Za-z0-9_-]/g, '_').slice(0, 51)}_${digest(`${round} ${name}`, 12)}`
    }
    taken.add(choice)
    sent.set(name, choice)
    if (choice !== name) back.set(choice, name)
    return choice
  }
  for (const name of names) choose(name)
  return { sent: choose, changed: () => (back.size === 0 ? undefined : back) }
}

/** A call id the wire takes: at most 64 characters. Equal ids stay equal, so calls and results still match. */
export function sentCallId(id: string): string {
  return id.length <= MAX_LENGTH && id !== '' ? id : `call_${digest(id, 40)}`
}

/** An opaque name of at most 64 characters for a longer one. */
export function sentUser(user: string): string {
  return user.length <= MAX_LENGTH ? user : digest(user, MAX_LENGTH)
}

function isPlain(name: string): boolean {
  return /^[A-Za-z0-9_-]{1,64}$/.test(name)
}

function digest(text: string, length: number): string {
  return createHash('sha256').update(text).digest('hex').slice(0, length)
}
