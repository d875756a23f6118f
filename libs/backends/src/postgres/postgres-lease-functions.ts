/**
 * Format 2, named leases. A row stays when its lease is given back, so that whoever waits for it gets a token behind all before it: tokens are drawn
 * with the row in hand.
 */
export const LEASE_FUNCTIONS = `
  CREATE TABLE named_leases (
    name text COLLATE "C" PRIMARY KEY, owner text NOT NULL, token bigint NOT NULL, expires_at bigint NOT NULL
  ) WITH (fillfactor = 50);

  -- The token; NULL where somebody else holds it.
  CREATE FUNCTION take_lease(_now bigint, _name text, _owner text, _lease_ms bigint) RETURNS bigint LANGUAGE sql AS $$
    INSERT INTO named_leases AS held VALUES (_name, _owner, nextval('tokens'), now_ms(_now) + _lease_ms)
      ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, expires_at = now_ms(_now) + _lease_ms,
        token = CASE WHEN held.owner = _owner AND held.expires_at > now_ms(_now) THEN held.token ELSE nextval('tokens') END
      WHERE held.owner = _owner OR held.expires_at <= now_ms(_now)
      RETURNING token
  $$;

  -- KOI01: the lease is lost. Whoever passes holds the row until the end of the transaction: it goes to nobody else meanwhile.
  CREATE FUNCTION hold_lease(_now bigint, _name text, _owner text, _token bigint) RETURNS void LANGUAGE plpgsql AS $$
  BEGIN
    PERFORM FROM named_leases
      WHERE name = _name AND owner = _owner AND token = _token AND expires_at > now_ms(_now) FOR SHARE;
    IF NOT FOUND THEN
      RAISE EXCEPTION USING ERRCODE = 'KOI01',
        MESSAGE = format('The lease %s is no longer held by %s (token %s)', _name, _owner, _token);
    END IF;
  END $$;

  -- Of a process that ends.
  CREATE FUNCTION give_back_2(_tokens bigint[]) RETURNS void LANGUAGE sql AS $$
    SELECT give_back(_tokens);
    UPDATE named_leases SET expires_at = 0 WHERE token = ANY (_tokens);
  $$;

  CREATE FUNCTION bring_forward_2(_now bigint) RETURNS void LANGUAGE sql AS $$
    SELECT bring_forward(_now);
    UPDATE named_leases SET expires_at = now_ms(_now) WHERE expires_at > now_ms(_now) + 3600000;
  $$;
`
