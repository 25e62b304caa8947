-- A tick that went well, after the fact: it is too short to be followed. One that did nothing leaves no row. Of the ticks in five
-- minutes one sends a ping: the key is theirs together.
--
-- $1 id  $2 job  $3 how many seconds it took  $4 what it did; null for nothing  $5 and $6 the ping, null when there is none
WITH run AS (
    INSERT INTO job_runs (id, job, started_at, stuck_at, finished_at, outcome, result)
    SELECT $1, $2, now() - make_interval(secs => $3), now() + interval '1 minute', now(), 'succeeded', $4
     WHERE $4::jsonb IS NOT NULL
),
pinged AS (
    INSERT INTO outbox (id, idempotency_key, effect, destination, correlation_id)
    SELECT $5, concat('ping:', $2::text, ':', floor(extract(epoch FROM now()) / 300)), $6, 'ping', $5::uuid::text
     WHERE $6::jsonb IS NOT NULL
        ON CONFLICT (idempotency_key) DO NOTHING
)
UPDATE jobs SET last_success_at = now() WHERE name = $2
