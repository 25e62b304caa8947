-- Begins a run. No row when the job runs already (a run that is past its time does not count: it is closed as stuck), or when
-- there was a run of this id.
--
-- $1 id  $2 job  $3 actor  $4 the longest time it may take, in seconds  $5 and $6 the ping, null when there is none
WITH stuck AS (
    UPDATE job_runs
       SET outcome = 'stuck', finished_at = now(), error = 'it began, and never said how it ended'
     WHERE job = $2 AND finished_at IS NULL AND stuck_at < now()
    RETURNING id, job, error
),
counted AS (
    SELECT record_error('crash', job, error, error, NULL, NULL, NULL, id::text) AS fingerprint FROM stuck
),
started AS (
    INSERT INTO job_runs (id, job, actor, stuck_at)
    SELECT $1, $2, $3, now() + make_interval(secs => $4)
      -- Closes them first.
      FROM (SELECT count(fingerprint) FROM counted) AS closed
    ON CONFLICT DO NOTHING
    RETURNING id
),
pinged AS (
    INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id)
    SELECT $5, $5::uuid::text, $6, 'ping', id::text FROM started WHERE $6::jsonb IS NOT NULL
)
SELECT id FROM started
