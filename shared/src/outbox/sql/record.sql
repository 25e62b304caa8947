-- A report of courier's. What is delivered stays so, whatever comes late. No row comes back when nothing was changed.
--
-- $1 id  $2 status  $3 attempt  $4 response status  $5 response body  $6 error  $7 when courier tries again
WITH recorded AS (
    UPDATE outbox
       SET status = $2,
           attempts = greatest(attempts, $3),
           response_status = $4,
           response_body = $5,
           last_error = $6,
           finished_at = CASE WHEN $2 IN ('delivered', 'dead') THEN now() END,
           -- An hour after that, the message is taken for lost.
           relay_at = CASE WHEN $2 = 'failed' THEN greatest($7, now()) + interval '1 hour' END
     WHERE id = $1
       AND (status IN ('pending', 'sent', 'failed') OR (status = 'dead' AND $2 = 'delivered'))
    RETURNING id, status, destination, effect ->> 'kind' AS kind, last_error
),
sent AS (
    UPDATE alerts a
       SET sent_at = CASE WHEN d.resolution THEN a.sent_at ELSE now() END,
           resolution_sent_at = CASE WHEN d.resolution THEN now() ELSE a.resolution_sent_at END
      FROM alert_deliveries d, recorded r
     WHERE d.outbox_id = r.id AND a.id = d.alert_id AND r.status = 'delivered'
),
-- Said to nobody: it waits again, unless another channel still has it or has delivered it.
unsent AS (
    UPDATE alerts a
       SET pending_since = now()
      FROM alert_deliveries d, recorded r
     WHERE d.outbox_id = r.id AND a.id = d.alert_id AND r.status = 'dead' AND a.pending_since IS NULL
       AND NOT EXISTS (SELECT FROM alert_deliveries other JOIN outbox o ON o.id = other.outbox_id
                        WHERE other.alert_id = a.id AND other.resolution = d.resolution AND o.id <> r.id
                          AND o.status <> 'dead' AND o.created_at > now() - interval '1 day')
)
SELECT id,
       CASE WHEN status = 'dead' AND kind = 'http'
            THEN raise_alert('outbox_dead:' || destination, 'critical',
                             'an effect for ' || destination || ' could not be delivered (' || id || '): ' || last_error)
            WHEN status = 'dead'
            THEN raise_alert('channel_dead:' || destination, 'warning',
                             'a message for ' || destination || ' could not be delivered (' || id || '): ' || last_error)
       END
  FROM recorded
