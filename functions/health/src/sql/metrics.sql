-- What /metrics tells, all of it in one round trip and of one snapshot: rows of (family, label, value). A value that there is none of is
-- null.
--
-- The database may hold millions of completed executions, and nobody waits for a count of them here: each part below walks along a
-- partial index of what is unfinished, in its order, and ends after 10,001 rows. tests/it/metrics.rs looks at the plan.
--
-- $1 the names of the jobs
WITH failed AS MATERIALIZED (
    -- Those that are due come first.
    SELECT received_at, COALESCE(next_attempt_at, lease_until, finished_at) <= now() AS due
      FROM executions
     WHERE status = 'failed'
     ORDER BY COALESCE(next_attempt_at, lease_until, finished_at)
     LIMIT 10001
),
processing AS MATERIALIZED (
    -- Those whose lease has run out come first.
    SELECT received_at, started_at IS NULL AS waits, COALESCE(next_attempt_at, lease_until, finished_at) <= now() AS expired
      FROM executions
     WHERE status = 'processing'
     ORDER BY COALESCE(next_attempt_at, lease_until, finished_at)
     LIMIT 10001
),
dead AS MATERIALIZED (
    SELECT finished_at FROM executions WHERE status = 'dead' AND resolved_at IS NULL ORDER BY finished_at LIMIT 10001
),
pending_effects AS MATERIALIZED (
    SELECT created_at FROM outbox WHERE relay_at IS NOT NULL AND status = 'pending' ORDER BY relay_at LIMIT 10001
),
sent_effects AS MATERIALIZED (
    SELECT created_at FROM outbox WHERE status = 'sent' LIMIT 10001
),
failed_effects AS MATERIALIZED (
    SELECT created_at FROM outbox WHERE status = 'failed' LIMIT 10001
),
-- Pings and reports to the error tracker that were lost wait for nobody.
dead_effects AS MATERIALIZED (
    SELECT finished_at FROM outbox WHERE status = 'dead' AND COALESCE(effect ->> 'kind', '') NOT IN ('ping', 'error')
     ORDER BY finished_at LIMIT 10001
),
counted (family, label, count, oldest) AS (
    SELECT 'executions', 'failed', count(*), min(received_at) FROM failed
    UNION ALL SELECT 'executions', 'processing', count(*), min(received_at) FROM processing
    UNION ALL SELECT 'executions', 'dead', count(*), min(finished_at) FROM dead
    UNION ALL SELECT 'outbox', 'pending', count(*), min(created_at) FROM pending_effects
    UNION ALL SELECT 'outbox', 'sent', count(*), min(created_at) FROM sent_effects
    UNION ALL SELECT 'outbox', 'failed', count(*), min(created_at) FROM failed_effects
    UNION ALL SELECT 'outbox', 'dead', count(*), min(finished_at) FROM dead_effects
),
open_alerts AS MATERIALIZED (
    SELECT severity FROM alerts WHERE resolved_at IS NULL ORDER BY key LIMIT 10001
),
pending_alerts AS MATERIALIZED (
    SELECT severity FROM alerts WHERE pending_since IS NOT NULL ORDER BY pending_since LIMIT 10001
),
-- As `solo jobs` has it. Of ticks, only those that did something are kept.
job AS MATERIALIZED (
    SELECT w.name, j.last_success_at,
           COALESCE(greatest(j.last_success_at, j.watched_since) + j.period + j.grace < now(), false) AS late,
           COALESCE(r.outcome = 'failed', false) AS failed,
           COALESCE(r.outcome = 'stuck' OR (r.finished_at IS NULL AND r.stuck_at < now()), false) AS stuck
      FROM unnest($1::text[]) AS w (name)
      LEFT JOIN jobs j USING (name)
      LEFT JOIN LATERAL (SELECT outcome, finished_at, stuck_at FROM job_runs r
                          WHERE r.job = w.name ORDER BY r.started_at DESC, r.id DESC LIMIT 1) r ON true
),
backup AS MATERIALIZED (
    SELECT started_at, finished_at, result
      FROM job_runs
     WHERE job = 'backup' AND outcome = 'succeeded'
     ORDER BY started_at DESC, id DESC
     LIMIT 1
)
SELECT family, label, count::float8 AS value FROM counted
UNION ALL
SELECT family || '_oldest_seconds', label, COALESCE(greatest(extract(epoch FROM now() - oldest), 0), 0)::float8 FROM counted
UNION ALL
SELECT 'executions_due', NULL,
       ((SELECT count(*) FROM failed WHERE due) + (SELECT count(*) FROM processing WHERE waits))::float8
UNION ALL
SELECT 'executions_expired', NULL, (SELECT count(*) FROM processing WHERE expired)::float8
UNION ALL
SELECT 'alerts_open', s, (SELECT count(*) FROM open_alerts WHERE severity = s)::float8
  FROM unnest('{info,warning,critical}'::text[]) s
UNION ALL
SELECT 'alerts_pending', s, (SELECT count(*) FROM pending_alerts WHERE severity = s)::float8
  FROM unnest('{info,warning,critical}'::text[]) s
UNION ALL
SELECT 'job_last_success_timestamp_seconds', name, extract(epoch FROM last_success_at)::float8 FROM job
UNION ALL
SELECT 'job_late', name, late::int::float8 FROM job
UNION ALL
SELECT 'job_failed', name, failed::int::float8 FROM job
UNION ALL
SELECT 'job_stuck', name, stuck::int::float8 FROM job
UNION ALL
SELECT 'backup_last_timestamp_seconds', NULL, extract(epoch FROM finished_at)::float8 FROM backup
UNION ALL
SELECT 'backup_last_bytes', NULL,
       CASE WHEN jsonb_typeof(result -> 'bytes') = 'number' THEN (result ->> 'bytes')::float8 END FROM backup
UNION ALL
SELECT 'backup_last_verified', NULL,
       (EXISTS (SELECT FROM job_runs d WHERE d.job = 'drill' AND d.outcome = 'succeeded' AND d.started_at > b.started_at
                                         AND d.result ->> 'backup' = b.result ->> 'backup'))::int::float8
  FROM backup b
UNION ALL
SELECT 'schema_version', NULL, max(version)::float8 FROM schema_migrations
