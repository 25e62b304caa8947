-- Remembers which jobs there are, and returns what is wrong or has changed: `stuck` (a run that will never end), `late` (a job
-- without a success for too long; once an hour), and `over`, an alert of a job that is on time, or not there, any more. Nothing, as a
-- rule.
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
-- A tick that looks at its own record finds what it was out for, and is back: an alarm outside of the database watches it.
late AS (
    SELECT j.name, greatest(j.last_success_at, j.watched_since) AS since,
           j.last_success_at IS NULL OR j.last_success_at < j.watched_since AS never
      FROM jobs j JOIN wanted w USING (name)
     WHERE j.name <> 'tick' AND greatest(j.last_success_at, j.watched_since) + w.period + w.grace < now()
),
said AS (
    SELECT key, split_part(key, ':', 1) AS condition, substr(key, strpos(key, ':') + 1) AS job, raised_at, last_raised_at
      FROM alerts
     WHERE resolved_at IS NULL AND key ~ '^job_(failed|late|stuck):'
)
SELECT 'stuck' AS state, id AS run, job AS subject, started_at AS since, false AS never
  FROM job_runs
 WHERE finished_at IS NULL AND stuck_at < now()
UNION ALL
SELECT 'late', NULL, l.name, l.since, l.never
  FROM late l
 WHERE NOT EXISTS (SELECT FROM said s
                    WHERE s.condition = 'job_late' AND s.job = l.name AND s.last_raised_at > now() - interval '1 hour')
UNION ALL
SELECT 'over', NULL, s.key, s.raised_at, false
  FROM said s
 WHERE NOT EXISTS (SELECT FROM wanted w WHERE w.name = s.job)
    OR (s.condition = 'job_late' AND NOT EXISTS (SELECT FROM late l WHERE l.name = s.job))
