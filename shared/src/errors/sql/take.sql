-- Takes what there is to tell, the longest waiting first, and counts it as told: the outbox has it from here. No more than $2 different
-- errors in 24 hours; what is more waits. Unfit data, of which strangers can make many kinds, has half of that, and its turn comes last.
-- Workers side by side never take the same row.
--
-- $1 how many  $2 how many in 24 hours
WITH told AS MATERIALIZED (
    SELECT count(*) AS count, count(*) FILTER (WHERE kind = 'invalid_data') AS unfit
      FROM errors
     WHERE told_at > now() - interval '1 day'
),
picked AS (
    SELECT id
      FROM ((SELECT id, tell_since, false AS unfit
               FROM errors
              WHERE tell_since IS NOT NULL AND resolved_at IS NULL AND kind <> 'invalid_data'
              ORDER BY tell_since, id
              LIMIT $1::bigint)
            UNION ALL
            (SELECT id, tell_since, true
               FROM errors
              WHERE tell_since IS NOT NULL AND resolved_at IS NULL AND kind = 'invalid_data'
              ORDER BY tell_since, id
              LIMIT (SELECT greatest(0, $2::bigint / 2 - unfit) FROM told))) AS waiting
     ORDER BY unfit, tell_since, id
     LIMIT (SELECT greatest(0, least($1::bigint, $2::bigint - count)) FROM told)
),
due AS (
    SELECT id FROM errors
     WHERE id = ANY (ARRAY(SELECT id FROM picked)) AND tell_since IS NOT NULL
       FOR UPDATE SKIP LOCKED
)
UPDATE errors e
   SET tell_since = NULL, told_at = now()
 WHERE e.id = ANY (ARRAY(SELECT id FROM due))
RETURNING e.fingerprint, e.kind, e.culprit, e.title, e.message, e.source, e.event_type, e.execution_id, e.correlation_id,
          e.first_seen, e.last_seen, e.count, e.last_release, e.regressions
