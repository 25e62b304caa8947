-- Ends a run, and remembers a success. No row when it was given up as stuck. A ping that says that it began, and is not on the queue
-- yet, counts as delivered: after that of the end it would be wrong.
--
-- $1 id  $2 job  $3 what it did; null when it failed  $4 why it failed  $5 and $6 the ping, null when there is none
-- $7 its title for the table of errors
WITH finished AS (
    UPDATE job_runs
       SET finished_at = now(),
           outcome = CASE WHEN $4::text IS NULL THEN 'succeeded' ELSE 'failed' END,
           result = $3,
           error = left($4, 4000)
     WHERE id = $1 AND finished_at IS NULL
    RETURNING id, outcome
),
remembered AS (
    UPDATE jobs SET last_success_at = now() FROM finished f WHERE name = $2 AND f.outcome = 'succeeded'
),
dropped AS (
    UPDATE outbox o
       SET status = 'delivered', finished_at = now(), relay_at = NULL
      FROM finished f
     WHERE o.relay_at IS NOT NULL AND o.execution_id IS NULL AND o.status = 'pending' AND o.destination = 'ping'
       AND o.correlation_id = f.id::text AND o.effect ->> 'path' LIKE '%/start'
),
pinged AS (
    INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id)
    SELECT $5, $5::uuid::text, $6, 'ping', id::text FROM finished WHERE $6::jsonb IS NOT NULL
)
SELECT outcome,
       CASE WHEN outcome = 'failed' THEN record_error('job', $2, $7, $4, NULL, NULL, NULL, id::text) END
  FROM finished
