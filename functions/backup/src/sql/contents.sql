-- What is in this database beside what every new one has, and beside extensions: how many things, and the names of some.
WITH schemas AS (
    SELECT oid, nspname FROM pg_namespace
     WHERE nspname <> 'information_schema' AND nspname NOT LIKE 'pg\_%'
),
things AS (
    SELECT 'pg_namespace'::regclass AS class, oid, format('the schema %I', nspname) AS name FROM schemas WHERE nspname <> 'public'
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, format('%I.%I', s.nspname, relname)
      FROM pg_class c JOIN schemas s ON s.oid = relnamespace WHERE relkind NOT IN ('i', 'I')
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, format('the function %I.%I', s.nspname, proname)
      FROM pg_proc p JOIN schemas s ON s.oid = pronamespace
    UNION ALL
    SELECT 'pg_type'::regclass, t.oid, format('the type %I.%I', s.nspname, typname)
      FROM pg_type t JOIN schemas s ON s.oid = typnamespace WHERE typrelid = 0 AND typelem = 0
    UNION ALL
    SELECT 'pg_largeobject'::regclass, oid, format('the large object %s', oid) FROM pg_largeobject_metadata
),
own AS (
    SELECT name FROM things t
     WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = t.class AND d.objid = t.oid AND d.deptype = 'e')
)
SELECT count(*), (SELECT string_agg(name, ', ') FROM (SELECT name FROM own ORDER BY name LIMIT 3) AS first) FROM own
