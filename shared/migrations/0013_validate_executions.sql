-- The part of migration 0012 that reads the whole table. Events are handled meanwhile: these locks stop nothing but a VACUUM.

ALTER TABLE executions VALIDATE CONSTRAINT executions_payload_check;

-- As for executions.
ALTER TABLE attempts SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000);
