/**
 * Format 1, the tables. Text is UTF-8 in byte order (COLLATE "C"); what is JSON stays text. Times are milliseconds since 1970 unless
 * named otherwise. Docstrings of what the rows mean: `sqlite-schema.ts` of core, whose tables these follow.
 */
export const TABLES = `
  CREATE SEQUENCE places;
  -- Fencing tokens, of lanes and of deliveries.
  CREATE SEQUENCE tokens;
  -- Begins below its first number, so that the last one given out always stands in it.
  CREATE SEQUENCE change_seqs MINVALUE 0 START 0;
  SELECT nextval('change_seqs');

  CREATE TABLE inbox (
    place bigint PRIMARY KEY, lane text COLLATE "C" NOT NULL,
    phase text NOT NULL DEFAULT 'received', attempts int NOT NULL DEFAULT 0, last_error text, accepted_at bigint NOT NULL,
    rid text COLLATE "C" NOT NULL, event_type text, source text, normalized_event_type text,
    manifest text, previous_manifest text, contents text, previous_contents text
  ) WITH (fillfactor = 50);
  CREATE INDEX inbox_lanes ON inbox (lane, place);

  -- One row for each lane that has work or is held. place: of its first arrival, absent when none waits; due_at: when that one is due.
  CREATE TABLE lanes (
    lane text COLLATE "C" PRIMARY KEY, place bigint, due_at bigint NOT NULL DEFAULT 0,
    owner text, token bigint NOT NULL DEFAULT 0, expires_at bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 50);
  CREATE INDEX lanes_places ON lanes (place);
  CREATE INDEX lanes_due ON lanes (due_at) WHERE place IS NOT NULL;

  CREATE TABLE dead_letters (
    place bigint PRIMARY KEY, rid text COLLATE "C" NOT NULL, event_type text, source text, phase text NOT NULL,
    attempts int NOT NULL, accepted_at bigint NOT NULL, failed_at bigint NOT NULL, error text NOT NULL,
    manifest text, contents text
  );

  CREATE TABLE once_keys (key text COLLATE "C" PRIMARY KEY, until bigint NOT NULL, places bigint[] NOT NULL);
  CREATE INDEX once_keys_until ON once_keys (until);

  -- Microseconds.
  CREATE TABLE stamps (rid text COLLATE "C" PRIMARY KEY, micros bigint NOT NULL);

  -- words: the tokens of core's search documents, with their positions.
  CREATE TABLE cache (
    rid text COLLATE "C" PRIMARY KEY, type text COLLATE "C" NOT NULL, origin text, seq bigint NOT NULL,
    manifest text NOT NULL, contents text NOT NULL, words tsvector NOT NULL
  );
  CREATE INDEX cache_types ON cache (type, rid);
  CREATE INDEX cache_words ON cache USING gin (words);

  CREATE TABLE changes (
    seq bigint PRIMARY KEY, rid text COLLATE "C" NOT NULL, event_type text NOT NULL, origin text, at bigint NOT NULL
  );
  CREATE INDEX changes_rid ON changes (rid, seq);
  CREATE INDEX changes_forgotten ON changes (at) WHERE event_type = 'FORGET';

  -- The number of the last change of a node or an edge.
  CREATE TABLE last_of_network (id int PRIMARY KEY CHECK (id = 1), seq bigint NOT NULL);
  INSERT INTO last_of_network VALUES (1, 0);

  CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, target text COLLATE "C" NOT NULL, rid text COLLATE "C" NOT NULL,
    event_type text, fresh boolean NOT NULL, queued_at bigint NOT NULL, text text
  );
  CREATE INDEX outbox_targets_rows ON outbox (target, id);
  CREATE INDEX outbox_references ON outbox (target, rid, id) WHERE text IS NULL;

  -- One row for each target that ever had rows in outbox and was not dropped; with the lease of its deliveries up to the row up_to.
  CREATE TABLE outbox_targets (
    target text COLLATE "C" PRIMARY KEY, due_at bigint NOT NULL, failures int NOT NULL DEFAULT 0, last_error text,
    owner text, token bigint NOT NULL DEFAULT 0, expires_at bigint NOT NULL DEFAULT 0, up_to bigint NOT NULL DEFAULT 0
  ) WITH (fillfactor = 50);

  -- Bytes, for a value may hold the character that Postgres has no room for in text.
  CREATE TABLE node_values (key text COLLATE "C" PRIMARY KEY, value bytea NOT NULL);
`
