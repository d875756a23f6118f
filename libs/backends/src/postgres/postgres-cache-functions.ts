import { KOI_NET_EDGE, KOI_NET_NODE } from '@koi-mcp/protocol'

/**
 * Format 1, the cache and its change log.
 *
 * A reader that follows the log by cursor must never pass a change that commits later under a lower number. Whoever takes a number first
 * leaves a mark, an advisory lock on the last number given out before, until the end of its transaction; so every number that is still
 * under way is greater than some mark, and readers wait until no mark is below the last number that was given out when they asked. Unlike one counter that all changes lock until they are on disk,
 * this lets them share disk syncs; unlike a horizon of transactions, it waits for no strange one (docs/decisions/0014-*.md).
 */
export const CACHE_FUNCTIONS = `
  -- 20 bits of the schema's name, 43 of the number.
  CREATE FUNCTION change_mark(_seq bigint) RETURNS bigint LANGUAGE sql AS $$
    SELECT ((hashtext(current_schema())::bigint & 1048575) << 43) | _seq
  $$;

  CREATE FUNCTION next_change() RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE _last bigint;
  BEGIN
    SELECT last_value INTO _last FROM change_seqs;
    PERFORM pg_advisory_xact_lock_shared(change_mark(_last));
    RETURN nextval('change_seqs');
  END $$;

  CREATE FUNCTION lowest_mark() RETURNS bigint LANGUAGE sql AS $$
    SELECT min(mark & 8796093022207) FROM (
      SELECT (classid::bigint << 32) | objid::bigint AS mark FROM pg_locks
      WHERE locktype = 'advisory' AND objsubid = 1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ) AS locks WHERE mark >> 43 = (hashtext(current_schema())::bigint & 1048575)
  $$;

  -- The last number given out, once all up to it are done with: a caller that has written finds its own change at or before it.
  CREATE FUNCTION last_change() RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE _last bigint; _lowest bigint; _tries int := 0;
  BEGIN
    SELECT last_value INTO _last FROM change_seqs;
    LOOP
      _lowest := lowest_mark();
      EXIT WHEN _lowest IS NULL OR _lowest >= _last;
      _tries := _tries + 1;
      IF _tries > 2000 THEN
        RAISE EXCEPTION USING ERRCODE = 'query_canceled', MESSAGE = 'changes of the cache have been under way for seconds';
      END IF;
      PERFORM pg_sleep(0.001);
    END LOOP;
    RETURN _last;
  END $$;

  -- All that was committed when it is called, for the snapshot is taken after the wait.
  CREATE FUNCTION changes_after(_seq bigint, _limit int)
  RETURNS TABLE (seq bigint, rid text, event_type text, origin text) LANGUAGE plpgsql AS $$
  DECLARE _up_to bigint;
  BEGIN
    SELECT last_value INTO _up_to FROM change_seqs;
    IF _up_to <= _seq THEN RETURN; END IF;
    _up_to := last_change();
    RETURN QUERY SELECT c.seq, c.rid, c.event_type, c.origin FROM changes AS c
      WHERE c.seq > _seq AND c.seq <= _up_to ORDER BY c.seq LIMIT _limit;
  END $$;

  -- Kept as in core's change log: overtaken changes for 10,000 numbers, what is gone for seven days (looked for at every fiftieth number).
  CREATE FUNCTION prune_changes(_at bigint, _rids text[], _last bigint, _newest bigint) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    DELETE FROM changes WHERE rid = ANY (_rids) AND seq < _newest - 10000;
    IF _newest / 50 > _last / 50 THEN
      DELETE FROM changes WHERE seq IN (
        SELECT gone.seq FROM changes AS forgotten JOIN changes AS gone ON gone.rid = forgotten.rid AND gone.seq <= forgotten.seq
        WHERE forgotten.event_type = 'FORGET' AND forgotten.at < _at - 604800000
        ORDER BY forgotten.at LIMIT 500 FOR UPDATE OF gone SKIP LOCKED
      );
    END IF;
  END $$;

  CREATE FUNCTION append_change(_at bigint, _seq bigint, _rid text, _event text, _origin text) RETURNS void
  LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO changes VALUES (_seq, _rid, _event, _origin, _at);
    PERFORM prune_changes(_at, ARRAY[_rid], _seq - 1, _seq);
  END $$;

  CREATE FUNCTION is_of_network(_rid text) RETURNS boolean LANGUAGE sql AS $$
    SELECT starts_with(_rid, '${KOI_NET_NODE.name}:') OR starts_with(_rid, '${KOI_NET_EDGE.name}:')
  $$;

  -- Changes of nodes and edges come one after the other, and none while somebody looks whether there was one: those who follow
  -- this node from then on are told of all that is cached behind it.
  CREATE FUNCTION lock_network(_changes boolean) RETURNS void LANGUAGE sql AS $$
    SELECT CASE WHEN _changes THEN pg_advisory_xact_lock(hashtext(current_schema()), 2049)
      ELSE pg_advisory_xact_lock_shared(hashtext(current_schema()), 2049) END
  $$;

  CREATE FUNCTION change_cache(
    _now bigint, _rid text, _event text, _type text, _origin text, _manifest text, _contents text, _words tsvector,
    OUT seq bigint, OUT changed boolean, OUT previous_manifest text, OUT previous_contents text
  ) LANGUAGE plpgsql AS $$
  DECLARE _known_origin text; _network boolean := is_of_network(_rid);
  BEGIN
    IF _network THEN
      PERFORM lock_network(true);
    END IF;
    SELECT c.manifest, c.contents, c.origin INTO previous_manifest, previous_contents, _known_origin
      FROM cache AS c WHERE c.rid = _rid;
    changed := FOUND OR _event <> 'FORGET';
    IF NOT changed THEN
      SELECT last_value INTO seq FROM change_seqs;
      RETURN;
    END IF;
    seq := next_change();
    IF _network THEN
      UPDATE last_of_network SET seq = change_cache.seq;
    END IF;
    IF _event = 'FORGET' THEN
      DELETE FROM cache AS c WHERE c.rid = _rid;
      PERFORM append_change(now_ms(_now), seq, _rid, _event, _known_origin);
    ELSE
      INSERT INTO cache VALUES (_rid, _type, _origin, change_cache.seq, _manifest, _contents, _words)
        ON CONFLICT (rid) DO UPDATE SET origin = excluded.origin, seq = excluded.seq, manifest = excluded.manifest,
          contents = excluded.contents, words = excluded.words;
      PERFORM append_change(now_ms(_now), seq, _rid, _event, _origin);
    END IF;
  END $$;

  CREATE FUNCTION apply_change(
    _now bigint, _lane text, _owner text, _token bigint, _place bigint,
    _event text, _type text, _origin text, _manifest text, _contents text, _words tsvector,
    OUT seq bigint, OUT changed boolean, OUT previous_manifest text, OUT previous_contents text
  ) LANGUAGE plpgsql AS $$
  DECLARE _rid text;
  BEGIN
    SELECT head.rid INTO _rid FROM head_of_lane(_now, _lane, _owner, _token, _place, '{received}') AS head;
    SELECT c.* INTO seq, changed, previous_manifest, previous_contents
      FROM change_cache(_now, _rid, _event, _type, _origin, _manifest, _contents, _words) AS c;
    UPDATE inbox AS i SET phase = 'network', normalized_event_type = _event,
        previous_manifest = apply_change.previous_manifest, previous_contents = apply_change.previous_contents,
        manifest = CASE WHEN _manifest IS NULL OR i.manifest = _manifest THEN i.manifest ELSE _manifest END,
        contents = CASE WHEN _contents IS NULL OR i.contents = _contents THEN i.contents ELSE _contents END
      WHERE place = _place;
  END $$;

  -- settled: false where a node or an edge changed after _as_of; nothing is written then. more: whether the lane goes on; else it is given back.
  CREATE FUNCTION settle(
    _now bigint, _lane text, _owner text, _token bigint, _place bigint,
    _event text, _type text, _origin text, _manifest text, _contents text, _words tsvector,
    _targets text[], _inline boolean, _text text, _as_of bigint,
    OUT settled boolean, OUT changed boolean, OUT more boolean
  ) LANGUAGE plpgsql AS $$
  DECLARE _rid text;
  BEGIN
    PERFORM lock_lanes(ARRAY[_lane]);
    SELECT head.rid INTO _rid FROM head_of_lane(_now, _lane, _owner, _token, _place, '{received}') AS head;
    PERFORM lock_network(is_of_network(_rid));
    SELECT seq <= _as_of INTO settled FROM last_of_network;
    IF NOT settled THEN RETURN; END IF;
    SELECT c.changed INTO changed
      FROM change_cache(_now, _rid, _event, _type, _origin, _manifest, _contents, _words) AS c;
    PERFORM queue_change(_now, _rid, _event, _targets, _inline, _text);
    more := remove_head(_lane, _place);
    IF NOT more THEN
      DELETE FROM lanes WHERE lane = _lane;
    END IF;
  END $$;
`
