// API keys in two files of the state folder: `keys.json` holds the keyed hashes and whom each key names, `pepper` the secret of the
// hash. Several processes may write (the command line beside the gateway): a lock file orders them, a rename makes each change whole.
// The gateway polls the file, so a change is effective within a second. The key itself is nowhere.
import { randomBytes } from 'node:crypto'
import { mkdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ApiKeys } from '../config/identity.ts'
import { principalKey, type Identity } from '../core/principal.ts'
import { equalHashes, hashApiKey, mintApiKey, parseApiKey } from '../lib/api-key.ts'
import { createFileOnce, readIfThere, withFileLock, writeFileAtomic } from '../lib/atomic-file.ts'

/** One stored key, without anything secret but its hash. */
export type StoredKey = ApiKeys['keys'][number]

/** Whom a new key names, and for how long. */
export interface NewKey {
  readonly principal: StoredKey['principal']
  readonly name?: string
  readonly expiresAt?: Date
}

/** A key as it is shown once. */
export interface MintedKey {
  readonly key: string
  readonly stored: StoredKey
}

/** What a look-up says: whom the key names, or why it is refused. */
export type KeyFinding =
  | { readonly identity: Identity }
  | { readonly reason: 'malformed' | 'unknown_key' | 'expired' | 'revoked' }

/** The API keys of one gateway. */
export interface KeyStore {
  find(key: string): KeyFinding
  isActive(id: string): boolean
  /** Told when the keys were read anew and differ. Returns how to stop listening. */
  onChange(listener: () => void): () => void
  list(): readonly StoredKey[]
  create(key: NewKey): Promise<MintedKey>
  /** A new key for the same principal; the old one works for `overlapMs` more. Throws when the id is unknown or already refused. */
  rotate(id: string, overlapMs: number): Promise<MintedKey>
  /** Throws when the id is unknown. */
  revoke(id: string): Promise<StoredKey>
  /** Starts following changes of the file. A file that became unreadable keeps the last good keys and is told to `onProblem`. */
  watch(onProblem?: (error: unknown) => void): void
  /** Reads the file again if it changed. */
  reload(): Promise<void>
  close(): void
}

/** The issuer of every principal that proves itself with a key. */
const API_KEY_ISSUER = 'urn:tollgate:keys'

const POLL_MS = 500
const DAY_MS = 86_400_000
/** Expired and revoked keys stay in the list this long, then the next change drops them. */
const KEEP_MS = 90 * DAY_MS

/** Opens the keys of a state folder, which is made when it is not there. Throws when the pepper may be read by others. */
export async function openKeyStore(stateDirectory: string, now: () => number): Promise<KeyStore> {
  await mkdir(stateDirectory, { recursive: true, mode: 0o700 })
  const store = new FileKeyStore(stateDirectory, await openPepper(join(stateDirectory, 'pepper')), now)
  await store.reload()
  return store
}

async function openPepper(path: string): Promise<Buffer> {
  const text = await createFileOnce(path, `${randomBytes(32).toString('base64url')}\n`, 0o600)
  const { mode } = await stat(path)
  if (process.platform !== 'win32' && (mode & 0o077) !== 0)
    throw new Error(`${path} may be read by others; run: chmod 600 ${path}`)
  const pepper = Buffer.from(text.trim(), 'base64url')
  if (pepper.length < 32) throw new Error(`${path} holds no pepper; restore it from a backup, or remove it and make new keys`)
  return pepper
}

interface Loaded {
  readonly keys: ReadonlyMap<string, StoredKey>
  readonly identities: ReadonlyMap<string, Identity>
}

class FileKeyStore implements KeyStore {
  readonly #path: string
  readonly #pepper: Buffer
  readonly #now: () => number
  readonly #listeners = new Set<() => void>()
  #loaded: Loaded = load([])
  #version = ''
  #active = 0
  #timer: NodeJS.Timeout | undefined
  #reading: Promise<void> | undefined

  constructor(stateDirectory: string, pepper: Buffer, now: () => number) {
    this.#path = join(stateDirectory, 'keys.json')
    this.#pepper = pepper
    this.#now = now
  }

  find(key: string): KeyFinding {
    const id = parseApiKey(key)?.id
    if (id === undefined) return { reason: 'malformed' }
    const stored = this.#loaded.keys.get(id)
    const identity = this.#loaded.identities.get(id)
    // An unknown id costs the same hash as a known one.
    const isEqual = equalHashes(hashApiKey(key, this.#pepper), stored?.hash ?? '')
    if (stored === undefined || identity === undefined || !isEqual) return { reason: 'unknown_key' }
    const refusal = refusalOf(stored, this.#now())
    return refusal === undefined ? { identity } : { reason: refusal }
  }

  isActive(id: string): boolean {
    const stored = this.#loaded.keys.get(id)
    return stored !== undefined && refusalOf(stored, this.#now()) === undefined
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  list(): readonly StoredKey[] {
    return [...this.#loaded.keys.values()]
  }

  async create(key: NewKey): Promise<MintedKey> {
    return await this.#change((keys) => {
      const minted = this.#mint(key)
      return { keys: [...keys, minted.stored], answer: minted }
    })
  }

  async rotate(id: string, overlapMs: number): Promise<MintedKey> {
    return await this.#change((keys) => {
      const now = this.#now()
      const old = keyOf(keys, id)
      const refusal = refusalOf(old, now)
      if (refusal !== undefined) throw new Error(`key ${id} is ${refusal}; create a new one`)
      const lifetime = old.expiresAt === undefined ? undefined : Date.parse(old.expiresAt) - Date.parse(old.createdAt)
      const minted = this.#mint({
        principal: old.principal,
        ...(old.name === undefined ? {} : { name: old.name }),
        ...(lifetime === undefined ? {} : { expiresAt: new Date(now + lifetime) }),
      })
      const end = Math.min(now + overlapMs, old.expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(old.expiresAt))
      const replaced: StoredKey = { ...old, expiresAt: new Date(end).toISOString(), replacedBy: minted.stored.id }
      return { keys: [...keys.map((key) => (key.id === id ? replaced : key)), minted.stored], answer: minted }
    })
  }

