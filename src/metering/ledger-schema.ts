/**
 * Each step of the schema, in order; a step that shipped is never edited. Entries are ordered by time, which is how they are filled in and asked; an
 * entry that is read from the journal twice has the same time, so the key knows it. Who called and what was called repeat, so they stand in tables of
 * their own; the view `entry` is what questions are put to. Its numbers out of `details` are JSON text, because SQLite's own reading of a number may
 * differ in the last bit. The journal of what is indexed is gone, so a new shape is made out of the rows of the old one.
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
  `CREATE TABLE entry_caller (
     number INTEGER PRIMARY KEY,
     issuer TEXT,
     subject TEXT,
     principal_kind TEXT,
     org TEXT,
     team TEXT,
     project TEXT,
     agent TEXT,
     user TEXT
   ) STRICT;
   CREATE TABLE entry_course (
     number INTEGER PRIMARY KEY,
     kind TEXT NOT NULL,
     method TEXT NOT NULL,
     catalog TEXT,
     revision TEXT,
     decision TEXT,
     reason TEXT,
     rule TEXT,
     server TEXT,
     target TEXT,
     upstream_target TEXT,
     definition_digest TEXT,
     era TEXT,
     labels TEXT,
     provider TEXT,
     model TEXT,
     reported_model TEXT,
     region TEXT,
     price_version TEXT
   ) STRICT;
   CREATE TABLE entry_line (
     at INTEGER NOT NULL,
     id TEXT NOT NULL,
     attempt INTEGER NOT NULL,
     caller INTEGER NOT NULL,
     course INTEGER NOT NULL,
     session TEXT,
     status TEXT NOT NULL,
     duration_ms REAL,
     upstream_ms REAL,
     request_bytes INTEGER,
     response_bytes INTEGER,
     nano_usd INTEGER,
     usage_source TEXT,
     input_tokens INTEGER,
     output_tokens INTEGER,
     cache_read_tokens INTEGER,
     reasoning_tokens INTEGER,
     cache_write5m_tokens INTEGER,
     cache_write1h_tokens INTEGER,
     input_audio_tokens INTEGER,
     input_image_tokens INTEGER,
     output_audio_tokens INTEGER,
     details TEXT NOT NULL,
     PRIMARY KEY (at, id, attempt)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO entry_caller (issuer, subject, principal_kind, org, team, project, agent, user)
     SELECT DISTINCT issuer, subject, principal_kind, org, team, project, agent, user FROM entry;
   INSERT INTO entry_course (kind, method, catalog, revision, decision, reason, rule, server, target, upstream_target, definition_digest, era,
       labels, provider, model, reported_model, region, price_version)
     SELECT DISTINCT kind, method, catalog, revision, decision, reason, rule, server, target, upstream_target, definition_digest, era,
       labels, provider, model, reported_model, region, price_version FROM entry;
   CREATE INDEX entry_caller_known ON entry_caller (subject, issuer, agent, project);
   CREATE INDEX entry_course_known ON entry_course (target, model, catalog, rule, reported_model, revision);
   INSERT INTO entry_line (at, id, attempt, caller, course, session, status, duration_ms, upstream_ms, request_bytes, response_bytes, nano_usd,
       usage_source, input_tokens, output_tokens, cache_read_tokens, reasoning_tokens, cache_write5m_tokens, cache_write1h_tokens,
       input_audio_tokens, input_image_tokens, output_audio_tokens, details)
     SELECT at, id, attempt,
       (SELECT number FROM entry_caller AS caller WHERE caller.issuer IS entry.issuer AND caller.subject IS entry.subject
          AND caller.principal_kind IS entry.principal_kind AND caller.org IS entry.org AND caller.team IS entry.team
          AND caller.project IS entry.project AND caller.agent IS entry.agent AND caller.user IS entry.user),
       (SELECT number FROM entry_course AS course WHERE course.kind = entry.kind AND course.method = entry.method
          AND course.catalog IS entry.catalog AND course.revision IS entry.revision AND course.decision IS entry.decision
          AND course.reason IS entry.reason AND course.rule IS entry.rule AND course.server IS entry.server AND course.target IS entry.target
          AND course.upstream_target IS entry.upstream_target AND course.definition_digest IS entry.definition_digest
          AND course.era IS entry.era AND course.labels IS entry.labels AND course.provider IS entry.provider AND course.model IS entry.model
          AND course.reported_model IS entry.reported_model AND course.region IS entry.region AND course.price_version IS entry.price_version),
       session, status, duration_ms, upstream_ms, request_bytes, response_bytes, nano_usd,
       usage_source, input_tokens, output_tokens, cache_read_tokens, reasoning_tokens, cache_write5m_tokens, cache_write1h_tokens,
       input_audio_tokens, input_image_tokens, output_audio_tokens,
       json_array(gateway_ms, queue_ms, guard_ms, trace_id, arguments_digest, error, stream, first_token_ms, flags, routing, dropped, verdicts)
     FROM entry;
   DROP INDEX entry_caller_known;
   DROP INDEX entry_course_known;
   DROP TABLE entry;
   CREATE VIEW entry AS
     SELECT id, attempt, at, kind, method, issuer, subject, principal_kind, org, team, project, agent, user, session, catalog, revision,
       decision, reason, rule, server, target, upstream_target, definition_digest, details ->> 4 AS arguments_digest, status,
       details ->> 5 AS error, era, details ->> 3 AS trace_id, duration_ms, details -> 0 AS gateway_ms, details -> 1 AS queue_ms,
       details -> 2 AS guard_ms, upstream_ms, request_bytes, response_bytes, nano_usd, price_version, labels, provider, model, reported_model,
       region, details -> 6 AS stream, details -> 7 AS first_token_ms, input_tokens, cache_read_tokens, cache_write5m_tokens,
       cache_write1h_tokens, input_audio_tokens, input_image_tokens, output_tokens, reasoning_tokens, output_audio_tokens, usage_source,
       details ->> 8 AS flags, details ->> 10 AS dropped, details ->> 9 AS routing, details ->> 11 AS verdicts
     FROM entry_line
       LEFT JOIN entry_caller ON entry_caller.number = +entry_line.caller
       LEFT JOIN entry_course ON entry_course.number = +entry_line.course`,
]
