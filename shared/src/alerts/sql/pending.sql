-- Alerts with news that no silence covers, the worst first, then the oldest. 50 fit well into one message; the others
-- follow with the next. So does what someone is changing right now.
SELECT a.id, a.key, a.severity, a.message, a.occurrences, a.raised_at, a.last_raised_at, a.pending_since,
       a.resolved_at IS NOT NULL AS resolved
  FROM alerts a
 WHERE a.pending_since <= now()
   AND NOT EXISTS (
       SELECT FROM alert_silences s
        WHERE s.until > now()
          AND a.key LIKE replace(replace(replace(replace(s.pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'))
 ORDER BY array_position('{critical,warning,info}'::text[], a.severity), a.pending_since, a.id
 LIMIT 50
   FOR UPDATE OF a SKIP LOCKED
