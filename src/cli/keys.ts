import type { ApiKeys } from '../config/identity.ts'
import { parseDuration } from './duration.ts'
import { EXIT, type CliIo } from './io.ts'

type StoredKey = ApiKeys['keys'][number]
type MintedKey = { readonly key: string; readonly stored: StoredKey }

/** The API keys of a gateway, as far as the command line changes them; lent by main.ts from store/keys.ts. */
export interface KeyChanges {
  list(): readonly StoredKey[]
  create(key: {
    readonly principal: StoredKey['principal']
    readonly name?: string
    readonly expiresAt?: Date
  }): Promise<MintedKey>
  rotate(id: string, overlapMs: number): Promise<MintedKey>
  revoke(id: string): Promise<StoredKey>
}

/** Options of `tollgate keys create`. */
export interface CreateKeyOptions {
  readonly subject: string
  readonly kind?: StoredKey['principal']['kind']
  readonly org?: string
  readonly team?: string
  readonly project?: string
  readonly agent?: string
  readonly user?: string
  readonly group?: readonly string[]
  readonly role?: readonly string[]
  readonly scope?: readonly string[]
  /** A duration from now, such as 90d. */
  readonly expires?: string
  readonly name?: string
}

/** One `tollgate keys` command line. */
export type KeysCommand = { readonly json?: boolean } & (
  | ({ readonly action: 'create' } & CreateKeyOptions)
  | { readonly action: 'list' }
  | {
      readonly action: 'rotate'
      readonly id: string
      /** How long the old key still works, such as 24h. */ readonly overlap?: string
    }
  | { readonly action: 'revoke'; readonly id: string }
)

/** `tollgate keys`: makes, lists, rotates and revokes API keys. A new key goes to the output once and is nowhere else. */
export async function keysCommand(store: KeyChanges, options: KeysCommand, io: CliIo): Promise<number> {
  const print = (value: unknown, text: string) => io.out(options.json === true ? `${JSON.stringify(value, null, 2)}\n` : text)
  switch (options.action) {
    case 'create': {
      const minted = await store.create(toNewKey(options, io.now()))
      print(shown(minted), `${minted.key}\n`)
      io.err(`key ${minted.stored.id} for ${minted.stored.principal.subject}; keep it now, it is not shown again\n`)
      return EXIT.ok
    }
    case 'list': {
      const keys = store.list()
      print(keys.map(withoutHash), renderKeys(keys, io.now()))
      return EXIT.ok
    }
    case 'rotate': {
      const overlap = options.overlap ?? '24h'
      const minted = await store.rotate(options.id, parseDuration(overlap))
      print(shown(minted), `${minted.key}\n`)
      io.err(
        `key ${minted.stored.id} replaces ${options.id}, which ${overlapText(overlap)}; keep it now, it is not shown again\n`,
      )
      return EXIT.ok
    }
    case 'revoke': {
      const revoked = await store.revoke(options.id)
      print(withoutHash(revoked), `key ${revoked.id} is revoked; a running gateway refuses it within a second\n`)
      return EXIT.ok
    }
  }
}

function toNewKey(options: CreateKeyOptions, now: Date): Parameters<KeyChanges['create']>[0] {
  if (options.subject === '') throw new Error('--subject must not be empty')
  const { subject, kind = 'agent', org, team, project, agent, user } = options
  const optional = Object.entries({ org, team, project, agent, user }).filter(([, value]) => value !== undefined)
  return {
    principal: {
      subject,
      kind,
      ...Object.fromEntries(optional),
      groups: [...(options.group ?? [])],
      roles: [...(options.role ?? [])],
      scopes: [...(options.scope ?? [])],
    },
    ...(options.name === undefined ? {} : { name: options.name }),
    ...(options.expires === undefined ? {} : { expiresAt: new Date(now.getTime() + parseDuration(options.expires)) }),
  }
}

const shown = ({ key, stored }: MintedKey) => ({ key, ...withoutHash(stored) })

function withoutHash({ hash: _hash, ...key }: StoredKey): Omit<StoredKey, 'hash'> {
  return key
}

function overlapText(overlap: string): string {
  return parseDuration(overlap) === 0 ? 'is refused from now on' : `works for ${overlap} more`
}

function renderKeys(keys: readonly StoredKey[], now: Date): string {
  if (keys.length === 0) return 'no keys; make one with: tollgate keys create --subject <who> --team <team>\n'
  const rows = keys.map((key) => [
    key.id,
    stateOf(key, now),
    key.principal.subject,
    key.principal.team ?? '-',
    key.expiresAt ?? 'never',
    key.name ?? '',
  ])
  const table = [['ID', 'STATE', 'SUBJECT', 'TEAM', 'EXPIRES', 'NAME'], ...rows]
  const widths = table.reduce<number[]>((found, row) => row.map((cell, index) => Math.max(found[index] ?? 0, cell.length)), [])
  return table
    .map(
      (row) =>
        `${row
          .map((cell, index) => cell.padEnd(widths[index] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

function stateOf(key: StoredKey, now: Date): string {
  if (key.revokedAt !== undefined) return 'revoked'
  if (key.expiresAt !== undefined && Date.parse(key.expiresAt) <= now.getTime()) return 'expired'
  return key.replacedBy === undefined ? 'active' : 'rotated'
}
