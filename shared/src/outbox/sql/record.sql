-- A report of courier's. What is delivered stays so, whatever comes late. No row comes back when nothing was changed.
-- The alerts that a delivered message carried count as sent.
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
)
SELECT id, destination, kind, last_error FROM recorded
