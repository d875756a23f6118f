/**
 * Format 1, the steps of the inbox: each one call, so that it costs one way to the server and back.
 *
 * Order of locks, the same in every step, so that no two steps wait for each other: the locks of all lanes that get or lose an arrival
 * (advisory, sorted; a lane is one of 1024 of them), the row of the lane whose lease is checked, the locks of the targets, rows.
 * `_now` is the caller's clock; NULL asks the server's, after the locks are had.
 */
export const INBOX_FUNCTIONS = `
  CREATE FUNCTION now_ms(_now bigint) RETURNS bigint LANGUAGE sql AS $$
    SELECT coalesce(_now, floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
  $$;

  CREATE FUNCTION lock_lanes(_lanes text[]) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE _lock int;
  BEGIN
    FOR _lock IN SELECT DISTINCT hashtext(lane) & 1023 FROM unnest(_lanes) AS lane WHERE lane IS NOT NULL ORDER BY 1 LOOP
      PERFORM pg_advisory_xact_lock(hashtext(current_schema()), _lock);
    END LOOP;
  END $$;

  -- Places are given under the locks of their lanes, for sequences commit out of order.
  CREATE FUNCTION append_arrivals(
    _now bigint, _rids text[], _lanes text[], _events text[], _sources text[], _manifests text[], _contents text[]
  ) RETURNS bigint[] LANGUAGE plpgsql AS $$
  DECLARE _places bigint[];
  BEGIN
    PERFORM lock_lanes(_lanes);
    SELECT coalesce(array_agg(nextval('places')), '{}') INTO _places FROM generate_series(1, cardinality(_rids));
    INSERT INTO inbox (place, lane, accepted_at, rid, event_type, source, manifest, contents)
      SELECT place, lane, now_ms(_now), rid, event_type, source, manifest, contents
      FROM unnest(_places, _lanes, _rids, _events, _sources, _manifests, _contents)
        AS arrival (place, lane, rid, event_type, source, manifest, contents);
    INSERT INTO lanes (lane, place)
      SELECT lane, min(place) FROM unnest(_lanes, _places) AS arrival (lane, place) GROUP BY lane ORDER BY lane
      ON CONFLICT (lane) DO UPDATE SET place = excluded.place, due_at = 0 WHERE lanes.place IS NULL;
    RETURN _places;
  END $$;

  -- The key has a lock like a lane: of two that come with it at once, the second one finds what the first one wrote.
  CREATE FUNCTION accept_arrivals(
    _now bigint, _key text, _until bigint,
    _rids text[], _lanes text[], _events text[], _sources text[], _manifests text[], _contents text[],
    OUT places bigint[], OUT repeated boolean
  ) LANGUAGE plpgsql AS $$
  DECLARE _known once_keys;
  BEGIN
    PERFORM lock_lanes(_lanes || _key);
    repeated := false;
    IF _key IS NOT NULL THEN
      SELECT * INTO _known FROM once_keys WHERE key = _key FOR UPDATE;
      IF FOUND AND _known.until > now_ms(_now) THEN
        places := _known.places;
        repeated := true;
        RETURN;
      END IF;
      DELETE FROM once_keys WHERE key IN (
        SELECT key FROM once_keys WHERE until <= now_ms(_now) AND key <> _key ORDER BY until LIMIT 100 FOR UPDATE SKIP LOCKED
      );
    END IF;
    places := append_arrivals(_now, _rids, _lanes, _events, _sources, _manifests, _contents);
    IF _key IS NOT NULL THEN
      INSERT INTO once_keys VALUES (_key, _until, accept_arrivals.places)
        ON CONFLICT (key) DO UPDATE SET until = excluded.until, places = excluded.places;
    END IF;
  END $$;

  -- The first arrivals are read by a statement of its own, after the lanes are had: what they are may just have changed.
  CREATE FUNCTION take_lanes(_now bigint, _owner text, _lease_ms bigint, _limit int)
  RETURNS TABLE (token bigint, arrival inbox) LANGUAGE plpgsql AS $$
  DECLARE _at bigint := now_ms(_now); _taken text[];
  BEGIN
    WITH free AS (
      SELECT lane FROM lanes WHERE place IS NOT NULL AND due_at <= _at AND expires_at <= _at
      ORDER BY place LIMIT _limit FOR UPDATE SKIP LOCKED
    ), taken AS (
      UPDATE lanes SET owner = _owner, token = nextval('tokens'), expires_at = _at + _lease_ms
        FROM free WHERE lanes.lane = free.lane RETURNING lanes.lane
    )
    SELECT array_agg(lane) INTO _taken FROM taken;
    IF _taken IS NULL THEN
      -- Lanes whose holder died after their last arrival was finished.
      DELETE FROM lanes WHERE lane IN (
        SELECT lane FROM lanes WHERE place IS NULL AND expires_at <= _at LIMIT 100 FOR UPDATE SKIP LOCKED
      );
      RETURN;
    END IF;
    RETURN QUERY SELECT lanes.token, inbox FROM lanes JOIN inbox ON inbox.place = lanes.place
      WHERE lanes.lane = ANY (_taken) ORDER BY lanes.place;
  END $$;

  -- KOI01: the lease is lost. Whoever passes holds the lane's row until the end of the transaction: nobody else can take the lane meanwhile.
  CREATE FUNCTION hold_lane(_now bigint, _lane text, _owner text, _token bigint) RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE _held lanes;
  BEGIN
    SELECT * INTO _held FROM lanes WHERE lane = _lane FOR UPDATE;
    IF NOT FOUND OR _held.owner IS DISTINCT FROM _owner OR _held.token <> _token OR _held.expires_at <= now_ms(_now) THEN
      RAISE EXCEPTION USING ERRCODE = 'KOI01',
        MESSAGE = format('The lane %s is no longer held by %s (token %s)', _lane, _owner, _token);
    END IF;
    RETURN _held.place;
  END $$;

  -- KOI02: the arrival is not the lane's first, or in another phase.
  CREATE FUNCTION head_of_lane(
    _now bigint, _lane text, _owner text, _token bigint, _place bigint, _phases text[], OUT rid text, OUT event_type text
  ) LANGUAGE plpgsql AS $$
  DECLARE _head inbox;
  BEGIN
    IF hold_lane(_now, _lane, _owner, _token) IS DISTINCT FROM _place THEN
      RAISE EXCEPTION USING ERRCODE = 'KOI02', MESSAGE = format('Arrival %s is not the first of the lane %s', _place, _lane);
    END IF;
    SELECT * INTO _head FROM inbox WHERE place = _place;
    IF NOT _head.phase = ANY (_phases) THEN
      RAISE EXCEPTION USING ERRCODE = 'KOI02',
        MESSAGE = format('Arrival %s is in phase %s, not %s', _place, _head.phase, array_to_string(_phases, ' or '));
    END IF;
    rid := _head.rid;
    event_type := _head.normalized_event_type;
  END $$;

  -- Whether the lane has a next one.
  CREATE FUNCTION remove_head(_lane text, _place bigint) RETURNS boolean LANGUAGE plpgsql AS $$
  DECLARE _next bigint;
  BEGIN
    DELETE FROM inbox WHERE place = _place;
    SELECT min(place) INTO _next FROM inbox WHERE lane = _lane;
    UPDATE lanes SET place = _next, due_at = 0 WHERE lane = _lane;
    RETURN _next IS NOT NULL;
  END $$;

  CREATE FUNCTION finish_arrival(_now bigint, _lane text, _owner text, _token bigint, _place bigint)
  RETURNS boolean LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM lock_lanes(ARRAY[_lane]);
    PERFORM head_of_lane(_now, _lane, _owner, _token, _place, '{received,network,final}');
    RETURN remove_head(_lane, _place);
  END $$;

  CREATE FUNCTION retry_later(
    _now bigint, _lane text, _owner text, _token bigint, _place bigint, _error text, _due_at bigint, _attempts int
  ) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM head_of_lane(_now, _lane, _owner, _token, _place, '{received,network,final}');
    UPDATE inbox SET attempts = attempts + _attempts, last_error = _error WHERE place = _place;
    UPDATE lanes SET due_at = _due_at WHERE lane = _lane;
  END $$;

  CREATE FUNCTION dead_letter(
    _now bigint, _lane text, _owner text, _token bigint, _place bigint, _error text, _targets text[], _inline boolean, _text text
  ) RETURNS boolean LANGUAGE plpgsql AS $$
  DECLARE _head record;
  BEGIN
    PERFORM lock_lanes(ARRAY[_lane]);
    _head := head_of_lane(
      _now, _lane, _owner, _token, _place,
      CASE WHEN cardinality(_targets) > 0 THEN '{network}' ELSE '{received,network,final}' END::text[]
    );
    PERFORM queue_change(_now, _head.rid, _head.event_type, _targets, _inline, _text);
    INSERT INTO dead_letters
      (place, rid, event_type, source, phase, attempts, accepted_at, failed_at, error, manifest, contents)
      SELECT place, rid, event_type, source, phase, attempts + 1, accepted_at, now_ms(_now), _error, manifest, contents
      FROM inbox WHERE place = _place;
    RETURN remove_head(_lane, _place);
  END $$;

  -- Whether the lane was held, and has work for others.
  CREATE FUNCTION release_lane(_lane text, _owner text, _token bigint) RETURNS boolean LANGUAGE plpgsql AS $$
  DECLARE _held lanes;
  BEGIN
    SELECT * INTO _held FROM lanes WHERE lane = _lane FOR UPDATE;
    IF NOT FOUND OR _held.owner IS DISTINCT FROM _owner OR _held.token <> _token THEN
      RETURN false;
    ELSIF _held.place IS NULL THEN
      DELETE FROM lanes WHERE lane = _lane;
      RETURN false;
    END IF;
    UPDATE lanes SET owner = NULL, expires_at = 0 WHERE lane = _lane;
    RETURN true;
  END $$;
`
