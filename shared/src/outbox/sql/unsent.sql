-- The alerts that a message carried which will not arrive: said to nobody, they wait again, unless another channel still
-- has them or has delivered them. Not at once: the channel is broken, and this would go round and round.
--
-- $1 the message
UPDATE alerts a
   SET pending_since = now() + interval '15 minutes'
  FROM alert_deliveries d
 WHERE d.outbox_id = $1 AND a.id = d.alert_id AND a.pending_since IS NULL
   AND NOT EXISTS (SELECT FROM alert_deliveries other JOIN outbox o ON o.id = other.outbox_id
                    WHERE other.alert_id = a.id AND other.resolution = d.resolution AND o.id <> d.outbox_id
                      AND o.status <> 'dead' AND o.created_at > now() - interval '1 day')
