-- The last statement of the handler's transaction. It and COMMIT travel together in one round trip, so it must itself
-- stop the commit when the execution is no longer this runner's: no row to count makes it divide by zero (SQLSTATE
-- 22012), the transaction is aborted, and the COMMIT behind it rolls back.
--
-- $1 id  $2 fence
WITH finished AS (
    UPDATE executions
       SET status = 'completed', lease_until = NULL, finished_at = clock_timestamp(), last_error = NULL
     WHERE id = $1 AND fence = $2 AND status = 'processing'
    RETURNING id, fence, generation, attempt, started_at, finished_at
),
logged AS (
    INSERT INTO attempts (execution_id, fence, generation, attempt, started_at, finished_at, outcome)
    SELECT id, fence, generation, attempt, started_at, finished_at, 'completed' FROM finished
)
SELECT 1 / count(*) FROM finished
