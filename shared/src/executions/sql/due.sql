-- Takes a batch of what is due for this runner. Workers side by side never take the same row. An attempt is not counted
-- yet: `start.sql` does that, for each when its turn comes, so that a crash costs those nothing that had not begun.
--
-- The expression is that of the index executions_unfinished. The array keeps the plan a walk along the primary key,
-- whatever the statistics say.
--
-- $1 how many  $2 lease, ms
WITH due AS (
    SELECT id
      FROM executions
     WHERE status = 'failed' AND COALESCE(next_attempt_at, lease_until, finished_at) <= now()
     ORDER BY COALESCE(next_attempt_at, lease_until, finished_at)
     LIMIT $1
       FOR UPDATE SKIP LOCKED
)
UPDATE executions e
   SET status = 'processing', fence = e.fence + 1, started_at = NULL, next_attempt_at = NULL,
       lease_until = now() + $2 * interval '1 millisecond'
 WHERE e.id = ANY (ARRAY(SELECT id FROM due))
RETURNING e.id, e.fence, e.source, e.idempotency_key, e.event_type, e.schema_version, e.correlation_id, e.occurred_at,
          e.payload::text AS payload
