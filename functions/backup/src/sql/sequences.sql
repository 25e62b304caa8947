-- Every sequence that pg_dump writes the value of: identity columns' too, and an extension's own only when it has marked them.
SELECT format('%I.%I', n.nspname, c.relname) AS name
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind = 'S'
   AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
   AND (EXISTS (SELECT FROM pg_extension e WHERE c.oid = ANY (e.extconfig)) OR NOT EXISTS (
        SELECT FROM pg_depend d
         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
 ORDER BY c.oid
