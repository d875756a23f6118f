/**
 * Format 2, bounded backlogs: texts collapse as well (`outbox-tables.ts` of core says how), and targets lapse. The release before goes on queueing
 * texts one by one, and for lapsed targets too; whoever is of this release collapses and delivers those.
 */
export const BACKLOG_FUNCTIONS = `
  CREATE INDEX outbox_texts ON outbox (target, rid, id) WHERE text IS NOT NULL;
  -- resumed: a lapsed target was reached again; events are queued for it, and the state of today is on its way.
  ALTER TABLE outbox_targets ADD COLUMN lapsed_at bigint, ADD COLUMN resumed boolean NOT NULL DEFAULT false;
  CREATE INDEX outbox_targets_lapsed ON outbox_targets (target) WHERE lapsed_at IS NOT NULL;

  -- Those of the targets that events are queued for.
  CREATE FUNCTION open_targets_2(_now bigint, _targets text[]) RETURNS text[] LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM open_targets(_now, _targets);
    RETURN (
      SELECT coalesce(array_agg(target), '{}') FROM outbox_targets
      WHERE target = ANY (_targets) AND (lapsed_at IS NULL OR resumed)
    );
  END $$;

  -- Two may send about one RID at once: the rows are locked in one order first. _at: as in collapse_references.
  CREATE FUNCTION collapse_texts(_targets text[], _rids text[], _at bigint) RETURNS void LANGUAGE sql AS $$
    SELECT FROM outbox WHERE target = ANY (_targets) AND rid = ANY (_rids) AND text IS NOT NULL ORDER BY id FOR UPDATE;
    WITH queued AS (
      SELECT id, target, rid, event_type, queued_at,
        id <= coalesce(max(id) FILTER (WHERE event_type = 'FORGET') OVER (PARTITION BY target, rid), 0) AS forgets
      FROM outbox JOIN outbox_targets AS state USING (target)
      WHERE target = ANY (_targets) AND rid = ANY (_rids) AND text IS NOT NULL AND event_type IS NOT NULL
        AND id > CASE WHEN state.expires_at > _at THEN state.up_to ELSE 0 END
    ), merged AS (
      SELECT id, forgets, id = CASE WHEN forgets THEN max(id) OVER part ELSE min(id) OVER part END AS stays,
        max(id) OVER part AS last, bool_or(event_type = 'NEW') OVER part AS is_new, min(queued_at) OVER part AS queued_at
      FROM queued WINDOW part AS (PARTITION BY target, rid, forgets)
    ), gone AS (
      DELETE FROM outbox USING merged WHERE outbox.id = merged.id AND NOT stays
    )
    UPDATE outbox SET queued_at = merged.queued_at,
        event_type = CASE WHEN forgets THEN 'FORGET' WHEN is_new THEN 'NEW' ELSE 'UPDATE' END,
        text = CASE WHEN is_new AND NOT forgets
          THEN regexp_replace(latest.text, ',"event_type":"UPDATE"', ',"event_type":"NEW"') ELSE latest.text END
      FROM merged JOIN outbox AS latest ON latest.id = merged.last
      WHERE outbox.id = merged.id AND stays AND (outbox.id <> last OR outbox.queued_at <> merged.queued_at)
  $$;

  CREATE FUNCTION queue_change_2(_now bigint, _rid text, _event text, _targets text[], _inline boolean, _text text)
  RETURNS void LANGUAGE plpgsql AS $$
  DECLARE _open text[]; _others boolean;
  BEGIN
    IF cardinality(_targets) = 0 OR _event IS NULL OR (_inline AND _text IS NULL) THEN RETURN; END IF;
    _open := open_targets_2(_now, _targets);
    _others := EXISTS (SELECT FROM outbox WHERE target = ANY (_open) AND rid = _rid AND (text IS NOT NULL) = _inline);
    INSERT INTO outbox (target, rid, event_type, fresh, queued_at, text)
      SELECT wanted, _rid, _event, _event = 'NEW', now_ms(_now), CASE WHEN _inline THEN _text END
      FROM unnest(_open) AS wanted;
    IF NOT _others THEN
      RETURN;
    ELSIF _inline THEN
      PERFORM collapse_texts(_open, ARRAY[_rid], now_ms(_now));
    ELSE
      PERFORM collapse_references(_open, ARRAY[_rid], now_ms(_now));
    END IF;
  END $$;

  CREATE FUNCTION queue_texts_2(_now bigint, _targets text[], _rids text[], _events text[], _texts text[])
  RETURNS void LANGUAGE plpgsql AS $$
  DECLARE _open text[] := open_targets_2(_now, _targets);
  BEGIN
    INSERT INTO outbox (target, rid, event_type, fresh, queued_at, text)
      SELECT target, rid, event_type, false, now_ms(_now), text
      FROM unnest(_targets, _rids, _events, _texts) WITH ORDINALITY AS send (target, rid, event_type, text, number)
      WHERE target = ANY (_open) ORDER BY number;
    PERFORM collapse_texts(_open, _rids, now_ms(_now));
  END $$;

  CREATE FUNCTION announce_2(
    _now bigint, _lane text, _owner text, _token bigint, _place bigint, _targets text[], _inline boolean, _text text
  ) RETURNS void LANGUAGE plpgsql AS $$
  DECLARE _head record;
  BEGIN
    _head := head_of_lane(_now, _lane, _owner, _token, _place, '{network}');
    PERFORM queue_change_2(_now, _head.rid, _head.event_type, _targets, _inline, _text);
    UPDATE inbox SET phase = 'final' WHERE place = _place;
  END $$;

  -- As \`settle\` of format 1, with queue_change_2.
  CREATE FUNCTION settle_2(
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
    PERFORM queue_change_2(_now, _rid, _event, _targets, _inline, _text);
    more := remove_head(_lane, _place);
    IF NOT more THEN
      DELETE FROM lanes WHERE lane = _lane;
    END IF;
  END $$;

  CREATE FUNCTION deliveries_failed_2(
    _now bigint, _target text, _owner text, _token bigint, _rids text[], _error text, _due_at bigint
  ) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM deliveries_failed(_now, _target, _owner, _token, _rids, _error, _due_at);
    PERFORM collapse_texts(ARRAY[_target], _rids, NULL);
  END $$;

  CREATE FUNCTION drop_deliveries_2(_now bigint, _target text) RETURNS int LANGUAGE plpgsql AS $$
  DECLARE _dropped int := drop_deliveries(_now, _target);
  BEGIN
    UPDATE outbox_targets SET lapsed_at = NULL, resumed = false WHERE target = _target;
    RETURN _dropped;
  END $$;

  -- NULL: nothing is that old, or a batch is under way.
  CREATE FUNCTION lapse_deliveries(_now bigint, _target text, _before bigint) RETURNS int LANGUAGE plpgsql AS $$
  DECLARE _dropped int;
  BEGIN
    PERFORM close_target(_target);
    IF EXISTS (SELECT FROM outbox_targets WHERE target = _target AND expires_at > now_ms(_now))
      OR NOT EXISTS (SELECT FROM outbox WHERE target = _target AND queued_at <= _before) THEN
      RETURN NULL;
    END IF;
    DELETE FROM outbox WHERE target = _target;
    GET DIAGNOSTICS _dropped = ROW_COUNT;
    UPDATE outbox_targets SET lapsed_at = now_ms(_now), resumed = false WHERE target = _target;
    RETURN _dropped;
  END $$;

  -- Alone with the target: whoever queues a change after this queues it for the target too; what was passed over before is cached by now.
  CREATE FUNCTION resume_deliveries(_now bigint, _target text) RETURNS boolean LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM close_target(_target);
    UPDATE outbox_targets SET resumed = true, due_at = now_ms(_now), failures = 0, last_error = NULL
      WHERE target = _target AND lapsed_at IS NOT NULL AND NOT resumed;
    RETURN FOUND;
  END $$;

  -- Whether the target is one that was resumed; it stays so until the end of the transaction.
  CREATE FUNCTION hold_resumed(_target text) RETURNS boolean LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM pg_advisory_xact_lock_shared(hashtext(current_schema()), 1024 + (hashtext(_target) & 1023));
    RETURN EXISTS (SELECT FROM outbox_targets WHERE target = _target AND lapsed_at IS NOT NULL AND resumed);
  END $$;

  CREATE FUNCTION queue_state(_now bigint, _target text, _rids text[], _events text[]) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    INSERT INTO outbox (target, rid, event_type, fresh, queued_at)
      SELECT _target, rid, event_type, false, now_ms(_now)
      FROM unnest(_rids, _events) WITH ORDINALITY AS reference (rid, event_type, number)
      WHERE NOT EXISTS (SELECT FROM cache WHERE cache.rid = reference.rid AND origin = _target) ORDER BY number;
    PERFORM collapse_references(ARRAY[_target], _rids, now_ms(_now));
  END $$;
`
