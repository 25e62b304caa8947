-- Stores an event that no attempt is made for: one without a handler (completed), or one that is authentic but not
-- what its type promises (dead, with an alert, which does not quote the data). A duplicate changes nothing and is told what is there.
--
-- $1 id  $2 source  $3 key  $4 type  $5 version  $6 payload  $7 fingerprint  $8 correlation id  $9 occurred at
-- $10 status  $11 error  $12 its title and $13 its words for the table of errors, which quote no data either
WITH settled AS (
    INSERT INTO executions
           (id, source, idempotency_key, event_type, schema_version, status, attempt, fence, payload, fingerprint,
            correlation_id, occurred_at, finished_at, last_error)
    VALUES ($1, $2, $3, $4, $5, $10, 0, 0, $6, $7, $8, $9, now(), $11)
        ON CONFLICT (source, idempotency_key) DO NOTHING
    RETURNING id, fence, attempt, status, source, event_type, correlation_id
)
SELECT true AS owned, id, fence, attempt, NULL AS status, NULL::timestamptz AS next_attempt_at, NULL AS last_error,
       false AS expired, false AS unhandled, NULL::bytea AS fingerprint,
       CASE WHEN status = 'dead'
            THEN raise_alert('dead_letter:' || source || ':' || event_type, 'critical',
                             event_type || ' from ' || source || ' went to the dead letters as ' || id
                             || ': its data does not fit its type; the execution says where') END AS alert,
       CASE WHEN status = 'dead'
            THEN record_error('invalid_data', source || ' ' || event_type, $12, $13, source, event_type, id, correlation_id) END,
       false AS after_crash
  FROM settled
 UNION ALL
SELECT false, id, fence, attempt, status, next_attempt_at, last_error,
       status = 'processing' AND lease_until <= now(), handler IS NULL, fingerprint,
       NULL::uuid, NULL::text, false
  FROM executions
 WHERE source = $2 AND idempotency_key = $3 AND NOT EXISTS (SELECT FROM settled)
