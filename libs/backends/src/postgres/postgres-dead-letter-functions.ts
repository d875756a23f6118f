/**
 * Format 2, histories of attempts, and dead letters that can go on where they failed. What the release before makes one has no history, and goes on
 * from the beginning: what its phases need was not kept.
 */
export const DEAD_LETTER_FUNCTIONS = `
  ALTER TABLE inbox ADD COLUMN history jsonb NOT NULL DEFAULT '[]', ADD COLUMN replayed boolean NOT NULL DEFAULT false;
  ALTER TABLE dead_letters ADD COLUMN history jsonb NOT NULL DEFAULT '[]', ADD COLUMN normalized_event_type text,
    ADD COLUMN previous_manifest text, ADD COLUMN previous_contents text;

  -- Bounded as in core's \`withAttempt\`.
  CREATE FUNCTION with_attempt(_now bigint, _history jsonb, _error text) RETURNS jsonb LANGUAGE sql AS $$
    SELECT CASE WHEN jsonb_array_length(_history) >= 10 THEN _history - 0 ELSE _history END
      || jsonb_build_object('at', now_ms(_now), 'error', left(_error, 2000))
  $$;

  CREATE FUNCTION retry_later_2(
    _now bigint, _lane text, _owner text, _token bigint, _place bigint, _error text, _due_at bigint, _attempts int
  ) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM retry_later(_now, _lane, _owner, _token, _place, _error, _due_at, _attempts);
    IF _attempts > 0 THEN
      UPDATE inbox SET history = with_attempt(_now, history, _error) WHERE place = _place;
    END IF;
  END $$;

  CREATE FUNCTION dead_letter_2(
    _now bigint, _lane text, _owner text, _token bigint, _place bigint, _error text, _targets text[], _inline boolean, _text text
  ) RETURNS boolean LANGUAGE plpgsql AS $$
  DECLARE _head record;
  BEGIN
    PERFORM lock_lanes(ARRAY[_lane]);
    _head := head_of_lane(
      _now, _lane, _owner, _token, _place,
      CASE WHEN cardinality(_targets) > 0 THEN '{network}' ELSE '{received,network,final}' END::text[]
    );
    PERFORM queue_change_2(_now, _head.rid, _head.event_type, _targets, _inline, _text);
    INSERT INTO dead_letters
      (place, rid, event_type, source, phase, attempts, accepted_at, failed_at, error, manifest, contents,
       history, normalized_event_type, previous_manifest, previous_contents)
      SELECT place, rid, event_type, source, phase, attempts + 1, accepted_at, now_ms(_now), _error, manifest, contents,
        with_attempt(_now, history, _error), normalized_event_type, previous_manifest, previous_contents
      FROM inbox WHERE place = _place;
    RETURN remove_head(_lane, _place);
  END $$;

  -- Its new place; NULL where there is no such letter.
  CREATE FUNCTION replay_dead_letter(_now bigint, _place bigint, _lane text) RETURNS bigint LANGUAGE plpgsql AS $$
  DECLARE _letter dead_letters; _replayed bigint;
  BEGIN
    PERFORM lock_lanes(ARRAY[_lane]);
    DELETE FROM dead_letters WHERE place = _place RETURNING * INTO _letter;
    IF NOT FOUND THEN
      RETURN NULL;
    END IF;
    _replayed := (append_arrivals(_now, ARRAY[_letter.rid], ARRAY[_lane], ARRAY[_letter.event_type], ARRAY[_letter.source],
      ARRAY[_letter.manifest], ARRAY[_letter.contents]))[1];
    UPDATE inbox SET replayed = true,
        phase = CASE WHEN _letter.normalized_event_type IS NULL THEN 'received' ELSE _letter.phase END,
        normalized_event_type = _letter.normalized_event_type,
        previous_manifest = _letter.previous_manifest, previous_contents = _letter.previous_contents
      WHERE place = _replayed;
    RETURN _replayed;
  END $$;
`
