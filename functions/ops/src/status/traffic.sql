-- What came and what was completed, the newest $1 of a day. The first by executions_received. The second by executions_payloads:
-- what was completed within a day still has its payload, which stays for a week at least.
SELECT r.day AS received_day, r.hour AS received_hour, c.day AS completed_day, c.hour AS completed_hour
  FROM (SELECT count(*) AS day, count(*) FILTER (WHERE received_at > now() - interval '1 hour') AS hour
          FROM (SELECT received_at FROM executions WHERE received_at > now() - interval '24 hours'
                 ORDER BY received_at DESC, id DESC LIMIT $1) AS taken) AS r,
       (SELECT count(*) AS day, count(*) FILTER (WHERE finished_at > now() - interval '1 hour') AS hour
          FROM (SELECT finished_at FROM executions
                 WHERE payload IS NOT NULL AND (status = 'completed' OR resolved_at IS NOT NULL)
                   AND COALESCE(resolved_at, finished_at) > now() - interval '24 hours' AND status = 'completed'
                 ORDER BY COALESCE(resolved_at, finished_at) DESC, id DESC LIMIT $1) AS taken) AS c