  async revoke(id: string): Promise<StoredKey> {
    return await this.#change((keys) => {
      const old = keyOf(keys, id)
      const revoked: StoredKey = { ...old, revokedAt: old.revokedAt ?? new Date(this.#now()).toISOString() }
      return { keys: keys.map((key) => (key.id === id ? revoked : key)), answer: revoked }
    })
  }

  watch(onProblem: (error: unknown) => void = () => undefined): void {
    clearInterval(this.#timer)
    this.#timer = setInterval(() => void this.#poll().catch(onProblem), POLL_MS)
    this.#timer.unref()
  }

  async reload(): Promise<void> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = undefined
    })
    await this.#reading
  }

  close(): void {
    clearInterval(this.#timer)
    this.#listeners.clear()
  }

  #mint({ principal, name, expiresAt }: NewKey): MintedKey {
    const { id, key } = mintApiKey()
    const stored: StoredKey = {
      id,
      hash: hashApiKey(key, this.#pepper),
      ...(name === undefined ? {} : { name }),
      principal,
      createdAt: new Date(this.#now()).toISOString(),
      ...(expiresAt === undefined ? {} : { expiresAt: expiresAt.toISOString() }),
    }
    return { key, stored }
  }

  async #change<T>(decide: (keys: readonly StoredKey[]) => { keys: readonly StoredKey[]; answer: T }): Promise<T> {
    return await withFileLock(this.#path, async () => {
      const { keys, answer } = decide(await readKeys(this.#path))
      const kept = keys.filter((key) => this.#now() - endOf(key) < KEEP_MS)
      await writeFileAtomic(this.#path, `${JSON.stringify({ keys: kept }, null, 2)}\n`, 0o600)
      // A read that began before the write may still be under way.
      await this.#reading?.catch(() => undefined)
      await this.reload()
      return answer
    })
  }

  /** Besides changes of the file, a key that expired since is told too: streams opened with it have to end. */
  async #poll(): Promise<void> {
    await this.reload()
    const active = this.list().filter((key) => refusalOf(key, this.#now()) === undefined).length
    const hasChanged = active !== this.#active
    this.#active = active
    if (hasChanged) this.#notify()
  }

  #notify(): void {
    for (const listener of this.#listeners) listener()
  }

  async #read(): Promise<void> {
    const version = await versionOf(this.#path)
    if (version === this.#version) return
    this.#loaded = load(await readKeys(this.#path))
    this.#version = version
    this.#notify()
  }
}

function load(keys: readonly StoredKey[]): Loaded {
  return {
    keys: new Map(keys.map((key) => [key.id, key])),
    identities: new Map(keys.map((key) => [key.id, toIdentity(key)])),
  }
}

function toIdentity({ id, principal: fields, expiresAt }: StoredKey): Identity {
  const { subject, kind, groups, roles, scopes, ...optional } = fields
  const present = Object.fromEntries(Object.entries(optional).filter(([, value]) => value !== undefined))
  const principal = { issuer: API_KEY_ISSUER, subject, kind, ...present, groups, roles, scopes }
  const expiry = expiresAt === undefined ? {} : { expiresAt: Date.parse(expiresAt) }
  return Object.freeze({ principal, key: principalKey(principal), credentialId: id, ...expiry, method: 'api-key' })
}

function refusalOf(key: StoredKey, now: number): 'expired' | 'revoked' | undefined {
  if (key.revokedAt !== undefined) return 'revoked'
  return key.expiresAt !== undefined && now >= Date.parse(key.expiresAt) ? 'expired' : undefined
}

/** When a key stopped working, or never. */
function endOf(key: StoredKey): number {
  const ends = [key.revokedAt, key.expiresAt].filter((end) => end !== undefined).map((end) => Date.parse(end))
  return Math.min(Number.POSITIVE_INFINITY, ...ends)
}

function keyOf(keys: readonly StoredKey[], id: string): StoredKey {
  const key = keys.find((candidate) => candidate.id === id)
  if (key === undefined) throw new Error(`there is no key ${id}; "tollgate keys list" shows them`)
  return key
}

async function readKeys(path: string): Promise<readonly StoredKey[]> {
  const text = await readIfThere(path)
  if (text === undefined) return []
  const parsed = ApiKeys.safeParse(parseJson(text, path))
  if (!parsed.success) throw new Error(`${path} is not a file of API keys: ${parsed.error.issues[0]?.message ?? ''}`)
  const bad = parsed.data.keys.find((key) =>
    [key.createdAt, key.expiresAt ?? key.createdAt].some((time) => Number.isNaN(Date.parse(time))),
  )
  if (bad !== undefined) throw new Error(`${path}: a time of key ${bad.id} cannot be read`)
  return parsed.data.keys
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new Error(`${path} is not JSON`, { cause: error })
  }
}

/** Changes whenever the file is replaced: every write makes a new inode. */
async function versionOf(path: string): Promise<string> {
  try {
    const { ino, mtimeNs, size } = await stat(path, { bigint: true })
    return `${ino} ${mtimeNs} ${size}`
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'none'
    throw error
  }
}
