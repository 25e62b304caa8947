-- Executions whose lease ran out: their runner was killed, or hung. An attempt that had begun counts as crashed, is put on
-- record, and is followed by another one after its wait, or by the dead letters. One of a batch that had not begun is due
-- again at once. The fence moves on, so that a runner that was only slow changes nothing any more.
--
-- $1 how many  $2 most attempts  $3 handlers that must not be rerun after a crash  $4 base delay, ms
WITH expired AS (
    SELECT id, attempt, started_at, started_at IS NOT NULL AND (attempt >= $2 OR handler = ANY($3)) AS dies
      FROM executions
     WHERE status = 'processing' AND COALESCE(next_attempt_at, lease_until, finished_at) <= now()
     ORDER BY COALESCE(next_attempt_at, lease_until, finished_at)
     LIMIT $1
       FOR UPDATE SKIP LOCKED
),
swept AS (
    UPDATE executions e
       SET status = CASE WHEN x.dies THEN 'dead' ELSE 'failed' END,
           fence = e.fence + 1,
           lease_until = NULL,
           finished_at = CASE WHEN x.dies THEN now() END,
           next_attempt_at = CASE
               WHEN x.dies THEN NULL
               WHEN x.started_at IS NULL THEN now()
               ELSE now() + $4 * power(2, x.attempt - 1) * (0.8 + 0.4 * random()) * interval '1 millisecond' END,
           last_error = CASE
               WHEN x.started_at IS NULL THEN COALESCE(e.last_error, 'its runner stopped before it began')
               ELSE 'attempt ' || x.attempt || ' was killed or hung: its lease ran out' END
      FROM expired x
     WHERE e.id = x.id
    RETURNING e.id, e.fence, e.generation, e.attempt, e.started_at, e.status, e.source, e.event_type, e.last_error,
              e.handler, e.correlation_id
),
logged AS (
    INSERT INTO attempts (execution_id, fence, generation, attempt, started_at, finished_at, outcome, error)
    SELECT id, fence - 1, generation, attempt, started_at, now(), 'crashed', last_error
      FROM swept
     WHERE started_at IS NOT NULL
),
alerted AS MATERIALIZED (
    SELECT id, status, last_error, source, event_type, started_at IS NOT NULL AS begun,
           CASE WHEN status = 'dead'
                THEN raise_alert('dead_letter:' || source || ':' || event_type, 'critical',
                                 event_type || ' from ' || source || ' went to the dead letters as ' || id || ': ' || last_error)
           END AS alert
      -- In one order: two sweeps that raise the same alerts must not wait for each other.
      FROM (SELECT * FROM swept ORDER BY source, event_type, id) swept
),
-- Once for each handler, in one order too, and after all alerts: everyone raises an alert first, and counts the error then.
counted AS MATERIALIZED (
    SELECT record_error('crash', culprit, 'its lease ran out: it was killed or hung', last_error, source, event_type, id, correlation_id,
                        times) AS fingerprint
      FROM (SELECT DISTINCT ON (culprit) culprit, last_error, source, event_type, id, correlation_id,
                   count(*) OVER (PARTITION BY culprit) AS times
              FROM (SELECT *, COALESCE(handler, source || ' ' || event_type) AS culprit FROM swept WHERE started_at IS NOT NULL) AS crashed
             WHERE (SELECT count(*) FROM alerted) >= 0
             ORDER BY culprit, id DESC) AS crashes
)
SELECT id, status, last_error, source, event_type, begun, (SELECT count(fingerprint) FROM counted)
  FROM alerted
