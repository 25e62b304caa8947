-- One of a batch begins: its attempt counts from here. Sent together with BEGIN, in one round trip. No row comes back
-- when the lease was lost.
--
-- The commit need not reach the disk, unless the handler must not be rerun (see claim.sql).
--
-- $1 id  $2 fence  $3 may it be rerun after a crash  $4 handler; empty to keep it, null when the
-- event asks for nothing
WITH relaxed AS MATERIALIZED (
    SELECT set_config('synchronous_commit', CASE WHEN $3 THEN 'off' ELSE 'on' END, true)
)
UPDATE executions
   SET attempt = attempt + 1, started_at = clock_timestamp(),
       handler = CASE WHEN $4::text = '' THEN handler ELSE $4 END
  FROM relaxed
 WHERE id = $1 AND fence = $2 AND status = 'processing' AND started_at IS NULL
RETURNING attempt
