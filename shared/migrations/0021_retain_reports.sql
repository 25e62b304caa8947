-- Retention of what was for the error tracker and could not be delivered: it goes as a ping does. The error itself is on record, for 90 days
-- after it was last seen; a tracker that is out for good would leave a hundred dead effects a day, for ever.
-- Nobody writes the outbox while its index is made, which reads it once. The index that it replaces goes by itself (0022): for that nobody may
-- even read, and whoever waits for one lock with another in hand is waited for.

CREATE INDEX outbox_kept ON outbox (finished_at, id)
    WHERE status = 'delivered' OR (status = 'dead' AND effect ->> 'kind' IN ('ping', 'error'));

-- Delivered effects, and pings and reports that were not. One with a key of the handler's own (`send_once`) is remembered for `key_days`, and for
-- as long as its execution may be replayed: the key is what keeps it from being sent twice. Another execution may have found the
-- key as well, as late as its event's key lives, and may be replayed for as long as its payload lives: `key_days` is both together.
CREATE OR REPLACE FUNCTION remove_effects(days integer, key_days integer, most integer, after_at timestamptz, after_id uuid,
                               OUT changed bigint, OUT seen bigint, OUT last_at timestamptz, OUT last_id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    before timestamptz := retention_limit('delivered effects', days, 7);
    keyed_before timestamptz := least(before, retention_limit('keys of effects', key_days, 37));
    batch integer := retention_batch(most);
BEGIN
    WITH walked AS MATERIALIZED (
        SELECT id, at, sum(1 + (SELECT count(*) FROM alert_deliveries d WHERE d.outbox_id = w.id)) OVER (ORDER BY at, id) AS weight,
               row_number() OVER (ORDER BY at, id) AS place
          FROM (SELECT o.id, o.finished_at AS at
                  FROM outbox o
                 WHERE (o.status = 'delivered' OR (o.status = 'dead' AND o.effect ->> 'kind' IN ('ping', 'error')))
                   AND o.finished_at < before AND (o.finished_at, o.id) > (after_at, after_id)
                 ORDER BY o.finished_at, o.id
                 LIMIT batch) AS w
    ),
    -- With what goes with them, no more than `most`.
    within AS MATERIALIZED (
        SELECT id, at FROM walked WHERE weight <= batch OR place = 1
    ),
    held AS MATERIALIZED (
        SELECT id
          FROM outbox o
         WHERE id = ANY (ARRAY(SELECT id FROM within))
           AND (status = 'delivered' OR (status = 'dead' AND effect ->> 'kind' IN ('ping', 'error')))
           AND finished_at < before AND created_at < before
           -- The platform's own pings have keys for as long as they wait.
           AND (idempotency_key = id::text OR (execution_id IS NULL AND effect ->> 'kind' = 'ping')
                OR (finished_at < keyed_before AND created_at < keyed_before
                    AND NOT EXISTS (SELECT FROM executions e WHERE e.id = o.execution_id AND e.payload IS NOT NULL)))
           FOR UPDATE SKIP LOCKED
    ),
    removed AS (
        DELETE FROM outbox WHERE id = ANY (ARRAY(SELECT id FROM held)) RETURNING id
    )
    SELECT (SELECT count(*) FROM removed), (SELECT count(*) FROM within),
           (SELECT at FROM within ORDER BY at DESC, id DESC LIMIT 1), (SELECT id FROM within ORDER BY at DESC, id DESC LIMIT 1)
      INTO changed, seen, last_at, last_id;
END
$$;
