-- Retention of the outbox. What was delivered goes, and a ping that was not: nobody wants it later.

CREATE INDEX outbox_settled ON outbox (finished_at, id)
    WHERE status = 'delivered' OR (status = 'dead' AND effect ->> 'kind' = 'ping');

-- What an effect is, and when it came, does not change.
REVOKE UPDATE ON outbox FROM solo_app;
GRANT UPDATE (status, relay_at, relays, attempts, finished_at, response_status, response_body, last_error)
    ON outbox TO solo_app;
