import type { Entry } from '../core/entry.ts'
import { ENTRY_FIELDS } from './journal-line.ts'

/**
 * Each step of the schema, in order; a step that shipped is never edited. The table is ordered by time, which is how it is filled and asked; an
 * entry that is read from the journal twice has the same time, so the key knows it.
 */
export const LEDGER_STEPS: readonly string[] = [
  `CREATE TABLE entry (
     id TEXT NOT NULL,
     attempt INTEGER NOT NULL,
     at INTEGER NOT NULL,
     kind TEXT NOT NULL,
     method TEXT NOT NULL,
     issuer TEXT,
     subject TEXT,
     principal_kind TEXT,
     org TEXT,
     team TEXT,
     project TEXT,
     agent TEXT,
     user TEXT,
     session TEXT,
     catalog TEXT,
     revision TEXT,
     decision TEXT,
     reason TEXT,
     rule TEXT,
     server TEXT,
     target TEXT,
     upstream_target TEXT,
     definition_digest TEXT,
     arguments_digest TEXT,
     status TEXT NOT NULL,
     error TEXT,
     era TEXT,
     trace_id TEXT,
     duration_ms REAL,
     gateway_ms REAL,
     queue_ms REAL,
     guard_ms REAL,
     upstream_ms REAL,
     request_bytes INTEGER,
     response_bytes INTEGER,
     nano_usd INTEGER,
     price_version TEXT,
     labels TEXT,
     PRIMARY KEY (at, id, attempt)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX entry_team_at ON entry (team, at);
   CREATE TABLE journal_position (
     only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
     segment INTEGER NOT NULL,
     "offset" INTEGER NOT NULL
   ) STRICT;
   INSERT INTO journal_position VALUES (1, 1, 0);`,
  `ALTER TABLE entry ADD COLUMN provider TEXT;
   ALTER TABLE entry ADD COLUMN model TEXT;
   ALTER TABLE entry ADD COLUMN reported_model TEXT;
   ALTER TABLE entry ADD COLUMN region TEXT;
   ALTER TABLE entry ADD COLUMN stream INTEGER;
   ALTER TABLE entry ADD COLUMN first_token_ms REAL;
   ALTER TABLE entry ADD COLUMN input_tokens INTEGER;
   ALTER TABLE entry ADD COLUMN cache_read_tokens INTEGER;
   ALTER TABLE entry ADD COLUMN cache_write5m_tokens INTEGER;
   ALTER TABLE entry ADD COLUMN cache_write1h_tokens INTEGER;
   ALTER TABLE entry ADD COLUMN input_audio_tokens INTEGER;
   ALTER TABLE entry ADD COLUMN input_image_tokens INTEGER;
   ALTER TABLE entry ADD COLUMN output_tokens INTEGER;
   ALTER TABLE entry ADD COLUMN reasoning_tokens INTEGER;
   ALTER TABLE entry ADD COLUMN output_audio_tokens INTEGER;
   ALTER TABLE entry ADD COLUMN usage_source TEXT;
   ALTER TABLE entry ADD COLUMN flags TEXT;
   ALTER TABLE entry ADD COLUMN dropped TEXT;
   ALTER TABLE entry ADD COLUMN routing TEXT;
   ALTER TABLE entry ADD COLUMN verdicts TEXT;`,
]

/** The column that holds a field of an entry. */
export function columnOf(field: keyof Entry): string {
  return field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** Columns of the table, in the order of a journal line. */
export const ENTRY_COLUMNS: readonly string[] = ENTRY_FIELDS.map(columnOf)
