/**
 * Format 2, many settlements in one step: what each of them writes is written for all at once, and they share a transaction. Of knowledge alone, whose
 * lane is its RID; nodes and edges go one by one (`settle`). Locks as in every step.
 */
export const SETTLE_FUNCTIONS = `
  -- done: settled; stale: a node or an edge changed after the item's _as_of; refused: the lease is lost, or the arrival is no head in phase
  -- received. Nothing is written of what is not done. more: whether the lane goes on; else it is given back.
  CREATE FUNCTION settle_lanes(
    _now bigint, _lanes text[], _owners text[], _tokens bigint[], _places bigint[], _as_ofs bigint[],
    _events text[], _types text[], _origins text[], _manifests text[], _contents text[], _words text[],
    _target_items int[], _targets text[]
  ) RETURNS TABLE (item int, outcome text, changed boolean, more boolean) LANGUAGE plpgsql AS $$
  DECLARE
    _at bigint; _network bigint; _last bigint; _newest bigint;
    _held int[]; _done int[]; _rids text[]; _known text[]; _known_origins text[]; _told text[]; _others text[]; _going_on text[];
  BEGIN
    PERFORM lock_lanes(_lanes);
    PERFORM FROM lanes WHERE lane = ANY (_lanes) ORDER BY lane FOR UPDATE;
    _at := now_ms(_now);
    SELECT coalesce(array_agg(wanted.item), '{}') INTO _held
      FROM unnest(_lanes, _owners, _tokens, _places) WITH ORDINALITY AS wanted (lane, owner, token, place, item)
      JOIN lanes USING (lane, owner, token, place) JOIN inbox USING (place)
      WHERE lanes.expires_at > _at AND inbox.phase = 'received';
    PERFORM lock_network(false);
    SELECT seq INTO _network FROM last_of_network;
    SELECT coalesce(array_agg(held), '{}'), coalesce(array_agg(_lanes[held]), '{}') INTO _done, _rids
      FROM unnest(_held) AS held WHERE _as_ofs[held] >= _network;

    SELECT array_agg(c.rid), array_agg(c.origin) INTO _known, _known_origins FROM cache AS c WHERE c.rid = ANY (_rids);
    -- The mark that the first of the numbers needs is below all of them.
    SELECT last_value INTO _last FROM change_seqs;
    PERFORM pg_advisory_xact_lock_shared(change_mark(_last));
    WITH numbered AS MATERIALIZED (
      SELECT done, nextval('change_seqs') AS seq FROM unnest(_done) AS done
      WHERE _events[done] <> 'FORGET' OR _lanes[done] = ANY (_known)
    ), logged AS (
      INSERT INTO changes (seq, rid, event_type, origin, at)
        SELECT seq, _lanes[done], _events[done],
          CASE WHEN _events[done] = 'FORGET' THEN _known_origins[array_position(_known, _lanes[done])] ELSE _origins[done] END, _at
        FROM numbered
    ), written AS (
      INSERT INTO cache
        SELECT _lanes[done], _types[done], _origins[done], seq, _manifests[done], _contents[done], _words[done]::tsvector
        FROM numbered WHERE _events[done] <> 'FORGET' ORDER BY _lanes[done]
        ON CONFLICT (rid) DO UPDATE SET origin = excluded.origin, seq = excluded.seq, manifest = excluded.manifest,
          contents = excluded.contents, words = excluded.words
    ), forgotten AS (
      DELETE FROM cache AS c USING numbered WHERE c.rid = _lanes[done] AND _events[done] = 'FORGET'
    )
    SELECT max(seq) INTO _newest FROM numbered;
    PERFORM prune_changes(_at, _rids, _last, _newest);

    SELECT array_agg(DISTINCT target) INTO _told
      FROM unnest(_target_items, _targets) AS wanted (item, target) WHERE wanted.item = ANY (_done);
    IF _told IS NOT NULL THEN
      _told := open_targets_2(_now, _told);
      SELECT array_agg(DISTINCT rid) INTO _others FROM outbox WHERE target = ANY (_told) AND rid = ANY (_rids) AND text IS NULL;
      INSERT INTO outbox (target, rid, event_type, fresh, queued_at)
        SELECT DISTINCT target, _lanes[wanted.item], _events[wanted.item], _events[wanted.item] = 'NEW', _at
        FROM unnest(_target_items, _targets) AS wanted (item, target) WHERE wanted.item = ANY (_done) AND target = ANY (_told);
      IF _others IS NOT NULL THEN
        PERFORM collapse_references(_told, _others, _at);
      END IF;
    END IF;

    DELETE FROM inbox USING unnest(_done) AS done WHERE inbox.place = _places[done];
    WITH heads AS (
      SELECT settled, (SELECT min(i.place) FROM inbox AS i WHERE i.lane = settled) AS place FROM unnest(_rids) AS settled
    ), moved AS (
      UPDATE lanes SET place = heads.place, due_at = 0 FROM heads WHERE lanes.lane = settled AND heads.place IS NOT NULL
    ), emptied AS (
      DELETE FROM lanes USING heads WHERE lanes.lane = settled AND heads.place IS NULL
    )
    SELECT array_agg(settled) INTO _going_on FROM heads WHERE place IS NOT NULL;

    RETURN QUERY SELECT wanted,
      CASE WHEN wanted = ANY (_done) THEN 'done' WHEN wanted = ANY (_held) THEN 'stale' ELSE 'refused' END,
      _events[wanted] <> 'FORGET' OR coalesce(_lanes[wanted] = ANY (_known), false),
      coalesce(_lanes[wanted] = ANY (_going_on), false)
      FROM generate_subscripts(_lanes, 1) AS wanted;
  END $$;
`
