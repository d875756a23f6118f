import { StoreError } from './node-store.ts'
import type { SqliteDatabase } from './sqlite-database.ts'

/** Stands in the file's header (`file(1)` and SQLite's own tools show it): "KOI1". */
export const APPLICATION_ID = 0x4b4f4931

export type Migration = (db: SqliteDatabase) => void

/**
 * Each takes the file from the format of its index to the next; the file's `user_version` is how many have run. Never change
 * one that was released. A release reads what the one before it wrote, and refuses what is newer.
 */
export const MIGRATIONS: readonly Migration[] = [createTables, keepMore]

/** Refuses a file that is not ours or of a newer format; changes nothing. @throws StoreError */
export function checkFormat(db: SqliteDatabase, path: string, migrations = MIGRATIONS): void {
  const { application_id } = db.get<{ application_id: number }>('PRAGMA application_id') ?? { application_id: 0 }
  const tables = db.get<{ count: number }>('SELECT count(*) AS count FROM sqlite_master')?.count ?? 0
  if (application_id === 0 && tables > 0) throw notOurs(path)
  checkHeader({ applicationId: application_id, version: formatOf(db) }, path, migrations)
}

/** The same for what stands in the file's header; an id of 0 is a file that was only begun. @throws StoreError */
export function checkHeader(
  { applicationId, version }: { readonly applicationId: number; readonly version: number },
  path: string,
  migrations = MIGRATIONS,
): void {
  if (applicationId !== 0 && applicationId !== APPLICATION_ID) throw notOurs(path)
  if (applicationId === 0 || version <= migrations.length) return
  throw new StoreError(
    'NEWER_FORMAT',
    `The store ${path} has format ${version}, and this release reads formats up to ${migrations.length}: run the release that wrote it, or a newer one`,
  )
}

function notOurs(path: string): StoreError {
  return new StoreError(
    'DAMAGED',
    `${path} is an SQLite file, but not a KOI-MCP store: move it away, or give this node another state folder`,
  )
}

