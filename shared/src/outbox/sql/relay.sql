-- Takes due rows for the queue. They are not due again for a minute: the time to put them there and say so.
--
-- The platform's own (alerts) go first. Of the others, no more than the queue holds of them already fill it up to $3: what
-- waits in the table is neither taken for lost nor in the way of an alert.
--
-- $1 how many  $2 most relays  $3 most of them on the queue at once
WITH own AS (
    SELECT id FROM outbox
     WHERE relay_at <= now() AND execution_id IS NULL AND relays < $2
     ORDER BY relay_at LIMIT $1 FOR UPDATE SKIP LOCKED
),
due AS (
    SELECT id FROM outbox
     WHERE relay_at <= now() AND execution_id IS NOT NULL AND relays < $2
     ORDER BY relay_at
     LIMIT greatest(0, least($1, $3 - (SELECT count(*) FROM outbox WHERE status IN ('sent', 'failed'))))
       FOR UPDATE SKIP LOCKED
)
UPDATE outbox o
   SET relay_at = now() + interval '1 minute'
 WHERE o.id = ANY (ARRAY(SELECT id FROM own)) OR o.id = ANY (ARRAY(SELECT id FROM due))
RETURNING o.id, o.effect, o.idempotency_key, o.correlation_id, o.trace_parent
