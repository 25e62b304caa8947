-- Takes an event for this runner, or tells what became of it. One round trip either way.
--
-- $1 id  $2 source  $3 key  $4 type  $5 version  $6 handler  $7 payload  $8 fingerprint  $9 correlation id
-- $10 occurred at  $11 lease, ms  $12 most attempts  $13 may it be rerun after a crash
--
-- The INSERT is the judge: the unique (source, idempotency_key) lets one runner win. The SELECT before it keeps a
-- duplicate of a settled event read-only: no row lock, no WAL, nothing to wait for. No row at all comes back when
-- another runner won between the two; the caller asks again.
--
-- The commit of this statement need not reach the disk: no 2xx leaves before a commit that does, and WAL keeps the
-- order. Losing it in a crash of the server is as if the event had not come; its sender repeats it. A handler that must
-- not be rerun acts outside of the database, so its claim does wait.
--
-- Only the data that came first is ever run: a takeover by a delivery of the same key with other data, or as another
-- type (which not every sender signs), is refused.
WITH relaxed AS MATERIALIZED (
    SELECT set_config('synchronous_commit', CASE WHEN $13 THEN 'off' ELSE 'on' END, true)
),
existing AS MATERIALIZED (
    SELECT e.*,
           e.fingerprint = $8 AND e.event_type = $4
           AND ((e.status = 'failed' AND e.next_attempt_at <= now())
                OR (e.status = 'processing' AND e.lease_until <= now()
                    AND (e.started_at IS NULL OR ($13 AND e.attempt < $12)))) AS claimable
      FROM executions e
     WHERE e.source = $2 AND e.idempotency_key = $3
),
claimed AS (
    INSERT INTO executions AS e
           (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence, payload,
            fingerprint, correlation_id, occurred_at, lease_until)
    SELECT $1, $2, $3, $4, $5, $6, 'processing', 1, 1, $7, $8, $9, $10, now() + $11 * interval '1 millisecond'
      FROM relaxed
     WHERE NOT EXISTS (SELECT FROM existing WHERE NOT claimable)
        ON CONFLICT (source, idempotency_key) DO UPDATE
       SET status = 'processing', attempt = e.attempt + 1, fence = e.fence + 1, handler = excluded.handler,
           started_at = now(), lease_until = excluded.lease_until, next_attempt_at = NULL
     WHERE e.fingerprint = excluded.fingerprint AND e.event_type = excluded.event_type
       AND ((e.status = 'failed' AND e.next_attempt_at <= now())
            OR (e.status = 'processing' AND e.lease_until <= now()
                AND (e.started_at IS NULL OR ($13 AND e.attempt < $12))))
    RETURNING e.id, e.fence, e.attempt
),
-- The attempt whose lease ran out without a word goes on record, if it had begun, and is counted among the errors. What that returns is
-- nothing to keep; a WITH of its own would be work for every claim.
crashed AS (
    INSERT INTO attempts (execution_id, fence, generation, attempt, started_at, finished_at, outcome, error)
    SELECT x.id, x.fence, x.generation, x.attempt, x.started_at, now(), 'crashed',
           'the lease ran out: the runner was killed or hung'
           || left(COALESCE(record_error('crash', COALESCE(x.handler, x.source || ' ' || x.event_type),
                                         'its lease ran out: it was killed or hung', 'the lease ran out: the runner was killed or hung',
                                         x.source, x.event_type, x.id, x.correlation_id), ''), 0)
      FROM claimed JOIN existing x USING (id)
     WHERE x.status = 'processing' AND x.started_at IS NOT NULL AND x.fence = claimed.fence - 1
)
SELECT true AS owned, id, fence, attempt, NULL AS status, NULL::timestamptz AS next_attempt_at, NULL AS last_error,
       false AS expired, false AS unhandled, NULL::bytea AS fingerprint,
       COALESCE((SELECT x.status = 'processing' AND x.started_at IS NOT NULL AND x.fence = claimed.fence - 1 FROM existing x),
                false) AS after_crash
  FROM claimed
 UNION ALL
SELECT false, id, fence, attempt, status, next_attempt_at, last_error,
       status = 'processing' AND lease_until <= now(), handler IS NULL, fingerprint, false
  FROM existing
 WHERE NOT claimable AND NOT EXISTS (SELECT FROM claimed)
