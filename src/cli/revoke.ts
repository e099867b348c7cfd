import { Revocations } from '../config/identity.ts'
import { readIfThere, withFileLock, writeFileAtomic } from '../lib/atomic-file.ts'
import { EXIT, type CliIo } from './io.ts'

/** Options of `tollgate revoke`. `file` is the absolute path of the deny list. */
export interface RevokeOptions {
  readonly file: string
  readonly jti?: string
  readonly subject?: string
  /** Only the subject of this issuer; without it the subject is refused at every one. */
  readonly issuer?: string
  readonly undo?: boolean
}

/** `tollgate revoke`: puts a token id or a subject on the deny list, or takes it off. A running gateway follows within a second. */
export async function revoke(options: RevokeOptions, io: CliIo): Promise<number> {
  const { file, jti, subject, issuer, undo = false } = options
  if (Boolean(jti) === Boolean(subject) || (issuer !== undefined && subject === undefined)) {
    io.err('tollgate: name one of --jti <token id> or --subject <subject> [--issuer <issuer>]\n')
    return EXIT.usage
  }
  return await withFileLock(file, async () => {
    const before = readRevocations(await readIfThere(file))
    if (before === undefined) {
      io.err(`tollgate: ${file} is not a valid deny list; nothing is changed. Run "tollgate validate" to see why\n`)
      return EXIT.invalid
    }
    const after = jti === undefined ? withSubject(before, { subject: subject ?? '', issuer }, undo) : withId(before, jti, undo)
    const what = jti === undefined ? `subject ${subject}${issuer === undefined ? '' : ` of ${issuer}`}` : `credential ${jti}`
    if (JSON.stringify(after) === JSON.stringify(before)) {
      io.err(`${what} was ${undo ? 'not revoked' : 'revoked already'}\n`)
      return EXIT.ok
    }
    await writeFileAtomic(file, `${JSON.stringify(after, null, 2)}\n`, 0o644)
    io.out(`${what} is ${undo ? 'no longer revoked' : 'revoked'}\n`)
    return EXIT.ok
  })
}

/** The deny list in a text, empty when there is none, undefined when it is not one: an edit must not lose what it cannot read. */
function readRevocations(text: string | undefined): Revocations | undefined {
  if (text === undefined) return Revocations.parse({})
  try {
    return Revocations.safeParse(JSON.parse(text)).data
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function withId(list: Revocations, id: string, undo: boolean): Revocations {
  const others = list.jti.filter((entry) => entry !== id)
  if (undo) return { ...list, jti: others }
  return list.jti.includes(id) ? list : { ...list, jti: [...others, id] }
}

function withSubject(list: Revocations, wanted: { subject: string; issuer: string | undefined }, undo: boolean): Revocations {
  const isWanted = (entry: Revocations['subjects'][number]) => entry.subject === wanted.subject && entry.issuer === wanted.issuer
  if (undo) return { ...list, subjects: list.subjects.filter((entry) => !isWanted(entry)) }
  if (list.subjects.some(isWanted)) return list
  const entry = { ...(wanted.issuer === undefined ? {} : { issuer: wanted.issuer }), subject: wanted.subject }
  return { ...list, subjects: [...list.subjects, entry] }
}
