-- Remembers which jobs there are, closes the runs that will never end, and returns what is wrong: `stuck` (once for each such
-- run), `late` (as long as it is), and `on_time` where an alert still says that it is late.
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
stuck AS (
    UPDATE job_runs
       SET outcome = 'stuck', finished_at = now(), error = 'it began, and never said how it ended'
     WHERE finished_at IS NULL AND stuck_at < now()
    RETURNING job, started_at
),
late AS (
    SELECT j.name, COALESCE(j.last_success_at, j.watched_since) AS since, j.last_success_at IS NULL AS never
      FROM jobs j JOIN wanted w USING (name)
     WHERE COALESCE(j.last_success_at, j.watched_since) + w.period + w.grace < now()
)
SELECT 'stuck' AS state, job, started_at AS since, false AS never FROM stuck
UNION ALL
SELECT 'late', name, since, never FROM late
UNION ALL
SELECT 'on_time', substr(a.key, 10), a.raised_at, false
  FROM alerts a
 WHERE a.resolved_at IS NULL AND a.key LIKE 'job\_late:%'
   AND NOT EXISTS (SELECT FROM late l WHERE l.name = substr(a.key, 10))
