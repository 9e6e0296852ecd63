-- What the servers' directories in memory are kept by. Each transaction that changes where a number leads takes the next
-- version and leaves the number here; whoever knows everything up to a version reads what has a higher one.
CREATE TABLE directory_version (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    -- Which database this is: what was known of another counts for nothing.
    era uuid NOT NULL DEFAULT gen_random_uuid(),
    version bigint NOT NULL
);
INSERT INTO directory_version (version) VALUES (1);

-- The last change of each rented number; the empty text stands for the switches that stop spending.
CREATE TABLE directory_changes (
    e164 text PRIMARY KEY,
    version bigint NOT NULL
);
CREATE INDEX directory_changes_version ON directory_changes (version, e164);

-- Who routes calls by a directory of their own, and up to which version they know it for good. A revoke is confirmed once
-- every one of them knows it.
CREATE TABLE servers (
    id uuid PRIMARY KEY,
    name text NOT NULL CHECK (length(name) <= 80),
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    version bigint NOT NULL
);

CREATE FUNCTION directory_tell() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Without a payload, so that a transaction tells once however much it changed.
    PERFORM pg_notify('directory', '');
END $$;

CREATE FUNCTION directory_change(numbers text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    mine bigint := nullif(current_setting('maskline.directory_version', true), '')::bigint;
BEGIN
    IF mine IS NULL THEN
        UPDATE directory_version SET version = version + 1 RETURNING version INTO mine;
        PERFORM set_config('maskline.directory_version', mine::text, true);
        PERFORM directory_tell();
    END IF;
    INSERT INTO directory_changes (e164, version)
        SELECT DISTINCT n.e164, mine FROM unnest(numbers) AS n (e164) WHERE n.e164 IS NOT NULL
        ON CONFLICT (e164) DO UPDATE SET version = excluded.version;
END $$;

CREATE FUNCTION directory_of_masks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM directory_change(CASE TG_OP
        WHEN 'INSERT' THEN ARRAY[NEW.e164]
        WHEN 'DELETE' THEN ARRAY[OLD.e164]
        ELSE ARRAY[OLD.e164, NEW.e164] END);
    RETURN NULL;
END $$;

CREATE FUNCTION directory_of_numbers() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM directory_change(ARRAY(SELECT e164 FROM masks WHERE number_id = OLD.id AND e164 IS NOT NULL));
    RETURN NULL;
END $$;

CREATE FUNCTION directory_of_stops() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM directory_change(ARRAY['']);
    RETURN NULL;
END $$;

-- At the end of the transaction, when it waits for nothing else any more: whoever takes a version holds up all others who
-- would, until it commits, so that versions become visible in their order.
CREATE CONSTRAINT TRIGGER directory_of_masks
    AFTER INSERT OR DELETE OR UPDATE OF e164, state, number_id, user_id, country ON masks
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION directory_of_masks();
CREATE CONSTRAINT TRIGGER directory_of_numbers
    AFTER DELETE OR UPDATE OF sealed, verified_at ON numbers
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION directory_of_numbers();
CREATE CONSTRAINT TRIGGER directory_of_stops
    AFTER INSERT OR DELETE OR UPDATE ON spending_stops
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION directory_of_stops();

-- Servers tell each other of calls by these: the order in which records were written, and by which server.
CREATE SEQUENCE calls_recorded;
ALTER TABLE calls ADD COLUMN recorded bigint NOT NULL DEFAULT nextval('calls_recorded');
ALTER TABLE calls ADD COLUMN server uuid;
CREATE INDEX calls_recorded_order ON calls (recorded);
