-- A database that was restored belongs to solo_restorer, with everything in it. Whoever migrates it puts it into service:
-- its objects go to solo_owner, and it itself to the master user, as if it had been made by them.
--
-- REASSIGN OWNED also takes the role's other databases, which a restore or a drill may be at work in: they are given back
-- in the same transaction: those that were the restorer's before, and those that it made meanwhile and that went to solo_owner with the
-- others. One that was dropped meanwhile is no matter. Without a restored database nothing happens.
--
-- The backup's own run was under way when the snapshot was taken. Here it never ends, and would keep others from beginning.
-- And no job is late because the backup is old: they are watched from now on.
DO $$
DECLARE
    restorer CONSTANT oid := 'solo_restorer'::regrole;
    here CONSTANT oid := (SELECT oid FROM pg_database WHERE datname = current_database());
    others name[];
    other name;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_shdepend
                    WHERE refclassid = 'pg_authid'::regclass AND refobjid = restorer AND deptype = 'o'
                      AND (dbid = here OR (classid = 'pg_database'::regclass AND objid = here))) THEN
        RETURN;
    END IF;
    GRANT solo_owner, solo_restorer TO CURRENT_USER;
    SELECT array_agg(datname) INTO others FROM pg_database WHERE datdba = restorer AND oid <> here;
    REASSIGN OWNED BY solo_restorer TO solo_owner;
    -- solo_owner itself makes none.
    SELECT array_cat(others, array_agg(datname)) INTO others
      FROM pg_database
     WHERE datdba = 'solo_owner'::regrole AND oid <> here AND datname <> ALL (coalesce(others, '{}'));
    FOREACH other IN ARRAY coalesce(others, '{}') LOOP
        BEGIN
            EXECUTE format('ALTER DATABASE %I OWNER TO solo_restorer', other);
        EXCEPTION WHEN invalid_catalog_name THEN
            NULL;
        END;
    END LOOP;
    EXECUTE format('ALTER DATABASE %I OWNER TO CURRENT_USER', current_database());
    IF to_regclass('job_runs') IS NOT NULL THEN
        UPDATE job_runs
           SET outcome = 'failed', finished_at = now(), error = 'it was under way when the backup was made that this database is from'
         WHERE finished_at IS NULL;
    END IF;
    IF to_regclass('jobs') IS NOT NULL THEN
        UPDATE jobs SET watched_since = now();
    END IF;
    REVOKE solo_restorer FROM CURRENT_USER;
END $$
