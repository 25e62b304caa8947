-- Rows that were put on the queue too often without a word of them.
--
-- $1 how many  $2 most relays
WITH lost AS (
    SELECT id FROM outbox WHERE relay_at <= now() AND relays >= $2 LIMIT $1 FOR UPDATE SKIP LOCKED
)
UPDATE outbox o
   SET status = 'dead', finished_at = now(), relay_at = NULL,
       last_error = COALESCE(o.last_error, 'nothing was heard of it after it was put on the queue')
 WHERE o.id = ANY (ARRAY(SELECT id FROM lost))
RETURNING o.id, o.destination, o.effect ->> 'kind' AS kind, o.last_error
