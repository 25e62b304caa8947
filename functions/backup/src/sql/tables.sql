-- What pg_dump writes the data of (src/bin/pg_dump/pg_dump.c: getTables, processExtensionTables), and what is counted of it:
-- ordinary tables, partitions, materialized views. Of an extension's own tables, those that it has marked as configuration, under
-- its condition. Not foreign tables: a dump has no data of them.
WITH RECURSIVE configured AS (
    SELECT c.oid, c.condition
      FROM pg_extension e, unnest(e.extconfig, e.extcondition) AS c (oid, condition)
),
-- Hash partitions by an enum: an enum's hash differs from one database to the next, so pg_dump has their rows distributed anew.
-- They are counted as one, under the name of their root.
redistributed AS (
    SELECT partrelid AS oid FROM pg_partitioned_table
     WHERE partstrat = 'h' AND EXISTS (
        SELECT FROM pg_opclass o JOIN pg_am a ON a.oid = o.opcmethod
         WHERE o.oid = ANY (partclass) AND o.opcname = 'enum_ops' AND a.amname = 'hash'
           AND o.opcnamespace = 'pg_catalog'::regnamespace)
    UNION
    SELECT i.inhrelid FROM redistributed r JOIN pg_inherits i ON i.inhparent = r.oid
),
roots AS (
    SELECT r.oid, ancestor.relid AS root
      FROM redistributed r, pg_partition_ancestors(r.oid) AS ancestor
     WHERE NOT (SELECT relispartition FROM pg_class WHERE oid = ancestor.relid)
)
SELECT format('%I.%I', n.nspname, c.relname) AS name,
       COALESCE((SELECT format('%I.%I', rn.nspname, rc.relname) FROM roots r
                   JOIN pg_class rc ON rc.oid = r.root JOIN pg_namespace rn ON rn.oid = rc.relnamespace
                  WHERE r.oid = c.oid), format('%I.%I', n.nspname, c.relname)) AS counted_as,
       c.relkind = 'm' AS is_view,
       c.relispopulated AS is_populated,
       (SELECT condition FROM configured WHERE configured.oid = c.oid) AS condition,
       COALESCE((
           -- A type's hash where equal hashes mean equal values, in every database. Its text elsewhere: hashes of enums, reg* and
           -- what is made of them depend on numbers that a restore gives anew; an interval's takes a month for 30 days; json,
           -- xml and geometry have none. Generated columns follow from the others, and no dump has them.
           SELECT array_agg(CASE
                      WHEN a.atttypid = ANY ('{bool,"char",int2,int4,int8,oid,float4,float8,numeric,date,time,timetz,timestamp,'
                                             'timestamptz,uuid,bytea,jsonb,inet,cidr,macaddr,macaddr8,name,pg_lsn}'::regtype[])
                      THEN format('t.%I', a.attname)
                      WHEN a.atttypid = ANY ('{text,varchar}'::regtype[]) THEN format('t.%I COLLATE "C"', a.attname)
                      ELSE format('t.%I::text COLLATE "C"', a.attname) END ORDER BY a.attname COLLATE "C")
             FROM pg_attribute a
            WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''), '{}') AS columns
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'm')
   AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema'
   AND (c.oid IN (SELECT oid FROM configured) OR NOT EXISTS (
        SELECT FROM pg_depend d
         WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e'))
 ORDER BY c.relpages DESC, c.oid
