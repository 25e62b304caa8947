-- What may go, in batches, and never earlier than the floors in here, whatever is asked for. The functions' role still deletes
-- nothing by itself.

-- The beginning of what is too young to go. Refuses an age below the floor.
CREATE FUNCTION retention_limit(what text, days integer, floor_days integer) RETURNS timestamptz
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF days IS NULL OR days < floor_days THEN
        RAISE EXCEPTION '% are kept for at least % days', what, floor_days USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN now() - make_interval(hours => 24 * days);
END
$$;

-- How many rows one statement may change. What goes with a row counts too; a row that alone has more goes alone.
CREATE FUNCTION retention_batch(most integer) RETURNS integer
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    IF most IS NULL OR most NOT BETWEEN 1 AND 10000 THEN
        RAISE EXCEPTION 'a batch has 1 to 10000 rows' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN most;
END
$$;

-- The functions below take one batch each. They look at `most` rows after (after_at, after_id), oldest first, change those that
-- may go and that nobody holds, and say where they ended: the next batch goes on there. `seen` is 0 at the end.
--
-- The settings keep every plan a walk along an index, whatever the statistics say.

-- The payloads of what was completed, or resolved by a person, so many days ago, and has no effect that is not delivered.
CREATE FUNCTION clear_payloads(days integer, most integer, after_at timestamptz, after_id uuid,
                               OUT changed bigint, OUT seen bigint, OUT last_at timestamptz, OUT last_id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    before timestamptz := retention_limit('payloads', days, 7);
    batch integer := retention_batch(most);
BEGIN
    WITH walked AS MATERIALIZED (
        SELECT id, COALESCE(resolved_at, finished_at) AS at
          FROM executions
         WHERE payload IS NOT NULL AND (status = 'completed' OR resolved_at IS NOT NULL)
           AND COALESCE(resolved_at, finished_at) < before
           AND (COALESCE(resolved_at, finished_at), id) > (after_at, after_id)
         ORDER BY COALESCE(resolved_at, finished_at), id
         LIMIT batch
    ),
    held AS MATERIALIZED (
        SELECT id
          FROM executions e
         WHERE id = ANY (ARRAY(SELECT id FROM walked))
           AND payload IS NOT NULL AND (status = 'completed' OR resolved_at IS NOT NULL)
           AND COALESCE(resolved_at, finished_at) < before AND received_at < before
           AND NOT EXISTS (SELECT FROM outbox o WHERE o.execution_id = e.id AND o.status <> 'delivered')
           FOR NO KEY UPDATE SKIP LOCKED
    ),
    cleared AS (
        UPDATE executions SET payload = NULL WHERE id = ANY (ARRAY(SELECT id FROM held)) RETURNING id
    )
    SELECT (SELECT count(*) FROM cleared), (SELECT count(*) FROM walked),
           (SELECT at FROM walked ORDER BY at DESC, id DESC LIMIT 1), (SELECT id FROM walked ORDER BY at DESC, id DESC LIMIT 1)
      INTO changed, seen, last_at, last_id;
END
$$;

-- Executions with their keys and attempts. Never what fails, runs, waits for a person, or has an effect that is not delivered.
-- It walks along executions_received, so that no index more is needed; what may not go yet is passed by.
CREATE FUNCTION remove_executions(days integer, most integer, after_at timestamptz, after_id uuid,
                                  OUT changed bigint, OUT seen bigint, OUT last_at timestamptz, OUT last_id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    before timestamptz := retention_limit('keys', days, 30);
    batch integer := retention_batch(most);
BEGIN
    WITH walked AS MATERIALIZED (
        SELECT id, at, sum(1 + (SELECT count(*) FROM attempts d WHERE d.execution_id = w.id)) OVER (ORDER BY at, id) AS weight,
               row_number() OVER (ORDER BY at, id) AS place
          FROM (SELECT e.id, e.received_at AS at
                  FROM executions e
                 WHERE e.received_at < before AND (e.received_at, e.id) > (after_at, after_id)
                 ORDER BY e.received_at, e.id
                 LIMIT batch) AS w
    ),
    -- With what goes with them, no more than `most`.
    within AS MATERIALIZED (
        SELECT id, at FROM walked WHERE weight <= batch OR place = 1
    ),
    held AS MATERIALIZED (
        SELECT id
          FROM executions e
         WHERE id = ANY (ARRAY(SELECT id FROM within))
           AND (status = 'completed' OR resolved_at IS NOT NULL)
           AND COALESCE(resolved_at, finished_at) < before AND received_at < before
           AND NOT EXISTS (SELECT FROM outbox o WHERE o.execution_id = e.id AND o.status <> 'delivered')
           FOR UPDATE SKIP LOCKED
    ),
    removed AS (
        DELETE FROM executions WHERE id = ANY (ARRAY(SELECT id FROM held)) RETURNING id
    )
    SELECT (SELECT count(*) FROM removed), (SELECT count(*) FROM within),
           (SELECT at FROM within ORDER BY at DESC, id DESC LIMIT 1), (SELECT id FROM within ORDER BY at DESC, id DESC LIMIT 1)
      INTO changed, seen, last_at, last_id;
END
$$;

-- Delivered effects, and pings that were not. One with a key of the handler's own (`send_once`) is remembered for `key_days`, and for
-- as long as its execution may be replayed: the key is what keeps it from being sent twice. Another execution may have found the
-- key as well, as late as its event's key lives, and may be replayed for as long as its payload lives: `key_days` is both together.
CREATE FUNCTION remove_effects(days integer, key_days integer, most integer, after_at timestamptz, after_id uuid,
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
                 WHERE (o.status = 'delivered' OR (o.status = 'dead' AND o.effect ->> 'kind' = 'ping'))
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
           AND (status = 'delivered' OR (status = 'dead' AND effect ->> 'kind' = 'ping'))
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

-- Resolved alerts.
CREATE FUNCTION remove_alerts(days integer, most integer, after_at timestamptz, after_id uuid,
                              OUT changed bigint, OUT seen bigint, OUT last_at timestamptz, OUT last_id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    before timestamptz := retention_limit('resolved alerts', days, 30);
    batch integer := retention_batch(most);
BEGIN
    WITH walked AS MATERIALIZED (
        SELECT id, at, sum(1 + (SELECT count(*) FROM alert_deliveries d WHERE d.alert_id = w.id)) OVER (ORDER BY at, id) AS weight,
               row_number() OVER (ORDER BY at, id) AS place
          FROM (SELECT a.id, a.resolved_at AS at
                  FROM alerts a
                 WHERE a.resolved_at IS NOT NULL AND a.resolved_at < before AND (a.resolved_at, a.id) > (after_at, after_id)
                 ORDER BY a.resolved_at, a.id
                 LIMIT batch) AS w
    ),
    -- With what goes with them, no more than `most`.
    within AS MATERIALIZED (
        SELECT id, at FROM walked WHERE weight <= batch OR place = 1
    ),
    held AS MATERIALIZED (
        SELECT id FROM alerts
         WHERE id = ANY (ARRAY(SELECT id FROM within)) AND resolved_at < before AND raised_at < before
           FOR UPDATE SKIP LOCKED
    ),
    removed AS (
        DELETE FROM alerts WHERE id = ANY (ARRAY(SELECT id FROM held)) RETURNING id
    )
    SELECT (SELECT count(*) FROM removed), (SELECT count(*) FROM within),
           (SELECT at FROM within ORDER BY at DESC, id DESC LIMIT 1), (SELECT id FROM within ORDER BY at DESC, id DESC LIMIT 1)
      INTO changed, seen, last_at, last_id;
END
$$;

-- Silences that ended.
CREATE FUNCTION remove_silences(days integer, most integer, after_at timestamptz, after_id uuid,
                                OUT changed bigint, OUT seen bigint, OUT last_at timestamptz, OUT last_id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    before timestamptz := retention_limit('ended silences', days, 30);
    batch integer := retention_batch(most);
BEGIN
    WITH walked AS MATERIALIZED (
        SELECT id, until AS at
          FROM alert_silences
         WHERE until < before AND created_at < before AND (until, id) > (after_at, after_id)
         ORDER BY until, id
         LIMIT batch
           FOR UPDATE SKIP LOCKED
    ),
    removed AS (
        DELETE FROM alert_silences WHERE id = ANY (ARRAY(SELECT id FROM walked)) RETURNING id
    )
    SELECT (SELECT count(*) FROM removed), (SELECT count(*) FROM walked),
           (SELECT at FROM walked ORDER BY at DESC, id DESC LIMIT 1), (SELECT id FROM walked ORDER BY at DESC, id DESC LIMIT 1)
      INTO changed, seen, last_at, last_id;
END
$$;

-- Runs of jobs that ended. Each job's latest run and its latest success stay, whatever their age.
CREATE FUNCTION remove_job_runs(days integer, tick_days integer, most integer, after_at timestamptz, after_id uuid,
                                OUT changed bigint, OUT seen bigint, OUT last_at timestamptz, OUT last_id uuid)
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp SET plan_cache_mode = force_custom_plan
SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off AS $$
DECLARE
    before timestamptz := retention_limit('runs of jobs', days, 30);
    ticks_before timestamptz := retention_limit('ticks', tick_days, 1);
    batch integer := retention_batch(most);
BEGIN
    WITH walked AS MATERIALIZED (
        SELECT id, started_at AS at
          FROM job_runs
         WHERE started_at < greatest(before, ticks_before) AND (started_at, id) > (after_at, after_id)
         ORDER BY started_at, id
         LIMIT batch
    ),
    held AS MATERIALIZED (
        SELECT id
          FROM job_runs r
         WHERE id = ANY (ARRAY(SELECT id FROM walked))
           AND finished_at < CASE job WHEN 'tick' THEN ticks_before ELSE before END
           AND EXISTS (SELECT FROM job_runs n WHERE n.job = r.job AND (n.started_at, n.id) > (r.started_at, r.id))
           AND (outcome <> 'succeeded'
                OR EXISTS (SELECT FROM job_runs n WHERE n.job = r.job AND n.outcome = 'succeeded'
                                                    AND (n.started_at, n.id) > (r.started_at, r.id)))
           FOR UPDATE SKIP LOCKED
    ),
    removed AS (
        DELETE FROM job_runs WHERE id = ANY (ARRAY(SELECT id FROM held)) RETURNING id
    )
    SELECT (SELECT count(*) FROM removed), (SELECT count(*) FROM walked),
           (SELECT at FROM walked ORDER BY at DESC, id DESC LIMIT 1), (SELECT id FROM walked ORDER BY at DESC, id DESC LIMIT 1)
      INTO changed, seen, last_at, last_id;
END
$$;

REVOKE ALL ON FUNCTION retention_limit(text, integer, integer), retention_batch(integer),
                       clear_payloads(integer, integer, timestamptz, uuid),
                       remove_executions(integer, integer, timestamptz, uuid),
                       remove_effects(integer, integer, integer, timestamptz, uuid),
                       remove_alerts(integer, integer, timestamptz, uuid),
                       remove_silences(integer, integer, timestamptz, uuid),
                       remove_job_runs(integer, integer, integer, timestamptz, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION clear_payloads(integer, integer, timestamptz, uuid),
                          remove_executions(integer, integer, timestamptz, uuid),
                          remove_effects(integer, integer, integer, timestamptz, uuid),
                          remove_alerts(integer, integer, timestamptz, uuid),
                          remove_silences(integer, integer, timestamptz, uuid),
                          remove_job_runs(integer, integer, integer, timestamptz, uuid) TO solo_app;
