-- Which history of the database this is. A standby that takes over begins another: it may lack the last changes of the old
-- one and give their versions to others, so that what was known of the old one counts for nothing. Where a hosted database
-- hides it, it is always the same.
CREATE FUNCTION directory_timeline() RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint;
EXCEPTION WHEN OTHERS THEN
    RETURN 0;
END $$;
