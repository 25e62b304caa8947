-- A failed attempt: due again later, or dead, with an alert. No row comes back when the execution is no longer this runner's.
--
-- $1 id  $2 fence  $3 permanent  $4 most attempts  $5 wait, ms  $6 error  $7 its kind, $8 its title, $9 its words for others:
-- the table of errors and the alert, which goes to channels. They quote no data.
WITH failed AS (
    UPDATE executions
       SET status = CASE WHEN $3 OR attempt >= $4 THEN 'dead' ELSE 'failed' END,
           lease_until = NULL,
           next_attempt_at = CASE WHEN $3 OR attempt >= $4 THEN NULL
                                  ELSE clock_timestamp() + $5 * interval '1 millisecond' END,
           finished_at = CASE WHEN $3 OR attempt >= $4 THEN clock_timestamp() END,
           last_error = $6
     WHERE id = $1 AND fence = $2 AND status = 'processing'
    RETURNING id, fence, generation, attempt, started_at, status, next_attempt_at, source, event_type, handler, correlation_id
),
logged AS (
    INSERT INTO attempts (execution_id, fence, generation, attempt, started_at, finished_at, outcome, error)
    SELECT id, fence, generation, attempt, started_at, clock_timestamp(), status, $6 FROM failed
)
SELECT status, next_attempt_at,
       CASE WHEN status = 'dead'
            THEN raise_alert('dead_letter:' || source || ':' || event_type, 'critical',
                             event_type || ' from ' || source || ' went to the dead letters as ' || id || ': ' || $9) END,
       record_error($7, CASE WHEN $7 <> 'invalid_data' THEN COALESCE(handler, source || ' ' || event_type)
                             -- As at the door, where no handler has it yet.
                             ELSE source || ' ' || event_type END, $8, $9, source, event_type, id, correlation_id)
  FROM failed
