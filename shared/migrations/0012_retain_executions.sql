-- Retention (functions/cleanup, docs/decisions/0013-cleanup.md), in five migrations: each is a transaction, and takes a lock that a
-- handler or a flush of alerts waits for on one table only. Two tables in one transaction could deadlock with theirs.

-- Null: cleared, after its retention. Only of what nothing is left to be done with, so a replay of it is impossible.
-- Not read through here: migration 0013 does that under a lock that stops nobody.
ALTER TABLE executions
    ALTER COLUMN payload DROP NOT NULL,
    ADD CONSTRAINT executions_payload_check
        CHECK (payload IS NOT NULL OR status = 'completed' OR resolved_at IS NOT NULL) NOT VALID;

-- By default, a fifth of a table is dead before it is vacuumed. Cleanup leaves a ninetieth a day.
ALTER TABLE executions SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,
                            toast.autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_threshold = 1000);

-- What has a payload that is to be cleared one day, by the time when it was settled. Nobody reads or writes the table meanwhile.
CREATE INDEX executions_payloads ON executions (COALESCE(resolved_at, finished_at), id)
    WHERE payload IS NOT NULL AND (status = 'completed' OR resolved_at IS NOT NULL);

-- What an event is, and when it came, does not change. So nobody can make a row old to have it removed.
REVOKE UPDATE ON executions FROM solo_app;
GRANT UPDATE (status, attempt, fence, handler, generation, started_at, lease_until, next_attempt_at, finished_at, resolved_at,
              last_error) ON executions TO solo_app;
