-- Open alerts: how many of each severity, silenced ones apart, and the few ($2) that matter most. $1: so many are counted (index
-- alerts_open). A pattern fits as in shared/src/alerts/sql/pending.sql.
WITH open AS MATERIALIZED (
    SELECT a.id, a.key, a.severity, a.message, a.occurrences, a.raised_at, a.last_raised_at, a.resolved_at, a.pending_since, a.sent_at,
           (SELECT max(s.until) FROM alert_silences s
             WHERE s.until > now()
               AND a.key LIKE replace(replace(replace(replace(s.pattern, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'))
           AS silenced_until
      FROM alerts a
     WHERE a.resolved_at IS NULL
     LIMIT $1
)
SELECT open.*,
       count(*) FILTER (WHERE severity = 'critical' AND silenced_until IS NULL) OVER () AS critical,
       count(*) FILTER (WHERE severity = 'warning' AND silenced_until IS NULL) OVER () AS warning,
       count(*) FILTER (WHERE severity = 'info' AND silenced_until IS NULL) OVER () AS info,
       count(*) FILTER (WHERE silenced_until IS NOT NULL) OVER () AS silenced
  FROM open
 ORDER BY silenced_until IS NOT NULL, array_position('{critical,warning,info}'::text[], severity), raised_at DESC, id DESC
 LIMIT $2