/** Brings the file to this release's format: all of it, or nothing. */
export function migrate(db: SqliteDatabase, migrations = MIGRATIONS): void {
  const from = formatOf(db)
  if (from >= migrations.length) return
  db.exec('BEGIN IMMEDIATE')
  try {
    for (const migration of migrations.slice(from)) migration(db)
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${migrations.length}; COMMIT`)
  } catch (error) {
    if (db.inTransaction) db.exec('ROLLBACK')
    throw error
  }
}

/**
 * Leases live in tables that end with the connection: one process owns the file, so a lease has no holder after it, and taking one
 * costs no disk sync. They are read and written in the same transactions as the rest.
 */
export function createLeaseTables(db: SqliteDatabase): void {
  db.exec(`
    CREATE TEMP TABLE lane_leases (lane TEXT PRIMARY KEY, owner TEXT NOT NULL, token INTEGER NOT NULL, expires_at INTEGER NOT NULL);
    CREATE TEMP TABLE delivery_leases (
      target TEXT PRIMARY KEY, owner TEXT NOT NULL, token INTEGER NOT NULL, expires_at INTEGER NOT NULL, up_to INTEGER NOT NULL
    );
    CREATE TEMP TABLE named_leases (name TEXT PRIMARY KEY, owner TEXT NOT NULL, token INTEGER NOT NULL, expires_at INTEGER NOT NULL);
  `)
}

function formatOf(db: SqliteDatabase): number {
  return db.get<{ user_version: number }>('PRAGMA user_version')?.user_version ?? 0
}

/** All text is UTF-8 in BINARY collation: RIDs compare byte for byte. Times are milliseconds since 1970 unless named otherwise. */
function createTables(db: SqliteDatabase): void {
  db.exec(`
    -- head: 1 for the first arrival of its lane, the only one that may be worked on.
    CREATE TABLE inbox (
      place INTEGER PRIMARY KEY AUTOINCREMENT,
      lane TEXT NOT NULL, head INTEGER NOT NULL, due_at INTEGER NOT NULL,
      phase TEXT NOT NULL DEFAULT 'received', attempts INTEGER NOT NULL DEFAULT 0, last_error TEXT,
      accepted_at INTEGER NOT NULL,
      rid TEXT NOT NULL, event_type TEXT, source TEXT, normalized_event_type TEXT,
      manifest TEXT, previous_manifest TEXT, contents TEXT, previous_contents TEXT
    );
    CREATE INDEX inbox_lanes ON inbox (lane, place);
    CREATE INDEX inbox_heads ON inbox (place, due_at, lane) WHERE head = 1;
    CREATE INDEX inbox_due ON inbox (due_at) WHERE head = 1;

    CREATE TABLE dead_letters (
      place INTEGER PRIMARY KEY, rid TEXT NOT NULL, event_type TEXT, source TEXT, phase TEXT NOT NULL,
      attempts INTEGER NOT NULL, accepted_at INTEGER NOT NULL, failed_at INTEGER NOT NULL, error TEXT NOT NULL,
      manifest TEXT, contents TEXT
    );

    CREATE TABLE once_keys (key TEXT PRIMARY KEY, until INTEGER NOT NULL, places TEXT NOT NULL) WITHOUT ROWID;
    CREATE INDEX once_keys_until ON once_keys (until);

    -- The last timestamp of each RID of our own; a FORGET does not take it away. Microseconds.
    CREATE TABLE stamps (rid TEXT PRIMARY KEY, micros INTEGER NOT NULL) WITHOUT ROWID;

    -- contents last: reading manifests then leaves their pages alone. id: the row of search_index.
    CREATE TABLE cache (
      id INTEGER PRIMARY KEY, rid TEXT NOT NULL UNIQUE, type TEXT NOT NULL, origin TEXT, seq INTEGER NOT NULL,
      manifest TEXT NOT NULL, contents TEXT NOT NULL
    );
    CREATE INDEX cache_types ON cache (type, rid);

    -- Text made of our tokens, parted by spaces: for FTS5's ascii tokenizer every byte above 0x7f belongs to a token.
    CREATE VIRTUAL TABLE search_index USING fts5 (tokens, content = '', contentless_delete = 1, tokenize = 'ascii');

    CREATE TABLE changes (
      seq INTEGER PRIMARY KEY AUTOINCREMENT, rid TEXT NOT NULL, event_type TEXT NOT NULL, origin TEXT, at INTEGER NOT NULL
    );
    CREATE INDEX changes_rid ON changes (rid, seq);
    CREATE INDEX changes_forgotten ON changes (at) WHERE event_type = 'FORGET';

    -- text: a whole event; absent: a reference, whose event is made from the cache when it is sent.
    -- fresh: 1 when what was collapsed into this reference began with a NEW, and none of it was sent.
    CREATE TABLE outbox (
      id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, rid TEXT NOT NULL, event_type TEXT, fresh INTEGER NOT NULL,
      queued_at INTEGER NOT NULL, text TEXT
    );
    CREATE INDEX outbox_targets_rows ON outbox (target, id);
    CREATE INDEX outbox_references ON outbox (target, rid, id) WHERE text IS NULL;

    -- One row for each target that has rows in outbox, and for no other.
    CREATE TABLE outbox_targets (
      target TEXT PRIMARY KEY, due_at INTEGER NOT NULL, failures INTEGER NOT NULL DEFAULT 0, last_error TEXT
    ) WITHOUT ROWID;
    CREATE INDEX outbox_targets_due ON outbox_targets (due_at, target);

    CREATE TABLE node_values (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

    -- Lease tokens are handed out below the ceiling, so that they grow over restarts without a write for each.
    CREATE TABLE lease_tokens (id INTEGER PRIMARY KEY CHECK (id = 1), ceiling INTEGER NOT NULL);
    INSERT INTO lease_tokens VALUES (1, 0);
  `)
}

/**
 * What was tried and failed is remembered, and a dead letter can go on where it failed (`history`: JSON of `FailedAttempt`s); texts in the outbox
 * collapse too, and targets lapse. A lapsed target has a row in `outbox_targets` without any in `outbox`; `resumed`: 1 from when it was reached again.
 */
function keepMore(db: SqliteDatabase): void {
  db.exec(`
    ALTER TABLE inbox ADD COLUMN history TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE inbox ADD COLUMN replayed INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE dead_letters ADD COLUMN history TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE dead_letters ADD COLUMN normalized_event_type TEXT;
    ALTER TABLE dead_letters ADD COLUMN previous_manifest TEXT;
    ALTER TABLE dead_letters ADD COLUMN previous_contents TEXT;

    CREATE INDEX outbox_texts ON outbox (target, rid, id) WHERE text IS NOT NULL;
    ALTER TABLE outbox_targets ADD COLUMN lapsed_at INTEGER;
    ALTER TABLE outbox_targets ADD COLUMN resumed INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX outbox_targets_lapsed ON outbox_targets (target) WHERE lapsed_at IS NOT NULL;
  `)
}
