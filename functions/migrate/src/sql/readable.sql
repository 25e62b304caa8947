-- What solo_owner has, solo_reader may read. Not by default privileges: those are part of a dump, and only a superuser or a
-- member of solo_owner could restore them.
DO $$
DECLARE
    granting text;
BEGIN
    FOR granting IN
        SELECT format('GRANT USAGE ON SCHEMA %I TO solo_reader', nspname)
          FROM pg_namespace
         WHERE nspowner = 'solo_owner'::regrole AND NOT has_schema_privilege('solo_reader', oid, 'USAGE')
        UNION ALL
        SELECT format('GRANT SELECT ON %s %s TO solo_reader', CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END, oid::regclass)
          FROM pg_class
         WHERE relowner = 'solo_owner'::regrole AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relpersistence <> 't'
           AND NOT CASE relkind WHEN 'S' THEN has_sequence_privilege('solo_reader', oid, 'SELECT')
                                ELSE has_table_privilege('solo_reader', oid, 'SELECT') END
        UNION ALL
        SELECT format('GRANT SELECT ON LARGE OBJECT %s TO solo_reader', oid)
          FROM pg_largeobject_metadata
         WHERE lomowner = 'solo_owner'::regrole
           AND NOT EXISTS (SELECT FROM aclexplode(lomacl) WHERE grantee = 'solo_reader'::regrole AND privilege_type = 'SELECT')
    LOOP
        EXECUTE granting;
    END LOOP;
END $$
