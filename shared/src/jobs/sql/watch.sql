-- Remembers which jobs there are, and returns what is wrong or has changed: `stuck` (a run that will never end), `late` (a job
-- without a success for too long), and `on_time` where an alert still says that it is late. Nothing, as a rule.
--
-- $1 jobs  $2 their periods and  $3 their graces, in seconds
WITH wanted AS (
    SELECT name, make_interval(secs => period) AS period, make_interval(secs => grace) AS grace
      FROM unnest($1::text[], $2::float8[], $3::float8[]) AS w (name, period, grace)
),
known AS (
    INSERT INTO jobs AS j (name, period, grace, last_success_at)
    SELECT w.name, w.period, w.grace,
           (SELECT max(r.finished_at) FROM job_runs r WHERE r.job = w.name AND r.outcome = 'succeeded')
      FROM wanted w LEFT JOIN jobs k USING (name)
     WHERE k.name IS NULL OR (k.period, k.grace) IS DISTINCT FROM (w.period, w.grace)
        ON CONFLICT (name) DO UPDATE SET period = excluded.period, grace = excluded.grace
),
late AS (
    SELECT j.name, COALESCE(j.last_success_at, j.watched_since) AS since, j.last_success_at IS NULL AS never
      FROM jobs j JOIN wanted w USING (name)
     WHERE COALESCE(j.last_success_at, j.watched_since) + w.period + w.grace < now()
)
SELECT 'stuck' AS state, id AS run, job, started_at AS since, false AS never
  FROM job_runs
 WHERE finished_at IS NULL AND stuck_at < now()
UNION ALL
SELECT 'late', NULL, name, since, never FROM late
UNION ALL
SELECT 'on_time', NULL, substr(a.key, 10), a.raised_at, false
  FROM alerts a
 WHERE a.resolved_at IS NULL AND a.key LIKE 'job\_late:%'
   AND NOT EXISTS (SELECT FROM late l WHERE l.name = substr(a.key, 10))
