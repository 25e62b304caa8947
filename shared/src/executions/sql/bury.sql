-- An execution whose last allowed attempt was killed, or that must not be rerun after a crash, goes to the dead letters.
-- No row comes back when someone else changed it first.
--
-- $1 id  $2 fence  $3 error  $4 most attempts  $5 may it be rerun after a crash
WITH buried AS (
    UPDATE executions
       SET status = 'dead', lease_until = NULL, finished_at = now(), fence = fence + 1, last_error = $3
     WHERE id = $1 AND fence = $2 AND status = 'processing' AND lease_until <= now()
       AND started_at IS NOT NULL AND (attempt >= $4 OR NOT $5)
    RETURNING id, generation, attempt, started_at, source, event_type, handler, correlation_id
),
logged AS (
    INSERT INTO attempts (execution_id, fence, generation, attempt, started_at, finished_at, outcome, error)
    SELECT id, $2, generation, attempt, started_at, now(), 'crashed', $3 FROM buried
)
SELECT id, raise_alert('dead_letter:' || source || ':' || event_type, 'critical',
                       event_type || ' from ' || source || ' went to the dead letters as ' || id || ': ' || $3),
       record_error('crash', COALESCE(handler, source || ' ' || event_type), 'its lease ran out: it was killed or hung', $3, source,
                    event_type, id, correlation_id)
  FROM buried
