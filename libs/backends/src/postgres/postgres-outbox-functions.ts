/**
 * Format 1, the outbox. References collapse as in core's outbox (`outbox-tables.ts` says how). Those who queue for a target share its lock;
 * whoever takes a batch, collapses all of it or drops it has it alone, so that what is sent and what collapses are never the same rows.
 */
export const OUTBOX_FUNCTIONS = `
  CREATE FUNCTION open_targets(_now bigint, _targets text[]) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE _lock int;
  BEGIN
    FOR _lock IN SELECT DISTINCT 1024 + (hashtext(target) & 1023) FROM unnest(_targets) AS target ORDER BY 1 LOOP
      PERFORM pg_advisory_xact_lock_shared(hashtext(current_schema()), _lock);
    END LOOP;
    INSERT INTO outbox_targets (target, due_at)
      SELECT DISTINCT wanted, now_ms(_now) FROM unnest(_targets) AS wanted
      WHERE NOT EXISTS (SELECT FROM outbox_targets WHERE target = wanted) ORDER BY wanted
      ON CONFLICT (target) DO NOTHING;
  END $$;

  CREATE FUNCTION close_target(_target text) RETURNS void LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtext(current_schema()), 1024 + (hashtext(_target) & 1023))
  $$;

  -- Parts: all of the references to an RID; or those up to the last FORGET, and those behind it. Of each the last row stays.
  -- What is in a batch that is under way at the time _at stays out of this; without a time, nothing does.
  CREATE FUNCTION collapse_references(_targets text[], _rids text[], _at bigint) RETURNS void LANGUAGE sql AS $$
    WITH queued AS (
      SELECT id, target, rid, event_type, fresh, queued_at, first_value(fresh) OVER forward AS begins_fresh,
        first_value(event_type) OVER backward AS last_type,
        coalesce(max(id) FILTER (WHERE event_type = 'FORGET') OVER whole, 0) AS last_forget
      FROM outbox JOIN outbox_targets AS state USING (target)
      WHERE target = ANY (_targets) AND rid = ANY (_rids) AND text IS NULL
        AND id > CASE WHEN state.expires_at > _at THEN state.up_to ELSE 0 END
      WINDOW whole AS (PARTITION BY target, rid), forward AS (whole ORDER BY id), backward AS (whole ORDER BY id DESC)
    ), parted AS (
      SELECT *, CASE WHEN begins_fresh OR last_type = 'FORGET' THEN 0 WHEN id <= last_forget THEN 1 ELSE 2 END AS part FROM queued
    ), merged AS (
      SELECT id, first_value(fresh) OVER forward AS fresh, first_value(fresh OR event_type = 'NEW') OVER forward AS is_new,
        first_value(queued_at) OVER forward AS queued_at,
        row_number() OVER (whole ORDER BY id DESC) AS from_end, count(*) OVER whole AS number
      FROM parted WINDOW whole AS (PARTITION BY target, rid, part), forward AS (whole ORDER BY id)
    ), gone AS (
      DELETE FROM outbox USING merged WHERE outbox.id = merged.id AND from_end > 1
    )
    UPDATE outbox SET fresh = merged.fresh, queued_at = merged.queued_at,
        event_type = CASE WHEN event_type = 'FORGET' THEN 'FORGET' WHEN is_new THEN 'NEW' ELSE 'UPDATE' END
      FROM merged WHERE outbox.id = merged.id AND from_end = 1 AND number > 1
  $$;

  -- _inline: the event goes out as _text, or not at all when there is none.
  CREATE FUNCTION queue_change(_now bigint, _rid text, _event text, _targets text[], _inline boolean, _text text)
  RETURNS void LANGUAGE plpgsql AS $$
  DECLARE _others boolean;
  BEGIN
    IF cardinality(_targets) = 0 OR _event IS NULL OR (_inline AND _text IS NULL) THEN RETURN; END IF;
    PERFORM open_targets(_now, _targets);
    IF _inline THEN
      INSERT INTO outbox (target, rid, event_type, fresh, queued_at, text)
        SELECT DISTINCT wanted, _rid, _event, _event = 'NEW', now_ms(_now), _text FROM unnest(_targets) AS wanted;
      RETURN;
    END IF;
    _others := EXISTS (SELECT FROM outbox WHERE target = ANY (_targets) AND rid = _rid AND text IS NULL);
    INSERT INTO outbox (target, rid, event_type, fresh, queued_at)
      SELECT DISTINCT wanted, _rid, _event, _event = 'NEW', now_ms(_now) FROM unnest(_targets) AS wanted;
    IF _others THEN
      PERFORM collapse_references(_targets, ARRAY[_rid], now_ms(_now));
    END IF;
  END $$;

  CREATE FUNCTION queue_texts(_now bigint, _targets text[], _rids text[], _texts text[]) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM open_targets(_now, _targets);
    INSERT INTO outbox (target, rid, fresh, queued_at, text)
      SELECT target, rid, false, now_ms(_now), text FROM unnest(_targets, _rids, _texts) AS send (target, rid, text);
  END $$;

  CREATE FUNCTION announce(
    _now bigint, _lane text, _owner text, _token bigint, _place bigint, _targets text[], _inline boolean, _text text
  ) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE _head record;
  BEGIN
    _head := head_of_lane(_now, _lane, _owner, _token, _place, '{network}');
    PERFORM queue_change(_now, _head.rid, _head.event_type, _targets, _inline, _text);
    UPDATE inbox SET phase = 'final' WHERE place = _place;
  END $$;

  -- KOI01: the lease is lost.
  CREATE FUNCTION give_target_back(_now bigint, _target text, _owner text, _token bigint) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE _held outbox_targets;
  BEGIN
    SELECT * INTO _held FROM outbox_targets WHERE target = _target FOR UPDATE;
    IF NOT FOUND OR _held.owner IS DISTINCT FROM _owner OR _held.token <> _token OR _held.expires_at <= now_ms(_now) THEN
      RAISE EXCEPTION USING ERRCODE = 'KOI01',
        MESSAGE = format('Deliveries to %s are no longer held by %s (token %s)', _target, _owner, _token);
    END IF;
    UPDATE outbox_targets SET owner = NULL, expires_at = 0, up_to = 0 WHERE target = _target;
  END $$;

  -- Whether more is queued.
  CREATE FUNCTION deliveries_done(_now bigint, _target text, _owner text, _token bigint, _rows bigint[])
  RETURNS boolean LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM give_target_back(_now, _target, _owner, _token);
    DELETE FROM outbox WHERE target = _target AND id = ANY (_rows);
    UPDATE outbox_targets SET due_at = now_ms(_now), failures = 0, last_error = NULL WHERE target = _target;
    RETURN EXISTS (SELECT FROM outbox WHERE target = _target);
  END $$;

  CREATE FUNCTION deliveries_failed(
    _now bigint, _target text, _owner text, _token bigint, _rids text[], _error text, _due_at bigint
  ) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM close_target(_target);
    PERFORM give_target_back(_now, _target, _owner, _token);
    PERFORM collapse_references(ARRAY[_target], _rids, NULL);
    UPDATE outbox_targets SET due_at = _due_at, failures = failures + 1, last_error = _error WHERE target = _target;
  END $$;

  -- A batch that is under way may still be given back.
  CREATE FUNCTION drop_deliveries(_now bigint, _target text) RETURNS int LANGUAGE plpgsql AS $$
  DECLARE _dropped int;
  BEGIN
    PERFORM close_target(_target);
    DELETE FROM outbox WHERE target = _target;
    GET DIAGNOSTICS _dropped = ROW_COUNT;
    DELETE FROM outbox_targets WHERE target = _target AND expires_at <= now_ms(_now);
    UPDATE outbox_targets SET failures = 0, last_error = NULL WHERE target = _target;
    RETURN _dropped;
  END $$;

  -- What would wait for longer than an hour was to wait by a clock that has been set back since.
  CREATE FUNCTION bring_forward(_now bigint) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE _at bigint := now_ms(_now);
  BEGIN
    UPDATE lanes SET due_at = _at WHERE due_at > _at + 3600000;
    UPDATE lanes SET expires_at = _at WHERE expires_at > _at + 3600000;
    UPDATE outbox_targets SET due_at = _at WHERE due_at > _at + 3600000;
    UPDATE outbox_targets SET expires_at = _at WHERE expires_at > _at + 3600000;
  END $$;

  -- Leases of lanes and of deliveries, of a process that ends.
  CREATE FUNCTION give_back(_tokens bigint[]) RETURNS void LANGUAGE sql AS $$
    UPDATE lanes SET owner = NULL, expires_at = 0 WHERE token = ANY (_tokens);
    UPDATE outbox_targets SET owner = NULL, expires_at = 0, up_to = 0 WHERE token = ANY (_tokens);
  $$;
`
