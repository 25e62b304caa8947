-- Takes due rows for the queue. They are not due again for a minute: the time to put them there and say so.
-- A row that was put there too often without a word of it is given up, with an alert.
--
-- $1 how many  $2 most relays
WITH due AS (
    SELECT id FROM outbox WHERE relay_at <= now() ORDER BY relay_at LIMIT $1 FOR UPDATE SKIP LOCKED
),
taken AS (
    UPDATE outbox o
       SET relay_at = CASE WHEN o.relays < $2 THEN now() + interval '1 minute' END,
           status = CASE WHEN o.relays < $2 THEN o.status ELSE 'dead' END,
           finished_at = CASE WHEN o.relays < $2 THEN NULL ELSE now() END,
           last_error = CASE WHEN o.relays < $2 THEN o.last_error
                             ELSE COALESCE(o.last_error, 'nothing was heard of it after it was put on the queue') END
     WHERE o.id = ANY (ARRAY(SELECT id FROM due))
    RETURNING o.id, o.status, o.effect, o.idempotency_key, o.correlation_id, o.destination, o.last_error, o.created_at
)
SELECT id, status, effect, idempotency_key, correlation_id,
       CASE WHEN status = 'dead'
            THEN raise_alert('outbox_dead:' || destination, 'critical',
                             'an effect for ' || destination || ' was given up (' || id || '): ' || last_error) END
  FROM taken
 ORDER BY created_at, id
