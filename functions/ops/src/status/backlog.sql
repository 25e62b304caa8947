-- What is not done: being handled, waiting for a retry, dead and unresolved. $1: so many of each are counted, in the order of the
-- indexes executions_unfinished and, of dead ones, executions_dead, which has none that were resolved. `overdue`: what a worker should have taken five minutes ago, a lease that ran out or a retry that is due.
SELECT p.count AS processing, p.oldest AS processing_oldest,
       f.count AS failed, f.oldest AS failed_oldest, f.next AS next_attempt_at,
       d.count AS dead, d.oldest AS dead_oldest,
       p.overdue + f.overdue AS overdue
  FROM (SELECT count(*), min(received_at) AS oldest,
               count(*) FILTER (WHERE lease_until < now() - interval '5 minutes') AS overdue
          FROM (SELECT received_at, lease_until FROM executions WHERE status = 'processing'
                 ORDER BY COALESCE(next_attempt_at, lease_until, finished_at) LIMIT $1) AS taken) AS p,
       (SELECT count(*), min(received_at) AS oldest, min(next_attempt_at) AS next,
               count(*) FILTER (WHERE next_attempt_at < now() - interval '5 minutes') AS overdue
          FROM (SELECT received_at, next_attempt_at FROM executions WHERE status = 'failed'
                 ORDER BY COALESCE(next_attempt_at, lease_until, finished_at) LIMIT $1) AS taken) AS f,
       (SELECT count(*), min(finished_at) AS oldest
          FROM (SELECT finished_at FROM executions WHERE status = 'dead' AND resolved_at IS NULL
                 ORDER BY finished_at LIMIT $1) AS taken) AS d
