-- Takes what there is to tell, the longest waiting first, and counts it as told: the outbox has it from here. No more than $2 different
-- errors in 24 hours; what is more waits. Unfit data, which strangers can make many kinds of, has half of that and goes last: it takes
-- no turn of a panic's. Workers side by side never take the same row.
--
-- $1 how many  $2 how many in 24 hours
WITH due AS (
    SELECT id FROM errors
     WHERE tell_since IS NOT NULL AND resolved_at IS NULL
       AND (kind <> 'invalid_data'
            OR (SELECT count(*) FROM errors WHERE kind = 'invalid_data' AND told_at > now() - interval '1 day') < $2::bigint / 2)
     ORDER BY kind = 'invalid_data', tell_since, id
     LIMIT greatest(0, least($1, $2 - (SELECT count(*) FROM errors WHERE told_at > now() - interval '1 day')))
       FOR UPDATE SKIP LOCKED
)
UPDATE errors e
   SET tell_since = NULL, told_at = now()
 WHERE e.id = ANY (ARRAY(SELECT id FROM due))
RETURNING e.fingerprint, e.kind, e.culprit, e.title, e.message, e.source, e.event_type, e.execution_id, e.correlation_id,
          e.first_seen, e.last_seen, e.count, e.last_release, e.regressions
