-- The dead letters that nobody has resolved, for /metrics (functions/health) and `solo dead list`. executions_unfinished has those
-- that were resolved as well, for 90 days, and a count would walk past them all. No event on its way touches this index.
-- Nobody writes the table while it is made, which reads it once.

CREATE INDEX executions_dead ON executions (finished_at) WHERE status = 'dead' AND resolved_at IS NULL;
