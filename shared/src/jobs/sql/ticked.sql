-- A tick that went well, after the fact: it is too short to be followed. One that did nothing leaves no row.
--
-- $1 id  $2 job  $3 how many seconds it took  $4 what it did; null for nothing
WITH run AS (
    INSERT INTO job_runs (id, job, started_at, stuck_at, finished_at, outcome, result)
    SELECT $1, $2, now() - make_interval(secs => $3), now() + interval '1 minute', now(), 'succeeded', $4
     WHERE $4::jsonb IS NOT NULL
)
UPDATE jobs SET last_success_at = now() WHERE name = $2
