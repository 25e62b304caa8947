-- A year of this project, in small: executions in every state, their attempts, what else there is a table for.
INSERT INTO executions (id, source, idempotency_key, event_type, schema_version, handler, status, attempt, fence, payload,
                        fingerprint, correlation_id, occurred_at, received_at, lease_until, next_attempt_at, finished_at, last_error)
SELECT gen_random_uuid(), (ARRAY['stripe', 'github', 'events'])[1 + i % 3], 'evt_' || i, 'invoice.paid', 1, 'record_payment',
       s.status, 1 + i % 3, i,
       jsonb_build_object('id', i, 'name', 'žluťoučký kůň ' || i, 'amount', i * 1.5, 'nested', jsonb_build_array(i, NULL, true)),
       sha256(convert_to(i::text, 'UTF8')), 'corr-' || i, now() - i * interval '5 minutes', now() - i * interval '5 minutes',
       CASE s.status WHEN 'processing' THEN now() END, CASE s.status WHEN 'failed' THEN now() END,
       CASE WHEN s.status IN ('completed', 'dead') THEN now() END, CASE WHEN s.status IN ('failed', 'dead') THEN E'why\n\t\\' END
  FROM generate_series(1, 100000) AS i,
       LATERAL (SELECT CASE WHEN i % 100 < 96 THEN 'completed' ELSE (ARRAY['processing', 'failed', 'dead', 'completed'])[1 + i % 4] END) AS s (status);
INSERT INTO attempts (execution_id, fence, attempt, started_at, finished_at, outcome, error)
SELECT id, fence, 1, received_at, received_at + interval '20 ms', 'completed', NULL FROM executions WHERE status = 'completed';
INSERT INTO job_runs (id, job, stuck_at, finished_at, outcome, result)
SELECT gen_random_uuid(), 'backup', now() + interval '1 hour', now(), 'succeeded', '{"rows": 1}' FROM generate_series(1, 400);
