-- Begins a run. No row when the job runs already (a run that is past its time does not count: it is closed as stuck), or when
-- there was a run of this id.
--
-- $1 id  $2 job  $3 actor  $4 the longest time it may take, in seconds
WITH stuck AS (
    UPDATE job_runs
       SET outcome = 'stuck', finished_at = now(), error = 'it began, and never said how it ended'
     WHERE job = $2 AND finished_at IS NULL AND stuck_at < now()
    RETURNING id
)
INSERT INTO job_runs (id, job, actor, stuck_at)
SELECT $1, $2, $3, now() + make_interval(secs => $4)
  -- Closes them first.
  FROM (SELECT count(*) FROM stuck) AS closed
ON CONFLICT DO NOTHING
